package service_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// decisions are clients of the services for containers and decisions.
type decisions struct {
	client
	plimsollv1connect.DecisionServiceClient
	containers plimsollv1connect.ContainerServiceClient
}

func (f *fixture) decisionClients(t *testing.T) decisions {
	t.Helper()
	srv := f.serve(t)
	return decisions{
		clientsOf(t, srv)["grpc"], plimsollv1connect.NewDecisionServiceClient(srv.Client(), srv.URL),
		plimsollv1connect.NewContainerServiceClient(srv.Client(), srv.URL),
	}
}

func (d decisions) get(t *testing.T, id string) *plimsollv1.Decision {
	t.Helper()
	res, err := d.GetDecision(t.Context(), &plimsollv1.GetDecisionRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetDecision()
}

func (d decisions) list(t *testing.T, req *plimsollv1.ListDecisionsRequest) []string {
	t.Helper()
	var ids []string
	for {
		res, err := d.ListDecisions(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, decision := range res.GetDecisions() {
			ids = append(ids, decision.GetContainerId())
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return ids
		}
	}
}

// codeOf is the code of an error of any client.
func codeOf(err error) connect.Code {
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	return connect.CodeOf(err)
}

// flushed makes sure that nothing is queued.
func (f *fixture) flushed(t *testing.T) {
	t.Helper()
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Whatever becomes of an attempt, its decision can be looked up: at once, and after it was
// written.
func TestDecisionsAreRecorded(t *testing.T) {
	for name, test := range map[string]struct {
		call  func(ctx context.Context, c client) error
		want  *plimsollv1.Decision
		found string // violations and warnings
	}{
		"admitted": {func(ctx context.Context, c client) error {
			_, _, err := c.create(ctx, http.Header{"plimsoll-request-id": {"r1"}}, container("new", "warn", "1", "team", "core"))
			return err
		}, &plimsollv1.Decision{
			Operation: plimsollv1.Operation_OPERATION_CREATE, ContainerId: "new", Outcome: plimsollv1.Outcome_OUTCOME_ADMITTED, Revision: 2, RequestId: "r1",
		}, `0 rule 0 says no "core";`},
		"denied": {func(ctx context.Context, c client) error {
			_, _, err := c.update(ctx, nil, container("web", "policy", "2", "validator", "1", "team", "core"), "labels")
			return err
		}, &plimsollv1.Decision{
			Operation: plimsollv1.Operation_OPERATION_UPDATE, ContainerId: "web", Outcome: plimsollv1.Outcome_OUTCOME_DENIED, StateRevision: 1,
			Code: "PERMISSION_DENIED", Reason: "POLICY_DENIED", Changed: []string{"labels.policy", "labels.team", "labels.validator"}, InputRecorded: true,
			Message: "denied: rule 0 says no [labels.required labels.rego:12] (and 2 more)",
		}, `3 rule 0 says no "core";rule 1 says no "core";mount 0 is not absolute ;`},
		"failed": {func(ctx context.Context, c client) error {
			_, _, err := c.create(ctx, nil, container("web"))
			return err
		}, &plimsollv1.Decision{
			Operation: plimsollv1.Operation_OPERATION_CREATE, ContainerId: "web", Outcome: plimsollv1.Outcome_OUTCOME_FAILED,
			Code: "ALREADY_EXISTS", Reason: "ALREADY_EXISTS", Message: `container "web" in namespace "default": already exists`,
		}, "0 "},
		"dry run": {func(ctx context.Context, c client) error {
			_, err := c.delete(ctx, http.Header{"plimsoll-dry-run": {"true"}}, "web")
			return err
		}, &plimsollv1.Decision{
			Operation: plimsollv1.Operation_OPERATION_DELETE, ContainerId: "web", Outcome: plimsollv1.Outcome_OUTCOME_DRY_RUN, DryRun: true, InputRecorded: true,
		}, "0 "},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{})
			c := f.decisionClients(t)
			if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
				t.Fatal(err)
			}
			_ = test.call(t.Context(), c.client)
			made, _ := f.lastDecision(t)
			before := c.get(t, strings.ToLower(made.ID))
			f.flushed(t)
			got := c.get(t, made.ID)
			if got.GetSequence() == 0 || len(got.GetLink()) != 64 {
				t.Errorf("decision is %v", got)
			}
			got.Sequence, got.Link, before.Sequence, before.Link = 0, "", 0, ""
			if diff := cmp.Diff(before, got, protocmp.Transform()); diff != "" {
				t.Errorf("it changed when it was written:\n%s", diff)
			}
			var found strings.Builder
			fmt.Fprintf(&found, "%d ", got.GetVerdict().GetViolationCount())
			for _, v := range append(got.GetVerdict().GetViolations(), got.GetVerdict().GetWarnings()...) {
				fmt.Fprintf(&found, "%s %s;", v.GetMessage(), v.GetValue())
			}
			if found.String() != test.found {
				t.Errorf("found was %q, want %q", &found, test.found)
			}
			judged := test.want.GetReason() != "ALREADY_EXISTS"
			if !strings.HasPrefix(got.GetObjectDigest(), "sha256:") == judged || !got.GetTime().AsTime().Equal(made.Time) || got.GetRuleset() != "sha256:labels" {
				t.Errorf("decision is %v", got)
			}
			test.want.Id, test.want.Namespace, test.want.Attempts, test.want.StateRevision = made.ID, "default", 1, 1
			test.want.User, test.want.Ruleset = &plimsollv1.User{Via: "anonymous"}, "sha256:labels"
			got.Verdict, got.Timings, got.Time, got.ObjectDigest = nil, nil, nil, ""
			if diff := cmp.Diff(test.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

// What is stored is what was judged: anybody can compute the digest again.
func TestObjectDigest(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := f.decisionClients(t)
	_, meta, err := c.create(t.Context(), nil, container("web", "team", "core", "tier", "1"))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := c.containers.GetContainer(t.Context(), &plimsollv1.GetContainerRequest{Id: "web"})
	if err != nil {
		t.Fatal(err)
	}
	plain := stored.GetContainer()
	plain.Revision = 0
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.get(t, meta.Get("plimsoll-decision")).GetObjectDigest(), fmt.Sprintf("sha256:%x", sha256.Sum256(data)); got != want {
		t.Errorf("digest is %s, want %s", got, want)
	}
}

func TestListDecisions(t *testing.T) {
	// IDs of one millisecond are in no order.
	start, calls := time.Now(), atomic.Int64{}
	f := newFixture(t, nil, service.Options{Now: func() time.Time { return start.Add(time.Duration(calls.Add(1)) * time.Millisecond) }})
	c := f.decisionClients(t)
	for i := range 6 {
		labels := []string{"team", "core"}
		if i%3 == 1 {
			labels = []string{"policy", "1"}
		}
		_, _, _ = c.create(t.Context(), nil, container(fmt.Sprintf("c%d", i), labels...))
		if i == 3 {
			f.flushed(t) // some are written, some queued
		}
	}
	if _, _, err := c.create(t.Context(), http.Header{"containerd-namespace": {"default2"}}, container("elsewhere")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		req  *plimsollv1.ListDecisionsRequest
		want string
	}{
		"all":          {&plimsollv1.ListDecisionsRequest{}, "c5 c4 c3 c2 c1 c0"},
		"in pages":     {&plimsollv1.ListDecisionsRequest{PageSize: 2}, "c5 c4 c3 c2 c1 c0"},
		"one by one":   {&plimsollv1.ListDecisionsRequest{PageSize: 1}, "c5 c4 c3 c2 c1 c0"},
		"by outcome":   {&plimsollv1.ListDecisionsRequest{Outcome: plimsollv1.Outcome_OUTCOME_DENIED, PageSize: 1}, "c4 c1"},
		"by container": {&plimsollv1.ListDecisionsRequest{ContainerId: "c2"}, "c2"},
		"by rule":      {&plimsollv1.ListDecisionsRequest{Source: "labels.required"}, "c4 c1"},
		"by user":      {&plimsollv1.ListDecisionsRequest{User: "nobody"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, strings.Join(c.list(t, test.req), " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for name, req := range map[string]*plimsollv1.ListDecisionsRequest{
		"page_size":  {PageSize: -1},
		"page_token": {PageToken: "x"},
		"outcome":    {Outcome: 99},
	} {
		if _, err := c.ListDecisions(t.Context(), req); codeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecisionsThatAreNotThere(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := f.decisionClients(t)
	_, meta, err := c.create(t.Context(), http.Header{"containerd-namespace": {"house"}}, container("web"))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]connect.Code{
		"": connect.CodeInvalidArgument, "x": connect.CodeInvalidArgument, "01JDF3Q8ZK4M2N6P8R0S2T4V6X": connect.CodeNotFound,
		meta.Get("plimsoll-decision"): connect.CodeNotFound, // it is of another namespace
	} {
		if _, err := c.GetDecision(t.Context(), &plimsollv1.GetDecisionRequest{Id: id}); codeOf(err) != want {
			t.Errorf("GetDecision(%q): %v", id, err)
		}
		if _, err := c.ExplainDecision(t.Context(), &plimsollv1.ExplainDecisionRequest{Id: id}); codeOf(err) != want {
			t.Errorf("ExplainDecision(%q): %v", id, err)
		}
	}
}

// stuckStore is a store whose log waits.
type stuckStore struct {
	storage.Store
	release chan struct{}
	mu      sync.Mutex
	logged  int
}

func (s *stuckStore) Append(ctx context.Context, records []storage.Record) error {
	<-s.release // however slow the machine is that floods
	s.mu.Lock()
	s.logged += len(records)
	s.mu.Unlock()
	return s.Store.Append(context.WithoutCancel(ctx), records)
}

// A flood of denials waits for nothing, costs no revision and no more memory than there is
// for it. What is lost is said.
func TestFloodOfDenials(t *testing.T) {
	store := &stuckStore{Store: memstore.New(), release: make(chan struct{})}
	f := newFixture(t, store, service.Options{})
	c := f.decisionClients(t)
	const denials = 4500
	ops := make([]*plimsollv1.CreateOperation, 500)
	for i := range ops {
		v := container(fmt.Sprintf("c%d", i), "policy", "1")
		ops[i] = &plimsollv1.CreateOperation{Container: &plimsollv1.Container{Id: v.GetId(), Labels: v.GetLabels(), Runtime: &plimsollv1.Runtime{Name: runc}, Spec: v.GetSpec()}}
	}
	for range denials / len(ops) {
		res, err := c.containers.BatchCreate(t.Context(), &plimsollv1.BatchCreateRequest{Operations: ops})
		if err != nil || res.GetCommitted() {
			t.Fatalf("BatchCreate: %v, %v", res.GetCommitted(), err)
		}
	}
	close(store.release)
	f.flushed(t)
	if store.logged < 4096 || store.logged >= denials {
		t.Errorf("%d of %d decisions were recorded", store.logged, denials)
	}
	if log := f.log.String(); !strings.Contains(log, "decisions that changed nothing were not recorded") || !strings.Contains(log, "dropped=1 ") {
		t.Errorf("the log is %s", log)
	}
	if revision, _ := f.contents(t); revision != 0 {
		t.Errorf("the store is at revision %d", revision)
	}
}

// badLog is a store whose log takes nothing but what comes with changes.
type badLog struct{ storage.Store }

func (badLog) Append(context.Context, []storage.Record) error { return errors.New("no room") }

// Records that cannot be written hurt nobody.
func TestRecordsThatCannotBeWritten(t *testing.T) {
	f := newFixture(t, badLog{memstore.New()}, service.Options{})
	c := f.decisionClients(t)
	_, _, err := c.create(t.Context(), nil, container("web", "policy", "1"))
	if codeOf(err) != connect.CodePermissionDenied {
		t.Fatal(err)
	}
	if err := f.Flush(t.Context()); err == nil { // not even that it was dropped
		t.Error("a flush says that all was written")
	}
	if !strings.Contains(f.log.String(), "no room") {
		t.Errorf("the log is %s", f.log.String())
	}
	if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
		t.Error(err)
	}
}

func TestDecisionsAreNotKept(t *testing.T) {
	f := newFixture(t, nil, service.Options{DecisionRetention: -1})
	c := f.decisionClients(t)
	for _, labels := range [][]string{nil, {"policy", "1"}} {
		_, _, _ = c.create(t.Context(), nil, container("web", labels...))
	}
	f.flushed(t)
	if got := c.list(t, &plimsollv1.ListDecisionsRequest{}); len(got) != 0 {
		t.Errorf("there are decisions about %v", got)
	}
}

// explainer is a judge that can explain itself.
type explainer struct {
	judge   plimsoll.Judge
	explain func(ctx context.Context, in *plimsoll.Input, document []byte) (*plimsoll.Explanation, error)
}

func (e explainer) Judge(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
	return e.judge.Judge(ctx, in)
}

func (e explainer) Explain(ctx context.Context, in *plimsoll.Input, document []byte) (*plimsoll.Explanation, error) {
	return e.explain(ctx, in, document)
}

// An explanation says what it could not find out.
func TestExplainDecision(t *testing.T) {
	fired := plimsoll.FiredRule{Source: policyViolation(0).Source, Text: "deny …", Count: 1, Firings: [][]plimsoll.Variable{{{Name: "x", Value: "1"}}}}
	again := func(e *plimsoll.Explanation, err error) func(context.Context, *plimsoll.Input, []byte) (*plimsoll.Explanation, error) {
		return func(_ context.Context, in *plimsoll.Input, document []byte) (*plimsoll.Explanation, error) {
			if in.Namespace != "default" || in.Others == nil || !strings.Contains(string(document), `"id":"web"`) {
				return nil, fmt.Errorf("it was given %+v, %s", in, document)
			}
			return e, err
		}
	}
	same := plimsoll.Verdict{Violations: []plimsoll.Violation{policyViolation(0)}}
	for name, test := range map[string]struct {
		explain func(context.Context, *plimsoll.Input, []byte) (*plimsoll.Explanation, error)
		after   func(f *fixture)
		want    string // the note; empty for none
		again   bool
	}{
		"the same": {again(&plimsoll.Explanation{Rules: []plimsoll.FiredRule{fired}, Verdict: same}, nil), nil, "", true},
		"another result": {
			again(&plimsoll.Explanation{}, nil), nil, "evaluated again, the policies came to another result than recorded", true,
		},
		"other containers": {again(&plimsoll.Explanation{Verdict: same, AsksOthers: true}, nil), nil, "as of revision 0 and without secrets", true},
		"fault":            {again(nil, &plimsoll.FaultError{Source: fired.Source, Err: errors.New("CANARY")}), nil, "came to no verdict when they were evaluated again: policy labels.required", false},
		"timeout":          {again(nil, &plimsoll.TimeoutError{Source: fired.Source}), nil, "ran out of time", false},
		"no explainer":     {nil, nil, "there are no policies that could be evaluated again", false},
		"other rules": {nil, func(f *fixture) {
			f.SetRuleset(rules(admit, admit))
		}, "the rules have changed since", false},
		"no rules": {nil, func(f *fixture) { f.SetRuleset(nil) }, "the rules have changed since", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{})
			c := f.decisionClients(t)
			set := labelRules()
			if test.explain != nil {
				set.Policies = explainer{set.Policies, test.explain}
			}
			f.SetRuleset(set)
			_, _, err := c.create(t.Context(), nil, container("web", "policy", "1"))
			if codeOf(err) != connect.CodePermissionDenied {
				t.Fatal(err)
			}
			if test.after != nil {
				test.after(f)
			}
			made, _ := f.lastDecision(t)
			res, err := c.ExplainDecision(t.Context(), &plimsollv1.ExplainDecisionRequest{Id: made.ID})
			if err != nil {
				t.Fatal(err)
			}
			e := res.GetExplanation()
			notes := strings.Join(e.GetNotes(), "\n")
			if (test.want == "") != (notes == "") || !strings.Contains(notes, test.want) || strings.Contains(notes, "CANARY") || e.GetReevaluated() != test.again {
				t.Errorf("evaluated again: %v, notes: %q", e.GetReevaluated(), notes)
			}
			if e.GetDecision().GetId() != made.ID || len(e.GetRules()) != 0 != (name == "the same") {
				t.Errorf("explanation is %v", e)
			}
		})
	}
}

// Large inputs are not recorded, and what was not judged has nothing to explain.
func TestExplainWithoutInput(t *testing.T) {
	f := newFixture(t, nil, service.Options{DecisionInputs: service.InputsRefused})
	c := f.decisionClients(t)
	set := labelRules()
	set.Policies = explainer{set.Policies, func(context.Context, *plimsoll.Input, []byte) (*plimsoll.Explanation, error) {
		return &plimsoll.Explanation{}, nil
	}}
	f.SetRuleset(set)
	large := container("large", "policy", "1")
	large.Spec.Value = []byte(`{"note":"` + strings.Repeat("x", 70<<10) + `"}`)
	_, _, _ = c.create(t.Context(), nil, large)
	_, _, _ = c.create(t.Context(), nil, container("", "policy", "1"))
	for range 2 {
		if _, _, err := c.create(t.Context(), nil, container("web")); err != nil && codeOf(err) != connect.CodeAlreadyExists {
			t.Fatal(err)
		}
	}
	if _, _, err := c.update(t.Context(), nil, container("web", "tier", "1"), "labels.tier"); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	made := f.decisions
	f.mu.Unlock()
	want := []string{
		"what was judged was not recorded, or was too large for that", "ended before any rule judged it", "what was created has been changed or deleted since",
		"ended before any rule judged it", "of this change, what was judged was not recorded",
	}
	for i, d := range made {
		res, err := c.ExplainDecision(t.Context(), &plimsollv1.ExplainDecisionRequest{Id: d.ID})
		if err != nil {
			t.Fatal(err)
		}
		if notes := strings.Join(res.GetExplanation().GetNotes(), "\n"); !strings.Contains(notes, want[i]) {
			t.Errorf("decision %d (%s): notes are %q, want %q", i, d.Outcome, notes, want[i])
		}
	}
}

// What was admitted can be judged again, too, whatever became of it, unless its input is
// not to be recorded; and nothing secret is recorded.
func TestAdmittedInputs(t *testing.T) {
	for _, inputs := range []service.DecisionInputs{service.InputsAll, service.InputsRefused, service.InputsNone} {
		t.Run(string(inputs), func(t *testing.T) {
			f := newFixture(t, nil, service.Options{DecisionInputs: inputs})
			c := f.decisionClients(t)
			var documents []string
			set := labelRules()
			set.Policies = explainer{set.Policies, func(_ context.Context, _ *plimsoll.Input, document []byte) (*plimsoll.Explanation, error) {
				documents = append(documents, string(document))
				return &plimsoll.Explanation{}, nil
			}}
			f.SetRuleset(set)
			web := container("web")
			web.Spec.Value = []byte(`{"process":{"env":["PASSWORD=CANARY"]}}`)
			if _, _, err := c.create(t.Context(), nil, web); err != nil {
				t.Fatal(err)
			}
			if _, _, err := c.update(t.Context(), nil, container("web", "tier", "1"), "labels.tier"); err != nil {
				t.Fatal(err)
			}
			if _, _, err := c.create(t.Context(), nil, container("other", "policy", "1")); codeOf(err) != connect.CodePermissionDenied {
				t.Fatal(err)
			}
			if err := f.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.mu.Lock()
			made := f.decisions
			f.mu.Unlock()
			recorded := map[service.DecisionInputs][]bool{
				service.InputsAll: {true, true, true}, service.InputsRefused: {false, false, true}, service.InputsNone: {false, false, false},
			}
			for i, d := range made {
				res, err := c.ExplainDecision(t.Context(), &plimsollv1.ExplainDecisionRequest{Id: d.ID})
				if err != nil {
					t.Fatal(err)
				}
				if e := res.GetExplanation(); e.GetReevaluated() != recorded[inputs][i] {
					t.Errorf("decision %d (%s): evaluated again: %v, notes %q", i, d.Outcome, e.GetReevaluated(), e.GetNotes())
				}
			}
			if all := strings.Join(documents, ""); strings.Contains(all, "CANARY") || inputs == service.InputsAll && !strings.Contains(all, `"PASSWORD=***"`) {
				t.Errorf("documents are %s", all)
			}
			for logged, err := range f.store.Log(t.Context(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(logged.Value), "CANARY") {
					t.Errorf("a secret is in record %d", logged.Sequence)
				}
				if state := viewOf(t, f.store).LogState(); logged.Sequence == state.Head.Sequence {
					break
				}
			}
		})
	}
}

// patchingExplainer explains patches, too.
type patchingExplainer struct{ explainer }

func (patchingExplainer) ExplainPatches(_ context.Context, _ *plimsoll.Input, document []byte) ([]plimsoll.FiredRule, error) {
	if strings.Contains(string(document), "p00") || strings.Contains(string(document), "CANARY") {
		return nil, fmt.Errorf("it was given %s", document)
	}
	return []plimsoll.FiredRule{{Source: plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "defaults", File: "d.rego", Line: 1, Rule: "patch"}}}, nil
}

// Reviews explain what is too large to be recorded, and what patched it as well.
func TestReviewExplainsAll(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := f.decisionClients(t)
	set := labelRules()
	judged := 0
	set.Policies = patchingExplainer{explainer{set.Policies, func(_ context.Context, _ *plimsoll.Input, document []byte) (*plimsoll.Explanation, error) {
		judged = len(document)
		return &plimsoll.Explanation{}, nil
	}}}
	spec := []byte(`{"note":"` + strings.Repeat("x", 70<<10) + `","password":"CANARY"}`)
	for patched, want := range map[int]string{1: "", 2: "rules that patched are not shown: some fired only on what others had made of the container"} {
		p := patcher{}
		for i := range patched {
			p[fmt.Sprintf("p%02d", i)] = "v"
		}
		set.Patches = p
		f.SetRuleset(set)
		res, err := c.containers.Review(t.Context(), &plimsollv1.ReviewRequest{Explain: true, Operation: &plimsollv1.ReviewRequest_Create{Create: &plimsollv1.CreateOperation{
			Container: &plimsollv1.Container{
				Id: "large", Image: "i", Runtime: &plimsollv1.Runtime{Name: "r"},
				Spec: &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: spec},
			},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		e := res.GetExplanation()
		if notes := strings.Join(e.GetNotes(), "\n"); !e.GetReevaluated() || judged < 70<<10 || !strings.HasPrefix(notes, want) || want == "" && notes != "" {
			t.Errorf("%d patches: evaluated again: %v, on %d bytes, notes %q", patched, e.GetReevaluated(), judged, notes)
		}
		if len(e.GetRules()) != 1 || e.GetRules()[0].GetSource().GetRule() != "patch" {
			t.Errorf("rules are %v", e.GetRules())
		}
	}
	// Of a decision that was recorded, the container before is not.
	small := container("small", "policy", "1")
	_, _, _ = c.create(t.Context(), nil, small)
	made, _ := f.lastDecision(t)
	res, err := c.ExplainDecision(t.Context(), &plimsollv1.ExplainDecisionRequest{Id: made.ID})
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(res.GetExplanation().GetNotes(), "\n"); !strings.Contains(notes, "rules that patched are not shown: the container as it was before them is not recorded") {
		t.Errorf("notes are %q", notes)
	}
}

func TestReviewExplains(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := f.decisionClients(t)
	set := labelRules()
	set.Policies = explainer{set.Policies, func(_ context.Context, in *plimsoll.Input, document []byte) (*plimsoll.Explanation, error) {
		if strings.Contains(string(document), "CANARY") || in.Operation != plimsoll.OperationUpdate {
			return nil, fmt.Errorf("it was given %s", document)
		}
		return &plimsoll.Explanation{Verdict: plimsoll.Verdict{Violations: []plimsoll.Violation{policyViolation(0)}}}, nil
	}}
	f.SetRuleset(set)
	if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
		t.Fatal(err)
	}
	req := &plimsollv1.ReviewRequest{Explain: true, Operation: &plimsollv1.ReviewRequest_Update{Update: &plimsollv1.UpdateOperation{
		Container:  &plimsollv1.Container{Id: "web", Labels: map[string]string{"policy": "1", "password": "CANARY"}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}},
	}}}
	res, err := c.containers.Review(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if e := res.GetExplanation(); !e.GetReevaluated() || len(e.GetNotes()) != 0 || e.GetDecision().GetOutcome() != plimsollv1.Outcome_OUTCOME_DENIED {
		t.Errorf("explanation is %v", e)
	}
	req.Explain = false
	if res, err = c.containers.Review(t.Context(), req); err != nil || res.GetExplanation() != nil {
		t.Errorf("%v, %v", res.GetExplanation(), err)
	}
}

// viewOf is the latest state, until the test ends.
func viewOf(t *testing.T, store storage.Store) storage.View {
	t.Helper()
	view, err := store.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = view.Close() })
	return view
}
