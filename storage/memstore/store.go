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
	"sort"
	"sync"
	"sync/atomic"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Store is an in-memory [storage.Store]. Make one with [New].
type Store struct {
	latest atomic.Pointer[state]
	closed chan struct{}

	commit  sync.Mutex       // held by the one commit that is being made, and by Close
	history *storage.History // guarded by commit
}

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
	next := current.successor()
	touched, err := next.apply(change)
	if err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	for _, t := range touched {
		s.history.Record(next.revision, t.key, t.before, t.after)
	}
	s.latest.Store(next)
	close(current.superseded)
	return next.revision, nil
}

// Watch implements [storage.Store].
func (s *Store) Watch(ctx context.Context, after plimsoll.Revision) iter.Seq2[plimsoll.Event, error] {
	return func(yield func(plimsoll.Event, error) bool) {
		next := -1 // index of the next event to yield, once that is known
		for {
			if err := s.usable(ctx); err != nil {
				yield(plimsoll.Event{}, err)
				return
			}
			latest := s.latest.Load()
			if next < 0 && latest.revision > after {
				next = sort.Search(len(latest.events), func(i int) bool { return latest.events[i].Revision > after })
			}
			for ; next >= 0 && next < len(latest.events); next++ {
				if err := s.usable(ctx); err != nil {
					yield(plimsoll.Event{}, err)
					return
				}
				if !yield(copyEvent(latest.events[next]), nil) {
					return
				}
			}
			select {
			case <-latest.superseded:
			case <-s.closed:
			case <-ctx.Done():
			}
		}
	}
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
	e.Container = e.Container.Clone()
	e.User.Groups = append([]string(nil), e.User.Groups...)
	return e
}
