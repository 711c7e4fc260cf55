package service_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
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

// plimsollClients are clients of ContainerService in every protocol.
func plimsollClients(t *testing.T, srv *httptest.Server) map[string]plimsollv1connect.ContainerServiceClient {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	h2c := &http.Transport{Protocols: &protocols}
	t.Cleanup(h2c.CloseIdleConnections)
	hc := &http.Client{Transport: h2c}
	return map[string]plimsollv1connect.ContainerServiceClient{
		"connect":       plimsollv1connect.NewContainerServiceClient(hc, srv.URL),
		"connect+http1": plimsollv1connect.NewContainerServiceClient(srv.Client(), srv.URL),
		"grpc":          plimsollv1connect.NewContainerServiceClient(hc, srv.URL, connect.WithGRPC()),
		"grpcweb":       plimsollv1connect.NewContainerServiceClient(srv.Client(), srv.URL, connect.WithGRPCWeb()),
		"json":          plimsollv1connect.NewContainerServiceClient(hc, srv.URL, connect.WithCodec(service.JSONCodecs()[0])),
	}
}

func newPlimsoll(t *testing.T, options service.Options) (*fixture, plimsollv1connect.ContainerServiceClient) {
	t.Helper()
	f := newFixture(t, nil, options)
	return f, plimsollClients(t, f.serve(t))["grpc"]
}

func withHeaders(ctx context.Context, headers ...string) (context.Context, connect.CallInfo) {
	ctx, info := connect.NewClientContext(ctx)
	for i := 0; i < len(headers); i += 2 {
		info.RequestHeader().Set(headers[i], headers[i+1])
	}
	return ctx, info
}

// full is a container with every field set.
func full(id string, pairs ...string) *plimsollv1.Container {
	c := container(id, pairs...)
	return &plimsollv1.Container{
		Id: id, Labels: c.GetLabels(), Image: c.GetImage(), Spec: c.GetSpec(),
		Runtime:     &plimsollv1.Runtime{Name: runc, Options: &anypb.Any{TypeUrl: "options", Value: []byte{1, 2}}},
		Snapshotter: "overlayfs", SnapshotKey: id, SandboxId: "pod",
		Extensions: map[string]*anypb.Any{"nerdctl": {TypeUrl: "ext", Value: []byte("x")}},
	}
}

func createAll(t *testing.T, c plimsollv1connect.ContainerServiceClient, containers ...*plimsollv1.Container) {
	t.Helper()
	req := &plimsollv1.BatchCreateRequest{}
	for _, v := range containers {
		req.Operations = append(req.Operations, &plimsollv1.CreateOperation{Container: v})
	}
	res, err := c.BatchCreate(t.Context(), req)
	if err != nil || !res.GetCommitted() {
		t.Fatalf("BatchCreate: %v, %v", res, err)
	}
}

func codeIs(t *testing.T, err error, code connect.Code, text string) {
	t.Helper()
	if connect.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want %v with %q", err, code, text)
	}
}

