// Package memstore keeps containers in memory: a complete [storage.Store] except
// that nothing outlives the process. It is what tests use, and what a server uses
// that is only being tried out.
//
// The store is a chain of immutable states. A commit copies the latest state,
// which costs little because the trees in it are copy-on-write, changes the copy
// and publishes it with one atomic store. So a view is nothing but a pointer to
// the state that was the latest when it was opened, readers never wait for
// anybody, and a commit that fails half-way is simply not published. Commits are
// made one at a time, under a mutex.
//
// Every container and event that goes in or out is copied.
package memstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Store is an in-memory [storage.Store]. Make one with [New].
type Store struct {
	latest atomic.Pointer[state]
	closed chan struct{}

	commit  sync.Mutex       // held by the one commit that is being made, and by Close
	history *storage.History // guarded by commit
	entries int              // written since the last purge; guarded by commit
}

// purgeEvery is how many entries are written before those that expired are looked for.
const purgeEvery = 1024

// New returns an empty store. Close only ends its watches; a store that is not
// closed holds no resources but memory.
func New() *Store {
	s := &Store{closed: make(chan struct{}), history: storage.NewHistory(0)}
	s.latest.Store(newState())
	return s
}

// View implements [storage.Store].
func (s *Store) View(ctx context.Context) (storage.View, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	return &view{store: s, state: s.latest.Load()}, nil
}

// Commit implements [storage.Store]. There is no limit to the size of a change.
func (s *Store) Commit(ctx context.Context, v storage.View, change storage.Change) (plimsoll.Revision, error) {
	own, ok := v.(*view)
	if !ok || own.store != s {
		return 0, errors.New("commit: the view is not one of this store")
	}
	if err := change.Validate(); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}

	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	keys := make([]plimsoll.Key, len(change.Writes))
	for i, w := range change.Writes {
		keys[i] = w.Key()
	}
	if s.history.Conflicts(&own.footprint, own.state.revision, keys...) {
		return 0, plimsoll.ErrConflict
	}

	current := s.latest.Load()
	next, now := current.successor(), time.Now()
	next.revision++
	touched, err := next.apply(change, now)
	if err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	s.purge(next, len(change.Writes), now)
	for _, t := range touched {
		s.history.Record(next.revision, t.key, t.before, t.after)
	}
	s.latest.Store(next)
	close(current.superseded)
	return next.revision, nil
}

// purge has next forget what has expired, now and then. The caller holds s.commit.
func (s *Store) purge(next *state, written int, now time.Time) {
	if s.entries += written; s.entries > purgeEvery {
		s.entries = 0
		next.purge(now)
	}
}

// Watch implements [storage.Store].
func (s *Store) Watch(ctx context.Context, after plimsoll.Revision) iter.Seq2[plimsoll.Event, error] {
	return func(yield func(plimsoll.Event, error) bool) {
		last := after // what was yielded so far is whole commits
		for {
			if err := s.usable(ctx); err != nil {
				yield(plimsoll.Event{}, err)
				return
			}
			latest := s.latest.Load()
			if last < latest.compacted {
				yield(plimsoll.Event{}, &plimsoll.CompactedError{Oldest: latest.compacted})
				return
			}
			for _, e := range latest.after(last) {
				if err := s.usable(ctx); err != nil {
					yield(plimsoll.Event{}, err)
					return
				}
				if !yield(copyEvent(e), nil) {
					return
				}
			}
			last = max(last, latest.revision)
			select {
			case <-latest.superseded:
			case <-s.closed:
			case <-ctx.Done():
			}
		}
	}
}

// History implements [storage.Store]. It looks at all events.
func (s *Store) History(ctx context.Context, key plimsoll.Key, at plimsoll.Revision) iter.Seq2[plimsoll.Event, error] {
	return func(yield func(plimsoll.Event, error) bool) {
		if err := s.usable(ctx); err != nil {
			yield(plimsoll.Event{}, err)
			return
		}
		for _, e := range slices.Backward(s.latest.Load().events) {
			if err := s.usable(ctx); err != nil {
				yield(plimsoll.Event{}, err)
				return
			}
			if at != 0 && e.Revision > at || e.Container == nil || e.Namespace != key.Namespace || e.Container.ID != key.ID {
				continue
			}
			if !yield(copyEvent(e), nil) {
				return
			}
		}
	}
}

// Compact implements [storage.Store].
func (s *Store) Compact(ctx context.Context, upTo plimsoll.Revision) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	current := s.latest.Load()
	upTo = min(upTo, current.revision-min(current.revision, 1))
	if upTo <= current.compacted {
		return nil
	}
	next := current.successor()
	next.compact(upTo)
	s.latest.Store(next)
	close(current.superseded)
	return nil
}

// Close implements [storage.Store]. It never fails.
func (s *Store) Close() error {
	s.commit.Lock()
	defer s.commit.Unlock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

// usable returns ErrClosed if the store is closed, or the error of ctx if it ended.
func (s *Store) usable(ctx context.Context) error {
	select {
	case <-s.closed:
		return plimsoll.ErrClosed
	default:
		return ctx.Err()
	}
}

func copyEvent(e plimsoll.Event) plimsoll.Event {
	e.Container, e.Previous, e.Entry = e.Container.Clone(), e.Previous.Clone(), e.Entry.Clone()
	e.Changed = slices.Clone(e.Changed)
	e.User.Groups = append([]string(nil), e.User.Groups...)
	return e
}
