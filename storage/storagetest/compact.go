package storagetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// historyOf is the revisions and operations of a container's events, newest first.
func (f *fixture) historyOf(id string, at plimsoll.Revision) []string {
	f.Helper()
	var got []string
	for e, err := range f.History(f.ctx, plimsoll.Key{Namespace: ns, ID: id}, at) {
		if err != nil {
			f.Fatalf("History: %v", err)
		}
		got = append(got, fmt.Sprintf("%d %s", e.Revision, e.Operation))
	}
	return got
}

func (s *suite) histories(t *testing.T) {
	s.run(t, "newest first, of one container", func(f *fixture) {
		f.commit(create(simple("a")))                                 // 1
		f.commit(create(simple("ab")), update(simple("a", "x", "y"))) // 2
		f.commit(createIn("other", simple("a")))                      // 3
		f.commit(remove(at(simple("a", "x", "y"), 2)))                // 4
		f.commit(create(simple("a")), namespace(plimsoll.OperationCreate, "a", ""))
		for at, want := range map[plimsoll.Revision][]string{
			0: {"5 CREATE", "4 DELETE", "2 UPDATE", "1 CREATE"},
			9: {"5 CREATE", "4 DELETE", "2 UPDATE", "1 CREATE"},
			3: {"2 UPDATE", "1 CREATE"},
			2: {"2 UPDATE", "1 CREATE"},
		} {
			if d := diff(want, f.historyOf("a", at)); d != "" {
				f.Errorf("at %d: %s", at, d)
			}
		}
		if got := f.historyOf("nobody", 0); got != nil {
			f.Errorf("nobody has %v", got)
		}
		var events []plimsoll.Event
		for e := range f.History(f.ctx, plimsoll.Key{Namespace: ns, ID: "ab"}, 0) {
			events = append(events, e)
		}
		if d := diff(take(f.T, f.Watch(f.ctx, 1), 1), events); d != "" {
			f.Errorf("it is another event than that of a watch: %s", d)
		}
	})
	s.run(t, "long", func(f *fixture) {
		f.commit(create(simple("a")))
		for range 150 {
			f.commit(update(simple("a")))
		}
		if got := f.historyOf("a", 0); len(got) != 151 || got[150] != "1 CREATE" {
			f.Errorf("found %d: %v", len(got), got)
		}
	})
}

