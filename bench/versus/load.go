package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// drive calls do from as many goroutines as inFlight, with the numbers from 0 on,
// until limit is over or most calls have been made, and returns calls per second and
// how many there were. Calls that have begun are waited for, and count.
func drive(ctx context.Context, inFlight int, limit time.Duration, most int64, do func(ctx context.Context, n int64) error) (float64, int64, error) {
	var next, done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	begun := time.Now()
	for range inFlight {
		group.Go(func() error {
			for ctx.Err() == nil && time.Since(begun) < limit {
				n := next.Add(1) - 1
				if n >= most {
					return nil
				}
				if err := do(ctx, n); err != nil {
					return err
				}
				done.Add(1)
			}
			return ctx.Err()
		})
	}
	err := group.Wait()
	return float64(done.Load()) / time.Since(begun).Seconds(), done.Load(), err
}

// One record in a hundred has label class=rare.
const (
	rarity = 100
	filter = "labels.class==rare"
)

// records makes the containers of a comparison.
type records struct{ spec []byte }

// newRecord returns the container named id. Its spec is its own, as they are.
func (r records) newRecord(id string, n int64) record {
	class := "common"
	if n%rarity == 0 {
		class = "rare"
	}
	return record{id: id, labels: map[string]string{"team": "core", "class": class}, spec: bytes.ReplaceAll(r.spec, []byte("web-1"), []byte(id))}
}

func loadedID(n int64) string { return fmt.Sprintf("c%07d", n) }

// fill creates n containers, the same on every side.
func (r records) fill(ctx context.Context, a api, n int64) error {
	_, done, err := drive(ctx, 64, fillTime, n, func(ctx context.Context, n int64) error {
		return a.create(ctx, r.newRecord(loadedID(n), n))
	})
	if err == nil && done < n {
		err = fmt.Errorf("loaded only %d of %d containers in %s", done, n, fillTime)
	}
	return err
}

// fillTime bounds fill.
const fillTime = 10 * time.Minute

// measure is what one operation is measured with: calls per second of a side.
type measure func(ctx context.Context, a api) (float64, error)

// operation is an operation to be compared, on a database of n containers with
// inFlight calls at a time.
type operation struct {
	name    string
	measure measure
}

// operations returns them in the order in which they are to be measured: what create
// creates is what delete deletes, so that the database stays as it is. tag makes the
// names of what is created unlike those of other tags.
func (r records) operations(tag string, n int64, inFlight int, limit time.Duration) []operation {
	id := func(n int64) string { return fmt.Sprintf("%s.%d", tag, n) }
	anyID := func() string { return loadedID(rand.Int64N(n)) }
	created := map[api]int64{}
	rate := func(rate float64, _ int64, err error) (float64, error) { return rate, err }
	find := func(ctx context.Context, list func(ctx context.Context, filter string) (int, error)) (float64, error) {
		return rate(drive(ctx, inFlight, limit, most, func(ctx context.Context, _ int64) error {
			found, err := list(ctx, filter)
			if wanted := (n + rarity - 1) / rarity; err == nil && int64(found) != wanted {
				err = fmt.Errorf("found %d containers, not %d", found, wanted)
			}
			return err
		}))
	}
	return []operation{
		{"Create", func(ctx context.Context, a api) (float64, error) {
			rate, done, err := drive(ctx, inFlight, limit, most, func(ctx context.Context, n int64) error {
				return a.create(ctx, r.newRecord(id(n), 1))
			})
			created[a] = done
			return rate, err
		}},
		{"Get", func(ctx context.Context, a api) (float64, error) {
			return rate(drive(ctx, inFlight, limit, most, func(ctx context.Context, _ int64) error {
				return a.get(ctx, anyID())
			}))
		}},
		{"Update of a label", func(ctx context.Context, a api) (float64, error) {
			return rate(drive(ctx, inFlight, limit, most, func(ctx context.Context, n int64) error {
				return a.setLabel(ctx, anyID(), "tier", fmt.Sprintf("%s.%d", tag, n))
			}))
		}},
		{fmt.Sprintf("List of 1 %% of %d", n), func(ctx context.Context, a api) (float64, error) { return find(ctx, a.list) }},
		{fmt.Sprintf("List of 1 %% of %d, without specs", n), func(ctx context.Context, a api) (float64, error) { return find(ctx, a.summaries) }},
		{fmt.Sprintf("Ids of 1 %% of %d", n), func(ctx context.Context, a api) (float64, error) { return find(ctx, a.ids) }},
		{"Delete", func(ctx context.Context, a api) (float64, error) {
			// All of them, for which as long again is enough: deleting is not slower.
			return rate(drive(ctx, inFlight, 10*limit, created[a], func(ctx context.Context, n int64) error {
				return a.remove(ctx, id(n))
			}))
		}},
	}
}

// most bounds the calls of one measurement.
const most = 1_000_000
