package badgerstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// chunkBytes is the size of a payload record's content: with its header it stays
// below valueThreshold.
const chunkBytes = 512 << 10

// request is a commit that the committer is asked for, ready to be written but for
// the revision.
type request struct {
	ctx       context.Context
	revision  plimsoll.Revision // of the view
	footprint *storage.Footprint
	keys      []plimsoll.Key
	writes    []write
	log       []*logRecord // to be appended
	added     int64        // containers created less containers deleted
	bytes     int64        // at most what it adds to a transaction
	count     int64
	// compact, if set, asks for a compaction and nothing else.
	compact plimsoll.Revision
	// trim, if set, lets go of records of the log and does nothing else.
	trim *trim
	// unsuited is why the change does not suit what is stored. It counts only if
	// nothing has changed since the view; otherwise the answer is ErrConflict.
	unsuited error

	state atomic.Int32 // waiting, begun or withdrawn
	done  chan answer  // gets one answer if begun
}

// onlyAppends reports whether r appends to the log and does nothing else. One whose change
// does not suit the state has no writes either.
func (r *request) onlyAppends() bool { return len(r.keys) == 0 && len(r.log) > 0 }

type answer struct {
	revision plimsoll.Revision
	err      error
}

const (
	waiting int32 = iota
	begun
	withdrawn
)

// begin claims r for the committer. It reports false if the caller does not want it
// any more.
func (r *request) begin() bool {
	return r.ctx.Err() == nil && r.state.CompareAndSwap(waiting, begun)
}

// withdraw claims r for the caller. It reports false if the committer has begun.
func (r *request) withdraw() bool { return r.state.CompareAndSwap(waiting, withdrawn) }

// write is what one storage.Write comes to.
type write struct {
	key           plimsoll.Key
	before, after *plimsoll.Container // for the history; nil if there is none
	records       []record            // to be sealed and put
	event         []byte              // likewise, under a key that has the revision; nil if there is none
	told          plimsoll.Event      // the event, without its revision
	isEntry       bool                // not of a container
	terms         [][]byte            // index keys to put
	deletes       [][]byte            // keys to delete
	cached        *metadata           // what the cache is to have; nil for nothing
}

type record struct {
	key, value []byte
	expiresAt  time.Time // zero for never
}

// prepare encodes change, and looks up what it replaces. It does so on the latest
// state, not the view's, which may be closed. That comes to the same: the commit
// fails if a key that it writes was written since the view.
func (s *Store) prepare(v *view, change *storage.Change) (*request, error) {
	snap := s.acquire()
	defer s.give(snap)

	r := &request{revision: v.Revision(), footprint: &v.footprint, done: make(chan answer, 1)}
	for _, w := range change.Writes {
		key := w.Key()
		if len(key.Namespace)+len(key.ID) > maxNameBytes {
			return nil, &plimsoll.RequestError{Field: "container.id", Problem: fmt.Sprintf(
				"namespace and ID have %d bytes together, and %d are possible", len(key.Namespace)+len(key.ID), maxNameBytes)}
		}
		r.keys = append(r.keys, key)
	}
	earlier := make(map[plimsoll.Key]*metadata) // what earlier writes of this change left
	entries := make(map[plimsoll.EntryKey]bool) // likewise, whether there is such an entry
	for i, w := range change.Writes {
		if w.Entry != nil {
			exists, ok := entries[w.Entry.EntryKey]
			if !ok {
				if err := s.read(func() error {
					e, err := snap.entry(w.Entry.EntryKey, time.Now())
					exists = e != nil
					return err
				}); err != nil {
					return nil, err
				}
			}
			if r.unsuited = w.Suits(exists); r.unsuited != nil {
				r.writes = nil
				return r, nil
			}
			prepared, err := prepareEntry(change, i)
			if err != nil {
				return nil, err
			}
			r.writes = append(r.writes, prepared)
			entries[w.Entry.EntryKey] = w.Operation != plimsoll.OperationDelete
			continue
		}
		key := r.keys[i]
		before, ok := earlier[key]
		if !ok {
			err := s.read(func() (err error) {
				if before = s.cache.get(key, snap.revision); before == nil {
					before, err = snap.metadata(key)
				}
				return err
			})
			if err != nil {
				return nil, err
			}
		}
		if r.unsuited = w.Suits(before != nil); r.unsuited != nil {
			r.writes = nil
			return r, nil
		}
		prepared, after, err := prepareWrite(change, i, before)
		if err != nil {
			return nil, err
		}
		r.writes = append(r.writes, prepared)
		earlier[key] = after
	}
	var err error
	if r.log, err = prepareLog(change.Records); err != nil {
		return nil, err
	}
	for _, w := range r.writes {
		if err := w.checkSizes(); err != nil {
			return nil, err
		}
	}
	r.measure()
	if r.bytes > s.maxBytes || r.count > s.maxCount {
		return nil, &plimsoll.RequestError{Field: "container", Problem: fmt.Sprintf(
			"it takes %d bytes and %d entries in the database, and a commit may have %d and %d: make the spec, the labels or the batch smaller",
			r.bytes, r.count, s.maxBytes, s.maxCount)}
	}
	return r, nil
}

