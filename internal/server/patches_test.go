package server

import (
	"context"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

const defaulting = `package defaults

patch contains {"labels": {"tier": "backend"}} if not input.object.labels.tier

patch contains {"labels": {"temporary": null}}

# Rules may look at other containers.
patch contains {"labels": {"number": sprintf("%d", [plimsoll.count({})])}} if not input.object.labels.number

patch contains {"op": "add", "path": "/spec/annotations", "value": {"token": "s3cret"}} if {
	input.operation == "CREATE"
	not input.object.spec.annotations
}

deny contains "no tier" if not input.object.labels.tier

deny contains "temporary" if input.object.labels.temporary
`

func withHeader(ctx context.Context, name, value string) (context.Context, connect.CallInfo) {
	ctx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set(name, value)
	return ctx, call
}

// What rules patch is judged, stored and told, and told again when the request is repeated.
func TestPatchesEndToEnd(t *testing.T) {
	g, err := openGate(t, memstore.New(), defaulting, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	patches := func(all []*plimsollv1.Patch) []string {
		var lines []string
		for _, p := range all {
			lines = append(lines, strings.Join([]string{p.GetField(), p.GetValue(), p.GetSource().GetName(), p.GetSource().GetRule(), p.GetSource().GetFile()}, " "))
		}
		return lines
	}
	want := []string{
		`labels.number "0" defaults patch rules.rego`, `labels.temporary  defaults patch rules.rego`, `labels.tier "backend" defaults patch rules.rego`,
		`spec.annotations {"token":"s3cret"} defaults patch rules.rego`,
	}
	headers := []string{
		"labels.number by defaults rules.rego:8", "labels.temporary removed by defaults rules.rego:5", "labels.tier by defaults rules.rego:3",
		"spec.annotations by defaults rules.rego:10",
	}
	creation := &plimsollv1.CreateOperation{Container: labelled("web", "temporary", "x")}

	review, err := g.Review(t.Context(), &plimsollv1.ReviewRequest{Operation: &plimsollv1.ReviewRequest_Create{Create: creation}})
	if err != nil || !review.GetAllowed() {
		t.Fatal(review, err)
	}
	if diff := cmp.Diff(want, patches(review.GetPatches())); diff != "" {
		t.Errorf("patches of the review (-want +got):\n%s", diff)
	}
	if review.GetTimings().GetPatches().AsDuration() <= 0 {
		t.Errorf("timings: %v", review.GetTimings())
	}

	var first *plimsollv1.BatchCreateResponse
	for range 2 {
		ctx, _ := withHeader(t.Context(), "plimsoll-request-id", "r1")
		res, err := g.BatchCreate(ctx, &plimsollv1.BatchCreateRequest{Operations: []*plimsollv1.CreateOperation{creation}})
		if err != nil || !res.GetCommitted() {
			t.Fatal(res, err)
		}
		if first == nil {
			first = res
		}
		if diff := cmp.Diff(first, res, protocmp.Transform()); diff != "" {
			t.Errorf("the repeated request is answered differently:\n%s", diff)
		}
		if diff := cmp.Diff(want, patches(res.GetResults()[0].GetPatches())); diff != "" {
			t.Errorf("patches (-want +got):\n%s", diff)
		}
	}
	got, err := g.GetContainer(t.Context(), &plimsollv1.GetContainerRequest{Id: "web"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(review.GetContainer(), got.GetContainer(), protocmp.Transform(),
		protocmp.IgnoreFields(&plimsollv1.Container{}, "created_at", "updated_at", "revision")); diff != "" {
		t.Errorf("what was reviewed is not what was stored:\n%s", diff)
	}
	if spec := string(got.GetContainer().GetSpec().GetValue()); spec != `{"annotations":{"token":"s3cret"},"hostname":"web"}` {
		t.Errorf("spec is %s", spec)
	}

	// The original API tells in headers, the same again when repeated, and no values.
	for range 2 {
		ctx, call := withHeader(t.Context(), "plimsoll-request-id", "r2")
		g.createIn(ctx, "old", map[string]string{"temporary": "x"})
		if diff := cmp.Diff(headers, call.ResponseHeader().Values("plimsoll-patch")); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	}

	// An update is patched after the merge, and its event says what that changed.
	update := &plimsollv1.UpdateOperation{
		Container: labelled("web", "team", "core"), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}},
	}
	changed, err := g.BatchUpdate(t.Context(), &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{update}})
	if err != nil || !changed.GetCommitted() {
		t.Fatal(changed, err)
	}
	if diff := cmp.Diff([]string{`labels.number "1" defaults patch rules.rego`, `labels.tier "backend" defaults patch rules.rego`},
		patches(changed.GetResults()[0].GetPatches())); diff != "" {
		t.Errorf("patches of the update (-want +got):\n%s", diff)
	}
	history, err := g.GetHistory(t.Context(), &plimsollv1.GetHistoryRequest{Id: "web"})
	if err != nil {
		t.Fatal(err)
	}
	// The number of others was 0; tier is what it was.
	if diff := cmp.Diff([]string{"labels.number", "labels.team"}, history.GetEvents()[0].GetChanged()); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if res, err := g.BatchDelete(t.Context(), &plimsollv1.BatchDeleteRequest{Operations: []*plimsollv1.DeleteOperation{{Id: "web"}}}); err != nil ||
		len(res.GetResults()[0].GetPatches()) > 0 {
		t.Errorf("delete: %v, %v", res, err)
	}
}
