package badgerstore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

func cachedAt(revision plimsoll.Revision, payload int) *metadata {
	c := &plimsoll.Container{ID: "a", Revision: revision}
	full := c.Clone()
	full.Spec.Value = make([]byte, payload)
	return &metadata{container: c, complete: full}
}

// read adds what was read, twice, as it must be to be kept.
func read(c *cache, key plimsoll.Key, at plimsoll.Revision, m *metadata) {
	c.add(key, at, m)
	c.add(key, at, m)
}

func TestCache(t *testing.T) {
	a, b := plimsoll.Key{Namespace: "n", ID: "a"}, plimsoll.Key{Namespace: "n", ID: "b"}
	for _, tt := range []struct {
		name string
		do   func(c *cache)
		at   plimsoll.Revision
		want plimsoll.Revision // of what is found; 0 for nothing
	}{
		{"nothing", func(*cache) {}, 9, 0},
		{"what was read once", func(c *cache) { c.add(a, 5, cachedAt(3, 0)) }, 5, 0},
		{"what was read", func(c *cache) { read(c, a, 5, cachedAt(3, 0)) }, 5, 3},
		{"for a later snapshot", func(c *cache) { read(c, a, 5, cachedAt(3, 0)) }, 9, 3},
		{"for an earlier snapshot that has it", func(c *cache) { read(c, a, 5, cachedAt(3, 0)) }, 3, 3},
		{"for a snapshot from before", func(c *cache) { read(c, a, 5, cachedAt(3, 0)) }, 2, 0},
		{"what was committed", func(c *cache) { c.commit(a, 6, cachedAt(6, 0)) }, 6, 6},
		{"what is committed is not in earlier snapshots", func(c *cache) { c.commit(a, 6, cachedAt(6, 0)) }, 5, 0},
		{"a commit replaces what was read", func(c *cache) { read(c, a, 5, cachedAt(3, 0)); c.commit(a, 6, cachedAt(6, 0)) }, 6, 6},
		{"and is not replaced by what is older", func(c *cache) { c.commit(a, 6, cachedAt(6, 0)); read(c, a, 5, cachedAt(3, 0)) }, 6, 6},
		{"nor is a deletion", func(c *cache) { c.commit(a, 6, nil); read(c, a, 5, cachedAt(3, 0)) }, 6, 0},
		{"a deletion", func(c *cache) { read(c, a, 5, cachedAt(3, 0)); c.commit(a, 6, nil) }, 6, 0},
		{"another container", func(c *cache) { read(c, b, 5, cachedAt(3, 0)) }, 5, 0},
		{"a large one is not kept", func(c *cache) { read(c, a, 5, cachedAt(3, 3000)) }, 5, 0},
		{"others push it out", func(c *cache) {
			read(c, a, 5, cachedAt(3, 0))
			for i := range 20 {
				read(c, plimsoll.Key{ID: fmt.Sprint(i)}, 5, cachedAt(3, 0))
			}
		}, 5, 0},
		{"replaced again and again it takes no more", func(c *cache) {
			read(c, a, 5, cachedAt(3, 0))
			for range 20 {
				read(c, b, 5, cachedAt(3, 0))
			}
		}, 5, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := newCache(16 << 10)
			if err != nil {
				t.Fatal(err)
			}
			tt.do(c)
			var got plimsoll.Revision
			if m := c.get(a, tt.at); m != nil {
				got = m.container.Revision
			}
			if got != tt.want {
				t.Errorf("found revision %d, want %d", got, tt.want)
			}
			if c.bytes > c.limit || c.bytes < 0 {
				t.Errorf("%d bytes are accounted for, of %d", c.bytes, c.limit)
			}
			c.entries.Purge()
			if c.bytes != 0 {
				t.Errorf("%d bytes are accounted for when nothing is left", c.bytes)
			}
		})
	}
}

