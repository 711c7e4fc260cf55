package service

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Rules in shadow judge what the rules that judge have judged, on the same state, after
// the fact and on goroutines of their own:
//
//   - An attempt to change something leaves a trial: its inputs, what was said of them, and
//     a view of the revision that it was judged on. That is all that it costs the attempt.
//   - Trials wait in a queue of bounded length, size and age. What does not fit in is
//     dropped and counted. Nobody ever waits for a trial.
//   - Few workers take them, rest as long as they work, and end what takes too much time or
//     memory. Whatever becomes of a trial is counted, and nothing else comes of it.
const (
	maxTrials     = 256
	maxTrialBytes = 32 << 20
	maxTrialAge   = 5 * time.Second
	// trialTimeout bounds the judging of one mutation, and trialMemory by how much all of
	// the server's memory may grow meanwhile, which is looked at every trialMemoryInterval.
	trialTimeout        = 5 * time.Second
	trialMemory         = 512 << 20
	trialMemoryInterval = 20 * time.Millisecond
	// trialShare is how much of a processor a worker takes, and trialSlice for how long at
	// a time. There is one worker for every processorsPerWorker, and at least one.
	trialShare          = 0.5
	trialSlice          = 10 * time.Millisecond
	processorsPerWorker = 4
)

var errTrialMemory = errors.New("the server's memory has grown too much meanwhile")

// SetShadow makes rules run in shadow, in the place of those that do so, for percent of
// the mutations. nil means none. The rules before are released once they are not used any
// more, for which nobody waits: they may be in an endless loop that is yet to be ended.
func (s *Service) SetShadow(rules *Ruleset, percent float64) {
	var next *shadowRun
	if rules != nil {
		next = &shadowRun{
			service: s, rules: rules, percent: percent, news: make(chan struct{}, 1),
			tally: newShadowTally(s.options.Now(), s.metrics.shadow),
		}
		var ctx context.Context
		ctx, next.cancel = context.WithCancel(context.Background())
		for range max(1, runtime.GOMAXPROCS(0)/processorsPerWorker) {
			next.workers.Go(func() { next.work(ctx) })
		}
	}
	if before := s.shadow.Swap(next); before != nil {
		s.shadowsEnding.Go(before.stop)
	}
	s.metrics.shadow.running(next != nil)
}

// EndShadow ends what SetShadow began, and waits until nothing of it is used any more. It
// is to be called before the store is closed.
func (s *Service) EndShadow() {
	s.SetShadow(nil, 0)
	s.shadowsEnding.Wait()
}

// shadowRun is rules that run in shadow.
type shadowRun struct {
	service *Service
	rules   *Ruleset
	percent float64
	tally   *shadowTally
	cancel  context.CancelFunc
	workers sync.WaitGroup
	news    chan struct{} // there is a trial in the queue

	mu    sync.Mutex
	queue []*trial
	// trials and bytes are what there is of both, in the queue, in attempts that are under
	// way, and in work.
	trials, bytes int
	stopped       bool
}

// trial is an attempt that rules in shadow are to judge. All of it is read only.
type trial struct {
	run   *shadowRun
	items []trialItem
	view  storage.View // nil: there was no room for it
	bytes int
	began time.Time
}

// trialItem is a mutation of an attempt, and what was said of it.
type trialItem struct {
	mutation *plimsoll.Mutation
	decision string
	time     time.Time
	input    *plimsoll.Input // before rules patched it
	stored   *plimsoll.Container
	after    *plimsoll.Container // what it made of the container; nil on delete
	err      error               // why it was refused
	took     time.Duration
}

// trialOf makes a trial of an attempt whose view is still open; nil if there are no rules
// in shadow, or not for this one. The caller begins it.
func (s *Service) trialOf(ctx context.Context, on *basis, results []*result) *trial {
	run := s.shadow.Load()
	if run == nil || run.percent < 100 && rand.Float64()*100 >= run.percent { //nolint:gosec // no secret
		return nil
	}
	t := &trial{run: run, began: time.Now()}
	for _, r := range results {
		if r.unpatched == nil || r.decision.Replayed || r.mutation.BreakGlass != "" {
			continue // rules had no say
		}
		item := trialItem{
			mutation: r.mutation, decision: r.decision.ID, time: r.decision.Time, input: r.unpatched, stored: r.stored, after: r.object, err: r.err,
			took: r.decision.PatchTime + r.decision.PolicyTime + r.decision.ValidatorTime,
		}
		if r.mutation.Operation == plimsoll.OperationDelete {
			item.after = nil
		}
		for _, c := range []*plimsoll.Container{r.unpatched.Object, r.stored, r.object} {
			if c != nil {
				t.bytes += sizeOf(c)
			}
		}
		t.items = append(t.items, item)
	}
	if len(t.items) == 0 {
		return nil
	}
	if !run.reserve(t) {
		return t
	}
	view, err := on.view.Reopen(ctx)
	if err != nil {
		run.unreserve(t)
		return t
	}
	t.view = view
	return t
}

