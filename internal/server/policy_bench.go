package server

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/policy/policytest"
	"github.com/plimsoll-project/plimsoll/policy/policytool"
	"github.com/plimsoll-project/plimsoll/service"
)

// ProfileLine is what a line of a policy took.
type ProfileLine = policytool.Line

// Benchmark is what judging one subject takes. The input is encoded already, which is
// done once for all rules together.
type Benchmark struct {
	Name string `json:"name"`
	// Evaluated is what policies take that have not seen such an input yet, Remembered
	// what they take when they have: a server remembers verdicts.
	Evaluated  Measure `json:"evaluated"`
	Remembered Measure `json:"remembered"`
	// Validators is what those take; nil if there are none.
	Validators *Measure `json:"validators,omitempty"`
	// Profile are the lines of policies that took longest; nil if not asked for.
	Profile []ProfileLine `json:"profile,omitempty"`
}

// Measure is the cost of one judgement.
type Measure struct {
	Nanoseconds int64 `json:"ns"`
	Allocations int64 `json:"allocations"`
	Bytes       int64 `json:"bytes"`
	Runs        int   `json:"runs"` // that were measured
}

// BenchOptions say what is measured, and how.
type BenchOptions struct {
	// Time is how long each measurement goes on, about.
	Time time.Duration
	// Profile is how many lines of policies are shown; 0 for none.
	Profile int
}

// benchTimeout bounds all that is measured of one subject.
const benchTimeout = 10 * time.Minute

// Bench measures what judging a subject takes; if that is nil, each case of the suites
// that belong to the policies. Only one may be measured at a time.
func (t Tools) Bench(ctx context.Context, subject *Subject, options BenchOptions) ([]Benchmark, error) {
	testing.Init()
	if err := flag.Set("test.benchtime", options.Time.String()); err != nil {
		return nil, err
	}
	w, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	subjects, err := subjectsOf(w, subject)
	if err != nil {
		return nil, err
	}
	rules, err := t.rules(ctx, w)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rules.close() }() // nothing in it outlives this process
	evaluation, err := policytool.New(ctx, w, toolTimeout)
	if err != nil {
		return nil, err
	}
	var benchmarks []Benchmark
	for _, s := range subjects {
		b := Benchmark{Name: s.Name}
		err := t.observe(ctx, s, func(ctx context.Context, in *plimsoll.Input) error {
			return b.measure(ctx, in, rules, evaluation, options)
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		benchmarks = append(benchmarks, b)
	}
	return benchmarks, nil
}

func subjectsOf(w *policy.Workspace, subject *Subject) ([]*Subject, error) {
	if subject != nil {
		subject.Name = "judgement"
		return []*Subject{subject}, nil
	}
	suites, err := parseSuites(w)
	if err != nil {
		return nil, err
	}
	var subjects []*Subject
	for _, suite := range suites {
		for _, c := range suite.Cases {
			if c.Expect != policytest.Unjudged { // there is no verdict to wait for
				c.Name = suite.File + "/" + c.Name
				subjects = append(subjects, c)
			}
		}
	}
	if len(subjects) == 0 {
		return nil, errors.New("there is nothing to judge: give --container or --input, or cases in suite.yaml")
	}
	return subjects, nil
}

// observe has see look at what rules would see of a subject.
func (t Tools) observe(ctx context.Context, subject *Subject, see func(context.Context, *plimsoll.Input) error) error {
	var (
		failed error
		seen   bool
	)
	trial := newTrial(t.Manifest, benchTimeout)
	defer func() { _ = trial.close() }() // it is in memory
	found, err := trial.tryCase(ctx, &service.Ruleset{
		Validators: admitAll{},
		Policies: observer{admitAll{}, func(ctx context.Context, in *plimsoll.Input) error {
			seen = true
			failed = see(ctx, in)
			return nil
		}},
	}, subject)
	switch {
	case err != nil:
		return err
	case !seen:
		return found.Err
	}
	return failed
}

func (b *Benchmark) measure(
	ctx context.Context, in *plimsoll.Input, rules *loadedRules, evaluation *policytool.Evaluation, options BenchOptions,
) error {
	if _, err := in.JSON(); err != nil {
		return err
	}
	var err error
	policies := evaluation.Policies()
	if b.Evaluated, err = measure(ctx, policies.Forgetful(), in); err != nil {
		return err
	}
	if b.Remembered, err = measure(ctx, policies, in); err != nil {
		return err
	}
	if rules.validators != nil {
		m, err := measure(ctx, rules.validators, in)
		if err != nil {
			return err
		}
		b.Validators = &m
	}
	if options.Profile > 0 {
		b.Profile, err = evaluation.Profile(ctx, in, evaluation.Rules(), options.Profile)
	}
	return err
}

func measure(ctx context.Context, judge plimsoll.Judge, in *plimsoll.Input) (Measure, error) {
	var failed error
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, failed = judge.Judge(ctx, in); failed != nil {
				return
			}
		}
	})
	return Measure{
		Nanoseconds: result.NsPerOp(), Allocations: result.AllocsPerOp(), Bytes: result.AllocedBytesPerOp(), Runs: result.N,
	}, failed
}
