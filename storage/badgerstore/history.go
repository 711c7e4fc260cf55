package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
)

// historyPage bounds what is read of a history at a time.
const historyPage = 64

// History implements [storage.Store].
func (s *Store) History(ctx context.Context, key plimsoll.Key, at plimsoll.Revision) iter.Seq2[plimsoll.Event, error] {
	if at == 0 {
		at = math.MaxUint64
	}
	return func(yield func(plimsoll.Event, error) bool) {
		before := eventPlace{at, math.MaxUint32}
		for {
			page, err := s.history(ctx, key, before)
			if err != nil {
				yield(plimsoll.Event{}, err)
				return
			}
			for _, e := range page {
				if !yield(e.event, nil) {
					return
				}
				before = e.place
			}
			if len(page) < historyPage {
				return
			}
		}
	}
}

// history returns the latest events of a container before a place.
func (s *Store) history(ctx context.Context, key plimsoll.Key, before eventPlace) (page []placedEvent, err error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	snap := s.acquire()
	defer s.give(snap)
	prefix := historyPrefix(key)
	err = s.read(func() error {
		it := snap.txn.NewIterator(badger.IteratorOptions{Reverse: true, Prefix: prefix})
		defer it.Close()
		for it.Seek(before.appendTo(bytes.Clone(prefix))); it.Valid() && len(page) < historyPage; it.Next() {
			place, ok := parsePlace(it.Item().Key()[len(prefix):])
			switch {
			case !ok:
				return corrupted(it.Item().Key(), "the key is not one of a history")
			case place == before:
				continue
			case place.revision <= snap.compacted:
				return nil
			}
			item, err := snap.txn.Get(place.key())
			if errors.Is(err, badger.ErrKeyNotFound) {
				return corrupted(place.key(), "it is missing")
			}
			if err != nil {
				return fmt.Errorf("reading the database: %w", err)
			}
			e, err := parseEvent(item.Key(), item)
			if err != nil {
				return err
			}
			page = append(page, e)
		}
		return nil
	})
	return page, err
}