// Whatever is cached while others write, delete and create anew, each view sees what its
// snapshot has in the database. The cache is so small that it loses entries all the time.
func TestCacheAgreesWithTheDatabase(t *testing.T) {
	for name, bytes := range map[string]int64{"a small cache": 20 << 10, "a large cache": 0} {
		t.Run(name, func(t *testing.T) {
			s := openIn(t, Options{CacheBytes: bytes})
			const containers, rounds = 12, 40
			id := func(i int) string { return fmt.Sprintf("c%d", i) }
			var writers, readers sync.WaitGroup
			for w := range 3 {
				writers.Go(func() {
					for i := range rounds {
						s.writeSomething(t, id((i*5+w)%containers), i+w)
					}
				})
			}
			var done atomic.Bool
			for range 3 {
				readers.Go(func() {
					for last := false; !last; {
						last = done.Load()
						s.compareWithDatabase(t, containers, id)
					}
				})
			}
			writers.Wait()
			done.Store(true)
			readers.Wait()
		})
	}
}

// writeSomething creates, updates or deletes a container.
func (s *Store) writeSomething(t *testing.T, id string, n int) {
	v, err := s.View(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	defer v.Close()
	c := &plimsoll.Container{
		ID: id, Labels: map[string]string{"k": "v", "n": fmt.Sprint(n)}, Spec: plimsoll.Any{TypeURL: "spec", Value: []byte(strings.Repeat("x", n))},
		Extensions: map[string]plimsoll.Any{"e": {TypeURL: "e", Value: []byte(fmt.Sprint(n))}},
	}
	op := plimsoll.OperationCreate
	if _, err := v.Get(t.Context(), plimsoll.Key{Namespace: "n", ID: id}); err == nil {
		op = plimsoll.OperationUpdate
		if n%4 == 0 {
			op = plimsoll.OperationDelete
		}
	}
	if _, err := s.Commit(t.Context(), v, writing(op, c)); err != nil && !errors.Is(err, plimsoll.ErrConflict) {
		t.Error(err)
	}
}

// compareWithDatabase reads all containers in one view, in each way.
func (s *Store) compareWithDatabase(t *testing.T, containers int, id func(int) string) {
	opened, err := s.View(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	defer opened.Close()
	v := opened.(*view)
	var want, got []*plimsoll.Container
	for i := range containers {
		key := plimsoll.Key{Namespace: "n", ID: id(i)}
		m, err := v.snapshot.metadata(key)
		if err == nil && m != nil {
			if m, err = v.snapshot.complete(key, m); err == nil {
				want = append(want, m.complete)
			}
		}
		if err != nil {
			t.Error(err)
		}
		c, err := v.Get(t.Context(), key)
		if err == nil {
			got = append(got, c)
		} else if !errors.Is(err, plimsoll.ErrNotFound) {
			t.Error(err)
		}
	}
	sorted := cmpopts.SortSlices(func(a, b *plimsoll.Container) bool { return a.ID < b.ID })
	if diff := cmp.Diff(want, got, sorted, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Get at revision %d (-database +view):\n%s", v.Revision(), diff)
	}
	for _, query := range []storage.Query{
		{Namespace: "n"},
		{Namespace: "n", WithPayloads: true},
		{Namespace: "n", Where: &storage.Term{Field: storage.FieldLabel + "k", Value: "v"}},
		{Namespace: "n", Where: &storage.Term{Field: storage.FieldLabel + "k", Value: "v"}, WithPayloads: true},
	} {
		var found []*plimsoll.Container
		for c, err := range v.Scan(t.Context(), query) {
			if err != nil {
				t.Error(err)
				return
			}
			found = append(found, c)
		}
		expected := want
		if !query.WithPayloads {
			expected = nil
			for _, c := range want {
				expected = append(expected, storage.WithoutPayloads(c))
			}
		}
		if diff := cmp.Diff(expected, found, sorted, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("Scan %+v at revision %d (-database +view):\n%s", query, v.Revision(), diff)
		}
	}
}

// Payloads that an update leaves alone are stored again as they were, without being
// encoded anew; what is in the database is whole all the same.
func TestUpdatesKeepPayloads(t *testing.T) {
	any := func(url string, value []byte) plimsoll.Any { return plimsoll.Any{TypeURL: url, Value: value} }
	plain := &plimsoll.Container{
		ID: "a", Labels: map[string]string{"k": "v"}, Spec: any("spec", []byte(strings.Repeat(`{"a":1}`, 50))),
		Runtime:    plimsoll.Runtime{Name: "r", Options: any("options", []byte("options"))},
		Extensions: map[string]plimsoll.Any{"e": any("e", []byte("extension")), "bare": any("bare", nil)},
	}
	for _, tt := range []struct {
		name   string
		stored func(c *plimsoll.Container)
		update func(c *plimsoll.Container)
	}{
		{"a label", nil, func(c *plimsoll.Container) { c.Labels = map[string]string{"k": "w"} }},
		{"nothing", nil, func(*plimsoll.Container) {}},
		{"the spec", nil, func(c *plimsoll.Container) { c.Spec.Value = []byte("{}") }},
		{"the spec's type", nil, func(c *plimsoll.Container) { c.Spec.TypeURL = "other" }},
		{"options", nil, func(c *plimsoll.Container) { c.Runtime.Options.Value = []byte("other") }},
		{"an extension", nil, func(c *plimsoll.Container) { c.Extensions["e"] = any("e", []byte("other")) }},
		{"an extension's type", nil, func(c *plimsoll.Container) { c.Extensions["e"] = any("other", []byte("extension")) }},
		{"an extension more", nil, func(c *plimsoll.Container) { c.Extensions["f"] = any("f", []byte("f")) }},
		{"an extension less", nil, func(c *plimsoll.Container) { delete(c.Extensions, "e") }},
		{"an extension by another name", nil, func(c *plimsoll.Container) { c.Extensions["f"] = c.Extensions["e"]; delete(c.Extensions, "e") }},
		{
			"a label of what has several chunks", func(c *plimsoll.Container) { c.Spec.Value = noise(2*chunkBytes + 7) },
			func(c *plimsoll.Container) { c.Image = "other" },
		},
		{
			"to nothing of what has several chunks", func(c *plimsoll.Container) { c.Spec.Value = noise(2*chunkBytes + 7) },
			func(c *plimsoll.Container) { c.Spec.Value, c.Runtime.Options.Value, c.Extensions = nil, nil, nil },
		},
		{
			"a label of what has no payloads", func(c *plimsoll.Container) {
				c.Spec, c.Runtime.Options, c.Extensions = plimsoll.Any{}, plimsoll.Any{}, nil
			},
			func(c *plimsoll.Container) { c.Image = "other" },
		},
	} {
		for state, opens := range map[string]int{"written before": 1, "read before": 2} {
			t.Run(tt.name+", "+state, func(t *testing.T) {
				dir := t.TempDir()
				c := plain.Clone()
				if tt.stored != nil {
					tt.stored(c)
				}
				s := openIn(t, Options{Dir: dir})
				s.mustCommit(t, writing(plimsoll.OperationCreate, c))
				if opens == 2 {
					s.Close()
					s = openIn(t, Options{Dir: dir})
					s.readOne(t)
					s.readOne(t)
					if s.cache.entries.Len() != 1 {
						t.Error("what was read twice is not cached")
					}
				}
				for range 2 {
					tt.update(c)
					s.mustCommit(t, writing(plimsoll.OperationUpdate, c))
				}
				s.Close()

				s = openIn(t, Options{Dir: dir})
				c.Revision = 3
				if diff := cmp.Diff(c, s.readOne(t), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("what is stored (-want +got):\n%s", diff)
				}
				if err := s.Verify(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// readOne returns the container a.
func (s *Store) readOne(t *testing.T) *plimsoll.Container {
	t.Helper()
	v, err := s.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	c, err := v.Get(t.Context(), plimsoll.Key{Namespace: "n", ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
