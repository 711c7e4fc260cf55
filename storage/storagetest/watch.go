package storagetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// story commits four revisions, the third with two writes, and returns the events
// that it expects of them.
func (f *fixture) story() []plimsoll.Event {
	f.Helper()
	a, b := complete("a"), simple("b", "x", "y")
	updated := simple("a", "team", "web")
	updated.Runtime = a.Runtime
	removed := at(b, 2)
	writes := [][]storage.Write{{create(a)}, {create(b)}, {update(updated), createIn("other", simple("a"))}, {remove(removed)}}
	state := make(model)
	var events []plimsoll.Event
	for i, ws := range writes {
		r := f.commit(ws...)
		if r != plimsoll.Revision(i+1) {
			f.Fatalf("Commit = %d, want %d", r, i+1)
		}
		c := change(ws...)
		for i, w := range c.Writes {
			events = append(events, c.Event(i, state[w.Key()], r))
			state[w.Key()] = at(w.Container, r)
		}
	}
	return events
}

// take takes n events from a watch.
func take(t *testing.T, watch iter.Seq2[plimsoll.Event, error], n int) []plimsoll.Event {
	t.Helper()
	var events []plimsoll.Event
	for e, err := range watch {
		if err != nil {
			t.Errorf("Watch after %d of %d events: %v", len(events), n, err)
			break
		}
		if events = append(events, e); len(events) == n {
			break
		}
	}
	return events
}

func (s *suite) watches(t *testing.T) {
	for name, test := range map[string]struct {
		after plimsoll.Revision
		skip  int // events of the story that are not to be seen
	}{
		"from the beginning": {0, 0}, "from the middle": {1, 1}, "from a commit of two writes": {2, 2}, "after that": {3, 4},
	} {
		s.run(t, name, func(f *fixture) {
			want := f.story()[test.skip:]
			if d := diff(want, take(f.T, f.Watch(f.ctx, test.after), len(want))); d != "" {
				f.Error(d)
			}
		})
	}
	s.run(t, "events carry no payloads", func(f *fixture) {
		f.commit(create(complete("a")))
		c := change(create(complete("a")))
		want := c.Event(0, nil, 1)
		if want.Container.Spec.Value != nil {
			f.Errorf("Change.Event left the payload %q", want.Container.Spec.Value)
		}
		if d := diff([]plimsoll.Event{want}, take(f.T, f.Watch(f.ctx, 0), 1)); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "stored events and then live ones, without a gap", func(f *fixture) {
		want := f.story()
		next, stop := iter.Pull2(f.Watch(f.ctx, 0))
		defer stop()
		for i := range want {
			e, err, _ := next()
			if err != nil || diff(want[i], e) != "" {
				f.Fatalf("event %d: %v: %s", i, err, diff(want[i], e))
			}
		}
		for i := range 20 {
			r := f.commit(create(simple(fmt.Sprintf("live%d", i))))
			e, err, _ := next()
			if err != nil || e.Revision != r {
				f.Fatalf("live event is of %d, %v, want %d", e.Revision, err, r)
			}
		}
	})
	s.run(t, "from a revision to come", func(f *fixture) {
		next, stop := iter.Pull2(f.Watch(f.ctx, 3))
		defer stop()
		got := make(chan plimsoll.Event)
		go func() {
			e, _, _ := next()
			got <- e
		}()
		for i := range 4 {
			f.commit(create(simple(fmt.Sprint(i))))
		}
		if e := <-got; e.Revision != 4 || e.Container.ID != "3" {
			f.Errorf("the first event is of revision %d and container %s, want 4 and 3", e.Revision, e.Container.ID)
		}
	})
	s.run(t, "resumed after every revision", func(f *fixture) {
		want := f.story()
		for _, e := range want {
			for _, next := range take(f.T, f.Watch(f.ctx, e.Revision-1), 1) {
				if next.Revision != e.Revision {
					f.Errorf("after %d comes %d", e.Revision-1, next.Revision)
				}
			}
		}
	})
	s.run(t, "more events than are read at once", func(f *fixture) {
		const n = 700
		writes := make([]storage.Write, n)
		for i := range n {
			writes[i] = create(simple(fmt.Sprintf("c%05d", i)))
		}
		f.commit(writes[:n-10]...)
		f.commit(writes[n-10:]...)
		for i, e := range take(f.T, f.Watch(f.ctx, 0), n) {
			if e.Container.ID != writes[i].Container.ID {
				f.Fatalf("event %d is of %s", i, e.Container.ID)
			}
		}
	})
	s.run(t, "all watchers see all commits of concurrent writers", func(f *fixture) {
		const writers, each = 8, 10
		seen := make(chan []plimsoll.Event)
		for range 3 {
			go func() { seen <- take(f.T, f.Watch(f.ctx, 0), writers*each) }()
		}
		f.parallel(writers, func(w int) (bool, error) {
			for i := range each {
				if _, err := f.attempt(func(storage.View) (storage.Write, bool, error) {
					return create(simple(fmt.Sprintf("%d-%d", w, i))), true, nil
				}); err != nil {
					return false, err
				}
			}
			return true, nil
		})
		for range 3 {
			events := <-seen
			if len(events) != writers*each {
				f.Fatalf("a watcher saw %d events, want %d", len(events), writers*each)
			}
			for i, e := range events {
				if e.Revision != plimsoll.Revision(i+1) {
					f.Fatalf("event %d is of revision %d", i, e.Revision)
				}
			}
		}
	})
	s.run(t, "a consumer that does not take its events delays nobody", func(f *fixture) {
		f.commit(create(simple("first")))
		next, stop := iter.Pull2(f.Watch(f.ctx, 0))
		defer stop()
		if _, err, _ := next(); err != nil {
			f.Fatal(err)
		}
		for i := range 600 {
			f.commit(create(simple(fmt.Sprint(i))))
		}
		for i := range 600 {
			e, err, _ := next()
			if err != nil || e.Revision != plimsoll.Revision(i+2) {
				f.Fatalf("event is of %d, %v, want %d", e.Revision, err, i+2)
			}
		}
	})
	s.watchEnds(t)
}

// watchEnds: a watch ends with its reason.
func (s *suite) watchEnds(t *testing.T) {
	for name, after := range map[string]plimsoll.Revision{"waiting": 4, "waiting for long": math.MaxUint64, "with events to come": 0} {
		s.run(t, "cancelled, "+name, func(f *fixture) {
			f.story()
			ctx, cancel := context.WithCancel(f.ctx)
			f.endsWith(ctx, after, context.Canceled, cancel)
		})
		s.run(t, "closed, "+name, func(f *fixture) {
			f.story()
			f.endsWith(f.ctx, after, plimsoll.ErrClosed, f.close)
		})
	}
}

// endsWith starts a watch, ends it, and checks that it says so in its last pair.
func (f *fixture) endsWith(ctx context.Context, after plimsoll.Revision, want error, end func()) {
	f.Helper()
	started := make(chan struct{})
	reason := make(chan error)
	go func() {
		var last error
		close(started)
		for e, err := range f.Watch(ctx, after) {
			if last != nil {
				err = fmt.Errorf("there was more after the end: %v, %w", e, err)
			}
			last = err
		}
		reason <- last
	}()
	<-started
	end()
	if err := <-reason; !errors.Is(err, want) {
		f.Errorf("the watch ended with %v, want %v", err, want)
	}
}
