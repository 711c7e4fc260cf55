package storagetest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

func (s *suite) commits(t *testing.T) {
	s.run(t, "an empty store is at revision 0", func(f *fixture) {
		v := f.view()
		if r := v.Revision(); r != 0 {
			f.Errorf("Revision = %d", r)
		}
		if _, err := v.Get(f.ctx, plimsoll.Key{Namespace: ns, ID: "a"}); !errors.Is(err, plimsoll.ErrNotFound) {
			f.Errorf("Get: %v, want ErrNotFound", err)
		}
		if found := f.scan(v, storage.Query{Namespace: ns}); len(found) > 0 {
			f.Errorf("Scan found %q", ids(found))
		}
	})
	s.run(t, "revisions count commits", func(f *fixture) {
		for want := plimsoll.Revision(1); want <= 5; want++ {
			if got := f.commit(create(simple(string(rune('a' + want))))); got != want {
				f.Errorf("Commit = %d, want %d", got, want)
			}
			if got := f.view().Revision(); got != want {
				f.Errorf("view is at %d, want %d", got, want)
			}
		}
	})
	s.run(t, "what is stored comes back whole", func(f *fixture) {
		c := complete("a")
		c.Revision = 77 // not the caller's to set
		r := f.commit(create(c))
		if d := diff(at(c, r), f.get(f.view(), "a")); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "an update replaces everything", func(f *fixture) {
		f.commit(create(complete("a")))
		for _, c := range []*plimsoll.Container{{ID: "a"}, simple("a", "x", "y"), complete("a")} {
			r := f.commit(update(c))
			if d := diff(at(c, r), f.get(f.view(), "a")); d != "" {
				f.Error(d)
			}
		}
	})
	s.run(t, "a deleted container is gone and can be created again", func(f *fixture) {
		f.commit(create(complete("a")))
		f.commit(remove(&plimsoll.Container{ID: "a"}))
		v := f.view()
		if c, err := v.Get(f.ctx, plimsoll.Key{Namespace: ns, ID: "a"}); !errors.Is(err, plimsoll.ErrNotFound) {
			f.Errorf("Get: %v, %v, want ErrNotFound", c, err)
		}
		for _, q := range []storage.Query{{Namespace: ns}, {Namespace: ns, Where: label("team", "core")}} {
			if found := f.scan(v, q); len(found) > 0 {
				f.Errorf("Scan found %q", ids(found))
			}
		}
		again := simple("a")
		if r := f.commit(create(again)); r != 3 {
			f.Errorf("created again at revision %d, want 3", r)
		}
		if d := diff(at(again, 3), f.get(f.view(), "a")); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "large payloads come and go", func(f *fixture) {
		c := complete("a")
		f.commit(create(c))
		for _, size := range []int{1<<20 + 1, 3 << 20, 512<<10 - 1, 512 << 10, 1, 0, 2 << 20} {
			c.Spec.Value = bytes.Repeat([]byte("0123456789abcdef\n"), size/17+1)[:size]
			r := f.commit(update(c))
			if got := f.get(f.view(), "a"); !bytes.Equal(got.Spec.Value, c.Spec.Value) || got.Revision != r {
				f.Errorf("a spec of %d bytes came back with %d, or others", size, len(got.Spec.Value))
			}
		}
		f.commit(remove(c))
	})
	s.run(t, "writes of one commit share its revision", func(f *fixture) {
		r := f.commit(create(simple("a")), createIn("other", simple("a")), create(simple("b")))
		v := f.view()
		if v.Revision() != r || f.get(v, "a").Revision != r || f.get(v, "b").Revision != r {
			f.Errorf("view, a and b are at %d, %d and %d, want %d", v.Revision(), f.get(v, "a").Revision, f.get(v, "b").Revision, r)
		}
	})
	s.run(t, "writes of one commit are applied in order", func(f *fixture) {
		f.commit(create(simple("b", "x", "old")))
		last := simple("a", "x", "3")
		r := f.commit(
			create(simple("a", "x", "1")), remove(simple("a")), create(simple("a", "x", "2")), update(last),
			remove(simple("b")), create(complete("b")), remove(simple("b")),
		)
		v := f.view()
		if d := diff([]*plimsoll.Container{at(last, r)}, f.scan(v, storage.Query{Namespace: ns, WithPayloads: true})); d != "" {
			f.Error(d)
		}
		for _, value := range []string{"1", "2", "old"} {
			if found := f.scan(v, storage.Query{Namespace: ns, Where: label("x", value)}); len(found) > 0 {
				f.Errorf("the index still has x=%s", value)
			}
		}
	})
	s.run(t, "all of a commit or nothing", func(f *fixture) {
		f.commit(create(simple("b")))
		_, err := f.Commit(f.ctx, f.view(), change(create(simple("a")), remove(simple("b")), update(simple("c"))))
		if !errors.Is(err, plimsoll.ErrNotFound) {
			f.Fatalf("Commit: %v, want ErrNotFound", err)
		}
		v := f.view()
		if got := ids(f.scan(v, storage.Query{Namespace: ns})); v.Revision() != 1 || diff([]string{"b"}, got) != "" {
			f.Errorf("the store is at %d with %q, want 1 with b", v.Revision(), got)
		}
	})
	s.unsuited(t)
	s.malformed(t)
	s.run(t, "the store keeps nothing that the caller can change", func(f *fixture) {
		c := complete("a")
		want := c.Clone()
		ch := change(create(c))
		if _, err := f.Commit(f.ctx, f.view(), ch); err != nil {
			f.Fatal(err)
		}
		scribble(c)
		ch.User.Groups[0] = "scribbled"
		ch.Writes[0].Namespace = "scribbled"
		got := f.get(f.view(), "a")
		if d := diff(at(want, 1), got); d != "" {
			f.Errorf("after changing what was committed: %s", d)
		}
		scribble(got)
		v := f.view()
		for _, found := range f.scan(v, storage.Query{Namespace: ns, WithPayloads: true}) {
			scribble(found)
		}
		for _, found := range f.scan(v, storage.Query{Namespace: ns}) {
			scribble(found)
		}
		if d := diff(at(want, 1), f.get(v, "a")); d != "" {
			f.Errorf("after changing what was read: %s", d)
		}
		for e, err := range f.Watch(f.ctx, 0) {
			if err != nil || e.User.Groups[0] != "dev" || e.Namespace != ns || e.Container.Labels["team"] != "core" {
				f.Errorf("event after changing what was committed: %v, %v", e, err)
			}
			e.Container.Labels["team"], e.User.Groups[0] = "scribbled", "scribbled"
			break
		}
		for e := range f.Watch(f.ctx, 0) {
			if e.User.Groups[0] != "dev" || e.Container.Labels["team"] != "core" {
				f.Errorf("event after changing an event: %v", e)
			}
			break
		}
	})
}

// unsuited: a write must suit what is stored.
func (s *suite) unsuited(t *testing.T) {
	for name, test := range map[string]struct {
		write storage.Write
		want  error
	}{
		"creating what exists":         {create(simple("a")), plimsoll.ErrExists},
		"updating what does not exist": {update(simple("b")), plimsoll.ErrNotFound},
		"deleting what does not exist": {remove(simple("b")), plimsoll.ErrNotFound},
	} {
		s.run(t, name, func(f *fixture) {
			f.commit(create(simple("a")))
			if _, err := f.Commit(f.ctx, f.view(), change(test.write)); !errors.Is(err, test.want) {
				f.Errorf("Commit: %v, want %v", err, test.want)
			}
			if r := f.view().Revision(); r != 1 {
				f.Errorf("the store is at %d, want 1", r)
			}
		})
	}
}

// malformed: a store refuses what it cannot make sense of.
func (s *suite) malformed(t *testing.T) {
	for name, refused := range map[string]func(f *fixture) error{
		"no writes": func(f *fixture) error {
			_, err := f.Commit(f.ctx, f.view(), change())
			return err
		},
		"no container": func(f *fixture) error {
			_, err := f.Commit(f.ctx, f.view(), change(create(nil)))
			return err
		},
		"unknown operation": func(f *fixture) error {
			_, err := f.Commit(f.ctx, f.view(), change(storage.Write{Operation: "PATCH", Namespace: ns, Container: simple("a")}))
			return err
		},
		"no view": func(f *fixture) error {
			_, err := f.Commit(f.ctx, nil, change(create(simple("a"))))
			return err
		},
		"a view of another store": func(f *fixture) error {
			other := f.suite.open(f.T)
			defer other.Close()
			v, err := other.View(f.ctx)
			if err != nil {
				f.Fatal(err)
			}
			defer v.Close()
			_, err = f.Commit(f.ctx, v, change(create(simple("a"))))
			return err
		},
	} {
		s.run(t, "refused: "+name, func(f *fixture) {
			if err := refused(f); err == nil {
				f.Error("Commit took it")
			}
			if r := f.view().Revision(); r != 0 {
				f.Errorf("the store is at %d, want 0", r)
			}
		})
	}
}

// scribble changes everything that can be reached from c.
func scribble(c *plimsoll.Container) {
	for key := range c.Labels {
		c.Labels[key] = "scribbled"
	}
	for name, ext := range c.Extensions {
		clear(ext.Value)
		c.Extensions[name] = plimsoll.Any{TypeURL: "scribbled"}
	}
	clear(c.Spec.Value)
	clear(c.Runtime.Options.Value)
}
