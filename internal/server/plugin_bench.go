package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins"
)

// PluginBenchmark is what a validator takes to judge one subject.
type PluginBenchmark struct {
	Name string `json:"name"`
	// Fuel and Memory are the same on every machine, and for every run.
	Fuel   uint64 `json:"fuel"`
	Memory uint64 `json:"memory"`
	// P50 and P99 are percentiles of the time of Runs calls, Instantiate is the median
	// of the time to make an instance.
	P50         time.Duration `json:"p50_ns"`
	P99         time.Duration `json:"p99_ns"`
	Instantiate time.Duration `json:"instantiate_ns"`
	Runs        int           `json:"runs"`
}

// instantiations are how many instances are made to measure how long that takes.
const instantiations = 20

// Bench measures what the validator takes to judge a subject for about the given time,
// but at least for two calls.
func (p Plugin) Bench(ctx context.Context, subject *Subject, duration time.Duration) (*PluginBenchmark, error) {
	validator, err := p.open(ctx, "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = validator.Close() }() // nothing in it outlives this process
	b := &PluginBenchmark{Name: subject.Name}
	err = Tools{Manifest: p.Manifest}.observe(ctx, subject, func(ctx context.Context, in *plimsoll.Input) error {
		if !validator.Covers(in) {
			return errors.New("the validator was not asked: " + NotJudged(validator.Info()))
		}
		return b.measure(ctx, validator, in, duration)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *PluginBenchmark) measure(ctx context.Context, validator *plugins.Trial, in *plimsoll.Input, duration time.Duration) error {
	var times []time.Duration
	for began := time.Now(); len(times) < 2 || time.Since(began) < duration; {
		call, err := validator.Judge(ctx, in)
		if err != nil {
			return err
		}
		if b.Fuel != 0 && b.Fuel != call.Fuel {
			return fmt.Errorf("the same call took %d fuel, and then %d: the host is at fault", b.Fuel, call.Fuel)
		}
		b.Fuel, b.Memory = call.Fuel, call.Memory
		times = append(times, call.Duration)
	}
	b.Runs, b.P50, b.P99 = len(times), percentile(times, 50), percentile(times, 99)
	times = times[:0]
	for range instantiations {
		took, err := validator.Instantiate(ctx)
		if err != nil {
			return err
		}
		times = append(times, took)
	}
	b.Instantiate = percentile(times, 50)
	return nil
}

// percentile sorts times, of which there are some.
func percentile(times []time.Duration, percent int) time.Duration {
	slices.Sort(times)
	return times[(len(times)-1)*percent/100]
}

// PluginRegression is a figure of a benchmark that has got worse.
type PluginRegression struct {
	Name   string  `json:"name"`
	Figure string  `json:"figure"` // fuel or p50
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// Worse compares benchmarks, matched by their names, with earlier ones: it returns which
// of fuel and p50 are more than the share threshold above what they were, such as 0.1.
func Worse(before, after []PluginBenchmark, threshold float64) []PluginRegression {
	worse := []PluginRegression{}
	for _, a := range after {
		i := slices.IndexFunc(before, func(b PluginBenchmark) bool { return a.Name == b.Name })
		if i < 0 {
			continue // it is new
		}
		for _, figure := range []struct {
			name          string
			before, after float64
		}{
			{"fuel", float64(before[i].Fuel), float64(a.Fuel)},
			{"p50", float64(before[i].P50), float64(a.P50)},
		} {
			if figure.after > figure.before*(1+threshold) {
				worse = append(worse, PluginRegression{a.Name, figure.name, figure.before, figure.after})
			}
		}
	}
	return worse
}
