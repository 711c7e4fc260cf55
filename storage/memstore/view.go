package memstore

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// view is a state, and what was read of it.
type view struct {
	store     *Store
	state     *state
	footprint storage.Footprint
	closed    bool
}

func (v *view) Revision() plimsoll.Revision { return v.state.revision }

func (v *view) Footprint() *storage.Footprint { return &v.footprint }

func (v *view) Close() error {
	v.closed = true
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
	r, ok := v.state.get(key)
	if !ok {
		return nil, storage.NotFound(key)
	}
	return r.full.Clone(), nil
}

func (v *view) Scan(ctx context.Context, query storage.Query) iter.Seq2[*plimsoll.Container, error] {
	return func(yield func(*plimsoll.Container, error) bool) {
		if err := v.usable(ctx); err != nil {
			yield(nil, err)
			return
		}
		v.footprint.AddScan(query)
		v.records(query, func(r record) bool {
			if err := v.usable(ctx); err != nil {
				yield(nil, err)
				return false
			}
			switch {
			case query.Match != nil && !query.Match(r.metadata):
				return true
			case query.IDsOnly:
				return yield(&plimsoll.Container{ID: r.key.ID}, nil)
			case query.WithPayloads:
				return yield(r.full.Clone(), nil)
			}
			return yield(r.metadata.Clone(), nil)
		})
	}
}

// records calls visit for each record in the range of query, in order of ID, until
// it returns false.
func (v *view) records(query storage.Query, visit func(record) bool) {
	if query.Where == nil {
		first := record{key: plimsoll.Key{Namespace: query.Namespace, ID: startAfter(query.After)}}
		v.state.containers.Ascend(first, func(r record) bool {
			return r.key.Namespace == query.Namespace && visit(r)
		})
		return
	}
	first := term{namespace: query.Namespace, Term: *query.Where, id: startAfter(query.After)}
	v.state.index.Ascend(first, func(t term) bool {
		if t.namespace != first.namespace || t.Term != first.Term {
			return false
		}
		r, _ := v.state.get(plimsoll.Key{Namespace: t.namespace, ID: t.id})
		return visit(r)
	})
}

// startAfter is the first ID after id; all are after none.
func startAfter(id string) string {
	if id == "" {
		return ""
	}
	return id + "\x00"
}

func (v *view) Entry(ctx context.Context, key plimsoll.EntryKey) (*plimsoll.Entry, error) {
	if err := v.usable(ctx); err != nil {
		return nil, err
	}
	v.footprint.AddEntry(key)
	e, ok := v.state.entry(key, time.Now())
	if !ok {
		return nil, storage.NotFound(key)
	}
	return e.Clone(), nil
}

func (v *view) Entries(ctx context.Context, kind plimsoll.EntryKind, prefix, after string) iter.Seq2[*plimsoll.Entry, error] {
	return func(yield func(*plimsoll.Entry, error) bool) {
		if err := v.usable(ctx); err != nil {
			yield(nil, err)
			return
		}
		v.footprint.AddEntries(kind)
		now := time.Now()
		first := &plimsoll.Entry{EntryKey: plimsoll.EntryKey{Kind: kind, Key: max(prefix, startAfter(after))}}
		v.state.entries.Ascend(first, func(e *plimsoll.Entry) bool {
			if e.Kind != kind || !strings.HasPrefix(e.Key, prefix) {
				return false
			}
			if err := v.usable(ctx); err != nil {
				yield(nil, err)
				return false
			}
			return e.Expired(now) || yield(e.Clone(), nil)
		})
	}
}

func (v *view) Compacted() plimsoll.Revision { return v.state.compacted }

func (v *view) Reopen(ctx context.Context) (storage.View, error) {
	if err := v.usable(ctx); err != nil {
		return nil, err
	}
	return &view{store: v.store, state: v.state}, nil
}
