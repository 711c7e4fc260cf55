package memstore

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/tidwall/btree"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// state is everything the store holds as of one revision. It is not changed any
// more once it is published.
type state struct {
	revision   plimsoll.Revision
	containers *btree.BTreeG[record]
	index      *btree.BTreeG[term]
	entries    *btree.BTreeG[*plimsoll.Entry]
	// events is append-only: states share one array, and each sees a part of it.
	events []plimsoll.Event
	// compacted is the revision up to which events are gone.
	compacted plimsoll.Revision
	// log is append-only, too; records are the same by their keys.
	log      []*storage.Logged
	records  *btree.BTreeG[*storage.Logged]
	logState storage.LogState
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

// term says that a container has an index term.
type term struct {
	namespace string
	storage.Term
	id string
}

func (a term) less(b term) bool {
	return cmp.Or(
		cmp.Compare(a.namespace, b.namespace),
		cmp.Compare(a.Field, b.Field),
		cmp.Compare(a.Value, b.Value),
		cmp.Compare(a.id, b.id),
	) < 0
}

func lessEntry(a, b *plimsoll.Entry) bool {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key)) < 0
}

func lessLogged(a, b *storage.Logged) bool {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Sequence, b.Sequence)) < 0
}

func newState() *state {
	// The trees need no locks: published ones are only read.
	options := btree.Options{NoLocks: true}
	return &state{
		containers: btree.NewBTreeGOptions(record.less, options),
		index:      btree.NewBTreeGOptions(term.less, options),
		entries:    btree.NewBTreeGOptions(lessEntry, options),
		records:    btree.NewBTreeGOptions(lessLogged, options),
		superseded: make(chan struct{}),
	}
}

// successor returns a copy of s, to be changed and published.
func (s *state) successor() *state {
	return &state{
		revision:   s.revision,
		containers: s.containers.Copy(),
		index:      s.index.Copy(),
		entries:    s.entries.Copy(),
		events:     s.events,
		compacted:  s.compacted,
		log:        s.log,
		records:    s.records.Copy(),
		logState:   s.logState,
		superseded: make(chan struct{}),
	}
}

func (s *state) get(key plimsoll.Key) (record, bool) {
	return s.containers.Get(record{key: key})
}

// entry returns an entry that has not expired.
func (s *state) entry(key plimsoll.EntryKey, now time.Time) (*plimsoll.Entry, bool) {
	e, ok := s.entries.Get(&plimsoll.Entry{EntryKey: key})
	if !ok || e.Expired(now) {
		return nil, false
	}
	return e, true
}

// touch is what one write did to a key.
type touch struct {
	key           plimsoll.Key
	before, after *plimsoll.Container
}

// apply makes change to s. If it fails, s is half changed and must be dropped.
func (s *state) apply(change storage.Change, now time.Time) ([]touch, error) {
	touched := make([]touch, 0, len(change.Writes))
	for i, w := range change.Writes {
		t := touch{key: w.Key()}
		var err error
		if w.Entry != nil {
			err = s.putEntry(w, now)
		} else {
			t.before, t.after, err = s.putContainer(w)
		}
		if err != nil {
			return nil, err
		}
		touched = append(touched, t)
		if w.LeavesEvent() {
			s.events = append(s.events, change.Event(i, t.before, s.revision))
		}
	}
	s.append(change.Records)
	return touched, nil
}

func (s *state) putEntry(w storage.Write, now time.Time) error {
	_, exists := s.entry(w.Entry.EntryKey, now)
	if err := w.Suits(exists); err != nil {
		return err
	}
	if w.Operation == plimsoll.OperationDelete {
		s.entries.Delete(w.Entry)
		return nil
	}
	e := w.Entry.Clone()
	e.Revision, e.ExpiresAt = s.revision, e.ExpiresAt.UTC()
	s.entries.Set(e)
	return nil
}

// putContainer returns the metadata before and after.
func (s *state) putContainer(w storage.Write) (before, after *plimsoll.Container, err error) {
	key := w.Key()
	old, exists := s.get(key)
	if err := w.Suits(exists); err != nil {
		return nil, nil, err
	}
	for _, t := range storage.Terms(old.metadata) {
		s.index.Delete(term{key.Namespace, t, key.ID})
	}
	if w.Operation == plimsoll.OperationDelete {
		s.containers.Delete(record{key: key})
		return old.metadata, nil, nil
	}
	full := w.Container.Clone()
	full.Revision = s.revision
	full.CreatedAt, full.UpdatedAt = full.CreatedAt.UTC(), full.UpdatedAt.UTC()
	metadata := storage.WithoutPayloads(full)
	s.containers.Set(record{key: key, full: full, metadata: metadata})
	for _, t := range storage.Terms(full) {
		s.index.Set(term{key.Namespace, t, key.ID})
	}
	return old.metadata, metadata, nil
}

// purge forgets entries that have expired.
func (s *state) purge(now time.Time) {
	for _, e := range s.entries.Items() {
		if e.Expired(now) {
			s.entries.Delete(e)
		}
	}
}

// compact forgets events up to a revision. Other states keep theirs.
func (s *state) compact(upTo plimsoll.Revision) {
	s.compacted = upTo
	s.events = slices.Clone(s.after(upTo))
}

// after returns the events after a revision.
func (s *state) after(revision plimsoll.Revision) []plimsoll.Event {
	i := sort.Search(len(s.events), func(i int) bool { return s.events[i].Revision > revision })
	return s.events[i:]
}
