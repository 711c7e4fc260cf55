// Package storagetest is the storage contract as tests: one suite that every
// implementation of [storage.Store] passes.
//
//	func TestStore(t *testing.T) {
//		storagetest.Run(t, func(t *testing.T) storage.Store { return memstore.New() })
//	}
//
// Each case gets a new, empty store; cases run in parallel. When a case is over and has left its store
// open, the store is checked as a whole: containers, indexes and events must tell
// the same story.
package storagetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Open returns a new, empty store. The suite closes it.
type Open func(t *testing.T) storage.Store

// Option adds to the suite what not every store can do.
type Option func(*suite)

// Reopen says that the store is durable: reopen gets a store that the suite has
// closed and returns one with the same content.
func Reopen(reopen func(t *testing.T, closed storage.Store) storage.Store) Option {
	return func(s *suite) { s.reopen = reopen }
}

type suite struct {
	open   Open
	reopen func(t *testing.T, closed storage.Store) storage.Store
}

// Run runs the suite.
func Run(t *testing.T, open Open, options ...Option) {
	s := &suite{open: open}
	for _, option := range options {
		option(s)
	}
	t.Run("commit", s.commits)
	t.Run("view", s.views)
	t.Run("scan", s.scans)
	t.Run("conflict", s.conflicts)
	t.Run("race", s.races)
	t.Run("watch", s.watches)
	t.Run("entry", s.entries)
	t.Run("log", s.logs)
	t.Run("history", s.histories)
	t.Run("compact", s.compactions)
	t.Run("close", s.closing)
	t.Run("cancel", s.cancellation)
	t.Run("random history", s.randomHistories)
	if s.reopen != nil {
		t.Run("reopen", s.reopening)
	}
}

// run runs one case on a store of its own.
func (s *suite) run(t *testing.T, name string, test func(f *fixture)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel() // most of the time goes into waiting for a disk
		store := s.open(t)
		f := &fixture{T: t, Store: store, ctx: t.Context(), suite: s}
		defer func() {
			if !f.closed && !t.Failed() {
				check(f)
			}
			if err := f.Close(); err != nil && !t.Failed() {
				t.Errorf("closing the store: %v", err)
			}
		}()
		test(f)
	})
}

// fixture is a case that is running: the store is embedded, and what fails in a
// method fails the case.
type fixture struct {
	*testing.T
	storage.Store
	ctx    context.Context
	suite  *suite
	closed bool
}

func (f *fixture) close() {
	f.Helper()
	f.closed = true
	if err := f.Close(); err != nil {
		f.Fatalf("Close: %v", err)
	}
}

func (f *fixture) view() storage.View {
	f.Helper()
	v, err := f.View(f.ctx)
	if err != nil {
		f.Fatalf("View: %v", err)
	}
	f.Cleanup(func() { v.Close() })
	return v
}

// epoch is when all changes of the suite are judged.
var epoch = time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)

// change makes a change that is recognisable in events.
func change(writes ...storage.Write) storage.Change {
	writes = slices.Clone(writes)
	for i := range writes {
		writes[i].Decision = fmt.Sprintf("01JDF3Q8-%d", i)
		if writes[i].Operation == plimsoll.OperationUpdate && writes[i].Entry == nil {
			writes[i].Changed = []string{"image", "labels.x"}
		}
	}
	return storage.Change{
		Writes:  writes,
		Time:    epoch,
		Ruleset: "sha256:1234",
		User:    plimsoll.User{Name: "ann", Groups: []string{"dev", "ops"}, Via: "mtls"},
	}
}

// commit commits on a fresh view that has read nothing.
func (f *fixture) commit(writes ...storage.Write) plimsoll.Revision {
	f.Helper()
	v := f.view()
	defer v.Close()
	revision, err := f.Commit(f.ctx, v, change(writes...))
	if err != nil {
		f.Fatalf("Commit: %v", err)
	}
	return revision
}

const ns = "default"

func create(c *plimsoll.Container) storage.Write { return createIn(ns, c) }

func createIn(namespace string, c *plimsoll.Container) storage.Write {
	return storage.Write{Operation: plimsoll.OperationCreate, Namespace: namespace, Container: c}
}

func update(c *plimsoll.Container) storage.Write {
	return storage.Write{Operation: plimsoll.OperationUpdate, Namespace: ns, Container: c}
}

func remove(c *plimsoll.Container) storage.Write {
	return storage.Write{Operation: plimsoll.OperationDelete, Namespace: ns, Container: c}
}

// simple is a container with little in it. Labels are given as key, value, ….
func simple(id string, labels ...string) *plimsoll.Container {
	c := &plimsoll.Container{
		ID:      id,
		Image:   "docker.io/library/nginx:1",
		Runtime: plimsoll.Runtime{Name: "io.containerd.runc.v2"},
		Spec:    plimsoll.Any{TypeURL: "spec", Value: []byte(`{"of": "` + id + `"}`)},
	}
	for i := 0; i+1 < len(labels); i += 2 {
		if c.Labels == nil {
			c.Labels = make(map[string]string)
		}
		c.Labels[labels[i]] = labels[i+1]
	}
	return c
}

// complete is a container with every field set.
func complete(id string) *plimsoll.Container {
	return &plimsoll.Container{
		ID:     id,
		Labels: map[string]string{"team": "core", "tier": "web"},
		Image:  "docker.io/library/redis@sha256:12",
		Runtime: plimsoll.Runtime{
			Name:    "io.containerd.runsc.v1",
			Options: plimsoll.Any{TypeURL: "options", Value: []byte{0, 1, 2, 0xff}},
		},
		Spec:        plimsoll.Any{TypeURL: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: []byte(`{"process":{}}`)},
		Snapshotter: "overlayfs",
		SnapshotKey: id + "-snapshot",
		Extensions: map[string]plimsoll.Any{
			"nerdctl": {TypeURL: "nerdctl/v1", Value: []byte("n")},
			"bare":    {TypeURL: "bare/v1"},
		},
		SandboxID: "pod-1",
		CreatedAt: epoch.Add(-time.Hour),
		UpdatedAt: epoch.Add(-time.Minute),
	}
}

func at(c *plimsoll.Container, revision plimsoll.Revision) *plimsoll.Container {
	c = c.Clone()
	c.Revision = revision
	return c
}

// diff compares containers or events. A store need not tell nil from empty.
func diff(want, got any) string { return cmp.Diff(want, got, cmpopts.EquateEmpty(), equalAny) }

// equalAny is there because payloads may be large, and cmp compares byte by byte.
var equalAny = cmp.Comparer(func(a, b plimsoll.Any) bool {
	return a.TypeURL == b.TypeURL && bytes.Equal(a.Value, b.Value)
})

func (f *fixture) get(v storage.View, id string) *plimsoll.Container {
	f.Helper()
	c, err := v.Get(f.ctx, plimsoll.Key{Namespace: ns, ID: id})
	if err != nil {
		f.Fatalf("Get %q: %v", id, err)
	}
	return c
}

func (f *fixture) scan(v storage.View, q storage.Query) []*plimsoll.Container {
	f.Helper()
	var found []*plimsoll.Container
	for c, err := range v.Scan(f.ctx, q) {
		if err != nil {
			f.Fatalf("Scan: %v", err)
		}
		found = append(found, c)
	}
	return found
}

func ids(containers []*plimsoll.Container) []string {
	var ids []string
	for _, c := range containers {
		ids = append(ids, c.ID)
	}
	return ids
}

func label(key, value string) *storage.Term {
	return &storage.Term{Field: storage.FieldLabel + key, Value: value}
}
