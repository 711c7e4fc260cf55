package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// benchSpec is a spec as containerd writes it.
var benchSpec = sync.OnceValue(func() []byte {
	spec, err := os.ReadFile("../../examples/validators/runc-spec/testdata/specs/linux-default.json")
	if err != nil {
		panic(err)
	}
	return spec
})

// benchContainer is of ordinary size: a spec of 4 KB and four labels.
func benchContainer(i int) *plimsoll.Container {
	return &plimsoll.Container{
		ID:          fmt.Sprintf("container-%08d", i),
		Labels:      map[string]string{"team": "core", "tier": "web", "shard": fmt.Sprint(i % 100), "build": fmt.Sprint(i)},
		Image:       "registry.example.org/library/nginx@sha256:0123456789abcdef0123456789abcdef",
		Runtime:     plimsoll.Runtime{Name: "io.containerd.runc.v2"},
		Spec:        plimsoll.Any{TypeURL: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: bytes.ReplaceAll(benchSpec(), []byte("default"), fmt.Appendf(nil, "container-%08d", i))},
		Snapshotter: "overlayfs",
		SnapshotKey: fmt.Sprintf("container-%08d", i),
	}
}

func benchChange(i int) storage.Change {
	return storage.Change{
		Writes: []storage.Write{{
			Operation: plimsoll.OperationCreate, Namespace: "default", Container: benchContainer(i), Decision: "01JDF3Q8ZZZZZZZZZZZZZZZZZZ",
		}},
		Ruleset: "sha256:0123456789abcdef",
		User:    plimsoll.User{Name: "bench", Via: "unix"},
	}
}

func openBench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// benchRecord is a decision of ordinary size.
func benchRecord(i int) storage.Record {
	return storage.Record{
		EntryKey: plimsoll.EntryKey{Kind: plimsoll.KindDecision, Key: fmt.Sprintf("default/01JDF3Q8ZZZZZZZZZZ%08d", i)}, Time: time.Unix(1e9, 0),
		Value: fmt.Appendf(nil, "%08d: a decision has ids, times, a caller, digests and what rules found: some three hundred bytes, of which %0200d is a part", i, i*7919),
	}
}

// BenchmarkCommit creates containers durably from a number of writers: through the
// store, with a record in the log for each, and without, and, for comparison, with the same
// records in one plain Badger transaction for each.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		for _, logged := range []bool{true, false} {
			b.Run(fmt.Sprintf("side=%s/writers=%d", map[bool]string{true: "logged", false: "grouped"}[logged], writers), func(b *testing.B) {
				s := openBench(b)
				run(b, writers, func(i int) error {
					v, err := s.View(b.Context())
					if err != nil {
						return err
					}
					defer v.Close()
					change := benchChange(i)
					if logged {
						change.Records = []storage.Record{benchRecord(i)}
					}
					_, err = s.Commit(b.Context(), v, change)
					return err
				})
			})
		}
		b.Run(fmt.Sprintf("side=plain/writers=%d", writers), func(b *testing.B) {
			o := badgerOptions(filepath.Join(b.TempDir(), "badger"), openBench(b).options.Logger)
			o.DetectConflicts = true
			db, err := badger.Open(o)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			run(b, writers, func(i int) error { return plainCommit(db, i) })
		})
	}
}

func plainCommit(db *badger.DB, i int) error {
	change := benchChange(i)
	w, _, err := prepareWrite(&change, 0, nil)
	if err != nil {
		return err
	}
	return db.Update(func(txn *badger.Txn) error {
		_, err := txn.Get(metadataKey(w.key))
		if !errors.Is(err, badger.ErrKeyNotFound) {
			return fmt.Errorf("there is a container already: %w", err)
		}
		revision := plimsoll.Revision(i + 1)
		put := func(key, value []byte) error {
			seal(value, key, revision)
			return txn.Set(key, value)
		}
		place := eventPlace{revision, 0}
		err = errors.Join(put(place.key(), w.event), txn.Set(historyKey(w.key, place), present))
		for _, r := range w.records {
			err = errors.Join(err, put(r.key, r.value))
		}
		for _, key := range w.terms {
			err = errors.Join(err, txn.Set(key, present))
		}
		return err
	})
}

// run calls work b.N times, from a number of goroutines.
func run(b *testing.B, workers int, work func(i int) error) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	var (
		wg   sync.WaitGroup
		next atomic.Int64
	)
	for range workers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				if err := work(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkRead reads from a store of 10,000 containers, of which 1 % have any one
// shard.
func BenchmarkRead(b *testing.B) {
	const n = 10_000
	s := openBench(b)
	for i := 0; i < n; i += 500 {
		v, err := s.View(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		var change storage.Change
		for j := range 500 {
			change.Writes = append(change.Writes, benchChange(i+j).Writes...)
		}
		if _, err := s.Commit(b.Context(), v, change); err != nil {
			b.Fatal(err)
		}
		v.Close()
	}
	v, err := s.View(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	isShard7 := func(c *plimsoll.Container) bool { return c.Labels["shard"] == "7" }
	shard7 := storage.Term{Field: storage.FieldLabel + "shard", Value: "7"}

	b.Run("get", func(b *testing.B) {
		keys := make([]plimsoll.Key, n)
		for i := range keys {
			keys[i] = plimsoll.Key{Namespace: "default", ID: benchContainer(i).ID}
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := v.Get(b.Context(), keys[i*7919%n]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("view", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v, err := s.View(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			v.Close()
		}
	})
	for _, scan := range []struct {
		name  string
		query storage.Query
		want  int
	}{
		{"scan=all", storage.Query{}, n},
		{"scan=all-with-payloads", storage.Query{WithPayloads: true}, n},
		{"scan=match-1-percent", storage.Query{Match: isShard7}, n / 100},
		{"scan=match-1-percent-with-payloads", storage.Query{Match: isShard7, WithPayloads: true}, n / 100},
		{"scan=index-1-percent", storage.Query{Where: &shard7}, n / 100},
		{"scan=index-1-percent-with-payloads", storage.Query{Where: &shard7, WithPayloads: true}, n / 100},
	} {
		b.Run(scan.name, func(b *testing.B) {
			b.ReportAllocs()
			scan.query.Namespace = "default"
			for b.Loop() {
				found := 0
				for _, err := range v.Scan(b.Context(), scan.query) {
					if err != nil {
						b.Fatal(err)
					}
					found++
				}
				if found != scan.want {
					b.Fatalf("found %d, want %d", found, scan.want)
				}
			}
		})
	}
}
