package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

func entry(op plimsoll.Operation, kind plimsoll.EntryKind, key, value string) storage.Write {
	return storage.Write{Operation: op, Entry: &plimsoll.Entry{
		EntryKey: plimsoll.EntryKey{Kind: kind, Key: key}, Value: []byte(value),
	}}
}

func namespace(op plimsoll.Operation, key, value string) storage.Write {
	return entry(op, plimsoll.KindNamespace, key, value)
}

func (f *fixture) entry(v storage.View, kind plimsoll.EntryKind, key string) *plimsoll.Entry {
	f.Helper()
	e, err := v.Entry(f.ctx, plimsoll.EntryKey{Kind: kind, Key: key})
	if err != nil {
		f.Fatalf("Entry: %v", err)
	}
	return e
}

func (f *fixture) entries(v storage.View, kind plimsoll.EntryKind, prefix string) []string {
	f.Helper()
	var found []string
	for e, err := range v.Entries(f.ctx, kind, prefix, "") {
		if err != nil {
			f.Fatalf("Entries: %v", err)
		}
		found = append(found, e.Key+"="+string(e.Value))
	}
	return found
}

func (s *suite) entries(t *testing.T) {
	const create, update, remove = plimsoll.OperationCreate, plimsoll.OperationUpdate, plimsoll.OperationDelete
	s.run(t, "are put, replaced and removed", func(f *fixture) {
		f.commit(namespace(create, "a", "1"))
		before := f.view()
		f.commit(namespace(update, "a", "2"))
		want := &plimsoll.Entry{EntryKey: plimsoll.EntryKey{Kind: plimsoll.KindNamespace, Key: "a"}, Value: []byte("2"), Revision: 2}
		if d := diff(want, f.entry(f.view(), plimsoll.KindNamespace, "a")); d != "" {
			f.Error(d)
		}
		f.commit(namespace(remove, "a", ""))
		if _, err := f.view().Entry(f.ctx, want.EntryKey); !errors.Is(err, plimsoll.ErrNotFound) {
			f.Errorf("Entry after its removal: %v", err)
		}
		if got := f.entry(before, plimsoll.KindNamespace, "a"); string(got.Value) != "1" || got.Revision != 1 {
			f.Errorf("an older view sees %+v", got)
		}
	})
	s.run(t, "are listed by kind and prefix, in order", func(f *fixture) {
		for _, key := range []string{"b/2", "a", "b/1", "b", "c", "b/1/x"} {
			f.commit(namespace(create, key, key))
		}
		f.commit(entry(create, plimsoll.KindLease, "b/9", ""))
		v := f.view()
		if d := diff([]string{"b/1=b/1", "b/1/x=b/1/x", "b/2=b/2"}, f.entries(v, plimsoll.KindNamespace, "b/")); d != "" {
			f.Error(d)
		}
		if d := diff([]string{"b/9="}, f.entries(v, plimsoll.KindLease, "")); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "many are listed", func(f *fixture) {
		var writes []storage.Write
		for i := range 1500 {
			writes = append(writes, namespace(create, fmt.Sprintf("%05d", i), ""))
		}
		f.commit(writes...)
		if n := len(f.entries(f.view(), plimsoll.KindNamespace, "")); n != 1500 {
			f.Errorf("found %d", n)
		}
	})
	s.run(t, "must suit what is there", func(f *fixture) {
		f.commit(namespace(create, "a", ""))
		for w, want := range map[*storage.Write]error{
			new(namespace(create, "a", "")): plimsoll.ErrExists,
			new(namespace(update, "b", "")): plimsoll.ErrNotFound,
			new(namespace(remove, "b", "")): plimsoll.ErrNotFound,
		} {
			if _, err := f.Commit(f.ctx, f.view(), change(*w)); !errors.Is(err, want) {
				f.Errorf("%s of %s: %v, want %v", w.Operation, w.Entry.EntryKey, err, want)
			}
		}
	})
	s.run(t, "come with containers, all or nothing", func(f *fixture) {
		f.commit(namespace(create, "a", ""), createIn("a", simple("x")))
		v := f.view()
		if _, err := f.Commit(f.ctx, v, change(namespace(create, "b", ""), createIn("a", simple("x")))); !errors.Is(err, plimsoll.ErrExists) {
			f.Errorf("Commit: %v", err)
		}
		if d := diff([]string{"a="}, f.entries(f.view(), plimsoll.KindNamespace, "")); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "leave events, but for requests", func(f *fixture) {
		w := namespace(create, "a", "labels")
		f.commit(w, entry(create, plimsoll.KindRequest, "r", "x"), createIn("a", simple("x")))
		f.commit(namespace(remove, "a", "labels"))
		events := take(f.T, f.Watch(f.ctx, 0), 3)
		if len(events) != 3 {
			f.FailNow()
		}
		c := change(w, createIn("a", simple("x")))
		if d := diff(c.Event(0, nil, 1), events[0]); d != "" {
			f.Error(d)
		}
		if events[1].Container == nil || events[1].Container.ID != "x" {
			f.Errorf("the second event is %+v", events[1])
		}
		if e := events[2]; e.Entry == nil || e.Operation != remove || e.Revision != 2 || string(e.Entry.Value) != "labels" {
			f.Errorf("the third event is %+v", e)
		}
	})
	s.run(t, "a change of nothing but requests is refused", func(f *fixture) {
		if _, err := f.Commit(f.ctx, f.view(), change(entry(create, plimsoll.KindRequest, "r", "x"))); err == nil {
			f.Error("it was committed")
		}
	})
	s.run(t, "that were read conflict when written since", func(f *fixture) {
		f.commit(namespace(create, "a", ""))
		for name, read := range map[string]func(v storage.View){
			"read":    func(v storage.View) { f.entry(v, plimsoll.KindNamespace, "a") },
			"scanned": func(v storage.View) { f.entries(v, plimsoll.KindNamespace, "a") },
		} {
			v := f.view()
			read(v)
			f.commit(namespace(update, "a", name))
			if _, err := f.Commit(f.ctx, v, change(createIn("q", simple(name)))); !errors.Is(err, plimsoll.ErrConflict) {
				f.Errorf("%s: %v", name, err)
			}
		}
		v := f.view()
		f.entries(v, plimsoll.KindLease, "")
		f.commit(namespace(update, "a", ""))
		if _, err := f.Commit(f.ctx, v, change(createIn("q", simple("free")))); err != nil {
			f.Errorf("another kind: %v", err)
		}
	})
	s.run(t, "that are absent and looked for conflict when they appear", func(f *fixture) {
		v := f.view()
		if _, err := v.Entry(f.ctx, plimsoll.EntryKey{Kind: plimsoll.KindNamespace, Key: "a"}); !errors.Is(err, plimsoll.ErrNotFound) {
			f.Fatalf("Entry: %v", err)
		}
		f.commit(namespace(create, "a", ""))
		if _, err := f.Commit(f.ctx, v, change(createIn("a", simple("x")))); !errors.Is(err, plimsoll.ErrConflict) {
			f.Errorf("Commit: %v", err)
		}
	})
	s.run(t, "of 32 that create the same one wins", func(f *fixture) {
		var (
			wg  sync.WaitGroup
			won atomic.Int32
		)
		for i := range 32 {
			wg.Go(func() {
				v, err := f.View(f.ctx)
				if err != nil {
					f.Error(err)
					return
				}
				defer v.Close()
				switch _, err = f.Commit(f.ctx, v, change(namespace(create, "a", fmt.Sprint(i)))); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, plimsoll.ErrConflict) && !errors.Is(err, plimsoll.ErrExists):
					f.Error(err)
				}
			})
		}
		if wg.Wait(); won.Load() != 1 {
			f.Errorf("%d won", won.Load())
		}
	})
	s.run(t, "expire", func(f *fixture) {
		gone, kept := entry(create, plimsoll.KindLease, "gone", ""), entry(create, plimsoll.KindLease, "kept", "")
		gone.Entry.ExpiresAt = time.Now().Add(-time.Minute)
		kept.Entry.ExpiresAt = time.Now().Add(time.Hour)
		f.commit(gone, kept)
		v := f.view()
		if d := diff([]string{"kept="}, f.entries(v, plimsoll.KindLease, "")); d != "" {
			f.Error(d)
		}
		if got := f.entry(v, plimsoll.KindLease, "kept").ExpiresAt; !got.Equal(kept.Entry.ExpiresAt) {
			f.Errorf("it expires at %v, want %v", got, kept.Entry.ExpiresAt)
		}
		if _, err := v.Entry(f.ctx, gone.Entry.EntryKey); !errors.Is(err, plimsoll.ErrNotFound) {
			f.Errorf("Entry: %v", err)
		}
		again := entry(create, plimsoll.KindLease, "gone", "new")
		f.commit(again)
		if d := diff([]string{"gone=new", "kept="}, f.entries(f.view(), plimsoll.KindLease, "")); d != "" {
			f.Error(d)
		}
	})
}
