package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

func (s *suite) scans(t *testing.T) {
	s.run(t, "in bytewise order of ID", func(f *fixture) {
		want := []string{"A", "B", "a", "a-", "a-b", "a.b", "aa", "ab", "a\x00b", "b", "é", "\xff", "a\xff", "10", "9"}
		for _, id := range want {
			f.commit(create(simple(id)))
		}
		slices.Sort(want)
		for name, q := range map[string]storage.Query{
			"namespace": {Namespace: ns},
			"index":     {Namespace: ns, Where: &storage.Term{Field: storage.FieldImage, Value: simple("").Image}},
		} {
			if d := diff(want, ids(f.scan(f.view(), q))); d != "" {
				f.Errorf("%s: %s", name, d)
			}
		}
	})
	s.run(t, "namespaces are apart", func(f *fixture) {
		// Any two of these run into each other if names are only joined.
		var names []plimsoll.Key
		for _, name := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {"a\x00", "b"}, {"a", "\x00b"}, {"\x01a", "b"}} {
			key := plimsoll.Key{Namespace: name[0], ID: name[1]}
			names = append(names, key)
			f.commit(createIn(key.Namespace, simple(key.ID, "of", key.Namespace+"/"+key.ID)))
		}
		v := f.view()
		for _, key := range names {
			c, err := v.Get(f.ctx, key)
			if err != nil || c.ID != key.ID || c.Labels["of"] != key.Namespace+"/"+key.ID {
				f.Errorf("Get %q: %v, %v", key, c, err)
			}
			for _, q := range []storage.Query{
				{Namespace: key.Namespace},
				{Namespace: key.Namespace, Where: &storage.Term{Field: storage.FieldRuntime, Value: simple("").Runtime.Name}},
			} {
				for _, c := range f.scan(v, q) {
					if !slices.Contains(names, plimsoll.Key{Namespace: key.Namespace, ID: c.ID}) {
						f.Errorf("Scan of %q found %q of another namespace", key.Namespace, c.ID)
					}
				}
			}
		}
	})
	s.run(t, "an index finds exactly the equal values", func(f *fixture) {
		values := []string{
			"a", "ab", "abc", "b", "a\x00", "a\x00b", "\x00", "\x00\x00", "\xff", "\xff\xff", "é", "a b", "a=b", "a/b",
			"not \xfe utf-8", strings.Repeat("x", 4096), strings.Repeat("x", 4095) + "y", "labels.k",
		}
		keys := []string{"k", "kk", "k.k", "k\x00", "\x00k", ".", "", "image"}
		for i, value := range values {
			for j, key := range keys {
				f.commit(create(simple(fmt.Sprintf("%d-%d", i, j), key, value)))
			}
		}
		v := f.view()
		for i, value := range values {
			for j, key := range keys {
				want := []string{fmt.Sprintf("%d-%d", i, j)}
				if d := diff(want, ids(f.scan(v, storage.Query{Namespace: ns, Where: label(key, value)}))); d != "" {
					f.Errorf("label %q = %.20q: %s", key, value, d)
				}
			}
		}
	})
	s.run(t, "every field has an index", func(f *fixture) {
		f.commit(create(simple("plain")), create(complete("full")), create(&plimsoll.Container{ID: "empty"}))
		for name, test := range map[string]struct {
			where storage.Term
			want  []string
		}{
			"image":               {storage.Term{Field: storage.FieldImage, Value: simple("").Image}, []string{"plain"}},
			"no image":            {storage.Term{Field: storage.FieldImage}, []string{"empty"}},
			"part of an image":    {storage.Term{Field: storage.FieldImage, Value: "docker.io"}, nil},
			"runtime":             {storage.Term{Field: storage.FieldRuntime, Value: "io.containerd.runsc.v1"}, []string{"full"}},
			"no runtime":          {storage.Term{Field: storage.FieldRuntime}, []string{"empty"}},
			"label":               {*label("team", "core"), []string{"full"}},
			"absent label":        {*label("team", ""), nil},
			"field without index": {storage.Term{Field: "sandbox", Value: "pod-1"}, nil},
		} {
			if d := diff(test.want, ids(f.scan(f.view(), storage.Query{Namespace: ns, Where: &test.where}))); d != "" {
				f.Errorf("%s: %s", name, d)
			}
		}
	})
	s.run(t, "an index follows updates", func(f *fixture) {
		f.commit(create(simple("a", "x", "1", "y", "1")))
		f.commit(update(simple("a", "x", "2", "z", "1")))
		v := f.view()
		for term, want := range map[storage.Term][]string{
			*label("x", "1"): nil, *label("x", "2"): {"a"}, *label("y", "1"): nil, *label("z", "1"): {"a"},
		} {
			if d := diff(want, ids(f.scan(v, storage.Query{Namespace: ns, Where: &term}))); d != "" {
				f.Errorf("%v: %s", term, d)
			}
		}
	})
	s.run(t, "payloads only when asked for", func(f *fixture) {
		c := complete("a")
		f.commit(create(c))
		for _, where := range []*storage.Term{nil, label("team", "core")} {
			q := storage.Query{Namespace: ns, Where: where}
			if d := diff([]*plimsoll.Container{storage.WithoutPayloads(at(c, 1))}, f.scan(f.view(), q)); d != "" {
				f.Errorf("without: %s", d)
			}
			q.WithPayloads = true
			if d := diff([]*plimsoll.Container{at(c, 1)}, f.scan(f.view(), q)); d != "" {
				f.Errorf("with: %s", d)
			}
		}
	})
	s.run(t, "IDs only when asked for", func(f *fixture) {
		f.commit(create(complete("a")), create(complete("b")), create(simple("c")))
		for name, q := range map[string]storage.Query{
			"ab": {Namespace: ns, IDsOnly: true, Where: label("team", "core")}, "abc": {Namespace: ns, IDsOnly: true},
			"b": {Namespace: ns, IDsOnly: true, Where: label("team", "core"), After: "a"}, "": {Namespace: "none", IDsOnly: true},
		} {
			var want []*plimsoll.Container
			for _, id := range name {
				want = append(want, &plimsoll.Container{ID: string(id)})
			}
			if d := diff(want, f.scan(f.view(), q)); d != "" {
				f.Errorf("%s: %s", name, d)
			}
		}
	})
	s.run(t, "match sees metadata and drops", func(f *fixture) {
		f.commit(create(complete("a")), create(complete("b")), create(simple("c")))
		for _, where := range []*storage.Term{nil, label("team", "core")} {
			var seen []*plimsoll.Container
			found := f.scan(f.view(), storage.Query{
				Namespace: ns, Where: where, WithPayloads: true,
				Match: func(c *plimsoll.Container) bool {
					seen = append(seen, c.Clone())
					return c.ID == "b"
				},
			})
			if d := diff([]*plimsoll.Container{at(complete("b"), 1)}, found); d != "" {
				f.Error(d)
			}
			want := []*plimsoll.Container{at(complete("a"), 1), at(complete("b"), 1)}
			if where == nil {
				want = append(want, at(simple("c"), 1))
			}
			for i := range want {
				want[i] = storage.WithoutPayloads(want[i])
			}
			if d := diff(want, seen); d != "" {
				f.Errorf("match saw: %s", d)
			}
		}
	})
	s.run(t, "many", func(f *fixture) {
		const n = 700
		want := make([]string, n)
		writes := make([]storage.Write, n)
		for i := range n {
			want[i] = fmt.Sprintf("c%05d", i)
			writes[i] = create(simple(want[i], "parity", fmt.Sprint(i%2)))
		}
		f.commit(writes...)
		v := f.view()
		if d := diff(want, ids(f.scan(v, storage.Query{Namespace: ns}))); d != "" {
			f.Error(d)
		}
		if found := f.scan(v, storage.Query{Namespace: ns, Where: label("parity", "1")}); len(found) != n/2 {
			f.Errorf("the index found %d, want %d", len(found), n/2)
		}
	})
	s.run(t, "the store can be used from within a scan", func(f *fixture) {
		for i := range 40 {
			f.commit(create(simple(fmt.Sprintf("c%02d", i))))
		}
		v := f.view()
		var seen []string
		for c, err := range v.Scan(f.ctx, storage.Query{Namespace: ns}) {
			if err != nil {
				f.Fatal(err)
			}
			seen = append(seen, c.ID)
			f.get(v, "c00")
			f.scan(v, storage.Query{Namespace: ns})
			f.commit(create(simple(c.ID + "-copy")))
		}
		if len(seen) != 40 {
			f.Errorf("the scan found %d, want the 40 of its view", len(seen))
		}
	})
	s.run(t, "a scan can be repeated", func(f *fixture) {
		f.commit(create(simple("a")), create(simple("b")))
		scan := f.view().Scan(f.ctx, storage.Query{Namespace: ns})
		for range 2 {
			n := 0
			for range scan {
				n++
			}
			if n != 2 {
				f.Errorf("found %d, want 2", n)
			}
		}
	})
}
