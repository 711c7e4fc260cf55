package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// However many jobs there are, all of them together take their share of the time and no
// more places than there are, and all get on.
func TestBackgroundKeepsToItsShare(t *testing.T) {
	for name, test := range map[string]struct {
		share    float64
		inFlight int
		jobs     int
	}{
		"one":                 {0.5, 1, 1},
		"several":             {0.5, 1, 3},
		"several at once":     {0.5, 2, 3},
		"little":              {0.1, 1, 2},
		"more than there are": {4, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const each, took = 200, time.Millisecond
				b := newBackground(test.share, test.inFlight, make(chan struct{}))
				var now, most atomic.Int32
				done := make([]atomic.Int32, test.jobs)
				began := time.Now()
				var all sync.WaitGroup
				for job := range test.jobs {
					all.Go(func() {
						err := b.newCrew().each(t.Context(), each, func(context.Context, int) error {
							n := now.Add(1)
							for before := most.Load(); n > before && !most.CompareAndSwap(before, n); before = most.Load() {
							}
							<-time.After(took)
							now.Add(-1)
							done[job].Add(1)
							return nil
						})
						if err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				lasted := time.Since(began)
				worked := time.Duration(test.jobs*each) * took
				// Each worker may owe a slice at the end.
				owed := time.Duration(test.jobs*test.inFlight) * backgroundSlice
				if own := min(test.share, float64(test.inFlight)); float64(worked-owed) > own*float64(lasted) {
					t.Errorf("worked for %s in %s, which is more than %g", worked, lasted, own)
				}
				if float64(worked) < 0.5*min(test.share, float64(test.inFlight), float64(test.jobs*test.inFlight))*float64(lasted) {
					t.Errorf("worked for %s in %s, which is far less than %g", worked, lasted, test.share)
				}
				if int(most.Load()) > test.inFlight {
					t.Errorf("%d were in flight", most.Load())
				}
				for job := range done {
					if n := done[job].Load(); n != each {
						t.Errorf("job %d did %d", job, n)
					}
				}
			})
		})
	}
}

// The first error ends the work, and so does the end of the context or of the service.
func TestBackgroundEnds(t *testing.T) {
	broken := errors.New("broken")
	for _, inFlight := range []int{1, 3} {
		t.Run(fmt.Sprint(inFlight), func(t *testing.T) {
			draining := make(chan struct{})
			b := newBackground(100, inFlight, draining)
			var n atomic.Int32
			if err := b.newCrew().each(t.Context(), 1000, func(context.Context, int) error {
				if n.Add(1) == 5 {
					return broken
				}
				return nil
			}); !errors.Is(err, broken) || n.Load() > 5+int32(inFlight) { //nolint:gosec // small
				t.Errorf("after %d: %v", n.Load(), err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := b.newCrew().each(ctx, 10, func(context.Context, int) error { return nil }); !errors.Is(err, context.Canceled) {
				t.Errorf("canceled: %v", err)
			}
			close(draining)
			if err := b.newCrew().each(t.Context(), 10, func(context.Context, int) error { return nil }); !errors.Is(err, errDraining) {
				t.Errorf("draining: %v", err)
			}
		})
	}
}
