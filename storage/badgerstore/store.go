package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Store is a [storage.Store] on disk. Make one with [Open].
type Store struct {
	options Options
	dir     *directory

	// life guards db against being closed under somebody: whoever reads from it
	// holds life for reading, shortly, and never while running a caller's code.
	life     sync.RWMutex
	db       *badger.DB
	dbClosed bool

	snapshots
	recent recentEvents
	cache  *cache

	trimming sync.Mutex // held by the one TrimLog that is at it
	queue    chan *request
	maxBytes int64 // what one transaction takes
	maxCount int64

	stopping chan struct{} // closed when Close begins
	stopped  chan struct{} // closed when the committer has ended
	failing  sync.Once     // closes failed
	failed   chan struct{} // closed when the store has failed
	cause    error         // why; set before failed is closed
	close    func() error
}

func newStore(o Options, dir *directory, db *badger.DB) *Store {
	s := &Store{
		options:  o,
		dir:      dir,
		db:       db,
		queue:    make(chan *request, o.QueueLength),
		stopping: make(chan struct{}),
		stopped:  make(chan struct{}),
		failed:   make(chan struct{}),
	}
	s.snapshots.init()
	s.close = sync.OnceValue(s.closeOnce)
	return s
}

// View implements [storage.Store]. It neither waits for commits nor for the disk.
func (s *Store) View(ctx context.Context) (storage.View, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	return &view{store: s, snapshot: s.acquire()}, nil
}

// Commit implements [storage.Store]. A change may encode to some 4.8 MB.
func (s *Store) Commit(ctx context.Context, v storage.View, change storage.Change) (plimsoll.Revision, error) {
	own, ok := v.(*view)
	if !ok || own.store != s {
		return 0, errors.New("commit: the view is not one of this store")
	}
	if err := change.Validate(); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	r, err := s.prepare(own, &change)
	if err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	r.ctx = ctx
	return s.submit(r)
}

// Failed is closed when the store has failed and takes nothing more. The server
// should exit: see [Store.Err].
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err returns why the store has failed, or nil if it has not.
func (s *Store) Err() error {
	select {
	case <-s.failed:
		return s.cause
	default:
		return nil
	}
}

// fail makes every call fail from now on.
func (s *Store) fail(cause error) {
	s.failing.Do(func() {
		s.options.Logger.Error("the store has failed and must be reopened", "error", cause)
		s.cause = cause
		close(s.failed)
	})
}

// usable returns an error wrapping ErrClosed if the store was closed or has failed,
// or the error of ctx if it ended.
func (s *Store) usable(ctx context.Context) error {
	if err := s.Err(); err != nil {
		return fmt.Errorf("%w: %w", plimsoll.ErrClosed, err)
	}
	select {
	case <-s.stopping:
		return plimsoll.ErrClosed
	default:
		return ctx.Err()
	}
}

// read runs f, which reads from the database, while that cannot be closed.
func (s *Store) read(f func() error) error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.dbClosed {
		return plimsoll.ErrClosed
	}
	return f()
}

// Close implements [storage.Store]. The error, if any, is Badger's: what was
// acknowledged is on disk all the same.
func (s *Store) Close() error { return s.close() }

func (s *Store) closeOnce() error {
	close(s.stopping)
	<-s.stopped
	s.life.Lock()
	defer s.life.Unlock()
	s.dbClosed = true
	s.discardAll()
	if err := errors.Join(s.db.Close(), s.dir.unlock()); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}
