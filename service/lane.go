package service

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/plimsoll-project/plimsoll/storage"
)

// Mutations are judged side by side and committed if nothing that they read has changed.
// Where many touch what others read (a quota that everybody counts against), each
// commit makes others start again, and the slowest would never get its chance. So a
// mutation that has met a few conflicts takes a turn in the lane:
//
//   - While it has a turn, no mutation whose writes would touch what it read is
//     committed: those take a turn behind it.
//   - Turns that have nothing to do with one another run side by side; of those that
//     have, the first comes first.
//
// What a mutation reads may differ from attempt to attempt, and commits that had begun
// before the turn may still get in between. Either costs another attempt, with a turn
// that covers what was read in all of them.
type lane struct {
	// waits is how many turns there are. Most of the time none, and then commits do not
	// look any further.
	waits atomic.Int32
	mu    sync.Mutex
	turns []*turn // in order of arrival
}

// maxOptimistic is how many conflicts a mutation may meet without taking a turn.
const maxOptimistic = 3

// turn is a place in the lane.
type turn struct {
	plan plan // of all attempts so far; guarded by lane.mu
	done chan struct{}
}

// plan is what an attempt has read and would write.
type plan struct {
	reads   *storage.Footprint
	touches []storage.Touch
	effects *storage.Effects // of touches; nil until somebody wants to know
}

// complete works out the effects. It may take a while, with as many touches as a batch has,
// so it is done before the lane is looked at.
func (p plan) complete() plan {
	if p.effects == nil {
		p.effects = &storage.Effects{}
		for _, t := range p.touches {
			p.effects.Add(t)
		}
	}
	return p
}

// merge adds all of other, which is complete like p.
func (p plan) merge(other plan) {
	p.reads.Merge(other.reads)
	p.effects.Merge(other.effects)
}

// disturbs reports whether committing p changes what other has read or would write. Both
// are complete.
func (p plan) disturbs(other plan) bool {
	return p.effects.On(other.reads) || p.effects.Overlaps(other.effects)
}

// overtakes reports whether committing p would disturb a mutation that has a turn and is
// not own.
func (l *lane) overtakes(p plan, own *turn) bool {
	if l.waits.Load() == 0 {
		return false
	}
	p = p.complete()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.turns {
		if t == own { // those behind wait for it
			return false
		}
		if p.disturbs(t.plan) {
			return true
		}
	}
	return false
}

// wait takes a turn for an attempt that met a conflict, or widens the one it has, and
// waits until those before it that concern it are done. The caller leaves it.
func (l *lane) wait(ctx context.Context, own *turn, p plan) (*turn, error) {
	p = p.complete()
	l.mu.Lock()
	if own == nil {
		own = &turn{plan: plan{reads: &storage.Footprint{}, effects: &storage.Effects{}}, done: make(chan struct{})}
		l.turns = append(l.turns, own)
		l.waits.Add(1)
	}
	own.plan.merge(p)
	before := l.before(own)
	l.mu.Unlock()
	for _, t := range before {
		select {
		case <-t.done:
		case <-ctx.Done():
			return own, context.Cause(ctx)
		}
	}
	return own, nil
}

// before are the turns that own has to wait for. They arrived earlier, so that no two
// wait for each other.
func (l *lane) before(own *turn) []*turn {
	var found []*turn
	for _, t := range l.turns {
		if t == own {
			break
		}
		if own.plan.disturbs(t.plan) || t.plan.effects.On(own.plan.reads) {
			found = append(found, t)
		}
	}
	return found
}

func (l *lane) leave(own *turn) {
	if own == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turns = slices.DeleteFunc(l.turns, func(t *turn) bool { return t == own })
	l.waits.Add(-1)
	close(own.done)
}
