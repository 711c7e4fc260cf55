package service_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/internal/masking"
	"github.com/plimsoll-project/plimsoll/service"
)

// masker is a judge that hides what edits says of decisions.
type masker struct {
	judgeFunc
	edits func(ctx context.Context, event []byte) ([]masking.Edit, error)
	calls *atomic.Int64
}

func (m masker) Masks() bool { return true }

func (m masker) Mask(ctx context.Context, event []byte) ([]masking.Edit, error) {
	m.calls.Add(1)
	return m.edits(ctx, event)
}

// hiding is a ruleset that denies what has the label policy, tells the label team in what it
// says, and hides what edits says.
func hiding(calls *atomic.Int64, edits func(context.Context, []byte) ([]masking.Edit, error)) *service.Ruleset {
	telling := judgeFunc(func(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
		var v plimsoll.Verdict
		said := policyViolation(0)
		said.Message, said.Fix = "team "+in.Object.Labels["team"]+" is bad", "not "+in.Object.Labels["team"]
		if labelCount(in, "policy") > 0 {
			v.Violations = append(v.Violations, said)
		}
		if labelCount(in, "warn") > 0 {
			v.Warnings = append(v.Warnings, said)
		}
		return v, nil
	})
	return rules(masker{telling, edits, calls}, admit)
}

func edits(pointers ...string) func(context.Context, []byte) ([]masking.Edit, error) {
	return func(context.Context, []byte) ([]masking.Edit, error) {
		said := make([]any, len(pointers))
		for i, p := range pointers {
			said[i] = p
		}
		return masking.ReadEdits(said)
	}
}

// record returns what is stored of the only decision with an outcome.
func (f *fixture) record(t *testing.T, outcome plimsollv1.Outcome) *storagev1.Decision {
	t.Helper()
	f.flushed(t)
	head, err := f.LogHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var found *storagev1.Decision
	for logged, err := range f.FollowDecisions(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if d := logged.Record; d.GetDecision().GetOutcome() == outcome {
			found = d
		}
		if logged.Sequence == head {
			break
		}
	}
	if found == nil {
		t.Fatalf("no decision is %s", outcome)
	}
	return found
}

const hiddenTeam = "Zanzibar"

// What policies hide is in no record: not in the document, not as the value of a field, and
// quoted in no text.
func TestMasks(t *testing.T) {
	denied := []string{"team", hiddenTeam, "policy", "1", "warn", "1"}
	for name, test := range map[string]struct {
		edits         func(context.Context, []byte) ([]masking.Edit, error)
		erased        string
		want, wantNot string // in the record
	}{
		"a label":           {edits("/input/object/labels/team"), "/input/object/labels/team", "team *** is bad", hiddenTeam},
		"all labels":        {edits("/input/object/labels"), "/input/object/labels", "not ***", hiddenTeam},
		"the document":      {edits("/input"), "/input", "team *** is bad", hiddenTeam},
		"what is not there": {edits("/input/object/labels/none", "/input/none/x"), "", hiddenTeam, "***"},
		"nothing":           {edits(), "", hiddenTeam, "***"},
		"a message":         {edits("/input/object/labels/team", "/result/violations/0/message"), "/input/object/labels/team /result/violations/0/message", "labels.required", hiddenTeam},
		"the result":        {edits("/input/object/labels/team", "/result"), "/input/object/labels/team /result", "", "labels.required"},
		"another value": {func(context.Context, []byte) ([]masking.Edit, error) {
			return masking.ReadEdits([]any{map[string]any{"op": "upsert", "path": "/input/object/labels/team", "value": "Z…"}})
		}, "/input/object/labels/team", `"team":"Z…"`, hiddenTeam},
		"an error": {func(context.Context, []byte) ([]masking.Edit, error) { return nil, errors.New("broken") }, "", "broken", hiddenTeam},
		"no result": {func(context.Context, []byte) ([]masking.Edit, error) {
			return masking.ReadEdits([]any{map[string]any{"op": "upsert", "path": "/result/violations", "value": hiddenTeam}})
		}, "", "the mask made of the result what is none", hiddenTeam},
		"too long": {func(ctx context.Context, _ []byte) ([]masking.Edit, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, "", "the mask took too long", hiddenTeam},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{})
			f.SetRuleset(hiding(new(atomic.Int64), test.edits))
			c := f.decisionClients(t)
			_, _, err := c.create(t.Context(), nil, container("web", denied...))
			if codeOf(err) != connect.CodePermissionDenied || !strings.Contains(err.Error(), hiddenTeam) {
				t.Fatal("the caller is told all of it:", err)
			}
			made, _ := f.lastDecision(t)
			// While it is queued, and once it is stored.
			for _, record := range []proto.Message{c.get(t, made.ID), f.record(t, plimsollv1.Outcome_OUTCOME_DENIED)} {
				text := protoText(record)
				if !strings.Contains(text, test.want) && !isQueued(record) || strings.Contains(text, test.wantNot) {
					t.Errorf("the record is %s", text)
				}
			}
			d := c.get(t, made.ID)
			if got := strings.Join(append(d.GetErased(), d.GetMasked()...), " "); got != test.erased {
				t.Errorf("%s was hidden", got)
			}
			if d.GetReason() != service.ReasonPolicyDenied || d.GetContainerId() != "web" {
				t.Errorf("what is left is %v", d)
			}
			if (d.GetMaskError() != "") != strings.Contains("an error no result too long", name) || d.GetMaskError() != "" && d.GetInputRecorded() {
				t.Errorf("mask error %q, input recorded: %v", d.GetMaskError(), d.GetInputRecorded())
			}
		})
	}
}

