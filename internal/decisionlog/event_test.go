package decisionlog

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

var update = flag.Bool("update", false, "write the expected events anew")

func rule(name string) *plimsollv1.Source {
	return &plimsollv1.Source{Kind: plimsollv1.Source_KIND_POLICY, Name: "labels", Rule: name, File: "labels.rego", Line: 3}
}

// decisions are some of all kinds.
func decisions() map[string]*plimsollv1.Decision {
	at := timestamppb.New(time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC))
	admitted := &plimsollv1.Decision{
		Id: "01JDF3Q8ZK4M2N6P8R0S2T4V6X", Time: at, Operation: plimsollv1.Operation_OPERATION_UPDATE, Namespace: "default", ContainerId: "web",
		User: &plimsollv1.User{Name: "uid:1000", Groups: []string{"gid:1000"}, Via: "unix"}, RequestId: "r1",
		Outcome: plimsollv1.Outcome_OUTCOME_ADMITTED, Ruleset: "sha256:aa", ObjectDigest: "sha256:bb",
		Verdict: &plimsollv1.Verdict{DecisionId: "01JDF3Q8ZK4M2N6P8R0S2T4V6X", Warnings: []*plimsollv1.Violation{{Message: "no owner", Source: rule("warn")}}},
		Patches: []*plimsollv1.Patch{{Field: "labels.tier", Value: `"web"`, Source: rule("patch")}}, Changed: []string{"labels.tier"},
		Timings: &plimsollv1.Timings{
			Policies: durationpb.New(2 * time.Millisecond), Validators: durationpb.New(time.Millisecond), Total: durationpb.New(4 * time.Millisecond), Patches: durationpb.New(1),
		},
		Attempts: 2, Revision: 7, StateRevision: 6, Sequence: 41, Link: "00ff",
	}
	denied := proto.CloneOf(admitted)
	denied.Operation, denied.Outcome, denied.DryRun = plimsollv1.Operation_OPERATION_CREATE, plimsollv1.Outcome_OUTCOME_DENIED, true
	denied.Code, denied.Reason, denied.Message = "PERMISSION_DENIED", "POLICY_DENIED", "denied: <b> & \u2028"
	denied.Verdict.Violations, denied.Verdict.ViolationCount = []*plimsollv1.Violation{{
		Message: "team is bad", Field: "labels.team", Code: "TEAM", Fix: "a good one", Value: `"***"`, Source: rule("deny"),
	}}, 3
	denied.Shadows = []*plimsollv1.Shadow{{Source: &plimsollv1.Source{Kind: plimsollv1.Source_KIND_VALIDATOR, Name: "runc-spec", Version: "1.0.0"}, Error: "out of fuel"}}
	denied.Changed, denied.Revision, denied.Sequence, denied.Link = nil, 0, 0, ""
	denied.Erased, denied.Masked, denied.InputRecorded = []string{"/input/object/labels/x"}, []string{"/input/object/labels/team"}, true
	failed := &plimsollv1.Decision{
		Id: "01JDF3Q8ZK4M2N6P8R0S2T4V6Y", Time: at, Operation: plimsollv1.Operation_OPERATION_DELETE, Namespace: "default", ContainerId: "web",
		User: &plimsollv1.User{Via: "anonymous"}, Outcome: plimsollv1.Outcome_OUTCOME_FAILED, Code: "NOT_FOUND", Reason: "NOT_FOUND", Message: "no such container",
		Sequence: 42, Link: "01", MaskError: "the mask took too long",
	}
	return map[string]*plimsollv1.Decision{"admitted": admitted, "denied": denied, "failed": failed}
}

// Events have the shape that receivers of OPA's decision logs know, and the same bytes each
// time.
func TestEventOf(t *testing.T) {
	for name, d := range decisions() {
		t.Run(name, func(t *testing.T) {
			var input []byte
			if d.GetInputRecorded() {
				input = []byte(`{"operation": "CREATE", "object": {"labels": {"team": "***", "bad": "` + "\xff" + `"}}}`)
			}
			event, err := EventOf(d, input, LabelsOf("server-1", "1.2.3", map[string]string{"site": "here"}))
			if err != nil {
				t.Fatal(err)
			}
			line, err := event.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if bytes.ContainsRune(line, '\n') {
				t.Error("it is more than a line")
			}
			var got bytes.Buffer
			if err := json.Indent(&got, line, "", "  "); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(golden, append(got.Bytes(), '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()+"\n"); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The result of a decision that nobody has changed makes the same decision again.
func TestSetResult(t *testing.T) {
	for name, d := range decisions() {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(ResultOf(d))
			if err != nil {
				t.Fatal(err)
			}
			var result Result
			if err := json.Unmarshal(text, &result); err != nil {
				t.Fatal(err)
			}
			again := proto.CloneOf(d)
			if err := SetResult(again, result); err != nil {
				t.Fatal(err)
			}
			if d.GetVerdict() == nil {
				again.Verdict = nil
			}
			if diff := cmp.Diff(d, again, protocmp.Transform()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			result.Violations = []json.RawMessage{[]byte(`{"message": 1, "secret": "SECRET"}`)}
			if err := SetResult(again, result); err == nil || bytes.Contains([]byte(err.Error()), []byte("SECRET")) {
				t.Errorf("%v of what is no violation", err)
			}
		})
	}
}