func TestPlimsollRecord(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	for name, c := range plimsollClients(t, f.serve(t)) {
		t.Run(name, func(t *testing.T) {
			id := strings.ReplaceAll(name, "+", "-")
			want := full(id, "team", "core")
			createAll(t, c, want)
			res, err := c.GetContainer(t.Context(), &plimsollv1.GetContainerRequest{Id: id})
			if err != nil {
				t.Fatal(err)
			}
			got := res.GetContainer()
			if got.GetRevision() == 0 || got.GetCreatedAt() == nil || got.GetUpdatedAt() == nil {
				t.Errorf("output only fields are not set: %v", got)
			}
			output := protocmp.IgnoreFields(&plimsollv1.Container{}, "revision", "created_at", "updated_at")
			if diff := cmp.Diff(want, got, protocmp.Transform(), output); diff != "" {
				t.Errorf("(-created +got):\n%s", diff)
			}
			masked, err := c.GetContainer(t.Context(), &plimsollv1.GetContainerRequest{Id: id, ReadMask: &fieldmaskpb.FieldMask{Paths: []string{"id", "labels"}}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&plimsollv1.Container{Id: id, Labels: map[string]string{"team": "core"}}, masked.GetContainer(), protocmp.Transform()); diff != "" {
				t.Errorf("masked (-want +got):\n%s", diff)
			}
			_, err = c.GetContainer(t.Context(), &plimsollv1.GetContainerRequest{Id: id, ReadMask: &fieldmaskpb.FieldMask{Paths: []string{"lables"}}})
			codeIs(t, err, connect.CodeInvalidArgument, `unknown path "lables"`)
			_, err = c.GetContainer(t.Context(), &plimsollv1.GetContainerRequest{Id: "nobody"})
			codeIs(t, err, connect.CodeNotFound, "nobody")
		})
	}
}

func listAll(t *testing.T, c plimsollv1connect.ContainerServiceClient, req *plimsollv1.ListContainersRequest, each func(*plimsollv1.ListContainersResponse)) []*plimsollv1.Container {
	t.Helper()
	var all []*plimsollv1.Container
	for {
		res, err := c.ListContainers(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, res.GetContainers()...)
		if each != nil {
			each(res)
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return all
		}
	}
}

func names(containers []*plimsollv1.Container) string {
	var ids []string
	for _, c := range containers {
		ids = append(ids, c.GetId())
	}
	return strings.Join(ids, " ")
}

func TestListContainers(t *testing.T) {
	_, c := newPlimsoll(t, service.Options{})
	for _, id := range []string{"b", "a", "d", "c", "e"} { // one revision each
		createAll(t, c, full(id, "team", map[bool]string{true: "core", false: "web"}[id < "c"]))
	}
	if _, err := c.BatchUpdate(t.Context(), &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{{
		Container: full("b", "team", "core", "x", "y"), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels.x"}},
	}}}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		req  *plimsollv1.ListContainersRequest
		want string
	}{
		"all":             {&plimsollv1.ListContainersRequest{}, "a b c d e"},
		"descending":      {&plimsollv1.ListContainersRequest{OrderBy: "id desc"}, "e d c b a"},
		"by creation":     {&plimsollv1.ListContainersRequest{OrderBy: "created_at"}, "b a d c e"},
		"latest first":    {&plimsollv1.ListContainersRequest{OrderBy: "updated_at desc"}, "b e c d a"},
		"filter":          {&plimsollv1.ListContainersRequest{Filters: []string{"labels.team==core"}}, "a b"},
		"filters":         {&plimsollv1.ListContainersRequest{Filters: []string{"id==a", "labels.team==web,id!=d"}}, "a c e"},
		"one selects all": {&plimsollv1.ListContainersRequest{Filters: []string{"id==a", ""}}, "a b c d e"},
		"snapshotter":     {&plimsollv1.ListContainersRequest{Filters: []string{"snapshotter==overlayfs,snapshot_key==c"}}, "c"},
		"runtime.name":    {&plimsollv1.ListContainersRequest{Filters: []string{`runtime.name~=runc,id~="^[ab]$"`}}, "a b"},
		"none":            {&plimsollv1.ListContainersRequest{Filters: []string{"labels.team==nobody"}}, ""},
	} {
		for _, size := range []int32{0, 1, 2, 1000} {
			t.Run(fmt.Sprint(name, " by ", size), func(t *testing.T) {
				test.req.PageSize, test.req.CountTotal, test.req.PageToken = size, true, ""
				all := listAll(t, c, test.req, func(res *plimsollv1.ListContainersResponse) {
					if int(res.GetTotalSize()) != len(strings.Fields(test.want)) {
						t.Errorf("total is %d", res.GetTotalSize())
					}
				})
				if got := names(all); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
				for _, v := range all {
					if v.Spec != nil || v.Extensions != nil || v.GetRuntime().Options != nil || v.GetRuntime().GetName() != runc {
						t.Errorf("payloads without asking: %v", v)
					}
				}
			})
		}
	}
	t.Run("with specs", func(t *testing.T) {
		for _, v := range listAll(t, c, &plimsollv1.ListContainersRequest{ReadMask: &fieldmaskpb.FieldMask{Paths: []string{"*"}}, PageSize: 2}, nil) {
			if len(v.GetSpec().GetValue()) == 0 || len(v.GetExtensions()) == 0 {
				t.Errorf("no payloads: %v", v)
			}
		}
	})
	t.Run("bad requests", func(t *testing.T) {
		res, err := c.ListContainers(t.Context(), &plimsollv1.ListContainersRequest{PageSize: 1})
		if err != nil {
			t.Fatal(err)
		}
		for text, req := range map[string]*plimsollv1.ListContainersRequest{
			"page_size":                  {PageSize: -1},
			"is none that an earlier":    {PageToken: "x"},
			"belongs to another request": {PageToken: res.GetNextPageToken(), Filters: []string{"id==a"}},
			"order_by":                   {OrderBy: "image"},
			`"id down"`:                  {OrderBy: "id down"},
			"read_mask":                  {ReadMask: &fieldmaskpb.FieldMask{Paths: []string{"spec.process"}}},
			"at byte":                    {Filters: []string{"id==a", "id="}},
			"more than 64 filters":       {Filters: make([]string, 65)},
		} {
			_, err := c.ListContainers(t.Context(), req)
			codeIs(t, err, connect.CodeInvalidArgument, text)
		}
	})
}

