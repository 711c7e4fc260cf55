package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// log is a log of numbered events. Those up to trimmed are gone; every dropEach-th is not
// to be sent.
type log struct {
	mu       sync.Mutex
	head     uint64
	trimmed  uint64
	dropEach uint64
	read     uint64 // the last one that was asked for
	more     chan struct{}
}

func newLog(head uint64) *log { return &log{head: head, more: make(chan struct{})} }

func (l *log) append(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head += n
	close(l.more)
	l.more = make(chan struct{})
}

func (l *log) Head(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head, nil
}

func (l *log) Follow(ctx context.Context, after uint64) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for at := after + 1; ; {
			l.mu.Lock()
			head, trimmed, more := l.head, l.trimmed, l.more
			l.mu.Unlock()
			if at <= trimmed {
				yield(Item{}, &GoneError{First: trimmed + 1})
				return
			}
			if at > head {
				select {
				case <-more:
					continue
				case <-ctx.Done():
					yield(Item{}, ctx.Err())
					return
				}
			}
			item := Item{Sequence: at, Event: fmt.Appendf(nil, `{"n":%d}`, at)}
			if l.dropEach > 0 && at%l.dropEach == 0 {
				item.Event, item.Dropped = nil, true
			}
			l.mu.Lock()
			l.read = at
			l.mu.Unlock()
			if !yield(item, nil) {
				return
			}
			at++
		}
	}
}

// fake is a sink that remembers what it was given, and fails as it is told.
type fake struct {
	mu     sync.Mutex
	taken  []string
	fail   func(events [][]byte) error // nil: never
	tried  int
	closed bool
}

func (f *fake) Send(ctx context.Context, events [][]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried++
	if f.fail != nil {
		if err := f.fail(events); err != nil {
			if errors.Is(err, errStalled) {
				f.mu.Unlock()
				<-ctx.Done()
				f.mu.Lock()
				return ctx.Err()
			}
			return err
		}
	}
	for _, e := range events {
		f.taken = append(f.taken, string(e))
	}
	return nil
}

var errStalled = errors.New("stalled")

func (f *fake) Close() error {
	f.closed = true
	return nil
}

type memoryCursor struct{ at uint64 }

func (m *memoryCursor) Load() (uint64, error) { return m.at, nil }
func (m *memoryCursor) Save(at uint64) error {
	m.at = at
	return nil
}

// pass lets time pass in a bubble of synctest, where it costs none.
func pass(d time.Duration) { <-time.After(d) }

type trial struct {
	*Courier
	log     *log
	sink    *fake
	cursor  *memoryCursor
	said    *bytes.Buffer
	metrics *prometheus.Registry
}

func newTrial(l *log, f *fake, cursor *memoryCursor) *trial {
	t := &trial{log: l, sink: f, cursor: cursor, said: &bytes.Buffer{}, metrics: prometheus.NewRegistry()}
	t.Courier = New("http", l, f, cursor, slog.New(slog.NewTextHandler(t.said, nil)), NewMetrics(t.metrics))
	return t
}

func (tr *trial) value(t *testing.T, name string) float64 {
	t.Helper()
	families, err := tr.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() == "plimsoll_decision_log_"+name {
			for _, m := range family.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func numbers(from, to uint64) []string {
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf(`{"n":%d}`, n))
	}
	return all
}

// A courier sends everything in order, also what comes later, and what it has not sent when it
// stops after the next start.
func TestCourier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, cursor, f := newLog(1000), &memoryCursor{}, &fake{}
		c := newTrial(l, f, cursor)
		go c.Run(t.Context())
		synctest.Wait()
		pass(2 * gatherTime)
		l.append(1)
		if err := c.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.taken, numbers(1, 1001)) || cursor.at != 1001 || !f.closed {
			t.Errorf("took %d, is at %d, closed: %v", len(f.taken), cursor.at, f.closed)
		}
		l.append(4)
		c = newTrial(l, f, cursor)
		go c.Run(t.Context())
		if err := c.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.taken, numbers(1, 1005)) {
			t.Errorf("took %d", len(f.taken))
		}
		if got := c.value(t, "sent_total"); got != 4 {
			t.Errorf("counted %v", got)
		}
	})
}

func TestNothingToSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTrial(newLog(0), &fake{}, &memoryCursor{})
		go c.Run(t.Context())
		synctest.Wait()
		if err := c.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// A sink that stalls holds up nobody, and takes no memory: the log is not read further than
// what fits into one batch.
func TestStalledSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{fail: func([][]byte) error { return errStalled }}
		c := newTrial(newLog(1_000_000), f, &memoryCursor{})
		ctx, cancel := context.WithCancel(t.Context())
		go c.Run(ctx)
		pass(time.Hour)
		synctest.Wait()
		if c.log.read > maxBatch+2*maxAhead {
			t.Errorf("%d were read", c.log.read)
		}
		finishing, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := c.Finish(finishing); err == nil || !strings.Contains(err.Error(), "1000000 decisions were not sent on to http yet") {
			t.Error(err)
		}
		cancel()
		<-c.done
		if c.cursor.at != 0 {
			t.Errorf("is at %d", c.cursor.at)
		}
	})
}

