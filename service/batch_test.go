package service_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

func TestReview(t *testing.T) {
	f, c := newPlimsoll(t, service.Options{})
	createAll(t, c, full("web", "a", "1"))
	check := f.unchanged(t)
	review := func(req *plimsollv1.ReviewRequest) *plimsollv1.ReviewResponse {
		t.Helper()
		res, err := c.Review(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	create := func(v *plimsollv1.Container) *plimsollv1.ReviewRequest {
		return &plimsollv1.ReviewRequest{Operation: &plimsollv1.ReviewRequest_Create{Create: &plimsollv1.CreateOperation{Container: v}}}
	}
	res := review(create(full("new", "warn", "1")))
	if !res.GetAllowed() || len(res.GetVerdict().GetWarnings()) != 1 || res.GetContainer().GetId() != "new" || res.GetRevision() != 1 ||
		res.GetRuleset() != "sha256:labels" || res.GetTimings().GetTotal() == nil || res.GetContainer().GetSpec() == nil {
		t.Errorf("create: %v", res)
	}
	res = review(create(full("new", "policy", "2", "validator", "1")))
	if v := res.GetVerdict(); res.GetAllowed() || v.GetViolationCount() != 3 || len(v.GetViolations()) != 3 || v.GetDecisionId() == "" {
		t.Errorf("denied create: %v", res)
	}
	res = review(&plimsollv1.ReviewRequest{Operation: &plimsollv1.ReviewRequest_Update{Update: &plimsollv1.UpdateOperation{
		Container: full("web", "b", "2"), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}},
	}}})
	if !res.GetAllowed() || !slices.Equal(res.GetChanged(), []string{"labels.a", "labels.b"}) {
		t.Errorf("update: %v", res)
	}
	res = review(&plimsollv1.ReviewRequest{Operation: &plimsollv1.ReviewRequest_Delete{Delete: &plimsollv1.DeleteOperation{Id: "web"}}})
	if !res.GetAllowed() || res.GetContainer().GetId() != "web" {
		t.Errorf("delete: %v", res)
	}
	_, err := c.Review(t.Context(), create(full("web")))
	codeIs(t, err, connect.CodeAlreadyExists, "web")
	_, err = c.Review(t.Context(), &plimsollv1.ReviewRequest{})
	codeIs(t, err, connect.CodeInvalidArgument, "operation")
	_, err = c.Review(t.Context(), create(nil))
	codeIs(t, err, connect.CodeInvalidArgument, "no container")
	check()

	f.SetRuleset(rules(judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
		return plimsoll.Verdict{}, &plimsoll.FaultError{Source: plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "p"}, Err: errors.New("broken")}
	}), admit))
	_, err = c.Review(t.Context(), create(full("new")))
	codeIs(t, err, connect.CodeInternal, "policy p failed")
}