// prepareWrite encodes write i, given what it replaces, and returns what it leaves.
func prepareWrite(change *storage.Change, i int, before *metadata) (write, *metadata, error) {
	w := change.Writes[i]
	p := write{key: w.Key()}
	event, err := newRecord(encodeEvent(change, i, before.orNil()))
	if err != nil {
		return write{}, nil, fmt.Errorf("encoding the event: %w", err)
	}
	p.event, p.told = event, change.Event(i, before.orNil(), 0)

	var after *metadata
	if w.Operation != plimsoll.OperationDelete {
		p.after = w.Container
		if after, err = p.put(encodeMetadata(w.Container), before); err != nil {
			return write{}, nil, err
		}
	}
	if before != nil {
		p.before = before.container
	}
	p.replace(before, after)
	if after != nil && before != nil && before.complete != nil {
		p.cached = after.toCache(p.told.Container, w.Container)
	}
	return p, after, nil
}

// toCache returns m with containers that are only read from now on, but for their
// revision: bare is one without payloads, and c complete.
func (m *metadata) toCache(bare, c *plimsoll.Container) *metadata {
	cached := *m
	cached.container, cached.complete = bare, c.Clone()
	for _, c := range []*plimsoll.Container{cached.container, cached.complete} { // as they are read
		c.CreatedAt, c.UpdatedAt = c.CreatedAt.UTC(), c.UpdatedAt.UTC()
	}
	return &cached
}

// prepareEntry encodes write i, which is of an entry.
func prepareEntry(change *storage.Change, i int) (write, error) {
	w := change.Writes[i]
	p := write{key: w.Key(), isEntry: true}
	key := entryKey(w.Entry.EntryKey)
	if w.Operation == plimsoll.OperationDelete {
		p.deletes = append(p.deletes, key)
	} else {
		value, err := newRecord(&storagev1.Entry{Value: w.Entry.Value, ExpiresAt: encodeTime(w.Entry.ExpiresAt)})
		if err != nil {
			return write{}, fmt.Errorf("encoding the entry: %w", err)
		}
		p.records = append(p.records, record{key, value, w.Entry.ExpiresAt})
	}
	if !w.LeavesEvent() {
		return p, nil
	}
	event, err := newRecord(encodeEvent(change, i, nil))
	if err != nil {
		return write{}, fmt.Errorf("encoding the event: %w", err)
	}
	p.event, p.told = event, change.Event(i, nil, 0)
	return p, nil
}

// put adds the records of the container that p leaves; m is its metadata, and before what
// it replaces, if anything.
func (p *write) put(m *storagev1.Container, before *metadata) (*metadata, error) {
	payloads, err := p.payloads(m, before)
	if err != nil {
		return nil, err
	}
	after := newMetadata(p.after, m)
	after.stored = payloads
	for len(payloads) > 0 {
		n := min(len(payloads), chunkBytes)
		value := make([]byte, headerBytes, headerBytes+n)
		p.records = append(p.records, record{
			key: payloadKey(p.key, m.GetPayloadChunks()), value: append(value, payloads[:n]...),
		})
		payloads = payloads[n:]
		m.PayloadChunks++
	}
	value, err := newRecord(m)
	if err != nil {
		return nil, fmt.Errorf("encoding the metadata: %w", err)
	}
	p.records = append(p.records, record{key: metadataKey(p.key), value: value})
	after.chunks = m.GetPayloadChunks()
	return after, nil
}

