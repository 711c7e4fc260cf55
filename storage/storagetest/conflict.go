package storagetest

import (
	"errors"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// conflicts: what is read through a view, what somebody else commits then, and
// whether the commit on that view must fail.
func (s *suite) conflicts(t *testing.T) {
	get := func(id string) func(f *fixture, v storage.View) {
		return func(f *fixture, v storage.View) {
			_, err := v.Get(f.ctx, plimsoll.Key{Namespace: ns, ID: id})
			if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
				f.Fatalf("Get: %v", err)
			}
		}
	}
	scan := func(q storage.Query) func(f *fixture, v storage.View) {
		return func(f *fixture, v storage.View) { f.scan(v, q) }
	}
	everything := storage.Query{Namespace: ns}
	teamCore := storage.Query{Namespace: ns, Where: label("team", "core")}
	image := storage.Query{Namespace: ns, Where: &storage.Term{Field: storage.FieldImage, Value: simple("").Image}}
	runtime := storage.Query{Namespace: ns, Where: &storage.Term{Field: storage.FieldRuntime, Value: simple("").Runtime.Name}}

	// Stored already: core (team core), web (team web), in ns and in another.
	for name, test := range map[string]struct {
		read     func(f *fixture, v storage.View)
		other    storage.Write
		write    storage.Write // default: creates "mine"
		conflict bool
	}{
		"nothing read":                             {other: update(simple("web"))},
		"key read, unchanged":                      {read: get("core"), other: update(simple("web"))},
		"key read, updated":                        {read: get("core"), other: update(simple("core")), conflict: true},
		"key read, deleted":                        {read: get("core"), other: remove(simple("core")), conflict: true},
		"key missed, created":                      {read: get("new"), other: create(simple("new")), conflict: true},
		"key missed, another created":              {read: get("new"), other: create(simple("new2"))},
		"key read, same ID in another namespace":   {read: get("new"), other: createIn("other", simple("new"))},
		"key not read but written, updated":        {write: update(simple("core")), other: update(simple("core", "a", "b")), conflict: true},
		"key not read but written, deleted":        {write: update(simple("core")), other: remove(simple("core")), conflict: true},
		"key not read but created, created":        {write: create(simple("new")), other: create(simple("new")), conflict: true},
		"namespace scanned, created":               {read: scan(everything), other: create(simple("new")), conflict: true},
		"namespace scanned, updated":               {read: scan(everything), other: update(simple("web")), conflict: true},
		"namespace scanned, deleted":               {read: scan(everything), other: remove(simple("web")), conflict: true},
		"namespace scanned, created in another":    {read: scan(everything), other: createIn("other", simple("new"))},
		"term scanned, created with it":            {read: scan(teamCore), other: create(simple("new", "team", "core")), conflict: true},
		"term scanned, created without it":         {read: scan(teamCore), other: create(simple("new", "team", "web"))},
		"term scanned, one joins":                  {read: scan(teamCore), other: update(simple("web", "team", "core")), conflict: true},
		"term scanned, one leaves":                 {read: scan(teamCore), other: update(simple("core", "team", "web")), conflict: true},
		"term scanned, one changes":                {read: scan(teamCore), other: update(simple("core", "team", "core", "x", "y")), conflict: true},
		"term scanned, one is deleted":             {read: scan(teamCore), other: remove(simple("core")), conflict: true},
		"term scanned, another is deleted":         {read: scan(teamCore), other: remove(simple("web"))},
		"term scanned, same term in another":       {read: scan(teamCore), other: createIn("other", simple("new", "team", "core"))},
		"term scanned, label key and value swap":   {read: scan(teamCore), other: create(simple("new", "core", "team"))},
		"image scanned, created with it":           {read: scan(image), other: create(simple("new")), conflict: true},
		"image scanned, created without it":        {read: scan(image), other: create(complete("new"))},
		"runtime scanned, created with it":         {read: scan(runtime), other: create(simple("new")), conflict: true},
		"runtime scanned, created without it":      {read: scan(runtime), other: create(complete("new"))},
		"scan that drops all matches, created":     {read: scan(storage.Query{Namespace: ns, Match: nothing}), other: create(simple("new")), conflict: true},
		"scan stopped at the first, later created": {read: firstOf(everything), other: create(simple("zzz")), conflict: true},
		"empty scan, created":                      {read: scan(storage.Query{Namespace: ns, Where: label("no", "such")}), other: create(simple("new", "no", "such")), conflict: true},
	} {
		s.run(t, name, func(f *fixture) {
			f.commit(
				create(simple("core", "team", "core")), create(simple("web", "team", "web")),
				createIn("other", simple("core", "team", "core")),
			)
			v := f.view()
			if test.read != nil {
				test.read(f, v)
			}
			f.commit(test.other)
			write := test.write
			if write.Container == nil {
				write = create(simple("mine"))
			}
			revision, err := f.Commit(f.ctx, v, change(write))
			switch {
			case test.conflict && !errors.Is(err, plimsoll.ErrConflict):
				f.Errorf("Commit: %d, %v, want ErrConflict", revision, err)
			case !test.conflict && (err != nil || revision != 3):
				f.Errorf("Commit: %d, %v, want revision 3", revision, err)
			}
		})
	}

	s.run(t, "a view that has seen the change does not conflict", func(f *fixture) {
		f.commit(create(simple("a")))
		v := f.view()
		f.scan(v, everything)
		f.get(v, "a")
		if _, err := f.Commit(f.ctx, v, change(update(simple("a")))); err != nil {
			f.Errorf("Commit: %v", err)
		}
	})
	s.run(t, "one's own commit conflicts like any other", func(f *fixture) {
		f.commit(create(simple("a")))
		v := f.view()
		f.get(v, "a")
		if _, err := f.Commit(f.ctx, v, change(update(simple("a")))); err != nil {
			f.Errorf("Commit: %v", err)
		}
		if _, err := f.Commit(f.ctx, v, change(update(simple("a")))); !errors.Is(err, plimsoll.ErrConflict) {
			f.Errorf("second Commit on the view: %v, want ErrConflict", err)
		}
	})
	s.run(t, "any write of a commit conflicts", func(f *fixture) {
		f.commit(create(simple("a")))
		v := f.view()
		f.get(v, "a")
		f.commit(create(simple("b")), update(simple("a")), create(simple("c")))
		if _, err := f.Commit(f.ctx, v, change(create(simple("d")))); !errors.Is(err, plimsoll.ErrConflict) {
			f.Errorf("Commit: %v, want ErrConflict", err)
		}
	})
	s.run(t, "a conflict counts more than an unsuitable write", func(f *fixture) {
		v := f.view()
		f.commit(create(simple("a")))
		if _, err := f.Commit(f.ctx, v, change(create(simple("a")))); !errors.Is(err, plimsoll.ErrConflict) {
			f.Errorf("Commit: %v, want ErrConflict", err)
		}
	})
}

func nothing(*plimsoll.Container) bool { return false }

func firstOf(q storage.Query) func(f *fixture, v storage.View) {
	return func(f *fixture, v storage.View) {
		for _, err := range v.Scan(f.ctx, q) {
			if err != nil {
				f.Fatalf("Scan: %v", err)
			}
			break
		}
	}
}
