package badgerstore

import (
	"errors"
	"fmt"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// snapshot is a read-only Badger transaction that many views share: the state as
// of the revision that its own meta record has.
//
// To open a transaction of its own, each view would have to wait for the commits
// that are being synced, though it must not see them. Badger does not promise that
// a transaction may be used by many goroutines, but a read-only one holds nothing
// that changes except for an atomic count of iterators.
type snapshot struct {
	txn        *badger.Txn
	revision   plimsoll.Revision
	containers uint64
	compacted  plimsoll.Revision
	log        storage.LogState
	users      int // guarded by snapshots.mu; the latest is used by the store itself
}

// snapshots are those that are in use.
type snapshots struct {
	mu sync.Mutex
	// current is the latest. Only the committer replaces it, and may look at it
	// without mu.
	current *snapshot
	live    map[*snapshot]struct{}
	changed chan struct{} // closed when current is replaced
}

func (s *snapshots) init() {
	s.live = make(map[*snapshot]struct{})
	s.changed = make(chan struct{})
}

// latest returns the current snapshot for one more user, who must release it, and a
// channel that is closed when there is a newer one.
func (s *snapshots) latest() (*snapshot, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.users++
	return s.current, s.changed
}

// share takes one more use of snap, which somebody uses already.
func (s *snapshots) share(snap *snapshot) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.users++
	return snap
}

func (s *snapshots) acquire() *snapshot {
	snap, _ := s.latest()
	return snap
}

// release gives up one use of snap and reports whether it was the last.
func (s *snapshots) release(snap *snapshot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.users--
	if snap.users > 0 {
		return false
	}
	delete(s.live, snap)
	return true
}

// replace makes snap the current one and returns the one before, if any.
func (s *snapshots) replace(snap *snapshot) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.current
	snap.users++
	s.live[snap] = struct{}{}
	s.current = snap
	close(s.changed)
	s.changed = make(chan struct{})
	return before
}

// discardAll ends every snapshot, before the database is closed.
func (s *snapshots) discardAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for snap := range s.live {
		snap.txn.Discard()
	}
}

// publish opens a snapshot of what is committed and makes it the current one.
func (s *Store) publish() error {
	snap := &snapshot{txn: s.db.NewTransaction(false)}
	var meta storagev1.Meta
	item, err := snap.txn.Get(metaKey)
	if err == nil {
		err = item.Value(func(record []byte) (err error) {
			snap.revision, err = decodeRecord(metaKey, record, &meta)
			return err
		})
	}
	if err != nil {
		snap.txn.Discard()
		if errors.Is(err, badger.ErrKeyNotFound) {
			return corrupted(metaKey, "it is missing")
		}
		return fmt.Errorf("reading the revision: %w", err)
	}
	snap.containers, snap.compacted, snap.log = meta.GetContainers(), plimsoll.Revision(meta.GetCompacted()), decodeLogState(&meta)
	if before := s.replace(snap); before != nil {
		s.give(before)
	}
	return nil
}

// give releases snap and ends it if nobody uses it any more.
func (s *Store) give(snap *snapshot) {
	if !s.release(snap) {
		return
	}
	s.life.RLock()
	defer s.life.RUnlock()
	if !s.dbClosed { // a closed Badger would wait for good
		snap.txn.Discard()
	}
}
