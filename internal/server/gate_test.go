package server

import (
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/badgerstore"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// gate is a server on a socket, over a store, that judges by rules alone.
type gate struct {
	testing.TB
	plimsollv1connect.ContainerServiceClient
	store storage.Store
	web   *httptest.Server
	// attempts is the most that any mutation took.
	attempts atomic.Int32
}

// stores are those that rules over many containers must hold on.
var stores = map[string]func(t testing.TB) storage.Store{
	"mem": func(testing.TB) storage.Store { return memstore.New() },
	"badger": func(t testing.TB) storage.Store {
		t.Helper()
		store, err := badgerstore.Open(badgerstore.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return store
	},
}

// newGate serves over store, which it closes. Rules are a Rego module without its package.
func newGate(t testing.TB, store storage.Store, rego string) *gate {
	t.Helper()
	g, err := openGate(t, store, "package rules\n\n"+rego, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// openGate is newGate of a whole module, which may be refused.
func openGate(t testing.TB, store storage.Store, rego string, timeout time.Duration) (*gate, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.rego")
	if err := os.WriteFile(path, []byte(rego), 0o600); err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig()
	config.Policies, config.Validators, config.PolicyTimeout = []string{path}, []string{None}, timeout
	log, err := newLogger(io.Discard, "text", "error")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := tryLoadRules(t, config, log)
	if err != nil {
		return nil, err
	}
	g := &gate{TB: t, store: store}
	svc := service.New(store, service.Options{MutationTimeout: time.Minute, QueueTimeout: time.Minute, Logger: log, OnDecision: g.count})
	svc.SetRuleset(&rules.Ruleset)
	g.web = httptest.NewUnstartedServer(svc.Handler())
	g.web.EnableHTTP2 = true
	g.web.StartTLS()
	t.Cleanup(func() {
		g.web.Close()
		_ = store.Close()
		_ = rules.close()
	})
	g.ContainerServiceClient = plimsollv1connect.NewContainerServiceClient(g.web.Client(), g.web.URL)
	return g, nil
}

func (g *gate) count(d plimsoll.Decision) {
	for {
		most := g.attempts.Load()
		if int32(d.Attempts) <= most || g.attempts.CompareAndSwap(most, int32(d.Attempts)) { //nolint:gosec // at most 128
			return
		}
	}
}

// labelled is a container with labels, given in turn with their values.
func labelled(id string, pairs ...string) *plimsollv1.Container {
	labels := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		labels[pairs[i]] = pairs[i+1]
	}
	return &plimsollv1.Container{
		Id: id, Labels: labels, Image: "nginx", Runtime: &plimsollv1.Runtime{Name: "io.containerd.runc.v2"},
		Spec: &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: []byte(`{"hostname":"` + id + `"}`)},
	}
}

func (g *gate) batchCreate(containers ...*plimsollv1.Container) (*plimsollv1.BatchCreateResponse, error) {
	req := &plimsollv1.BatchCreateRequest{}
	for _, c := range containers {
		req.Operations = append(req.Operations, &plimsollv1.CreateOperation{Container: c})
	}
	return g.BatchCreate(g.Context(), req)
}

// create reports the revision of the commit, or what the rules said.
func (g *gate) create(c *plimsollv1.Container) (plimsoll.Revision, string) {
	answer, err := g.batchCreate(c)
	return g.outcome(answer, err)
}

func (g *gate) update(c *plimsollv1.Container, mask ...string) (plimsoll.Revision, string) {
	answer, err := g.BatchUpdate(g.Context(), &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{
		{Container: c, UpdateMask: &fieldmaskpb.FieldMask{Paths: mask}},
	}})
	return g.outcome(answer, err)
}

func (g *gate) delete(id string) (plimsoll.Revision, string) {
	answer, err := g.BatchDelete(g.Context(), &plimsollv1.BatchDeleteRequest{Operations: []*plimsollv1.DeleteOperation{{Id: id}}})
	return g.outcome(answer, err)
}

func (g *gate) outcome(answer interface {
	GetResults() []*plimsollv1.BatchResult
}, err error,
) (plimsoll.Revision, string) {
	g.Helper()
	if err != nil {
		g.Error(err)
		return 0, err.Error()
	}
	r := answer.GetResults()[0]
	switch {
	case r.GetOutcome() == plimsollv1.BatchResult_OUTCOME_COMMITTED:
		return plimsoll.Revision(r.GetRevision()), ""
	case len(r.GetVerdict().GetViolations()) > 0:
		return 0, r.GetVerdict().GetViolations()[0].GetMessage()
	}
	return 0, r.GetCode()
}

// labels are those of everything that is stored, by ID.
func (g *gate) labels() map[string]map[string]string {
	g.Helper()
	view, err := g.store.View(g.Context())
	if err != nil {
		g.Fatal(err)
	}
	defer view.Close()
	all := map[string]map[string]string{}
	for c, err := range view.Scan(g.Context(), storage.Query{Namespace: "default"}) {
		if err != nil {
			g.Fatal(err)
		}
		all[c.ID] = c.Labels
	}
	return all
}

// inParallel calls f n times at once and waits for all.
func inParallel(n int, f func(i int)) {
	var wait sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wait.Wait()
}
