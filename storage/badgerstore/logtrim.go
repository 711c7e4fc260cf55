package badgerstore

import (
	"context"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// trimPage bounds how many records are removed in one transaction.
const trimPage = 512

// trim is the removal of the oldest records of the log: what is removed, and what the log
// is after that.
type trim struct {
	from, to storage.Position
	revision plimsoll.Revision
	at       time.Time
	bytes    uint64
	deletes  [][]byte
}

// refuse refuses a trim that was prepared on another log than this one.
func (t *trim) refuse(log storage.LogState) error {
	if log.Trimmed != t.from {
		return plimsoll.ErrConflict
	}
	return nil
}

// trim removes records, and moves the place from where the log is kept, in one transaction.
func (b *batch) trim(t *trim) {
	for _, key := range t.deletes {
		b.try(b.txn.Delete(key))
	}
	b.log.Trimmed, b.log.TrimmedRevision, b.log.TrimmedAt = t.to, t.revision, t.at
	b.log.Bytes -= min(t.bytes, b.log.Bytes)
}

// TrimLog implements [storage.Store].
func (s *Store) TrimLog(ctx context.Context, keep storage.Retention) (removed uint64, err error) {
	s.trimming.Lock() // one at a time
	defer s.trimming.Unlock()
	space := newDiskSpace(s.options)
	for {
		if err := s.usable(ctx); err != nil {
			return removed, err
		}
		// To delete takes space at first.
		if err := space.require(s.options.MinFreeBytes / 2); err != nil {
			return removed, fmt.Errorf("trimming the log: %w", err)
		}
		t, err := s.prepareTrim(keep)
		if t == nil || err != nil {
			return removed, err
		}
		r := &request{ctx: ctx, trim: t, footprint: new(storage.Footprint), done: make(chan answer, 1)}
		for _, key := range t.deletes {
			r.add(record{key: key})
		}
		if _, err := s.submit(r); err != nil {
			return removed, fmt.Errorf("trimming the log: %w", err)
		}
		removed += t.to.Sequence - t.from.Sequence
	}
}

// prepareTrim finds the oldest records that are not to be kept, of one page at most; nil if
// there are none.
func (s *Store) prepareTrim(keep storage.Retention) (*trim, error) {
	snap := s.acquire()
	defer s.give(snap)
	t := &trim{from: snap.log.Trimmed, to: snap.log.Trimmed, at: time.Now().UTC()}
	err := s.read(func() error {
		return snap.page([]byte{kindPlace}, placeKey(t.from.Sequence+1), func(key []byte, item *badger.Item) (bool, error) {
			var p *place
			err := item.Value(func(value []byte) (err error) {
				p, err = parsePlaceRecord(key, value)
				return err
			})
			if err == nil {
				err = t.to.Check(&p.Logged) // what is broken is not tidied away
			}
			if err != nil || keep.Keeps(p.Time, snap.log.Bytes-min(t.bytes, snap.log.Bytes)) {
				return false, err
			}
			t.to, t.revision = p.Position(), p.Revision
			t.bytes += p.bytes
			t.deletes = append(t.deletes, recordKey(p.EntryKey, p.Sequence), placeKey(p.Sequence))
			return len(t.deletes) < 2*trimPage, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("trimming the log: %w", err)
	}
	if t.to == t.from {
		return nil, nil
	}
	return t, nil
}
