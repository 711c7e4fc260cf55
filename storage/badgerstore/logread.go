package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Bounds on what a reader of the log holds in memory.
const (
	logPage      = 256
	logPageBytes = 4 << 20 // as stored
)

// Log implements [storage.Store].
func (s *Store) Log(ctx context.Context, after uint64) iter.Seq2[*storage.Logged, error] {
	return func(yield func(*storage.Logged, error) bool) {
		r := logReader{store: s, last: storage.Position{Sequence: after}}
		for {
			page, changed, err := r.next(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range page {
				if err := s.usable(ctx); err != nil {
					yield(nil, err)
					return
				}
				if !yield(e, nil) {
					return
				}
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

// logReader reads the log from a place on.
type logReader struct {
	store  *Store
	last   storage.Position // of the record that was read last
	linked bool             // its link is known
}

// next returns the next records, of one page at most. If there are none, the channel is
// closed when there may be.
func (r *logReader) next(ctx context.Context) ([]*storage.Logged, <-chan struct{}, error) {
	if err := r.store.usable(ctx); err != nil {
		return nil, nil, err
	}
	snap, changed := r.store.latest()
	defer r.store.give(snap)
	page, err := r.page(snap)
	return page, changed, err
}

// page reads the next records from a snapshot.
func (r *logReader) page(snap *snapshot) ([]*storage.Logged, error) {
	switch {
	case r.last.Sequence < snap.log.Trimmed.Sequence:
		return nil, &plimsoll.TrimmedError{First: snap.log.Trimmed.Sequence + 1}
	case r.last.Sequence >= snap.log.Head.Sequence:
		return nil, nil // that far it has not come, or just so
	}
	var page []*storage.Logged
	err := r.store.read(func() error {
		if err := r.link(snap); err != nil {
			return err
		}
		size := uint64(0)
		prefix := []byte{kindPlace}
		return snap.page(prefix, placeKey(r.last.Sequence+1), func(key []byte, item *badger.Item) (bool, error) {
			p, c, err := snap.follows(r.last, key, item)
			if err != nil {
				return false, err
			}
			page, r.last = append(page, &c.Logged), p.Position()
			size += p.bytes
			return len(page) < logPage && size < logPageBytes && p.Sequence < snap.log.Head.Sequence, nil
		})
	})
	if len(page) > 0 {
		return page, nil // what is wrong after that is found by the next one
	}
	if err == nil {
		err = broken(r.last.Sequence+1, storage.CutOff, "it and all records after it are missing, up to %d", snap.log.Head.Sequence)
	}
	return nil, err
}

// link finds out the link of the record that was read last.
func (r *logReader) link(snap *snapshot) error {
	switch {
	case r.linked:
		return nil
	case r.last.Sequence == snap.log.Trimmed.Sequence:
		r.last = snap.log.Trimmed
	default:
		p, err := snap.place(r.last.Sequence)
		if err != nil {
			return err
		}
		r.last = p.Position()
	}
	r.linked = true
	return nil
}

// place reads the place of a record that must be there.
func (s *snapshot) place(sequence uint64) (p *place, err error) {
	key := placeKey(sequence)
	err = s.get(key, func(value []byte) (err error) {
		p, err = parsePlaceRecord(key, value)
		return err
	})
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return nil, broken(sequence, storage.Removed, "the record is missing")
	case errors.Is(err, ErrCorrupted):
		return nil, broken(sequence, storage.Altered, "%v", err)
	}
	return p, err
}

// follows reads the place that an iterator is at, and its record, and checks that they are
// what was appended after last.
func (s *snapshot) follows(last storage.Position, key []byte, item *badger.Item) (p *place, c *content, err error) {
	sequence := last.Sequence + 1
	err = item.Value(func(value []byte) (err error) {
		p, err = parsePlaceRecord(key, value)
		return err
	})
	if err == nil && p.Sequence == sequence {
		c, err = s.content(p)
	}
	switch {
	case errors.Is(err, errMoved):
		return nil, nil, broken(sequence, storage.Reordered, "%v", err)
	case errors.Is(err, ErrCorrupted):
		return nil, nil, broken(sequence, storage.Altered, "%v", err)
	case err != nil:
		return nil, nil, err
	case p.Sequence != sequence:
		return nil, nil, broken(sequence, storage.Removed, "the record is missing: the next one is %d", p.Sequence)
	case c == nil:
		return nil, nil, broken(sequence, storage.Removed, "there is a place for it in the log, and no record")
	case c.Digest != p.Digest:
		return nil, nil, broken(sequence, storage.Altered, "its digest is not the one in the log")
	case c.Position() != p.Position() || c.Revision != p.Revision || !c.Time.Equal(p.Time) || c.bytes != p.bytes:
		return nil, nil, broken(sequence, storage.Altered, "the record says other things of itself than its place in the log")
	}
	if err := last.Check(&p.Logged); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrCorrupted, err)
	}
	return p, c, nil
}

// broken says how the log is broken, and so the database.
func broken(sequence uint64, how storage.Breakage, format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCorrupted, &storage.LogError{Sequence: sequence, Breakage: how, Problem: fmt.Sprintf(format, args...)})
}

// LogState implements [storage.View].
func (v *view) LogState() storage.LogState { return v.snapshot.log }

// Record implements [storage.View].
func (v *view) Record(ctx context.Context, key plimsoll.EntryKey) (*storage.Logged, error) {
	if err := v.usable(ctx); err != nil {
		return nil, err
	}
	var found *content
	prefix := append(recordPrefix(key.Kind), key.Key...)
	err := v.store.read(func() error {
		return v.snapshot.page(prefix, prefix, func(k []byte, item *badger.Item) (bool, error) {
			if len(k) != len(prefix)+sequenceBytes {
				return false, nil // longer keys come after it: see storage.ValidateRecords
			}
			return false, item.Value(func(value []byte) (err error) {
				found, err = parseLogRecord(key.Kind, k, value)
				return err
			})
		})
	})
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, storage.NotFound(key)
	}
	return &found.Logged, nil
}

// Records implements [storage.View].
func (v *view) Records(ctx context.Context, kind plimsoll.EntryKind, prefix, past string) iter.Seq2[*storage.Logged, error] {
	return func(yield func(*storage.Logged, error) bool) {
		if err := v.usable(ctx); err != nil {
			yield(nil, err)
			return
		}
		bare := recordPrefix(kind)
		prefixed := append(bare[:len(bare):len(bare)], prefix...)
		start := prefixed
		if past > prefix {
			start = append(bare[:len(bare):len(bare)], past...)
		}
		for start != nil {
			var page []*content
			err := v.usable(ctx)
			if err == nil {
				page, start, err = readPage(v, prefixed, start, lastPage, func(key []byte, item *badger.Item) (c *content, err error) {
					err = item.Value(func(value []byte) (err error) {
						c, err = parseLogRecord(kind, key, value)
						return err
					})
					return c, err
				})
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, c := range page {
				if past != "" && c.Key <= past {
					continue
				}
				if !yield(&c.Logged, nil) {
					return
				}
			}
		}
	}
}