func (s *suite) compactions(t *testing.T) {
	prepare := func(f *fixture, upTo plimsoll.Revision) {
		f.Helper()
		f.commit(create(simple("a")), create(simple("b")))
		f.commit(update(simple("a", "x", "1")))
		f.commit(update(simple("a", "x", "2")))
		f.commit(update(simple("a", "x", "3")))
		if err := f.Compact(f.ctx, upTo); err != nil {
			f.Fatalf("Compact: %v", err)
		}
	}
	s.run(t, "old events are gone, newer ones are not", func(f *fixture) {
		prepare(f, 2)
		if got := f.view().Compacted(); got != 2 {
			f.Errorf("Compacted = %d", got)
		}
		for after := range plimsoll.Revision(2) {
			for _, err := range f.Watch(f.ctx, after) {
				var compacted *plimsoll.CompactedError
				if !errors.As(err, &compacted) || compacted.Oldest != 2 || !errors.Is(err, plimsoll.ErrCompacted) {
					f.Errorf("Watch after %d: %v", after, err)
				}
			}
		}
		if events := take(f.T, f.Watch(f.ctx, 2), 2); len(events) == 2 && (events[0].Revision != 3 || events[1].Revision != 4) {
			f.Errorf("events are %v", events)
		}
		if d := diff([]string{"4 UPDATE", "3 UPDATE"}, f.historyOf("a", 0)); d != "" {
			f.Error(d)
		}
		if got := f.historyOf("b", 0); got != nil {
			f.Errorf("b has %v", got)
		}
		if d := diff([]string{"a", "b"}, ids(f.scan(f.view(), storage.Query{Namespace: ns}))); d != "" {
			f.Error(d)
		}
		f.commit(remove(simple("b")))
		f.commit(create(simple("c")))
	})
	s.run(t, "the latest commit keeps its events", func(f *fixture) {
		prepare(f, 99)
		if got := f.view().Compacted(); got != 3 {
			f.Errorf("Compacted = %d", got)
		}
		if events := take(f.T, f.Watch(f.ctx, 3), 1); len(events) == 1 && events[0].Revision != 4 {
			f.Errorf("event is %v", events[0])
		}
	})
	s.run(t, "again and less", func(f *fixture) {
		prepare(f, 3)
		if err := f.Compact(f.ctx, 1); err != nil {
			f.Fatal(err)
		}
		if got := f.view().Compacted(); got != 3 {
			f.Errorf("Compacted = %d", got)
		}
	})
	s.run(t, "of an empty store", func(f *fixture) {
		if err := f.Compact(f.ctx, 1); err != nil {
			f.Fatal(err)
		}
		f.commit(create(simple("a")))
	})
	s.run(t, "many", func(f *fixture) {
		var writes []storage.Write
		for i := range 1200 {
			writes = append(writes, create(simple(fmt.Sprintf("%05d", i))))
		}
		f.commit(writes...)
		f.commit(update(simple("00000", "x", "1")))
		if err := f.Compact(f.ctx, 1); err != nil {
			f.Fatal(err)
		}
		if d := diff([]string{"2 UPDATE"}, f.historyOf("00000", 0)); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "a watch that lags is told", func(f *fixture) {
		prepare(f, 0)
		for e, err := range f.Watch(f.ctx, 0) {
			if err == nil && e.Revision == 1 {
				continue // to the second event of the commit, and on
			}
			break
		}
		if err := f.Compact(f.ctx, 3); err != nil {
			f.Fatal(err)
		}
	})
	s.run(t, "a watch in the middle of a commit does not lose the rest of it", func(f *fixture) {
		var writes []storage.Write
		for i := range 600 {
			writes = append(writes, create(simple(fmt.Sprintf("%05d", i))))
		}
		f.commit(writes...)
		f.commit(create(simple("second")))
		if s.reopen != nil { // so that nothing is in memory
			f.close()
			f.Store, f.closed = s.reopen(f.T, f.Store), false
		}
		seen := 0
		for e, err := range f.Watch(f.ctx, 0) {
			if seen++; errors.Is(err, plimsoll.ErrCompacted) {
				return // told so
			}
			if err != nil {
				f.Fatal(err)
			}
			if seen == 10 {
				if err := f.Compact(f.ctx, 1); err != nil {
					f.Fatal(err)
				}
				f.commit(create(simple("third")))
			}
			if e.Last != (seen == 600 || e.Revision > 1) {
				f.Errorf("event %d of revision %d is last: %v", seen, e.Revision, e.Last)
			}
			if e.Revision == 2 {
				if seen != 601 {
					f.Errorf("the second commit came as event %d", seen)
				}
				return
			}
		}
	})
	s.run(t, "views see what they saw", func(f *fixture) {
		prepare(f, 0)
		v := f.view()
		f.commit(update(simple("a", "x", "4")))
		again, err := v.Reopen(f.ctx)
		if err != nil {
			f.Fatal(err)
		}
		defer again.Close()
		if err := f.Compact(f.ctx, 4); err != nil {
			f.Fatal(err)
		}
		v.Close()
		if c := f.get(again, "a"); c.Labels["x"] != "3" || again.Revision() != 4 {
			f.Errorf("the view at %d sees %v", again.Revision(), c.Labels)
		}
	})
	if s.reopen != nil {
		s.run(t, "survives", func(f *fixture) {
			prepare(f, 2)
			f.close()
			f.Store, f.closed = s.reopen(f.T, f.Store), false
			if got := f.view().Compacted(); got != 2 {
				f.Errorf("Compacted = %d", got)
			}
			if d := diff([]string{"4 UPDATE", "3 UPDATE"}, f.historyOf("a", 0)); d != "" {
				f.Error(d)
			}
		})
	}
}