// payloads returns the payloads as they are to be stored, and says in m how. Most updates
// leave them as they were.
func (p *write) payloads(m *storagev1.Container, before *metadata) ([]byte, error) {
	if before != nil && before.complete != nil && samePayloads(before.complete, p.after) {
		m.PayloadSize, m.PayloadBytes, m.PayloadCompression = before.size, before.bytes, before.compression
		return before.stored, nil
	}
	payloads, err := encodePayloads(p.after)
	if err != nil {
		return nil, fmt.Errorf("encoding the payloads: %w", err)
	}
	if len(payloads) > maxPayloadBytes {
		return nil, &plimsoll.RequestError{Field: "container", Problem: fmt.Sprintf(
			"its payloads have %d bytes, and %d are possible", len(payloads), maxPayloadBytes)}
	}
	m.PayloadSize = uint64(len(payloads))
	payloads, m.PayloadCompression = compress(payloads)
	m.PayloadBytes = uint64(len(payloads))
	return payloads, nil
}

// replace works out the difference: index entries that come and go, and records
// that are left over.
func (p *write) replace(before, after *metadata) {
	old, kept := storage.Terms(before.orNil()), 0
	for _, term := range storage.Terms(after.orNil()) {
		for kept < len(old) && old[kept].Field < term.Field {
			p.deletes = append(p.deletes, indexKey(p.key, old[kept]))
			kept++
		}
		if kept < len(old) && old[kept].Field == term.Field {
			kept++
			if old[kept-1] == term {
				continue
			}
			p.deletes = append(p.deletes, indexKey(p.key, old[kept-1]))
		}
		p.terms = append(p.terms, indexKey(p.key, term))
	}
	for _, term := range old[kept:] {
		p.deletes = append(p.deletes, indexKey(p.key, term))
	}
	if before == nil {
		return
	}
	var chunks uint32
	if after != nil {
		chunks = after.chunks
	} else {
		p.deletes = append(p.deletes, metadataKey(p.key))
	}
	for ; chunks < before.chunks; chunks++ {
		p.deletes = append(p.deletes, payloadKey(p.key, chunks))
	}
}

// checkSizes refuses what would go to Badger's value log, which does not report failed
// writes: see valueThreshold.
func (w write) checkSizes() error {
	size := len(w.event)
	for _, rec := range w.records {
		size = max(size, len(rec.value))
	}
	if size >= valueThreshold {
		return &plimsoll.RequestError{Field: "container", Problem: fmt.Sprintf(
			"one record of it would have %d bytes, and %d are possible: make the labels smaller", size, valueThreshold)}
	}
	return nil
}

// entryBytes is more than what Badger adds to the size of a key and its value.
const entryBytes = 32

// add counts a record that r adds to a transaction.
func (r *request) add(rec record) {
	r.bytes += int64(len(rec.key) + len(rec.value) + entryBytes)
	r.count++
}

// append counts a record of the log that r adds to a transaction.
func (r *request) append(rec *logRecord) {
	r.bytes += int64(rec.bytes)
	r.count += 2
}

// measure works out how much r adds to a transaction.
func (r *request) measure() {
	add := func(key, value int) {
		r.bytes += int64(key + value + entryBytes)
		r.count++
	}
	for _, rec := range r.log {
		r.append(rec)
	}
	for _, w := range r.writes {
		for _, rec := range w.records {
			r.add(rec)
		}
		if w.event != nil {
			add(len(eventPlace{}.key()), len(w.event))
		}
		if !w.isEntry {
			add(len(historyKey(w.key, eventPlace{})), len(present))
		}
		for _, key := range w.terms {
			add(len(key), len(present))
		}
		for _, key := range w.deletes {
			add(len(key), 0)
		}
		switch {
		case w.isEntry:
		case w.before == nil:
			r.added++
		case w.after == nil:
			r.added--
		}
	}
}
