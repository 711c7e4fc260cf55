package badgerstore

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// compactPage bounds how many events are deleted in one transaction.
const compactPage = 512

// Compact implements [storage.Store].
func (s *Store) Compact(ctx context.Context, upTo plimsoll.Revision) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	snap := s.acquire()
	upTo = min(upTo, snap.revision-min(snap.revision, 1))
	compacted := snap.compacted
	s.give(snap)
	if upTo > compacted {
		r := &request{ctx: ctx, compact: upTo, footprint: new(storage.Footprint), done: make(chan answer, 1)}
		if _, err := s.submit(r); err != nil {
			return fmt.Errorf("compact: %w", err)
		}
		compacted = upTo
	}
	// Nobody reads them any more, and nobody else writes them. To delete takes space at
	// first.
	space := newDiskSpace(s.options)
	var start []byte // what is before has been deleted: not to be looked through again
	for {
		if err := space.require(s.options.MinFreeBytes / 2); err != nil {
			return fmt.Errorf("compact: %w", err)
		}
		next, err := s.deleteEvents(ctx, start, compacted)
		if err != nil {
			return fmt.Errorf("compact: %w", err)
		}
		if next == nil {
			return nil
		}
		start = next
	}
}

// deleteEvents deletes a number of events from a key on, up to a revision, and returns
// where to go on; nil if there are no more.
func (s *Store) deleteEvents(ctx context.Context, start []byte, upTo plimsoll.Revision) (next []byte, err error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	err = s.read(func() error {
		txn := s.db.NewTransaction(true)
		defer txn.Discard()
		keys, err := eventKeys(txn, start, upTo)
		if err != nil || len(keys) == 0 {
			return err
		}
		if len(keys) == compactPage {
			next = after(keys[len(keys)-1].event)
		}
		for _, k := range keys {
			if k.history != nil {
				if err := txn.Delete(k.history); err != nil {
					return err
				}
			}
			if err := txn.Delete(k.event); err != nil {
				return err
			}
		}
		if err := s.options.commit(txn); err != nil {
			s.fail(fmt.Errorf("deleting events: %w", err))
			return fmt.Errorf("%w: %w", plimsoll.ErrClosed, err)
		}
		return nil
	})
	return next, err
}

type eventKeyPair struct{ event, history []byte }

func eventKeys(txn *badger.Txn, start []byte, upTo plimsoll.Revision) (keys []eventKeyPair, err error) {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{kindEvent}})
	defer it.Close()
	for it.Seek(append([]byte{kindEvent}, start[min(1, len(start)):]...)); it.Valid() && len(keys) < compactPage; it.Next() {
		key := it.Item().KeyCopy(nil)
		e, err := parseEvent(key, it.Item())
		if err != nil {
			return nil, err
		}
		if e.place.revision > upTo {
			break
		}
		pair := eventKeyPair{event: key}
		if c := e.event.Container; c != nil {
			pair.history = historyKey(plimsoll.Key{Namespace: e.event.Namespace, ID: c.ID}, e.place)
		}
		keys = append(keys, pair)
	}
	return keys, nil
}
