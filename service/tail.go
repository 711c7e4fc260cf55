package service

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// TailDecisions implements plimsoll.v1.DecisionService.
func (s decisionsV1) TailDecisions(ctx context.Context, req *plimsollv1.TailDecisionsRequest, stream *connect.ServerStream[plimsollv1.TailDecisionsResponse]) error {
	t, err := s.newTail(ctx, req)
	defer s.watches.Add(-1)
	if s.watches.Add(1) > maxWatches && err == nil {
		err = errTooManyWatches
	}
	if err == nil {
		t.send = sender(ctx, stream.Send)
		err = t.run(ctx)
	}
	if err != nil {
		return s.connectError(ctx, err, nil)
	}
	return nil
}

// tail is a TailDecisions under way.
type tail struct {
	*Service
	filter    decisionFilter
	bookmarks time.Duration
	send      func(*plimsollv1.TailDecisionsResponse) error
	// sequence is how far the tail has come.
	sequence uint64
}

func (s decisionsV1) newTail(ctx context.Context, req *plimsollv1.TailDecisionsRequest) (*tail, error) {
	t := &tail{Service: s.Service}
	var err error
	if t.filter, err = s.newDecisionFilter(ctx, req); err != nil {
		return nil, err
	}
	if t.bookmarks, err = bookmarkInterval(req.GetBookmarkInterval()); err != nil {
		return nil, err
	}
	if req.AfterSequence != nil {
		t.sequence = req.GetAfterSequence()
		return t, nil
	}
	t.sequence, err = s.LogHead(ctx)
	return t, err
}

// bookmarkSoon is when a caller is told how far a tail has come that had nothing to tell.
const bookmarkSoon = 200 * time.Millisecond

// run streams until the caller leaves, the server stops, or something fails.
func (t *tail) run(ctx context.Context) error {
	if err := t.send(&plimsollv1.TailDecisionsResponse{Sequence: t.sequence}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	steps := make(chan *plimsollv1.TailDecisionsResponse)
	ended := make(chan error, 1)
	go func() { ended <- t.read(ctx, steps) }()
	bookmark := time.NewTimer(t.bookmarks)
	defer bookmark.Stop()
	behind := false // the caller does not know how far the tail has come
	for {
		select {
		case step := <-steps:
			t.sequence = step.GetSequence()
			if step.GetDecision() == nil { // it was not selected: a bookmark tells soon
				if !behind {
					behind = true
					bookmark.Reset(min(bookmarkSoon, t.bookmarks))
				}
				continue
			}
			if err := t.send(step); err != nil {
				return err
			}
			behind = false
			bookmark.Reset(t.bookmarks)
		case <-bookmark.C:
			if err := t.send(&plimsollv1.TailDecisionsResponse{Sequence: t.sequence}); err != nil {
				return err
			}
			behind = false
			bookmark.Reset(t.bookmarks)
		case <-t.draining:
			return fmt.Errorf("%w: go on after decision %d, here once it is back, or elsewhere", errDraining, t.sequence)
		case err := <-ended:
			return err
		}
	}
}

// read passes on what is in the log and what comes, no faster than it is taken.
func (t *tail) read(ctx context.Context, steps chan<- *plimsollv1.TailDecisionsResponse) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a tail: %v", p)
		}
	}()
	for logged, err := range t.store.Log(ctx, t.sequence) {
		if err != nil {
			return err
		}
		step := &plimsollv1.TailDecisionsResponse{Sequence: logged.Sequence}
		if logged.Kind == plimsoll.KindDecision {
			record, err := readRecord(logged)
			if err != nil {
				return err
			}
			if t.filter.selects(record.GetDecision()) {
				step.Decision = record.GetDecision()
			}
		}
		select {
		case steps <- step:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("the store's log has ended without a reason")
}

// LogHead is the sequence of the last record of the log.
func (s *Service) LogHead(ctx context.Context) (uint64, error) {
	view, err := s.store.View(ctx)
	if err != nil {
		return 0, err
	}
	return view.LogState().Head.Sequence, view.Close()
}

// LoggedDecision is a decision as it is recorded, or any other record of the log.
type LoggedDecision struct {
	Sequence uint64
	// Record is nil if it is no decision.
	Record *storagev1.Decision
}

// FollowDecisions yields the decisions after a sequence in the order of the log, and then
// those to come, until ctx ends. It passes on what [storage.Store.Log] says.
func (s *Service) FollowDecisions(ctx context.Context, after uint64) iter.Seq2[LoggedDecision, error] {
	return func(yield func(LoggedDecision, error) bool) {
		for logged, err := range s.store.Log(ctx, after) {
			d, err := readLogged(logged, err)
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

func readLogged(logged *storage.Logged, err error) (LoggedDecision, error) {
	if err != nil {
		return LoggedDecision{}, err
	}
	d := LoggedDecision{Sequence: logged.Sequence}
	if logged.Kind == plimsoll.KindDecision {
		d.Record, err = readRecord(logged)
	}
	return d, err
}