// Pages are exactly what was there at the revision of the first, whatever is changed
// meanwhile.
func TestPagesUnderWrites(t *testing.T) {
	f, c := newPlimsoll(t, service.Options{})
	random := rand.New(rand.NewPCG(1, 2))
	model := map[plimsoll.Revision]map[string]string{0: {}}
	var mu sync.Mutex // of model
	stop := make(chan struct{})
	var writer sync.WaitGroup
	begun := make(chan struct{})
	writer.Go(func() {
		now := map[string]string{}
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if i == 200 {
				close(begun)
			}
			id, version := fmt.Sprintf("c%d", random.IntN(40)), fmt.Sprint(i)
			v := container(id, "version", version)
			w := storage.Write{Operation: plimsoll.OperationCreate, Namespace: "default", Container: &plimsoll.Container{
				ID: id, Labels: v.GetLabels(), Spec: plimsoll.Any{TypeURL: specType, Value: []byte(`{}`)},
			}}
			_, exists := now[id]
			switch {
			case exists && random.IntN(2) == 0:
				w.Operation = plimsoll.OperationDelete
			case exists:
				w.Operation = plimsoll.OperationUpdate
			}
			view, err := f.store.View(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock() // before anybody can see the revision
			revision, err := f.store.Commit(t.Context(), view, storage.Change{Writes: []storage.Write{w}})
			if err != nil {
				mu.Unlock()
				t.Error(err)
				return
			}
			if w.Operation == plimsoll.OperationDelete {
				delete(now, id)
			} else {
				now[id] = version
			}
			model[revision] = maps.Clone(now)
			mu.Unlock()
			_ = view.Close()
		}
	})
	<-begun
	for i := range 60 {
		order := []string{"", "id desc", "updated_at", "created_at desc"}[i%4]
		revisions := map[uint64]bool{}
		got := map[string]string{}
		for _, v := range listAll(t, c, &plimsollv1.ListContainersRequest{PageSize: int32(1 + i%7), OrderBy: order}, func(res *plimsollv1.ListContainersResponse) {
			revisions[res.GetRevision()] = true
		}) {
			if _, twice := got[v.GetId()]; twice {
				t.Errorf("%s is listed twice", v.GetId())
			}
			got[v.GetId()] = v.GetLabels()["version"]
		}
		if len(revisions) != 1 {
			t.Fatalf("pages are of revisions %v", revisions)
		}
		mu.Lock()
		for revision := range revisions {
			if diff := cmp.Diff(model[plimsoll.Revision(revision)], got); diff != "" {
				t.Errorf("at %d (-model +pages):\n%s", revision, diff)
			}
		}
		mu.Unlock()
	}
	close(stop)
	writer.Wait()
}

