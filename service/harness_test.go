package service_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/plimsoll-project/plimsoll"
	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

const (
	specType = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
	runc     = "io.containerd.runc.v2"
)

// fixture is a service over a store, with a record of what it decided and logged.
type fixture struct {
	*service.Service
	store     storage.Store
	log       lockedBuffer
	mu        sync.Mutex
	decisions []plimsoll.Decision
}

// newFixture makes a service over store, or over an empty one if that is nil, which
// judges by labelRules.
func newFixture(t *testing.T, store storage.Store, options service.Options) *fixture {
	t.Helper()
	if store == nil {
		store = memstore.New()
		t.Cleanup(func() { _ = store.Close() })
	}
	f := &fixture{store: store}
	options.OpenNamespaceLabels = true // TestNamespaceLabelsAreForOperators is about the default
	options.Logger = slog.New(slog.NewTextHandler(&f.log, nil))
	options.OnDecision = func(d plimsoll.Decision) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.decisions = append(f.decisions, d)
	}
	f.Service = service.New(store, options)
	f.SetRuleset(labelRules())
	return f
}

// lastDecision returns the latest decision and how many there are.
func (f *fixture) lastDecision(t *testing.T) (plimsoll.Decision, int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.decisions) == 0 {
		t.Fatal("no decision was recorded")
	}
	return f.decisions[len(f.decisions)-1], len(f.decisions)
}

// serve serves the service over HTTP/1.1 and h2c.
func (f *fixture) serve(t *testing.T) *httptest.Server {
	t.Helper()
	return f.serveHandler(t, f.Handler())
}

func (f *fixture) serveHandler(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(&f.log, nil), slog.LevelError)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

// contents returns all that the store holds in the namespace default.
func (f *fixture) contents(t *testing.T) (plimsoll.Revision, []*plimsoll.Container) {
	t.Helper()
	view, err := f.store.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	var all []*plimsoll.Container
	for c, err := range view.Scan(t.Context(), storage.Query{Namespace: "default", WithPayloads: true}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return view.Revision(), all
}

// unchanged returns a check that the store is as it is now.
func (f *fixture) unchanged(t *testing.T) (check func()) {
	t.Helper()
	revision, before := f.contents(t)
	return func() {
		t.Helper()
		now, after := f.contents(t)
		if revision != now {
			t.Errorf("the store went from revision %d to %d", revision, now)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("the store has changed (-before +after):\n%s", diff)
		}
	}
}

// judgeFunc is a judge made of a function.
type judgeFunc func(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error)

func (f judgeFunc) Judge(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
	return f(ctx, in)
}

var admit = judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
	return plimsoll.Verdict{}, nil
})

// labelRules are rules that an object's labels ask for: policy, quota and validator
// say how many violations of that kind there are, warn how many warnings.
func labelRules() *service.Ruleset {
	return &service.Ruleset{
		Digest: "sha256:labels",
		Policies: judgeFunc(func(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
			var v plimsoll.Verdict
			for i := range labelCount(in, "policy") {
				v.Violations = append(v.Violations, policyViolation(i))
			}
			for i := range labelCount(in, "quota") {
				w := policyViolation(i)
				w.Code = plimsoll.CodeQuotaExceeded
				v.Violations = append(v.Violations, w)
			}
			for i := range labelCount(in, "warn") {
				v.Warnings = append(v.Warnings, policyViolation(i))
			}
			return v, nil
		}),
		Validators: judgeFunc(func(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
			var v plimsoll.Verdict
			for i := range labelCount(in, "validator") {
				v.Violations = append(v.Violations, validatorViolation(i))
			}
			return v, nil
		}),
	}
}

func labelCount(in *plimsoll.Input, label string) int {
	n, _ := strconv.Atoi(in.Object.Labels[label])
	return n
}

func policyViolation(i int) plimsoll.Violation {
	return plimsoll.Violation{
		Message: "rule " + strconv.Itoa(i) + " says no", Field: "labels.team", Code: "TEAM_REQUIRED", Fix: "add labels.team",
		Link: "https://example.org/labels", Title: "Teams are named", Severity: "high",
		Source: plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "labels.required", Rule: "deny", File: "labels.rego", Line: 12},
	}
}

func validatorViolation(i int) plimsoll.Violation {
	return plimsoll.Violation{
		Message: "mount " + strconv.Itoa(i) + " is not absolute", Field: "spec.mounts[" + strconv.Itoa(i) + "].destination",
		Code: "MOUNT_RELATIVE", Source: plimsoll.Source{Kind: plimsoll.SourceValidator, Name: "runc-spec", Version: "1.0.0"},
	}
}

// rules makes a ruleset of judges.
func rules(policies, validators plimsoll.Judge) *service.Ruleset {
	return &service.Ruleset{Digest: "sha256:test", Policies: policies, Validators: validators}
}

// container makes a valid container with the labels of pairs.
func container(id string, pairs ...string) *containerdv1.Container {
	c := &containerdv1.Container{
		Id: id, Image: "registry.example/" + id + ":1", Runtime: runc, Rootfs: id + "-snapshot",
		Spec: &anypb.Any{TypeUrl: specType, Value: []byte(`{"ociVersion":"1.2.0","process":{"args":["sh"]}}`)},
	}
	for i := 0; i < len(pairs); i += 2 {
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[pairs[i]] = pairs[i+1]
	}
	return c
}

// lockedBuffer is a log that may be written and read at once.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
