package memstore

import (
	"cmp"

	"github.com/tidwall/btree"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// state is everything the store holds as of one revision. It is not changed any
// more once it is published.
type state struct {
	revision   plimsoll.Revision
	containers *btree.BTreeG[record]
	index      *btree.BTreeG[entry]
	// events is append-only: states share one array, and each sees its prefix.
	events []plimsoll.Event
	// superseded is closed when the next state is published.
	superseded chan struct{}
}

// record is a stored container, whole and without payloads. Neither is ever
// changed or handed out.
type record struct {
	key      plimsoll.Key
	full     *plimsoll.Container
	metadata *plimsoll.Container
}

func (a record) less(b record) bool {
	if c := cmp.Compare(a.key.Namespace, b.key.Namespace); c != 0 {
		return c < 0
	}
	return a.key.ID < b.key.ID
}

// entry says that a container has a term.
type entry struct {
	namespace string
	term      storage.Term
	id        string
}

func (a entry) less(b entry) bool {
	return cmp.Or(
		cmp.Compare(a.namespace, b.namespace),
		cmp.Compare(a.term.Field, b.term.Field),
		cmp.Compare(a.term.Value, b.term.Value),
		cmp.Compare(a.id, b.id),
	) < 0
}

func newState() *state {
	// The trees need no locks: published ones are only read.
	options := btree.Options{NoLocks: true}
	return &state{
		containers: btree.NewBTreeGOptions(record.less, options),
		index:      btree.NewBTreeGOptions(entry.less, options),
		superseded: make(chan struct{}),
	}
}

// successor returns a copy of s at the next revision, to be changed and published.
func (s *state) successor() *state {
	return &state{
		revision:   s.revision + 1,
		containers: s.containers.Copy(),
		index:      s.index.Copy(),
		events:     s.events,
		superseded: make(chan struct{}),
	}
}

func (s *state) get(key plimsoll.Key) (record, bool) {
	return s.containers.Get(record{key: key})
}

// touch is what one write did to a key.
type touch struct {
	key           plimsoll.Key
	before, after *plimsoll.Container
}

// apply makes change to s. If it fails, s is half changed and must be dropped.
func (s *state) apply(change storage.Change) ([]touch, error) {
	touched := make([]touch, 0, len(change.Writes))
	for _, w := range change.Writes {
		key := w.Key()
		old, exists := s.get(key)
		if err := w.Suits(exists); err != nil {
			return nil, err
		}
		for _, term := range storage.Terms(old.metadata) {
			s.index.Delete(entry{key.Namespace, term, key.ID})
		}
		t := touch{key: key, before: old.metadata}
		if w.Operation == plimsoll.OperationDelete {
			s.containers.Delete(record{key: key})
		} else {
			full := w.Container.Clone()
			full.Revision = s.revision
			full.CreatedAt, full.UpdatedAt = full.CreatedAt.UTC(), full.UpdatedAt.UTC()
			t.after = storage.WithoutPayloads(full)
			s.containers.Set(record{key: key, full: full, metadata: t.after})
			for _, term := range storage.Terms(full) {
				s.index.Set(entry{key.Namespace, term, key.ID})
			}
		}
		touched = append(touched, t)
		s.events = append(s.events, change.Event(w, s.revision))
	}
	return touched, nil
}
