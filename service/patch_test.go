package service_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/service"
)

// patcher patches one label for each of its values.
type patcher map[string]string

func (p patcher) Patch(_ context.Context, in *plimsoll.Input) (*plimsoll.Container, []plimsoll.Patch, error) {
	object := in.Object.Clone()
	if object.Labels == nil {
		object.Labels = map[string]string{}
	}
	var patches []plimsoll.Patch
	for i := range len(p) {
		key := fmt.Sprintf("p%02d", i)
		object.Labels[key] = p[key]
		patches = append(patches, plimsoll.Patch{
			Field: "labels." + key, Value: []byte(p[key]), Source: plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "defaults", File: "d.rego", Line: i + 1},
		})
	}
	return object, patches, nil
}

// Both judges see what was patched, in every protocol, and headers name the patches as
// far as there is room, without what they say.
func TestPatchHeaders(t *testing.T) {
	for name, test := range map[string]struct {
		patches int
		last    string
	}{
		"one":                  {1, "labels.p00 by defaults d.rego:1"},
		"as many as there may": {16, "labels.p15 by defaults d.rego:16"},
		"more":                 {40, "and 25 more patches"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{})
			p := patcher{}
			for i := range test.patches {
				p[fmt.Sprintf("p%02d", i)] = "s3cret"
			}
			judge := judgeFunc(func(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
				if in.Object.Labels["p00"] != "s3cret" {
					t.Errorf("judged without the patch: %v", in.Object.Labels)
				}
				return plimsoll.Verdict{}, nil
			})
			f.SetRuleset(&service.Ruleset{Digest: "sha256:test", Patches: p, Policies: judge, Validators: judge})
			for protocol, c := range clientsOf(t, f.serve(t)) {
				id := strings.NewReplacer("/", "-", " ", "-").Replace(protocol)
				_, header, err := c.create(t.Context(), nil, container(id))
				if err != nil {
					t.Fatal(err)
				}
				all := header.Values("plimsoll-patch")
				if len(all) != min(test.patches, 16) || all[len(all)-1] != test.last || strings.Contains(strings.Join(all, ""), "s3cret") {
					t.Errorf("%s: headers %q", protocol, all)
				}
				if d, _ := f.lastDecision(t); len(d.Patches) != test.patches {
					t.Errorf("%s: %d patches in the decision", protocol, len(d.Patches))
				}
			}
			if strings.Contains(f.log.String(), "s3cret") {
				t.Errorf("the log has a value:\n%s", &f.log)
			}
		})
	}
}

// What rules make of a container must be valid; that it is not is the rule's fault.
func TestPatchedIsInvalid(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	f.SetRuleset(&service.Ruleset{Digest: "sha256:test", Patches: patcher{"p00": strings.Repeat("s3cret", 1000)}, Policies: admit, Validators: admit})
	check := f.unchanged(t)
	for _, header := range []http.Header{nil, {"plimsoll-dry-run": {"true"}}} {
		_, _, err := c.create(t.Context(), header, container("web"))
		e := failed(t, err, connect.CodeInternal)
		if info := detail[*errdetails.ErrorInfo](t, e); info.GetReason() != "POLICY_FAULT" || info.GetMetadata()["policy"] != "defaults" {
			t.Errorf("told %v", info)
		}
	}
	check()
	if log := f.log.String(); !strings.Contains(log, "patched, the container is not valid: container.labels") || strings.Contains(log, "s3crets3cret") {
		t.Errorf("log:\n%s", log)
	}
}

// Each attempt patches anew: a conflict leaves no patches behind.
func TestPatchesOfTheLastAttempt(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
		t.Fatal(err)
	}
	attempts := 0
	f.SetRuleset(&service.Ruleset{Digest: "sha256:test", Patches: patcher{"p00": "x"}, Validators: admit, Policies: judgeFunc(
		func(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
			if attempts++; attempts == 1 { // somebody else is faster
				f.SetRuleset(rules(admit, admit))
				if _, _, err := c.update(ctx, nil, container("web", "other", "1"), "labels.other"); err != nil {
					t.Error(err)
				}
			}
			return plimsoll.Verdict{}, nil
		})})
	got, header, err := c.update(t.Context(), nil, container("web"), "image")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"other": "1", "p00": "x"}, got.GetLabels()); diff != "" || attempts != 2 {
		t.Errorf("after %d attempts, labels (-want +got):\n%s", attempts, diff)
	}
	if all := header.Values("plimsoll-patch"); len(all) != 1 {
		t.Errorf("headers %q", all)
	}
}
