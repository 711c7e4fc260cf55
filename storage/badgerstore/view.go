package badgerstore

import (
	"bytes"
	"context"
	"iter"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// view reads a snapshot and remembers what was read.
type view struct {
	store     *Store
	snapshot  *snapshot
	footprint storage.Footprint
	closed    bool
}

func (v *view) Revision() plimsoll.Revision { return v.snapshot.revision }

func (v *view) Footprint() *storage.Footprint { return &v.footprint }

func (v *view) Close() error {
	if !v.closed {
		v.closed = true
		v.store.give(v.snapshot)
	}
	return nil
}

func (v *view) usable(ctx context.Context) error {
	if v.closed {
		return storage.ErrViewClosed
	}
	return v.store.usable(ctx)
}

func (v *view) Get(ctx context.Context, key plimsoll.Key) (*plimsoll.Container, error) {
	if err := v.usable(ctx); err != nil {
		return nil, err
	}
	v.footprint.AddKey(key)
	var m *metadata
	err := v.store.read(func() (err error) {
		m, err = v.store.lookup(v.snapshot, key, true)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, storage.NotFound(key)
	}
	return m.complete.Clone(), nil
}

func (v *view) Entry(ctx context.Context, key plimsoll.EntryKey) (e *plimsoll.Entry, err error) {
	if err := v.usable(ctx); err != nil {
		return nil, err
	}
	v.footprint.AddEntry(key)
	err = v.store.read(func() (err error) {
		e, err = v.snapshot.entry(key, time.Now())
		return err
	})
	if err == nil && e == nil {
		err = storage.NotFound(key)
	}
	return e, err
}

func (v *view) Entries(ctx context.Context, kind plimsoll.EntryKind, prefix, past string) iter.Seq2[*plimsoll.Entry, error] {
	return func(yield func(*plimsoll.Entry, error) bool) {
		if err := v.usable(ctx); err != nil {
			yield(nil, err)
			return
		}
		v.footprint.AddEntries(kind)
		now := time.Now()
		bare := entryPrefix(kind)
		start := append(bare[:len(bare):len(bare)], prefix...)
		prefixed := start
		if past > prefix {
			start = after(append(bare[:len(bare):len(bare)], past...))
		}
		for start != nil {
			var page []*plimsoll.Entry
			err := v.usable(ctx)
			if err == nil {
				page, start, err = readPage(v, prefixed, start, lastPage, func(key []byte, item *badger.Item) (*plimsoll.Entry, error) {
					return parseEntry(plimsoll.EntryKey{Kind: kind, Key: string(key[len(bare):])}, item)
				})
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range page {
				if !e.Expired(now) && !yield(e, nil) {
					return
				}
			}
		}
	}
}

func (v *view) Compacted() plimsoll.Revision { return v.snapshot.compacted }

func (v *view) Reopen(ctx context.Context) (storage.View, error) {
	if err := v.usable(ctx); err != nil {
		return nil, err
	}
	return &view{store: v.store, snapshot: v.store.share(v.snapshot)}, nil
}

// A scan reads pages of metadata, so that the database is not held while the caller
// works on what was found. Pages grow, so that a caller who wants to know only
// whether there is something does not pay for much more.
const (
	firstPage = 16
	lastPage  = 512
)

func (v *view) Scan(ctx context.Context, query storage.Query) iter.Seq2[*plimsoll.Container, error] {
	return func(yield func(*plimsoll.Container, error) bool) {
		if err := v.usable(ctx); err != nil {
			yield(nil, err)
			return
		}
		v.footprint.AddScan(query)
		prefix, parse := v.metadataRange(query)
		start := prefix
		if query.After != "" {
			start = after(append(bytes.Clone(prefix), query.After...))
		}
		for size := firstPage; start != nil; size = min(2*size, lastPage) {
			var page []*metadata
			err := v.usable(ctx)
			if err == nil {
				page, start, err = readPage(v, prefix, start, size, parse)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, m := range page {
				if !v.yield(ctx, query, m, yield) {
					return
				}
			}
		}
	}
}

// yield passes m on if query selects it. It reports whether to go on.
func (v *view) yield(ctx context.Context, query storage.Query, m *metadata, yield func(*plimsoll.Container, error) bool) bool {
	if query.Match != nil && !query.Match(m.container) {
		return true
	}
	if err := v.usable(ctx); err != nil {
		yield(nil, err)
		return false
	}
	if !query.WithPayloads {
		return yield(m.container.Clone(), nil)
	}
	if m.complete == nil {
		key := plimsoll.Key{Namespace: query.Namespace, ID: m.container.ID}
		if err := v.store.read(func() (err error) {
			m, err = v.payloads(query, key, m)
			return err
		}); err != nil {
			yield(nil, err)
			return false
		}
	}
	return yield(m.complete.Clone(), nil)
}

// payloads completes m, which query has found. What goes through all of a namespace is
// not remembered: it would push out what is asked for again and again.
func (v *view) payloads(query storage.Query, key plimsoll.Key, m *metadata) (*metadata, error) {
	if query.Where != nil {
		return v.store.lookup(v.snapshot, key, true)
	}
	if known := v.store.cache.get(key, v.snapshot.revision); known != nil && known.complete != nil {
		return known, nil
	}
	return v.snapshot.complete(key, m)
}

// parser reads the metadata that an entry of a range has or points to.
type parser func(key []byte, item *badger.Item) (*metadata, error)

// metadataRange returns the prefix of the keys that query ranges over, and how to
// read the metadata for each.
func (v *view) metadataRange(query storage.Query) ([]byte, parser) {
	if query.IDsOnly {
		prefix := namespacePrefix(query.Namespace)
		if query.Where != nil {
			prefix = termPrefix(query.Namespace, *query.Where)
		}
		return prefix, func(key []byte, _ *badger.Item) (*metadata, error) {
			return &metadata{container: &plimsoll.Container{ID: string(key[len(prefix):])}}, nil
		}
	}
	if query.Where == nil {
		prefix := namespacePrefix(query.Namespace)
		return prefix, func(key []byte, item *badger.Item) (m *metadata, err error) {
			err = item.Value(func(value []byte) (err error) {
				m, err = parseMetadata(key, string(key[len(prefix):]), value)
				return err
			})
			return m, err
		}
	}
	term := *query.Where
	prefix := termPrefix(query.Namespace, term)
	return prefix, func(key []byte, _ *badger.Item) (*metadata, error) {
		id := string(key[len(prefix):])
		m, err := v.store.lookup(v.snapshot, plimsoll.Key{Namespace: query.Namespace, ID: id}, false)
		if err == nil && (m == nil || !term.Of(m.container)) {
			err = corrupted(key, "the container does not have this index term")
		}
		return m, err
	}
}

// readPage reads up to size entries from start on. It returns where the next page
// starts, nil if there is none.
func readPage[T any](v *view, prefix, start []byte, size int, parse func([]byte, *badger.Item) (T, error)) (page []T, next []byte, err error) {
	err = v.store.read(func() error {
		return v.snapshot.page(prefix, start, func(key []byte, item *badger.Item) (bool, error) {
			m, err := parse(key, item)
			if err != nil {
				return false, err
			}
			page = append(page, m)
			if len(page) == size {
				next = after(key)
			}
			return len(page) < size, nil
		})
	})
	return page, next, err
}