// Failures are tried again ever less often, but at least once a minute or so, and are said
// now and then.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		f := &fake{fail: func([][]byte) error {
			if broken {
				return errors.New("refused")
			}
			return nil
		}}
		c := newTrial(newLog(3), f, &memoryCursor{})
		go c.Run(t.Context())
		pass(time.Hour)
		synctest.Wait()
		if f.tried < 40 || f.tried > 150 {
			t.Errorf("tried %d times in an hour", f.tried)
		}
		if said := strings.Count(c.said.String(), "cannot be sent on"); said < 20 || said > 61 {
			t.Errorf("said so %d times in an hour", said)
		}
		if got := c.value(t, "send_failures_total"); int(got) != f.tried {
			t.Errorf("counted %v of %d", got, f.tried)
		}
		f.mu.Lock()
		broken = false
		f.mu.Unlock()
		pass(2 * maxPause)
		if err := c.Finish(t.Context()); err != nil || !slices.Equal(f.taken, numbers(1, 3)) {
			t.Errorf("%v, took %v", err, f.taken)
		}
	})
}

// Who says when to come again is heard, up to a bound.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		f := &fake{fail: func([][]byte) error {
			if at = append(at, time.Now()); len(at) == 1 {
				return &RetryAfterError{errors.New("later"), 5 * time.Minute}
			} else if len(at) == 2 {
				return &RetryAfterError{errors.New("much later"), 500 * time.Hour}
			}
			return nil
		}}
		c := newTrial(newLog(1), f, &memoryCursor{})
		go c.Run(t.Context())
		pass(time.Hour)
		synctest.Wait()
		if len(at) != 3 || at[1].Sub(at[0]) != 5*time.Minute || at[2].Sub(at[1]) != maxRetryAfter {
			t.Errorf("tried at %v", at)
		}
		_ = c.Finish(t.Context())
	})
}

// What is gone from the log before it was sent is counted and said; what is there is sent.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(100)
		l.trimmed = 40
		c := newTrial(l, &fake{}, &memoryCursor{at: 10})
		go c.Run(t.Context())
		if err := c.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.sink.taken, numbers(41, 100)) {
			t.Errorf("took %v", c.sink.taken)
		}
		if got := c.value(t, "lost_total"); got != 30 {
			t.Errorf("counted %v lost", got)
		}
		if !strings.Contains(c.said.String(), "lost=30 from=11 to=40") {
			t.Error(c.said.String())
		}
	})
}

// A log that is shorter than what was sent of it is another one.
func TestOtherLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTrial(newLog(3), &fake{}, &memoryCursor{at: 500})
		go c.Run(t.Context())
		synctest.Wait()
		if err := c.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.sink.taken, numbers(1, 3)) || !strings.Contains(c.said.String(), "shorter") {
			t.Errorf("took %v: %s", c.sink.taken, c.said)
		}
	})
}

// What is too large together is sent in parts, and what is too large on its own is left out.
func TestTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(50)
		l.dropEach = 10
		c := newTrial(l, &fake{fail: func(events [][]byte) error {
			if len(events) > 3 || slices.ContainsFunc(events, func(e []byte) bool { return string(e) == `{"n":7}` }) {
				return ErrTooLarge
			}
			return nil
		}}, &memoryCursor{})
		go c.Run(t.Context())
		synctest.Wait()
		if err := c.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(numbers(1, 50), func(e string) bool { return e == `{"n":7}` || strings.HasSuffix(e, `0}`) })
		if !slices.Equal(c.sink.taken, want) {
			t.Errorf("took %v", c.sink.taken)
		}
		if got := c.value(t, "left_out_total"); got != 6 {
			t.Errorf("counted %v left out", got)
		}
	})
}

// Whatever fails and whenever a courier is stopped, everything is sent, and nothing before
// what comes before it.
func TestAtLeastOnce(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random, failures := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2)) // each for one goroutine at a time
			l, cursor, f := newLog(0), &memoryCursor{}, &fake{}
			f.fail = func(events [][]byte) error {
				switch failures.IntN(3) {
				case 0:
					return errors.New("nothing was taken")
				case 1: // in part
					for _, e := range events[:failures.IntN(len(events)+1)] {
						f.taken = append(f.taken, string(e))
					}
					return errors.New("cut off")
				}
				return nil
			}
			for range 5 {
				l.append(random.Uint64N(700))
				c := newTrial(l, f, cursor)
				ctx, cancel := context.WithCancel(t.Context())
				go c.Run(ctx)
				pass(time.Duration(random.IntN(3000)) * time.Millisecond)
				cancel()
				<-c.done
			}
			c := newTrial(l, f, cursor)
			go c.Run(t.Context())
			if err := c.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			firsts := slices.DeleteFunc(slices.Clone(f.taken), func(e string) bool {
				known := seen[e]
				seen[e] = true
				return known
			})
			if !slices.Equal(firsts, numbers(1, l.head)) {
				t.Errorf("seed %d: %d of %d", seed, len(firsts), l.head)
			}
		})
	}
}

func TestMetricsAreThere(t *testing.T) {
	registry := prometheus.NewRegistry()
	NewMetrics(registry).Begin("file")
	if n, err := testutil.GatherAndCount(registry); err != nil || n != 3 {
		t.Error(n, err)
	}
}
