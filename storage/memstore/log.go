package memstore

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// append puts records at the end of the log. They are kept as they are, so their digests
// are of their values.
func (s *state) append(records []storage.Record) {
	for _, r := range records {
		e := (&storage.Logged{Record: r, Sequence: s.logState.Head.Sequence + 1, Revision: s.revision, Digest: sha256.Sum256(r.Value)}).Clone()
		e.Time = time.Unix(0, r.Time.UnixNano()).UTC()
		e.Link = storage.NextLink(s.logState.Head.Link, e)
		s.log = append(s.log, e)
		s.records.Set(e)
		s.logState.Head = e.Position()
		s.logState.Bytes += recordBytes(e)
	}
}

// recordBytes is about what a record takes.
func recordBytes(e *storage.Logged) uint64 {
	const rest = 256
	return uint64(len(e.Kind) + len(e.Key) + len(e.Value) + rest)
}

// logAfter returns the records after a sequence, which must not be among those that were
// trimmed.
func (s *state) logAfter(sequence uint64) []*storage.Logged {
	return s.log[min(sequence-s.logState.Trimmed.Sequence, uint64(len(s.log))):]
}

// trim forgets the oldest records that are not to be kept. Other states keep theirs.
func (s *state) trim(keep storage.Retention, now time.Time) (removed uint64) {
	for _, e := range s.log {
		if keep.Keeps(e.Time, s.logState.Bytes) {
			break
		}
		s.records.Delete(e)
		s.logState.Trimmed, s.logState.TrimmedRevision, s.logState.TrimmedAt = e.Position(), e.Revision, now.UTC()
		s.logState.Bytes -= recordBytes(e)
		removed++
	}
	s.log = slices.Clone(s.log[removed:])
	return removed
}

// Append implements [storage.Store]. All records are appended, or none.
func (s *Store) Append(ctx context.Context, records []storage.Record) error {
	if err := storage.ValidateRecords(records); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	current := s.latest.Load()
	next := current.successor()
	next.append(records)
	s.latest.Store(next)
	close(current.superseded)
	return nil
}

// TrimLog implements [storage.Store].
func (s *Store) TrimLog(ctx context.Context, keep storage.Retention) (uint64, error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	current := s.latest.Load()
	next := current.successor()
	removed := next.trim(keep, time.Now())
	if removed > 0 {
		s.latest.Store(next)
		close(current.superseded)
	}
	return removed, nil
}

// Log implements [storage.Store].
func (s *Store) Log(ctx context.Context, after uint64) iter.Seq2[*storage.Logged, error] {
	return func(yield func(*storage.Logged, error) bool) {
		for last := after; ; {
			if err := s.usable(ctx); err != nil {
				yield(nil, err)
				return
			}
			latest := s.latest.Load()
			if last < latest.logState.Trimmed.Sequence {
				yield(nil, &plimsoll.TrimmedError{First: latest.logState.Trimmed.Sequence + 1})
				return
			}
			for _, e := range latest.logAfter(last) {
				if err := s.usable(ctx); err != nil {
					yield(nil, err)
					return
				}
				if !yield(e.Clone(), nil) {
					return
				}
				last = e.Sequence
			}
			select {
			case <-latest.superseded:
			case <-s.closed:
			case <-ctx.Done():
			}
		}
	}
}

// VerifyLog implements [storage.View].
func (v *view) VerifyLog(ctx context.Context, visit func(*storage.Logged) error) error {
	last := v.state.logState.Trimmed
	if err := v.usable(ctx); err != nil {
		return err
	}
	for _, e := range v.state.log {
		if err := v.usable(ctx); err != nil {
			return err
		}
		if err := last.Check(e); err != nil {
			return err
		}
		if sha256.Sum256(e.Value) != e.Digest {
			return &storage.LogError{Sequence: e.Sequence, Breakage: storage.Altered, Problem: "its digest is not that of its value"}
		}
		last = e.Position()
		if visit == nil {
			continue
		}
		if err := visit(e.Clone()); err != nil {
			return err
		}
	}
	if last != v.state.logState.Head {
		return &storage.LogError{Sequence: last.Sequence + 1, Breakage: storage.CutOff, Problem: "it and all records after it are missing"}
	}
	return nil
}

// LogState implements [storage.View].
func (v *view) LogState() storage.LogState { return v.state.logState }

// Record implements [storage.View].
func (v *view) Record(ctx context.Context, key plimsoll.EntryKey) (*storage.Logged, error) {
	for e, err := range v.Records(ctx, key.Kind, key.Key, "") {
		if err != nil {
			return nil, err
		}
		if e.Key == key.Key {
			return e, nil
		}
		break // longer keys come after it
	}
	return nil, storage.NotFound(key)
}

// Records implements [storage.View].
func (v *view) Records(ctx context.Context, kind plimsoll.EntryKind, prefix, after string) iter.Seq2[*storage.Logged, error] {
	return func(yield func(*storage.Logged, error) bool) {
		if err := v.usable(ctx); err != nil {
			yield(nil, err)
			return
		}
		first := &storage.Logged{}
		first.EntryKey = plimsoll.EntryKey{Kind: kind, Key: max(prefix, startAfter(after))}
		v.state.records.Ascend(first, func(e *storage.Logged) bool {
			if e.Kind != kind || !strings.HasPrefix(e.Key, prefix) {
				return false
			}
			if err := v.usable(ctx); err != nil {
				yield(nil, err)
				return false
			}
			return yield(e.Clone(), nil)
		})
	}
}