// A page whose state is not held any more is an error, never a page of another state.
func TestPagesExpire(t *testing.T) {
	store := memstore.New()
	first := newFixture(t, store, service.Options{})
	c := plimsollClients(t, first.serve(t))["connect"]
	createAll(t, c, full("a"), full("b"))
	res, err := c.ListContainers(t.Context(), &plimsollv1.ListContainersRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	next := &plimsollv1.ListContainersRequest{PageSize: 1, PageToken: res.GetNextPageToken()}

	// A restarted server holds nothing, but as long as nothing is written it need not.
	again := plimsollClients(t, newFixture(t, store, service.Options{}).serve(t))["connect"]
	if res, err := again.ListContainers(t.Context(), next); err != nil || names(res.GetContainers()) != "b" {
		t.Errorf("second page: %v, %v", res, err)
	}
	createAll(t, c, full("c"))
	_, err = again.ListContainers(t.Context(), next)
	codeIs(t, err, connect.CodeOutOfRange, "page token has expired")
	if res, err := c.ListContainers(t.Context(), next); err != nil || names(res.GetContainers()) != "b" {
		t.Errorf("second page where it is held: %v, %v", res, err)
	}
	for i := range 70 { // more states than are held
		createAll(t, c, full(fmt.Sprintf("d%d", i)))
		if _, err := c.ListContainers(t.Context(), &plimsollv1.ListContainersRequest{PageSize: 1}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = c.ListContainers(t.Context(), next)
	codeIs(t, err, connect.CodeOutOfRange, "page token has expired")
}

func TestHistory(t *testing.T) {
	f, c := newPlimsoll(t, service.Options{})
	createAll(t, c, full("web", "a", "1"), full("other"))
	for i := range 4 {
		v := full("web", "a", "1", "n", fmt.Sprint(i))
		if i == 3 {
			v.Spec.Value = []byte(`{"ociVersion":"1.3.0"}`)
		}
		if _, err := c.BatchUpdate(t.Context(), &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{{Container: v}}}); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := c.BatchDelete(t.Context(), &plimsollv1.BatchDeleteRequest{Operations: []*plimsollv1.DeleteOperation{{Id: "web"}}}); err != nil || !res.GetCommitted() {
		t.Fatal(res, err)
	}
	history := func() (all []*plimsollv1.Event, compacted uint64) {
		req := &plimsollv1.GetHistoryRequest{Id: "web", PageSize: 2}
		for {
			res, err := c.GetHistory(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			all, compacted = append(all, res.GetEvents()...), res.GetCompactedRevision()
			if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
				return all, compacted
			}
		}
	}
	lines := func(events []*plimsollv1.Event) (lines []string) {
		for _, e := range events {
			lines = append(lines, fmt.Sprintf("%d %s %v", e.GetRevision(), strings.TrimPrefix(e.GetOperation().String(), "OPERATION_"), e.GetChanged()))
			if e.GetDecisionId() == "" || e.GetRuleset() == "" || e.GetTime() == nil || e.GetUser().GetVia() == "" || e.GetContainer().GetSpec() != nil {
				t.Errorf("event %v", e)
			}
		}
		return lines
	}
	want := []string{"6 DELETE []", "5 UPDATE [labels.n spec]", "4 UPDATE [labels.n]", "3 UPDATE [labels.n]", "2 UPDATE [labels.n]", "1 CREATE []"}
	all, compacted := history()
	if diff := cmp.Diff(want, lines(all)); diff != "" || compacted != 0 {
		t.Errorf("compacted %d, (-want +got):\n%s", compacted, diff)
	}
	if err := f.store.Compact(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	all, compacted = history()
	if diff := cmp.Diff(want[:3], lines(all)); diff != "" || compacted != 3 {
		t.Errorf("compacted %d, (-want +got):\n%s", compacted, diff)
	}
	if res, err := c.GetHistory(t.Context(), &plimsollv1.GetHistoryRequest{Id: "nobody"}); err != nil || len(res.GetEvents()) != 0 {
		t.Errorf("history of nobody: %v, %v", res, err)
	}
}

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

// A batch that is sent again is done once, and one that is not the same is refused.
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

// Filters that would take much memory or time are refused.
func TestFilterBounds(t *testing.T) {
	_, c := newPlimsoll(t, service.Options{})
	for text, filters := range map[string][]string{
		"more than 4096 steps":     {"id~=/" + strings.Repeat(".{900}", 6) + "/"},
		"at most 64 are allowed":   {strings.Repeat("id,", 65) + "id"},
		"at most 16384 are allowe": slices.Repeat([]string{"id==" + strings.Repeat("x", 1000)}, 17),
	} {
		_, err := c.ListContainers(t.Context(), &plimsollv1.ListContainersRequest{Filters: filters})
		codeIs(t, err, connect.CodeInvalidArgument, text)
	}
	if _, err := c.ListContainers(t.Context(), &plimsollv1.ListContainersRequest{Filters: []string{`id~=/^[a-z]{1,76}$/,image~="nginx:(1|2)\\.[0-9]+"`}}); err != nil {
		t.Error(err)
	}
}

func TestRequestID(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	srv := f.serve(t)
	for name, c := range clientsOf(t, srv) {
		t.Run(name, func(t *testing.T) {
			id := strings.NewReplacer("/", "-", " ", "-").Replace(name)
			h := http.Header{service.HeaderRequestID: {"r-" + id}}
			first, header, err := c.create(t.Context(), h, container(id, "warn", "1"))
			if err != nil {
				t.Fatal(err)
			}
			check := f.unchanged(t)
			_, decisions := f.lastDecision(t)
			again, header2, err := c.create(t.Context(), h, container(id, "warn", "1"))
			if err != nil {
				t.Fatalf("again: %v", err)
			}
			if diff := cmp.Diff(first, again, protocmp.Transform()); diff != "" {
				t.Errorf("answers differ:\n%s", diff)
			}
			for _, name := range []string{"Plimsoll-Decision", "Plimsoll-Revision", "Plimsoll-Warning"} {
				if diff := cmp.Diff(header.Values(name), header2.Values(name)); diff != "" || header.Get(name) == "" {
					t.Errorf("%s differs: %s", name, diff)
				}
			}
			if _, n := f.lastDecision(t); n != decisions {
				t.Error("it was decided again")
			}
			_, _, err = c.create(t.Context(), h, container(id, "other", "1"))
			codeIsFailure(t, err, connect.CodeAborted, "used for another request")
			_, _, err = c.update(t.Context(), h, container(id), "image")
			codeIsFailure(t, err, connect.CodeAborted, "used for another request")
			check()

			// An update is answered as it was, though the container has changed since.
			h = http.Header{service.HeaderRequestID: {"u-" + id}}
			first, _, err = c.update(t.Context(), h, container(id, "x", "1"), "labels.x")
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err = c.update(t.Context(), nil, container(id, "x", "2"), "labels.x", "spec"); err != nil {
				t.Fatal(err)
			}
			again, _, err = c.update(t.Context(), h, container(id, "x", "1"), "labels.x")
			if diff := cmp.Diff(first, again, protocmp.Transform()); err != nil || diff != "" {
				t.Errorf("update again: %v:\n%s", err, diff)
			}
			h = http.Header{service.HeaderRequestID: {"d-" + id}}
			for range 2 {
				if _, err := c.delete(t.Context(), h, id); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
			// Denials are judged anew: rules may have changed.
			h = http.Header{service.HeaderRequestID: {"n-" + id}}
			_, _, err = c.create(t.Context(), h, container(id, "policy", "1"))
			codeIsFailure(t, err, connect.CodePermissionDenied, "")
			if _, _, err = c.create(t.Context(), h, container(id)); err != nil {
				t.Errorf("after a denial: %v", err)
			}
		})
	}
	c := clientsOf(t, srv)["grpc"]
	for _, bad := range []string{"with space", strings.Repeat("x", 129)} {
		_, _, err := c.create(t.Context(), http.Header{service.HeaderRequestID: {bad}}, container("bad"))
		codeIsFailure(t, err, connect.CodeInvalidArgument, "plimsoll-request-id")
	}
}

func codeIsFailure(t *testing.T, err error, code connect.Code, text string) {
	t.Helper()
	var f *failure
	if !errors.As(err, &f) || f.code != code || !strings.Contains(f.message, text) {
		t.Errorf("error %v, want %v with %q", err, code, text)
	}
}

// Of many that send the same request at once, one does it, and all get its answer.
func TestRequestIDRace(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	var decisions sync.Map
	for i, err := range race(func(int) error {
		_, header, err := c.create(t.Context(), http.Header{service.HeaderRequestID: {"once"}}, container("web"))
		decisions.Store(header.Get(service.HeaderDecision), true)
		return err
	}) {
		if err != nil {
			t.Errorf("racer %d: %v", i, err)
		}
	}
	n := 0
	decisions.Range(func(any, any) bool { n++; return true })
	if revision, _ := f.contents(t); n != 1 || revision != 1 {
		t.Errorf("%d decisions, revision %d", n, revision)
	}
}

// A request ID is forgotten after a while, and belongs to who used it.
func TestRequestIDLifetime(t *testing.T) {
	f := newFixture(t, nil, service.Options{RequestRetention: time.Nanosecond})
	c := clientsOf(t, f.serve(t))["grpc"]
	h := http.Header{service.HeaderRequestID: {"r"}}
	if _, _, err := c.create(t.Context(), h, container("web")); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.create(t.Context(), h, container("web"))
	codeIsFailure(t, err, connect.CodeAlreadyExists, "")

	store := memstore.New()
	for i, name := range []string{"ann", "bob"} {
		f := newFixture(t, store, service.Options{})
		h := f.Handler()
		c := clientsOf(t, f.serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(service.WithUser(r.Context(), plimsoll.User{Name: name, Via: "mtls"})))
		})))["grpc"]
		_, _, err := c.create(t.Context(), http.Header{service.HeaderRequestID: {"r"}}, container("web"))
		if i == 0 && err != nil {
			t.Error(err)
		} else if i == 1 {
			codeIsFailure(t, err, connect.CodeAlreadyExists, "")
		}
	}
}

func TestNamespaceLabelsAreInput(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	var seen []map[string]string
	f.SetRuleset(rules(judgeFunc(func(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
		seen = append(seen, in.NamespaceLabels)
		return plimsoll.Verdict{}, nil
	}), admit))
	if _, _, err := c.create(t.Context(), nil, container("a")); err != nil {
		t.Fatal(err)
	}
	view, err := f.store.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if _, err := view.Entry(t.Context(), plimsoll.EntryKey{Kind: plimsoll.KindNamespace, Key: "default"}); err != nil {
		t.Errorf("the namespace did not come into being: %v", err)
	}
	if len(seen) != 1 || len(seen[0]) != 0 {
		t.Errorf("rules saw %v", seen)
	}
}

func TestCompactedWatch(t *testing.T) {
	f, c := newPlimsoll(t, service.Options{})
	for i := range 4 {
		createAll(t, c, full(fmt.Sprint("c", i)))
	}
	if err := f.store.Compact(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	revision := uint64(1)
	stream, err := c.Watch(t.Context(), &plimsollv1.WatchRequest{AfterRevision: &revision})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for stream.Receive() {
	}
	codeIs(t, stream.Err(), connect.CodeOutOfRange, "oldest revision to go on after is 2")
	var e *connect.Error
	if errors.As(stream.Err(), &e) {
		for _, d := range e.Details() {
			if v, _ := d.Value(); v != nil {
				if info, ok := v.(*errdetails.ErrorInfo); ok && info.GetMetadata()["oldest_revision"] == "2" && info.GetReason() == "COMPACTED" {
					return
				}
			}
		}
	}
	t.Errorf("no detail names the oldest revision: %v", stream.Err())
}

// payloadCounter counts the containers that are read with their payloads.
type payloadCounter struct {
	storage.View
	read *int
}

func (v payloadCounter) Get(ctx context.Context, key plimsoll.Key) (*plimsoll.Container, error) {
	*v.read++
	return v.View.Get(ctx, key)
}

func (v payloadCounter) Scan(ctx context.Context, query storage.Query) iter.Seq2[*plimsoll.Container, error] {
	return func(yield func(*plimsoll.Container, error) bool) {
		for c, err := range v.View.Scan(ctx, query) {
			if query.WithPayloads {
				*v.read++
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// A list reads the specs of what it returns, if it is asked to, and no others.
func TestListReadsNoSpecs(t *testing.T) {
	inner := memstore.New()
	defer inner.Close()
	read := 0
	counting := &store{Store: inner}
	f := newFixture(t, counting, service.Options{})
	c := plimsollClients(t, f.serve(t))["grpc"]
	var all []*plimsollv1.Container
	for i := range 50 {
		all = append(all, full(fmt.Sprintf("c%02d", i), "shard", fmt.Sprint(i%10)))
	}
	createAll(t, c, all...)
	counting.view = func(ctx context.Context) (storage.View, error) {
		v, err := inner.View(ctx)
		return payloadCounter{v, &read}, err
	}
	for _, test := range []struct {
		filter, order string
		mask          []string
		want          int
	}{
		{"labels.shard==3", "", nil, 0},
		{"id~=/3$/", "", nil, 0},
		{"", "updated_at desc", nil, 0},
		{"labels.shard==3", "", []string{"id", "image"}, 0},
		{"labels.shard==3", "", []string{"spec"}, 5},
		{"id~=/3$/", "created_at", []string{"*"}, 5},
	} {
		read = 0
		res, err := c.ListContainers(t.Context(), &plimsollv1.ListContainersRequest{
			Filters: []string{test.filter}, OrderBy: test.order, ReadMask: &fieldmaskpb.FieldMask{Paths: test.mask},
		})
		if err != nil {
			t.Fatal(err)
		}
		if read != test.want {
			t.Errorf("%+v: %d specs were read for %d containers", test, read, len(res.GetContainers()))
		}
	}
}
