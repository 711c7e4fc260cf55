package service

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// backgroundSlice is for how long work in the background goes on without a rest.
const backgroundSlice = 10 * time.Millisecond

// background is where work is done that must not be in the way of mutations: audits,
// impacts and replays. All of it together takes a share of a processor, in a bounded number
// of places. It is safe for concurrent use.
type background struct {
	places *semaphore.Weighted
	// inFlight is how many places there are, and rest how long one that has worked rests,
	// as a multiple.
	inFlight int
	rest     float64
	draining <-chan struct{}
}

func newBackground(share float64, inFlight int, draining <-chan struct{}) *background {
	own := min(share/float64(inFlight), 1)
	return &background{
		places: semaphore.NewWeighted(int64(inFlight)), inFlight: inFlight, rest: (1 - own) / own, draining: draining,
	}
}

// worker does work in the background, a slice at a time. The zero value is ready to use, by
// one goroutine at a time.
type worker struct {
	began  time.Time     // zero: it has no place
	worked time.Duration // since it last rested, not counting since began
}

// enter waits for a place, and for a rest that is due: that is taken in the place, so that
// all places together keep to the share. The caller calls leave soon after.
func (b *background) enter(ctx context.Context, w *worker) error {
	select {
	case <-b.draining:
		return errDraining
	default:
	}
	if err := b.places.Acquire(ctx, 1); err != nil {
		return err
	}
	if w.worked >= backgroundSlice && b.rest > 0 {
		pause := time.NewTimer(time.Duration(float64(w.worked) * b.rest))
		defer pause.Stop()
		select {
		case <-pause.C:
			w.worked = 0
		case <-ctx.Done():
			b.places.Release(1)
			return ctx.Err()
		case <-b.draining:
			b.places.Release(1)
			return errDraining
		}
	}
	w.began = time.Now()
	return nil
}

// leave gives the place to whoever waits for one.
func (b *background) leave(w *worker) {
	w.worked += time.Since(w.began)
	b.places.Release(1)
}

// do does one thing in the background.
func (b *background) do(ctx context.Context, w *worker, work func() error) error {
	if err := b.enter(ctx, w); err != nil {
		return err
	}
	defer b.leave(w)
	return work()
}

// crew is workers of one job. It is for one caller at a time.
type crew struct {
	*background
	workers []worker
}

func (b *background) newCrew() *crew {
	return &crew{background: b, workers: make([]worker, b.inFlight)}
}

// each does n things, as many at once as there may be. It returns the first error, after
// which it begins no more.
func (c *crew) each(ctx context.Context, n int, work func(ctx context.Context, i int) error) error {
	if len(c.workers) == 1 || n == 1 {
		for i := range n {
			if err := c.do(ctx, &c.workers[0], func() error { return work(ctx, i) }); err != nil {
				return err
			}
		}
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for w := range min(len(c.workers), n) {
		group.Go(func() error {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := c.do(ctx, &c.workers[w], func() error { return work(ctx, int(i)) }); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// pausedJobs are jobs that were interrupted and may be taken up again. The zero value is
// ready to use.
type pausedJobs struct {
	mu     sync.Mutex
	jobs   map[string]*pausedJob
	closed bool
}

// Bounds on jobs that are kept, each of which holds a state of the store and rules.
const (
	maxPausedJobs = 4
	pausedFor     = 5 * time.Minute
)

type pausedJob struct {
	job   interface{ end() }
	since time.Time
	timer *time.Timer
}

// keep keeps a job under a token, for a while. It ends another if there are too many.
func (p *pausedJobs) keep(token string, job interface{ end() }) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		job.end()
		return
	}
	if p.jobs == nil {
		p.jobs = map[string]*pausedJob{}
	}
	if len(p.jobs) >= maxPausedJobs {
		p.dropOldest()
	}
	p.jobs[token] = &pausedJob{job: job, since: time.Now(), timer: time.AfterFunc(pausedFor, func() {
		if job := p.take(token); job != nil {
			job.end()
		}
	})}
}

// take returns the job of a token, which then is the caller's; nil if there is none.
func (p *pausedJobs) take(token string) interface{ end() } {
	p.mu.Lock()
	defer p.mu.Unlock()
	paused := p.jobs[token]
	if paused == nil {
		return nil
	}
	paused.timer.Stop()
	delete(p.jobs, token)
	return paused.job
}

func (p *pausedJobs) dropOldest() {
	oldest := ""
	for token, paused := range p.jobs {
		if oldest == "" || paused.since.Before(p.jobs[oldest].since) {
			oldest = token
		}
	}
	p.jobs[oldest].timer.Stop()
	p.jobs[oldest].job.end()
	delete(p.jobs, oldest)
}

// close ends all jobs, and those that are to be kept afterwards.
func (p *pausedJobs) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for token, paused := range p.jobs {
		paused.timer.Stop()
		paused.job.end()
		delete(p.jobs, token)
	}
}
