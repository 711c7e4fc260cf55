package service

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// The decisions of all namespaces have no index: the log itself is read, backwards, a block
// at a time.

// blockRecords is how many records are read, and held, at once.
const blockRecords = 256

// newestOfAll yields the decisions of all namespaces whose place is before one in the log
// (its sequence; empty for the end of what view sees), the last first.
func newestOfAll(ctx context.Context, store storage.Store, view storage.View, before string) iter.Seq2[string, listed] {
	return func(yield func(string, listed) bool) {
		state := view.LogState()
		last, lowest := state.Head.Sequence, state.Trimmed.Sequence
		if before != "" {
			sequence, err := strconv.ParseUint(before, 10, 64)
			if err != nil || sequence == 0 {
				yield("", listed{err: &plimsoll.RequestError{Field: "page_token", Problem: "is none that an earlier page gave"}})
				return
			}
			last = min(last, sequence-1)
		}
		for last > lowest {
			first := max(lowest, last-min(last, blockRecords)) + 1
			block, err := readBlock(ctx, store, first, last)
			trimmed, isTrimmed := errors.AsType[*plimsoll.TrimmedError](err)
			switch {
			case isTrimmed && trimmed.First > lowest+1: // meanwhile
				lowest = trimmed.First - 1
				continue
			case err != nil:
				yield("", listed{err: err})
				return
			}
			for _, d := range slices.Backward(block) {
				if !yield(strconv.FormatUint(d.GetSequence(), 10), listed{decision: d}) {
					return
				}
			}
			last = first - 1
		}
	}
}

// readBlock reads the decisions of a part of the log.
func readBlock(ctx context.Context, store storage.Store, first, last uint64) ([]*plimsollv1.Decision, error) {
	var block []*plimsollv1.Decision
	for logged, err := range store.Log(ctx, first-1) {
		d, err := readLogged(logged, err)
		if err != nil {
			return nil, err
		}
		if d.Record != nil {
			block = append(block, d.Record.GetDecision())
		}
		if d.Sequence >= last {
			break
		}
	}
	return block, nil
}

// caughtUp waits until what is queued is written, but not for long: under load there is always
// something queued.
func (r *recorder) caughtUp(ctx context.Context) {
	r.mu.Lock()
	writing, idle := r.writing, r.idle
	r.mu.Unlock()
	if !writing {
		return
	}
	timer := time.NewTimer(5 * recordInterval)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	case <-ctx.Done():
	}
}
