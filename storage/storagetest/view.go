package storagetest

import (
	"errors"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

func (s *suite) views(t *testing.T) {
	s.run(t, "a view does not see later commits", func(f *fixture) {
		f.commit(create(simple("a", "x", "1")), create(simple("b", "x", "1")))
		v := f.view()
		f.commit(update(simple("a", "x", "2")))
		f.commit(remove(simple("b")))
		f.commit(create(simple("c", "x", "1")))

		if r := v.Revision(); r != 1 {
			f.Errorf("Revision = %d, want 1", r)
		}
		if d := diff(at(simple("a", "x", "1"), 1), f.get(v, "a")); d != "" {
			f.Error(d)
		}
		f.get(v, "b")
		if _, err := v.Get(f.ctx, plimsoll.Key{Namespace: ns, ID: "c"}); !errors.Is(err, plimsoll.ErrNotFound) {
			f.Errorf("Get of a later container: %v, want ErrNotFound", err)
		}
		for _, q := range []storage.Query{{Namespace: ns}, {Namespace: ns, Where: label("x", "1")}} {
			if d := diff([]string{"a", "b"}, ids(f.scan(v, q))); d != "" {
				f.Errorf("Scan: %s", d)
			}
		}
	})
	s.run(t, "a commit that was acknowledged is seen by the next view", func(f *fixture) {
		for i := range 50 {
			r := f.commit(create(simple(string(rune('A' + i)))))
			v := f.view()
			if v.Revision() != r {
				f.Fatalf("the view is at %d, the commit got %d", v.Revision(), r)
			}
			v.Close()
		}
	})
	s.run(t, "a view can be kept over many commits", func(f *fixture) {
		f.commit(create(simple("a")))
		v := f.view()
		for range 100 {
			f.commit(update(complete("a")))
		}
		if d := diff(at(simple("a"), 1), f.get(v, "a")); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "a closed view cannot be read", func(f *fixture) {
		f.commit(create(simple("a")))
		v := f.view()
		for range 2 {
			if err := v.Close(); err != nil {
				f.Errorf("Close: %v", err)
			}
		}
		if _, err := v.Get(f.ctx, plimsoll.Key{Namespace: ns, ID: "a"}); !errors.Is(err, storage.ErrViewClosed) {
			f.Errorf("Get: %v, want ErrViewClosed", err)
		}
		var last error
		for _, err := range v.Scan(f.ctx, storage.Query{Namespace: ns}) {
			last = err
		}
		if !errors.Is(last, storage.ErrViewClosed) {
			f.Errorf("Scan: %v, want ErrViewClosed", last)
		}
	})
	s.run(t, "a closed view can be committed on", func(f *fixture) {
		f.commit(create(simple("a")))
		v := f.view()
		f.get(v, "a")
		v.Close()
		if _, err := f.Commit(f.ctx, v, change(create(simple("b")))); err != nil {
			f.Errorf("Commit: %v", err)
		}
		f.commit(update(simple("a")))
		if _, err := f.Commit(f.ctx, v, change(create(simple("c")))); !errors.Is(err, plimsoll.ErrConflict) {
			f.Errorf("Commit after what was read has changed: %v, want ErrConflict", err)
		}
	})
}