// isQueued reports whether a record is without its document.
func isQueued(m proto.Message) bool {
	_, ok := m.(*plimsollv1.Decision)
	return ok
}

func protoText(m proto.Message) string {
	if record, ok := m.(*storagev1.Decision); ok {
		return record.GetDecision().String() + string(record.GetInput())
	}
	return m.(*plimsollv1.Decision).String() //nolint:forcetypeassert // there are no others
}

// What is hidden of the new state is hidden of the one before, and in what is recorded of
// admitted changes, too.
func TestMasksOfUpdates(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	calls := new(atomic.Int64)
	f.SetRuleset(hiding(calls, edits("/input/object/labels/team")))
	c := f.decisionClients(t)
	if _, _, err := c.create(t.Context(), nil, container("web", "team", hiddenTeam, "policy", "0")); err != nil {
		t.Fatal(err)
	}
	if calls.Load() != 0 {
		t.Error("a mask was asked that has nothing to hide")
	}
	if _, _, err := c.update(t.Context(), nil, container("web", "team", hiddenTeam, "warn", "1"), "labels"); err != nil {
		t.Fatal(err)
	}
	if text := protoText(f.record(t, plimsollv1.Outcome_OUTCOME_ADMITTED)); strings.Contains(text, hiddenTeam) || !strings.Contains(text, "team *** is bad") {
		t.Errorf("the record of the update is %s", text)
	}
	if _, _, err := c.update(t.Context(), nil, container("web", "team", "other", "policy", "1"), "labels"); codeOf(err) != connect.CodePermissionDenied {
		t.Fatal(err)
	}
	record := f.record(t, plimsollv1.Outcome_OUTCOME_DENIED)
	if text := protoText(record); strings.Contains(text, hiddenTeam) || strings.Contains(text, "other") {
		t.Errorf("the record of the denial is %s", text)
	}
	if got := strings.Join(record.GetDecision().GetErased(), " "); got != "/input/object/labels/team /input/old_object/labels/team" {
		t.Errorf("%s was erased", got)
	}
}

// Callers do not wait for masks of what changed nothing.
func TestNobodyWaitsForMasks(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	asked, release := make(chan struct{}), make(chan struct{})
	f.SetRuleset(hiding(new(atomic.Int64), func(context.Context, []byte) ([]masking.Edit, error) {
		close(asked)
		<-release
		return nil, nil
	}))
	c := f.decisionClients(t)
	if _, _, err := c.create(t.Context(), nil, container("web", "policy", "1")); codeOf(err) != connect.CodePermissionDenied {
		t.Fatal(err)
	}
	<-asked // by the recorder, after the answer
	close(release)
	f.record(t, plimsollv1.Outcome_OUTCOME_DENIED)
}

// Secrets are recorded if that is asked for, but for what policies hide.
func TestRecordSecrets(t *testing.T) {
	for _, secrets := range []bool{false, true} {
		f := newFixture(t, nil, service.Options{RecordSecrets: secrets})
		f.SetRuleset(hiding(new(atomic.Int64), edits("/input/object/labels/team")))
		c := f.decisionClients(t)
		_, _, _ = c.create(t.Context(), nil, container("web", "team", hiddenTeam, "api-key", "hunter2", "policy", "1"))
		text := protoText(f.record(t, plimsollv1.Outcome_OUTCOME_DENIED))
		if strings.Contains(text, "hunter2") != secrets || strings.Contains(text, hiddenTeam) {
			t.Errorf("with secrets %v: %s", secrets, text)
		}
	}
}

// Explanations show nothing that policies hide, neither of what was created and is stored nor
// of others.
func TestExplanationsAreMasked(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := f.decisionClients(t)
	set := hiding(new(atomic.Int64), edits("/input/object/labels/team", "/input/object/spec/process"))
	var document, other string
	explains := explainer{set.Policies, func(ctx context.Context, in *plimsoll.Input, doc []byte) (*plimsoll.Explanation, error) {
		document = string(doc)
		for o, err := range in.Others.Containers(ctx, plimsoll.Selection{Namespace: "default", WithPayloads: true}) {
			if err != nil {
				return nil, err
			}
			text, err := o.JSON(true)
			if err != nil {
				return nil, err
			}
			other = string(text)
		}
		return &plimsoll.Explanation{}, nil
	}}
	set.Policies = struct {
		explainer
		service.Masker
	}{explains, set.Policies.(masker)} //nolint:forcetypeassert // it is one
	f.SetRuleset(set)
	for _, id := range []string{"one", "two"} {
		if _, _, err := c.create(t.Context(), nil, container(id, "team", hiddenTeam)); err != nil {
			t.Fatal(err)
		}
	}
	made, _ := f.lastDecision(t)
	if _, err := c.ExplainDecision(t.Context(), &plimsollv1.ExplainDecisionRequest{Id: made.ID}); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"the document": document, "another container": other} {
		if text == "" || strings.Contains(text, hiddenTeam) || strings.Contains(text, `"args"`) || !strings.Contains(text, "ociVersion") {
			t.Errorf("%s is %s", what, text)
		}
	}
}
