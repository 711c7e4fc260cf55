package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Bounds on what a courier sends at once, and on how long it waits. A batch is sent when it
// is full, and a little after its first event at the latest.
const (
	maxBatch      = 512
	maxBatchBytes = 1 << 20
	gatherTime    = time.Second
	maxAhead      = 8 // events that are read while a batch is sent
	minPause      = 200 * time.Millisecond
	maxPause      = time.Minute
	maxRetryAfter = 10 * time.Minute
	// logInterval is how often it is logged that a sink still fails.
	logInterval = time.Minute
)

// Cursor keeps how far a courier has come, durably.
type Cursor interface {
	// Load returns what was last saved; 0 if nothing was.
	Load() (uint64, error)
	Save(sequence uint64) error
}

// Courier takes the decision log to a sink. Make one with its fields set, and Run it once.
type Courier struct {
	// Name tells it from others in logs and metrics. It has no secrets.
	Name    string
	Source  Source
	Sink    Sink
	Cursor  Cursor
	Log     *slog.Logger
	Metrics *Metrics

	sent atomic.Uint64 // the sequence of the last decision that was dealt with
	// end is the sequence before which to stop; 0 for no end.
	end    atomic.Uint64
	ending chan struct{} // closed by Finish
	done   chan struct{} // closed when Run has returned
}

// New returns a courier.
func New(name string, source Source, to Sink, cursor Cursor, log *slog.Logger, metrics *Metrics) *Courier {
	return &Courier{
		Name: name, Source: source, Sink: to, Cursor: cursor, Log: log.With("sink", name), Metrics: metrics,
		ending: make(chan struct{}), done: make(chan struct{}),
	}
}

// Run sends what is in the log and what comes into it, until ctx ends or it has come to where
// Finish wants it to. It closes the sink.
func (c *Courier) Run(ctx context.Context) {
	defer close(c.done)
	defer func() {
		if err := c.Sink.Close(); err != nil {
			c.Log.Warn("closing a sink of the decision log", "error", err.Error())
		}
	}()
	at, err := c.Cursor.Load()
	if err != nil {
		c.Log.Error("how far the decision log was sent on cannot be read; it is sent from the beginning of what is kept", "error", err.Error())
	}
	if head, err := c.Source.Head(ctx); err == nil && at > head {
		c.Log.Error("the decision log is shorter than what was sent on of it: it is another one, or was restored; it is sent from the beginning of what is kept", "sent", at, "head", head)
		at = 0
	}
	c.sent.Store(at)
	c.Metrics.at(c.Name, at)
	pause := newPause()
	for ctx.Err() == nil && !c.isFinished() {
		before := c.sent.Load()
		err := c.follow(ctx)
		if c.sent.Load() > before {
			pause.Reset()
		}
		if gone, ok := errors.AsType[*GoneError](err); ok && gone.First > c.sent.Load()+1 {
			lost := gone.First - 1 - c.sent.Load()
			c.Log.Error("decisions were let go of before they could be sent on; keep them longer (decision-retention), or see to what receives them",
				"lost", lost, "from", c.sent.Load()+1, "to", gone.First-1)
			c.Metrics.lost(c.Name, lost)
			c.advance(gone.First - 1)
			continue
		}
		if ctx.Err() != nil || c.isFinished() {
			return
		}
		c.Log.Error("the decision log cannot be followed; trying again", "error", fmt.Sprint(err), "after", c.sent.Load())
		if !c.wait(ctx, pause.NextBackOff()) {
			return
		}
	}
}

// Finish has Run return once it has sent all that is in the log now, and waits for that until
// ctx ends. What is left then is sent after the next start.
func (c *Courier) Finish(ctx context.Context) error {
	head, err := c.Source.Head(ctx)
	if err != nil {
		return err
	}
	c.end.Store(head + 1)
	close(c.ending)
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d decisions were not sent on to %s yet; they will be after the next start", head-min(head, c.sent.Load()), c.Name)
	}
}

func (c *Courier) isFinished() bool { return c.isEnd(c.sent.Load()) }

// isEnd reports whether no decision after a sequence is to be sent.
func (c *Courier) isEnd(sequence uint64) bool {
	end := c.end.Load()
	return end > 0 && sequence+1 >= end
}

