package badgerstore

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// What a transaction has besides requests: the meta record, and an entry with which
// Badger ends it.
const (
	reservedBytes = 4 << 10
	reservedCount = 4
)

// present is the value of an index entry.
var present = []byte{1}

// submit queues r and waits for its answer.
func (s *Store) submit(r *request) (plimsoll.Revision, error) {
	select {
	case s.queue <- r:
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	case <-s.stopping:
		return 0, s.usable(r.ctx)
	case <-s.failed:
		return 0, s.usable(r.ctx)
	}
	select {
	case a := <-r.done:
		return a.revision, a.err
	case <-r.ctx.Done():
		if r.withdraw() {
			return 0, r.ctx.Err()
		}
	case <-s.stopped:
		if r.withdraw() { // it was queued too late to be seen
			return 0, s.usable(r.ctx)
		}
	}
	a := <-r.done
	return a.revision, a.err
}

// committer makes all commits of a store: see the package documentation. One
// goroutine runs it.
type committer struct {
	store    *Store
	space    *diskSpace
	history  *storage.History
	maxBytes int64
	maxCount int64
}

// run commits until the store is closed or fails.
func (c *committer) run() {
	s := c.store
	defer close(s.stopped)
	var next *request // left over by the batch before
	for {
		if next == nil {
			select {
			case next = <-s.queue:
			case <-s.stopping:
				return
			}
		}
		select {
		case <-s.stopping:
			return
		default:
		}
		var err error
		if next, err = c.commit(next); err != nil {
			return
		}
	}
}

// commit makes one batch of first and the requests that wait. It returns the first
// request that did not fit in, if any, or the error for which the store failed.
func (c *committer) commit(first *request) (leftOver *request, err error) {
	b := &batch{committer: c, noSpace: c.space.check()}
	current := c.store.current
	b.revision, b.containers, b.compacted, b.log = current.revision, current.containers, current.compacted, current.log
	for r := first; r != nil; r = c.waiting() {
		if !b.fits(r) {
			leftOver = r
			break
		}
		if r.begin() {
			b.take(r)
		}
	}
	err = b.finish()
	if err != nil {
		c.store.fail(err)
		err = fmt.Errorf("%w: %w", plimsoll.ErrClosed, err)
	}
	for i, r := range b.requests {
		if err != nil {
			b.answers[i] = answer{err: err}
		}
		r.done <- b.answers[i]
	}
	return leftOver, err
}

// waiting returns a request that is in the queue now, or nil.
func (c *committer) waiting() *request {
	select {
	case r := <-c.store.queue:
		return r
	default:
		return nil
	}
}

// batch is the requests that are answered together, and the transaction of those
// that are stored.
type batch struct {
	*committer
	noSpace  error
	requests []*request
	answers  []answer // of requests, given once all is on disk

	txn          *badger.Txn // nil until there is something to store
	bytes, count int64
	revision     plimsoll.Revision
	events       []placedEvent
	written      []writtenContainer
	containers   uint64
	compacted    plimsoll.Revision
	log          storage.LogState
	err          error // the first error of txn
}

// writtenContainer is what a write leaves for the cache.
type writtenContainer struct {
	key      plimsoll.Key
	revision plimsoll.Revision
	cached   *metadata
}

func (b *batch) fits(r *request) bool {
	return b.bytes+r.bytes <= b.maxBytes && b.count+r.count <= b.maxCount
}

// take decides on r, and stages it if it is to be stored.
func (b *batch) take(r *request) {
	a := answer{err: b.refuse(r)}
	if a.err == nil {
		if b.txn == nil {
			b.txn = b.store.db.NewTransaction(true)
		}
		b.bytes += r.bytes
		b.count += r.count
		switch {
		case r.compact != 0:
			b.compacted = max(b.compacted, r.compact)
		case r.trim != nil:
			b.trim(r.trim)
		case len(r.writes) > 0:
			b.stage(r)
		}
		for _, rec := range r.log { // at the revision of what they come with, or of the state they follow
			b.append(rec)
		}
		a.revision = b.revision
	}
	b.requests = append(b.requests, r)
	b.answers = append(b.answers, a)
}

func (b *batch) refuse(r *request) error {
	switch {
	case r.compact != 0:
		return nil // it needs no reads, and makes space
	case r.trim != nil:
		return r.trim.refuse(b.log)
	case b.noSpace != nil:
		return b.noSpace
	case r.onlyAppends(): // depends on nothing
		return nil
	case b.history.Conflicts(r.footprint, r.revision, r.keys...):
		return plimsoll.ErrConflict
	}
	return r.unsuited
}

// stage adds r to the transaction, at the next revision.
func (b *batch) stage(r *request) {
	b.revision++
	b.containers += uint64(r.added)
	place := eventPlace{revision: b.revision}
	for _, w := range r.writes {
		// Deletes first: they are of what was there before.
		for _, key := range w.deletes {
			b.try(b.txn.Delete(key))
		}
		for _, rec := range w.records {
			b.put(rec)
		}
		for _, key := range w.terms {
			b.try(b.txn.Set(key, present))
		}
		if !w.isEntry {
			b.try(b.txn.Set(historyKey(w.key, place), present))
		}
		if w.event != nil {
			b.put(record{key: place.key(), value: w.event})
			b.events = append(b.events, placedEvent{place, eventAt(w.told, b.revision), len(w.event)})
			place.seq++
		}
		if !w.isEntry {
			b.written = append(b.written, writtenContainer{w.key, b.revision, w.cached})
		}
		b.history.Record(b.revision, w.key, w.before, w.after)
	}
}

// eventAt gives an event its revision.
func eventAt(e plimsoll.Event, revision plimsoll.Revision) plimsoll.Event {
	e.Revision = revision
	switch {
	case e.Entry != nil:
		e.Entry.Revision = revision
	case e.Operation != plimsoll.OperationDelete:
		e.Container.Revision = revision
	}
	return e
}

func (b *batch) put(r record) {
	seal(r.value, r.key, b.revision)
	entry := badger.NewEntry(r.key, r.value)
	if !r.expiresAt.IsZero() {
		entry.ExpiresAt = uint64(max(r.expiresAt.Unix(), 0)) + 1 //nolint:gosec // not negative; never too early
	}
	b.try(b.txn.SetEntry(entry))
}

func (b *batch) try(err error) {
	if b.err == nil {
		b.err = err
	}
}

// finish writes and syncs the transaction, and publishes the new state. When it
// fails, it is not known what is on disk.
func (b *batch) finish() error {
	if b.txn == nil {
		return nil
	}
	defer b.txn.Discard()
	stored := &storagev1.Meta{Containers: b.containers, Compacted: uint64(b.compacted)}
	encodeLogState(b.log, stored)
	meta, err := newRecord(stored)
	if err != nil {
		return fmt.Errorf("encoding the meta record: %w", err)
	}
	b.put(record{key: metaKey, value: meta})
	if b.err != nil {
		return fmt.Errorf("preparing a transaction: %w", b.err)
	}
	if err := b.store.options.commit(b.txn); err != nil {
		return fmt.Errorf("committing a transaction: %w", err)
	}
	b.store.recent.add(b.events)
	for _, w := range b.written {
		if w.cached != nil {
			w.cached.complete.Revision = w.revision
		}
		b.store.cache.commit(w.key, w.revision, w.cached)
	}
	if err := b.store.publish(); err != nil {
		return err
	}
	if b.store.current.revision != b.revision {
		return errors.New("the database does not show what was just committed to it")
	}
	return nil
}