func TestBatch(t *testing.T) {
	f, c := newPlimsoll(t, service.Options{})
	create := func(mode plimsollv1.BatchMode, headers []string, containers ...*plimsollv1.Container) (*plimsollv1.BatchCreateResponse, error) {
		req := &plimsollv1.BatchCreateRequest{Mode: mode}
		for _, v := range containers {
			req.Operations = append(req.Operations, &plimsollv1.CreateOperation{Container: v})
		}
		ctx, _ := withHeaders(t.Context(), headers...)
		return c.BatchCreate(ctx, req)
	}
	outcomes := func(results []*plimsollv1.BatchResult) (lines []string) {
		for _, r := range results {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %d %s", r.GetId(), strings.TrimPrefix(r.GetOutcome().String(), "OUTCOME_"), r.GetRevision(), r.GetCode())))
		}
		return lines
	}
	expect := func(results []*plimsollv1.BatchResult, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, outcomes(results)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	const atomic, best = plimsollv1.BatchMode_BATCH_MODE_ATOMIC, plimsollv1.BatchMode_BATCH_MODE_BEST_EFFORT

	res, err := create(atomic, nil, full("a"), full("b"))
	if err != nil || !res.GetCommitted() {
		t.Fatal(res, err)
	}
	expect(res.GetResults(), "a COMMITTED 1", "b COMMITTED 1")

	check := f.unchanged(t)
	res, err = create(atomic, nil, full("c"), full("d", "policy", "2"), full("a"), full("e", "", "x"))
	if err != nil || res.GetCommitted() {
		t.Fatal(res, err)
	}
	expect(res.GetResults(), "c ADMITTED 0", "d DENIED 0 PERMISSION_DENIED", "a FAILED 0 ALREADY_EXISTS", "e FAILED 0 INVALID_ARGUMENT")
	res, err = create(atomic, nil, full("c"), full("d", "policy", "2"), full("a"))
	if err != nil || res.GetCommitted() {
		t.Fatal(res, err)
	}
	expect(res.GetResults(), "c ADMITTED 0", "d DENIED 0 PERMISSION_DENIED", "a FAILED 0 ALREADY_EXISTS")
	if v := res.GetResults()[1].GetVerdict(); v.GetViolationCount() != 2 || len(v.GetViolations()) != 2 {
		t.Errorf("verdict %v", v)
	}
	res, err = create(atomic, []string{"plimsoll-dry-run", "true"}, full("c"))
	if err != nil || res.GetCommitted() {
		t.Fatal(res, err)
	}
	expect(res.GetResults(), "c ADMITTED 0")
	for text, containers := range map[string][]*plimsollv1.Container{
		"there is none": nil, `0 and 2 are both of container "x"`: {full("x"), full("y"), full("x")}, "operation 1": {full("x"), nil},
		"at most 1000": make([]*plimsollv1.Container, 1001),
	} {
		_, err := create(atomic, nil, containers...)
		codeIs(t, err, connect.CodeInvalidArgument, text)
	}
	_, err = create(7, nil, full("x"))
	codeIs(t, err, connect.CodeInvalidArgument, "mode")
	check()

	res, err = create(best, nil, full("c"), full("d", "policy", "1"), full("a"), full("e"))
	if err != nil || res.GetCommitted() {
		t.Fatal(res, err)
	}
	expect(res.GetResults(), "c COMMITTED 2", "d DENIED 0 PERMISSION_DENIED", "a FAILED 0 ALREADY_EXISTS", "e COMMITTED 3")

	res, err = create(best, nil, full("no id!"), nil, full("f"))
	if err != nil || res.GetCommitted() {
		t.Fatal(res, err)
	}
	expect(res.GetResults(), "no id! FAILED 0 INVALID_ARGUMENT", "FAILED 0 INVALID_ARGUMENT", "f COMMITTED 4")
	gone, err := c.BatchDelete(t.Context(), &plimsollv1.BatchDeleteRequest{Mode: best, Operations: []*plimsollv1.DeleteOperation{{Id: "no id!"}, {Id: "f"}}})
	if err != nil || gone.GetCommitted() {
		t.Fatal(gone, err)
	}
	expect(gone.GetResults(), "no id! FAILED 0 NOT_FOUND", "f COMMITTED 5")

	stale := uint64(1)
	updated, err := c.BatchUpdate(t.Context(), &plimsollv1.BatchUpdateRequest{Mode: best, Operations: []*plimsollv1.UpdateOperation{
		{Container: full("a", "x", "1"), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels", "snapshot_key", "extensions.nerdctl"}}, IfRevision: &stale},
		{Container: full("c", "x", "1"), IfRevision: &stale},
		{Container: full("nobody")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	expect(updated.GetResults(), "a COMMITTED 6", "c FAILED 0 ABORTED", "nobody FAILED 0 NOT_FOUND")
	deleted, err := c.BatchDelete(t.Context(), &plimsollv1.BatchDeleteRequest{Operations: []*plimsollv1.DeleteOperation{{Id: "a"}, {Id: "b"}, {Id: "c"}}})
	if err != nil || !deleted.GetCommitted() {
		t.Fatal(deleted, err)
	}
	expect(deleted.GetResults(), "a COMMITTED 7", "b COMMITTED 7", "c COMMITTED 7")
	if _, all := f.contents(t); len(all) != 1 || all[0].ID != "e" {
		t.Errorf("left are %v", all)
	}

	// What is not about any one operation is an error of the call.
	f.SetRuleset(nil)
	_, err = create(atomic, nil, full("x"), full("y"))
	codeIs(t, err, connect.CodeUnavailable, "no ruleset")
	_, err = create(best, []string{"plimsoll-dry-run", "maybe"}, full("x"))
	codeIs(t, err, connect.CodeInvalidArgument, "plimsoll-dry-run")
}

func TestBatchRequestID(t *testing.T) {
	f, c := newPlimsoll(t, service.Options{})
	spec := []byte(`{"ociVersion": "1.3.0", "padding": "` + strings.Repeat("x", 20_000) + `"}`)
	var creates []*plimsollv1.Container
	for i := range 100 {
		v := full(fmt.Sprintf("c%d", i))
		v.Spec.Value = spec
		creates = append(creates, v)
	}
	createAll(t, c, creates...)
	update := func(mode plimsollv1.BatchMode, n int) (*plimsollv1.BatchUpdateResponse, error) {
		req := &plimsollv1.BatchUpdateRequest{Mode: mode}
		for i := range n {
			req.Operations = append(req.Operations, &plimsollv1.UpdateOperation{
				Container: full(fmt.Sprintf("c%d", i), "x", "1"), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels.x"}},
			})
		}
		ctx, _ := withHeaders(t.Context(), service.HeaderRequestID, "batch")
		return c.BatchUpdate(ctx, req)
	}
	first, err := update(plimsollv1.BatchMode_BATCH_MODE_ATOMIC, 100)
	if err != nil || !first.GetCommitted() {
		t.Fatal(err)
	}
	check := f.unchanged(t)
	again, err := update(plimsollv1.BatchMode_BATCH_MODE_ATOMIC, 100)
	if diff := cmp.Diff(first, again, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("again: %v (-first +again):\n%s", err, diff)
	}
	for _, other := range []struct {
		mode plimsollv1.BatchMode
		n    int
	}{{plimsollv1.BatchMode_BATCH_MODE_ATOMIC, 99}, {plimsollv1.BatchMode_BATCH_MODE_BEST_EFFORT, 2}} {
		res, err := update(other.mode, other.n)
		if err != nil || res.GetCommitted() {
			t.Fatal(res, err)
		}
		for _, r := range res.GetResults() {
			if r.GetCode() != "ABORTED" || !strings.Contains(r.GetMessage(), "used for another request") {
				t.Errorf("another batch: %v", r)
			}
		}
	}
	check()
}