// Sent is the sequence of the last decision that was dealt with.
func (c *Courier) Sent() uint64 { return c.sent.Load() }

func newPause() *backoff.ExponentialBackOff {
	pause := backoff.NewExponentialBackOff() // with jitter
	pause.InitialInterval, pause.MaxInterval = minPause, maxPause
	return pause
}

// wait waits, and reports whether to go on.
func (c *Courier) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// follow sends what follows on what was sent, until it cannot go on.
func (c *Courier) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	items, ended := make(chan Item, maxAhead), make(chan error, 1)
	go func() { ended <- c.read(ctx, items) }()
	for !c.isFinished() {
		b, err := c.gather(ctx, items, ended)
		if b.last > 0 {
			if err := c.send(ctx, b.events); err != nil {
				return err
			}
			c.advance(b.last)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read passes on what is in the log, no faster than it is taken.
func (c *Courier) read(ctx context.Context, items chan<- Item) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while reading the decision log: %T", p)
		}
	}()
	for item, err := range c.Source.Follow(ctx, c.sent.Load()) {
		if err != nil {
			return err
		}
		select {
		case items <- item:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("the log has ended without a reason")
}

// batch is what is sent at once.
type batch struct {
	events [][]byte
	bytes  int
	last   uint64 // the sequence of the last item; 0 if there is none
}

// gather takes items until there are enough, or until it has waited for more for long. An
// error says why there will be no more.
func (c *Courier) gather(ctx context.Context, items <-chan Item, ended <-chan error) (b batch, err error) {
	add := func(item Item) {
		b.last = item.Sequence
		if item.Dropped {
			c.Metrics.dropped(c.Name, "rule")
		}
		if item.Event == nil {
			return
		}
		b.events, b.bytes = append(b.events, item.Event), b.bytes+len(item.Event)
	}
	var enough <-chan time.Time
	ending := c.ending
	for len(b.events) < maxBatch && b.bytes < maxBatchBytes {
		if c.isEnd(max(b.last, c.sent.Load())) {
			return b, nil
		}
		select {
		case item := <-items:
			if add(item); enough == nil {
				enough = time.After(gatherTime)
			}
		case err := <-ended:
			for len(items) > 0 { // what was read before it ended
				add(<-items)
			}
			return b, err
		case <-enough:
			return b, nil
		case <-ending:
			ending = nil // look again at whether that is all
		case <-ctx.Done():
			return b, ctx.Err()
		}
	}
	return b, nil
}

// send sends events until they are taken, or ctx ends.
func (c *Courier) send(ctx context.Context, events [][]byte) error {
	if len(events) == 0 {
		return nil
	}
	pause := newPause()
	var failing, logged time.Time
	for {
		err := c.Sink.Send(ctx, events)
		switch {
		case err == nil:
			if !failing.IsZero() {
				c.Log.Info("the decision log is sent on again", "after", time.Since(failing).Round(time.Second))
			}
			c.Metrics.taken(c.Name, len(events))
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrTooLarge) && len(events) > 1:
			half := len(events) / 2
			if err := c.send(ctx, events[:half]); err != nil {
				return err
			}
			return c.send(ctx, events[half:])
		case errors.Is(err, ErrTooLarge):
			c.Log.Error("a decision is too large for what receives the decision log, and is left out", "bytes", len(events[0]))
			c.Metrics.dropped(c.Name, "too_large")
			return nil
		}
		c.Metrics.failed(c.Name)
		if failing.IsZero() {
			failing = time.Now()
		}
		if time.Since(logged) >= logInterval {
			c.Log.Error("the decision log cannot be sent on; trying again", "error", err.Error(), "since", failing.Format(time.RFC3339))
			logged = time.Now()
		}
		after := pause.NextBackOff()
		if later, ok := errors.AsType[*RetryAfterError](err); ok {
			after = max(after, min(later.After, maxRetryAfter))
		}
		if !c.wait(ctx, after) {
			return ctx.Err()
		}
	}
}

// advance notes how far the courier has come.
func (c *Courier) advance(to uint64) {
	c.sent.Store(to)
	c.Metrics.at(c.Name, to)
	if err := c.Cursor.Save(to); err != nil {
		c.Log.Error("how far the decision log was sent on cannot be kept: after a restart some of it is sent again", "error", err.Error())
	}
}