// reserve makes room for a trial, if there is any.
func (r *shadowRun) reserve(t *trial) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || r.trials >= maxTrials || r.bytes+t.bytes > maxTrialBytes {
		return false
	}
	r.trials++
	r.bytes += t.bytes
	return true
}

func (r *shadowRun) unreserve(t *trial) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trials--
	r.bytes -= t.bytes
}

// begin queues a trial of an attempt that ended with err, unless that will be made again.
// A nil trial is none.
func (t *trial) begin(err error) {
	switch {
	case t == nil:
	case err != nil && !errors.Is(err, errNotAlone):
		t.end()
	case t.view == nil || !t.run.enqueue(t):
		t.run.tally.drop(len(t.items))
		t.end()
	}
}

// end releases what a trial holds.
func (t *trial) end() {
	if t.view != nil {
		_ = t.view.Close() // releasing a snapshot has nothing to report
		t.run.unreserve(t)
	}
}

func (r *shadowRun) enqueue(t *trial) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return false
	}
	r.queue = append(r.queue, t)
	r.notify()
	return true
}

// notify wakes a worker. r.mu is held.
func (r *shadowRun) notify() {
	select {
	case r.news <- struct{}{}:
	default: // one is about to look
	}
}

// next waits for a trial; nil when ctx ends.
func (r *shadowRun) next(ctx context.Context) *trial {
	for {
		r.mu.Lock()
		if len(r.queue) > 0 {
			t := r.queue[0]
			r.queue[0] = nil
			r.queue = r.queue[1:]
			if len(r.queue) > 0 {
				r.notify() // of another worker
			}
			r.mu.Unlock()
			return t
		}
		r.mu.Unlock()
		select {
		case <-r.news:
		case <-ctx.Done():
			return nil
		}
	}
}

// work judges trials until ctx ends.
func (r *shadowRun) work(ctx context.Context) {
	var busy time.Duration
	for t := r.next(ctx); t != nil; t = r.next(ctx) {
		began := time.Now()
		r.judge(ctx, t)
		t.end()
		if busy += time.Since(began); busy < trialSlice {
			continue
		}
		select {
		case <-time.After(time.Duration(float64(busy) * (1 - trialShare) / trialShare)):
		case <-ctx.Done():
		}
		busy = 0
	}
}

// stop ends the run and releases its rules. Trials that wait are forgotten.
func (r *shadowRun) stop() {
	r.cancel()
	r.workers.Wait()
	r.mu.Lock()
	queue := r.queue
	r.queue, r.stopped = nil, true
	r.mu.Unlock()
	for _, t := range queue {
		t.end()
	}
	if r.rules.Release != nil {
		r.rules.Release()
	}
}

// judge has the rules judge all of a trial, unless it gets too old: it keeps a view.
func (r *shadowRun) judge(ctx context.Context, t *trial) {
	earlier := map[plimsoll.Key]*plimsoll.Container{}
	for i := range t.items {
		item := &t.items[i]
		began := time.Now()
		if began.Sub(t.began) > maxTrialAge {
			r.tally.drop(len(t.items) - i)
			return
		}
		result, err := r.judgeItem(ctx, t, item, earlier)
		if ctx.Err() != nil {
			return // the run ends
		}
		r.tally.add(item, result, err, time.Since(began))
		if item.err == nil {
			earlier[item.mutation.Key] = item.after
		}
	}
}

// judgeItem has the rules judge one mutation of a trial.
func (r *shadowRun) judgeItem(ctx context.Context, t *trial, item *trialItem, earlier map[plimsoll.Key]*plimsoll.Container) (out *result, err error) {
	s := r.service
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer watchMemory(ctx, stop)()
	timed, cancel := context.WithTimeoutCause(ctx, min(trialTimeout, s.options.MutationTimeout), plimsoll.ErrOutOfTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			s.options.Logger.Error("panic while rules in shadow judged", "ruleset", r.rules.Digest, "decision", item.decision, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	out = &result{mutation: item.mutation, decision: s.newDecision(item.mutation), stored: item.stored, object: item.input.Object}
	out.decision.Time = item.time // exemptions expire
	input := item.input.WithOthers(&others{view: t.view, self: item.mutation.Key, over: earlierInBatch(earlier)})
	if err = s.applyRules(timed, r.rules, out, input); err == nil {
		err = waive(timed, s.exemptionsOf(t.view), out)
	}
	if err != nil && timed.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(timed), err)
	}
	return out, err
}
