package service

import (
	"context"
	"sync/atomic"
	"time"
)

// Dropper is what a ruleset's policies may be, besides a judge: they say which decisions are
// not sent on, by their events. Errors quote nothing of the event. It is safe for concurrent
// use.
type Dropper interface {
	// Drops reports whether Drop has anything to say.
	Drops() bool
	Drop(ctx context.Context, event []byte) (bool, error)
}

// DropsDecision reports whether the rules of now want an event of the decision log not to be
// sent on. If they come to no answer it is.
func (s *Service) DropsDecision(ctx context.Context, event []byte) bool {
	rules, release := s.ruleset.hold()
	if rules == nil {
		return false
	}
	defer release()
	dropper, ok := rules.Policies.(Dropper)
	if !ok || !dropper.Drops() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, maskTimeout)
	defer cancel()
	drop, err := dropper.Drop(ctx, event)
	if err != nil && ctx.Err() == nil && s.dropSaid.due(s.options.Now()) {
		s.options.Logger.Warn("data.system.log.drop came to no answer; decisions are sent on", "error", err.Error())
	}
	return drop && err == nil
}

// occasion is when something was last said that happens again and again.
type occasion struct{ at atomic.Int64 }

// due reports whether it is to be said again.
func (o *occasion) due(now time.Time) bool {
	last := o.at.Load()
	return now.UnixNano()-last >= int64(dropInterval) && o.at.CompareAndSwap(last, now.UnixNano())
}
