package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
)

// gate holds transactions back just before they become durable.
type gate struct {
	arrived chan int   // a transaction is at the gate
	pass    chan error // let it through, or make it fail
}

// openGated opens a store whose transactions all stop at a gate.
func openGated(t *testing.T, o Options) (*Store, *gate) {
	t.Helper()
	g := &gate{arrived: make(chan int), pass: make(chan error)}
	o.commit = func(txn *badger.Txn) error {
		g.arrived <- 1
		if err := <-g.pass; err != nil {
			return err
		}
		return txn.Commit()
	}
	return openIn(t, o), g
}

// commits starts a commit for each ID and returns a channel of their results.
type result struct {
	id       string
	revision plimsoll.Revision
	err      error
}

func (s *Store) commitAll(ctx context.Context, t *testing.T, ids ...string) <-chan result {
	t.Helper()
	results := make(chan result, len(ids))
	for _, id := range ids {
		v, err := s.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer v.Close()
			r, err := s.Commit(ctx, v, creating(id))
			results <- result{id, r, err}
		}()
	}
	return results
}

// queued waits until n requests are in the queue.
func (s *Store) queued(t *testing.T, n int) {
	t.Helper()
	for len(s.queue) < n {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

// Commits that wait while one is being synced share the next transaction.
func TestGroupCommit(t *testing.T) {
	s, g := openGated(t, Options{})
	first := s.commitAll(t.Context(), t, "first")
	<-g.arrived
	ids := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	rest := s.commitAll(t.Context(), t, ids...)
	s.queued(t, len(ids))
	g.pass <- nil
	if r := <-first; r.err != nil || r.revision != 1 {
		t.Errorf("first commit: %+v", r)
	}
	<-g.arrived
	g.pass <- nil // one transaction for all: another would stop at the gate for good
	seen := make(map[plimsoll.Revision]string)
	for range ids {
		r := <-rest
		if r.err != nil || r.revision < 2 || r.revision > 9 || seen[r.revision] != "" {
			t.Errorf("%+v, after %v", r, seen)
		}
		seen[r.revision] = r.id
	}
}

// A request whose context ends while it waits is not stored.
func TestCommitWithdrawn(t *testing.T) {
	s, g := openGated(t, Options{})
	first := s.commitAll(t.Context(), t, "first")
	<-g.arrived
	ctx, cancel := context.WithCancel(t.Context())
	waiting := s.commitAll(ctx, t, "withdrawn")
	s.queued(t, 1)
	cancel()
	if r := <-waiting; !errors.Is(r.err, context.Canceled) {
		t.Errorf("the waiting commit: %+v, want Canceled", r)
	}
	last := s.commitAll(t.Context(), t, "last")
	s.queued(t, 2)
	g.pass <- nil
	<-first
	<-g.arrived
	g.pass <- nil
	if r := <-last; r.err != nil || r.revision != 2 {
		t.Errorf("the commit after: %+v, want revision 2", r)
	}
	v, err := s.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Get(t.Context(), plimsoll.Key{Namespace: "n", ID: "withdrawn"}); !errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
}

// A commit that has begun is waited for, whatever becomes of its context.
func TestCommitBegunIsWaitedFor(t *testing.T) {
	s, g := openGated(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	begun := s.commitAll(ctx, t, "a")
	<-g.arrived
	cancel()
	g.pass <- nil
	if r := <-begun; r.err != nil || r.revision != 1 {
		t.Errorf("the commit: %+v, want revision 1", r)
	}
}

// A full queue makes commits wait, for as long as their contexts let them.
func TestFullQueue(t *testing.T) {
	s, g := openGated(t, Options{QueueLength: 2})
	first := s.commitAll(t.Context(), t, "first")
	<-g.arrived
	queued := s.commitAll(t.Context(), t, "a", "b")
	s.queued(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	blocked := s.commitAll(ctx, t, "c")
	cancel()
	if r := <-blocked; !errors.Is(r.err, context.Canceled) {
		t.Errorf("the commit for which there is no place: %+v, want Canceled", r)
	}
	g.pass <- nil
	<-first
	<-g.arrived
	g.pass <- nil
	for range 2 {
		if r := <-queued; r.err != nil {
			t.Errorf("queued: %+v", r)
		}
	}
}

// The reader of a view neither waits for a transaction under way nor sees it.
func TestViewDuringCommit(t *testing.T) {
	s, g := openGated(t, Options{})
	done := s.commitAll(t.Context(), t, "a")
	<-g.arrived
	v, err := s.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Get(t.Context(), plimsoll.Key{Namespace: "n", ID: "a"}); !errors.Is(err, plimsoll.ErrNotFound) || v.Revision() != 0 {
		t.Errorf("at %d, Get: %v, want ErrNotFound at 0", v.Revision(), err)
	}
	g.pass <- nil
	<-done
}

// Close waits for the transaction under way and refuses what waits.
func TestCloseDuringCommit(t *testing.T) {
	s, g := openGated(t, Options{})
	begun := s.commitAll(t.Context(), t, "begun")
	<-g.arrived
	waiting := s.commitAll(t.Context(), t, "waiting")
	s.queued(t, 1)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	<-s.stopping
	g.pass <- nil
	if r := <-begun; r.err != nil || r.revision != 1 {
		t.Errorf("the commit under way: %+v, want revision 1", r)
	}
	if r := <-waiting; !errors.Is(r.err, plimsoll.ErrClosed) {
		t.Errorf("the waiting commit: %+v, want ErrClosed", r)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
}

// When a transaction fails, nobody can tell what is on disk, and the store is done.
func TestFailure(t *testing.T) {
	broken := errors.New("input/output error")
	dir := t.TempDir()
	s, g := openGated(t, Options{Dir: dir})
	ok := s.commitAll(t.Context(), t, "a")
	<-g.arrived
	g.pass <- nil
	<-ok
	v, err := s.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	watched := make(chan error)
	go func() {
		for _, err := range s.Watch(t.Context(), 1) {
			watched <- err
		}
	}()
	failing := s.commitAll(t.Context(), t, "b")
	<-g.arrived
	waiting := s.commitAll(t.Context(), t, "c", "d")
	s.queued(t, 2)
	if err := s.Err(); err != nil {
		t.Errorf("Err before the failure: %v", err)
	}
	g.pass <- broken

	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, plimsoll.ErrClosed) || !errors.Is(err, broken) {
			t.Errorf("%s: %v, want ErrClosed and the cause", what, err)
		}
	}
	check("the commit", (<-failing).err)
	check("a waiting commit", (<-waiting).err)
	check("another", (<-waiting).err)
	check("the watch", <-watched)
	<-s.Failed()
	if err := s.Err(); !errors.Is(err, broken) {
		t.Errorf("Err: %v, want the cause", err)
	}
	_, err = v.Get(t.Context(), plimsoll.Key{Namespace: "n", ID: "a"})
	check("Get", err)
	_, err = s.View(t.Context())
	check("View", err)
	_, err = s.Commit(t.Context(), v, creating("e"))
	check("Commit", err)
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := openIn(t, Options{Dir: dir}).Verify(t.Context()); err != nil {
		t.Errorf("after reopening: %v", err)
	}
}

// sized is a container whose commit takes some bytes.
func sized(id string, bytesOfSpec int) *plimsoll.Container {
	return &plimsoll.Container{ID: id, Spec: plimsoll.Any{TypeURL: "spec", Value: noise(bytesOfSpec)}}
}

// A change that no transaction could hold is refused, and says so; the largest that
// one can hold is not.
func TestTooLarge(t *testing.T) {
	s := openIn(t, Options{})
	labels := make(map[string]string)
	for i := range 60_000 {
		labels[fmt.Sprint(i)] = "x"
	}
	for name, c := range map[string]*plimsoll.Container{
		"bytes":   sized("a", int(s.maxBytes)),
		"entries": {ID: "a", Labels: labels},
		"labels":  {ID: "x", Labels: map[string]string{"k": string(noise(valueThreshold))}},
		"ID":      {ID: string(bytes.Repeat([]byte("x"), maxNameBytes))},
	} {
		var invalid *plimsoll.RequestError
		if _, err := s.commitOn(t, writing(plimsoll.OperationCreate, c)); !errors.As(err, &invalid) {
			t.Errorf("%s: %v, want a RequestError", name, err)
		}
	}
	s.mustCommit(t, writing(plimsoll.OperationCreate, sized("a", int(s.maxBytes)-4096)))
	s.mustCommit(t, writing(plimsoll.OperationUpdate, sized("a", 0)))
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// Requests that together exceed a transaction are spread over several, each whole.
func TestLargeRequestsAreSpread(t *testing.T) {
	s, g := openGated(t, Options{})
	first := s.commitAll(t.Context(), t, "first")
	<-g.arrived
	var wg sync.WaitGroup
	const n = 7 // of which two fit
	for i := range n {
		v, err := s.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer v.Close()
			if _, err := s.Commit(t.Context(), v, writing(plimsoll.OperationCreate, sized(fmt.Sprint(i), 2<<20))); err != nil {
				t.Error(err)
			}
		})
	}
	s.queued(t, n)
	g.pass <- nil
	<-first
	for range (n + 1) / 2 {
		<-g.arrived
		g.pass <- nil
	}
	wg.Wait()
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}
