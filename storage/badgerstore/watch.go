package badgerstore

import (
	"context"
	"iter"
	"math"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
)

// watchPage bounds what a watch holds in memory: it reads events from the database
// as its consumer takes them, never ahead of it by more than this.
const watchPage = 256

// Watch implements [storage.Store].
func (s *Store) Watch(ctx context.Context, after plimsoll.Revision) iter.Seq2[plimsoll.Event, error] {
	return func(yield func(plimsoll.Event, error) bool) {
		last := endOf(after)
		for {
			page, changed, err := s.events(ctx, last)
			if err != nil {
				yield(plimsoll.Event{}, err)
				return
			}
			for _, e := range page {
				if err := s.usable(ctx); err != nil {
					yield(plimsoll.Event{}, err)
					return
				}
				if !yield(e.event, nil) {
					return
				}
				last = e.end()
			}
			if len(page) > 0 {
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
			case <-s.stopping:
			case <-s.failed:
			}
		}
	}
}

type placedEvent struct {
	place eventPlace
	event plimsoll.Event
	bytes int // of the record; 0 if it was read from the database
}

// end is where reading goes on after e.
func (e placedEvent) end() eventPlace {
	if e.event.Last {
		return endOf(e.place.revision)
	}
	return e.place
}

// events returns the next events after last, of one page at most. If there are
// none, the channel is closed when there may be.
func (s *Store) events(ctx context.Context, last eventPlace) ([]placedEvent, <-chan struct{}, error) {
	if err := s.usable(ctx); err != nil {
		return nil, nil, err
	}
	snap, changed := s.latest()
	defer s.give(snap)
	if last.revision >= snap.revision && last.isEnd() {
		return nil, changed, nil // that revision has not been reached, or just so
	}
	if last.revision < snap.compacted || last.revision == snap.compacted && !last.isEnd() {
		return nil, nil, &plimsoll.CompactedError{Oldest: snap.compacted}
	}
	if page, ok := s.recent.after(last, snap.revision); ok {
		return page, changed, nil
	}
	var page []placedEvent
	err := s.read(func() error {
		return snap.page([]byte{kindEvent}, after(last.key()), func(key []byte, item *badger.Item) (bool, error) {
			e, err := parseEvent(key, item)
			if err != nil {
				return false, err
			}
			if !e.place.follows(last) {
				return false, corrupted(key, "the event before it is missing")
			}
			page, last = append(page, e), e.end()
			return len(page) < watchPage, nil
		})
	})
	if err == nil && len(page) == 0 {
		err = corrupted(last.key(), "the events after it are missing")
	}
	return page, changed, err
}

func parseEvent(key []byte, item *badger.Item) (placedEvent, error) {
	place, ok := parseEventKey(key)
	if !ok {
		return placedEvent{}, corrupted(key, "the key is not one of an event")
	}
	var event plimsoll.Event
	err := item.Value(func(value []byte) error {
		var m storagev1.Event
		revision, err := decodeRecord(key, value, &m)
		if err != nil {
			return err
		}
		if revision != place.revision {
			return corrupted(key, "it is of revision %d", revision)
		}
		if event, err = decodeEvent(revision, &m); err != nil {
			return corrupted(key, "%v", err)
		}
		return nil
	})
	return placedEvent{place: place, event: event}, err
}

// checkLatestEvent compares the revision of the database with that of its latest
// event: they were written together.
func (s *Store) checkLatestEvent() error {
	snap := s.acquire()
	defer s.give(snap)
	it := snap.txn.NewIterator(badger.IteratorOptions{Reverse: true, Prefix: []byte{kindEvent}})
	defer it.Close()
	var latest plimsoll.Revision
	if it.Seek(eventPlace{math.MaxUint64, math.MaxUint32}.key()); it.Valid() {
		place, ok := parseEventKey(it.Item().Key())
		if !ok {
			return corrupted(it.Item().Key(), "the key is not one of an event")
		}
		latest = place.revision
	}
	if latest != snap.revision {
		return corrupted(metaKey, "it says revision %d, and the latest event is of %d", snap.revision, latest)
	}
	return nil
}
