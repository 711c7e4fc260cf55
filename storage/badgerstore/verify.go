package badgerstore

import (
	"context"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Verify reads everything that is stored as of the latest revision, and returns nil
// if all of it is intact and agrees: records with their checksums, containers with
// their payloads, index and events, the log, and what the database says of itself. The error
// wraps [ErrCorrupted] and names the first record that does not fit.
//
// It holds some hundred bytes of memory for each container. Commits go on
// meanwhile.
func (s *Store) Verify(ctx context.Context) error {
	snap := s.acquire()
	defer s.give(snap)
	v := &verification{store: s, snap: snap, written: make(map[plimsoll.Key]plimsoll.Revision)}
	v.last = endOf(snap.compacted)
	for _, part := range []struct {
		kind  byte
		check func(key []byte, item *badger.Item) error
	}{
		{kindEvent, v.event},
		{kindMetadata, v.container},
		{kindPayload, v.payload},
		{kindIndex, v.indexEntry},
		{kindHistory, v.history},
		{kindEntry, v.entry},
		{0, v.kind},
	} {
		if err := v.each(ctx, part.kind, part.check); err != nil {
			return err
		}
	}
	if err := v.totals(); err != nil {
		return err
	}
	return s.verifyLog(ctx, snap, nil)
}

// verification is a Verify under way.
type verification struct {
	store *Store
	snap  *snapshot

	last    eventPlace                         // of the latest event seen
	written map[plimsoll.Key]plimsoll.Revision // by events, less what they deleted

	found         uint64 // containers
	told          uint64 // those of them whose latest event is kept
	places        uint64 // of kept events in histories, less those that were seen
	chunks, terms uint64 // that containers have, less those that were seen
}

// verifyPage bounds how long the database is held at a time.
const verifyPage = 256

// each calls check for every entry of a kind, 0 for all.
func (v *verification) each(ctx context.Context, kind byte, check func(key []byte, item *badger.Item) error) error {
	var prefix []byte
	if kind != 0 {
		prefix = []byte{kind}
	}
	return v.pages(ctx, prefix, prefix, check, nil)
}

// pages calls check for every entry with a prefix, from start on, and then, if it is set,
// after some of them, while the database is not held.
func (v *verification) pages(ctx context.Context, prefix, start []byte, check func(key []byte, item *badger.Item) error, then func() error) error {
	for {
		if err := v.store.usable(ctx); err != nil {
			return err
		}
		n := 0
		err := v.store.read(func() error {
			return v.snap.page(prefix, start, func(key []byte, item *badger.Item) (bool, error) {
				n++
				start = after(key)
				return n < verifyPage, check(key, item)
			})
		})
		if err == nil && then != nil {
			err = then()
		}
		if err != nil || n < verifyPage {
			return err
		}
	}
}

func (v *verification) event(key []byte, item *badger.Item) error {
	e, err := parseEvent(key, item)
	if err != nil {
		return err
	}
	if e.place.revision <= v.snap.compacted {
		return nil // a compaction has not come to it
	}
	if !e.place.follows(v.last) {
		return corrupted(key, "the event before it is missing")
	}
	v.last = e.end()
	if e.event.Entry != nil {
		return nil
	}
	v.places++
	k := plimsoll.Key{Namespace: e.event.Namespace, ID: e.event.Container.ID}
	if e.event.Operation == plimsoll.OperationDelete {
		delete(v.written, k)
	} else {
		v.written[k] = e.place.revision
	}
	return nil
}

func (v *verification) container(key []byte, item *badger.Item) error {
	namespace, id, ok := splitName(key[1:])
	if !ok {
		return corrupted(key, "the key is not one of a container")
	}
	k := plimsoll.Key{Namespace: namespace, ID: string(id)}
	var m *metadata
	err := item.Value(func(value []byte) (err error) {
		m, err = parseMetadata(key, k.ID, value)
		return err
	})
	if err == nil {
		err = v.snap.addPayloads(k, m)
	}
	if err != nil {
		return err
	}
	switch revision, ok := v.written[k]; {
	case m.container.Revision <= v.snap.compacted && !ok:
	case !ok || revision != m.container.Revision:
		return corrupted(key, "it is of revision %d, and its latest event of %d", m.container.Revision, revision)
	default:
		v.told++
	}
	for _, term := range storage.Terms(m.container) {
		entry := indexKey(k, term)
		if err := v.snap.get(entry, func([]byte) error { return nil }); errors.Is(err, badger.ErrKeyNotFound) {
			return corrupted(entry, "it is missing")
		} else if err != nil {
			return err
		}
		v.terms++
	}
	v.chunks += uint64(m.chunks)
	v.found++
	return nil
}

// Every payload and index entry that a container has is there, says container. That
// there are no others follows if there are as many.

func (v *verification) payload([]byte, *badger.Item) error {
	v.chunks--
	return nil
}

func (v *verification) indexEntry([]byte, *badger.Item) error {
	v.terms--
	return nil
}

func (v *verification) history(key []byte, _ *badger.Item) error {
	place, ok := parsePlace(key[max(0, len(key)-placeBytes):])
	if !ok {
		return corrupted(key, "the key is not one of a history")
	}
	if place.revision > v.snap.compacted {
		v.places--
	}
	return nil
}

func (v *verification) entry(key []byte, item *badger.Item) error {
	kind, name, ok := splitName(key[1:])
	if !ok {
		return corrupted(key, "the key is not one of an entry")
	}
	_, err := parseEntry(plimsoll.EntryKey{Kind: plimsoll.EntryKind(kind), Key: string(name)}, item)
	return err
}

func (v *verification) kind(key []byte, _ *badger.Item) error {
	switch key[0] {
	case kindMetadata, kindPayload, kindIndex, kindEvent, kindHistory, kindEntry, kindRecord, kindPlace, kindMeta:
		return nil
	}
	return corrupted(key, "there is no such kind of record")
}

func (v *verification) totals() error {
	switch {
	case v.last != endOf(v.snap.revision):
		return corrupted(metaKey, "it says revision %d, and the latest event is of %d", v.snap.revision, v.last.revision)
	case v.told != uint64(len(v.written)):
		return corrupted(metaKey, "events tell of %d containers, and there are %d", len(v.written), v.told)
	case v.found != v.snap.containers:
		return corrupted(metaKey, "it says %d containers, and there are %d", v.snap.containers, v.found)
	case v.chunks != 0:
		return corrupted(metaKey, "there are payloads without a container")
	case v.places != 0:
		return corrupted(metaKey, "events and histories of containers differ")
	case v.terms != 0:
		return corrupted(metaKey, "there are index entries without a container")
	}
	return nil
}
