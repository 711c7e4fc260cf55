package service_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

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
