package conform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins"
)

// Options say how a module is tested. The zero value works.
type Options struct {
	// Options are those that modules are run with. Without a CacheDir there is one for as
	// long as the test takes, below the directory for temporary files.
	plugins.Options

	// Settings are those that a binding would have, as JSON; nil stands for {}. A module
	// that needs some cannot be tested without.
	Settings json.RawMessage
	// Spec is an ordinary spec for the module, as JSON, in containers of which the checks
	// are made; nil stands for a small OCI spec of a Linux container.
	Spec json.RawMessage
	// Runtime and SpecType are those of the containers; empty stands for the first that
	// the module's metadata name without a wildcard, else for runc's.
	Runtime, SpecType string
}

// Result is the outcome of one check.
type Result struct {
	// Name is the check's, such as "deterministic"; see [Checks].
	Name string `json:"name"`
	// About says what the check is for, in a sentence.
	About string `json:"about"`
	OK    bool   `json:"ok"`
	// Explanation says what was found: what is wrong and where, or the figures of a
	// check that passed. It quotes no input.
	Explanation string `json:"explanation"`
}

// check is one thing to find out. It returns what to say about a module that passes.
type check struct {
	name, about string
	run         func(context.Context, *suite) (string, error)
}

// Checks lists the names of all checks in the order in which Run makes them.
func Checks() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.name
	}
	return names
}

// Passed tells whether all results are good.
func Passed(results []Result) bool {
	for _, r := range results {
		if !r.OK {
			return false
		}
	}
	return len(results) > 0
}

// Run puts a module through all checks and returns a result of each. If the module
// cannot be loaded, the first result says why and there are no others. The error is for
// the end of the context alone. Run takes about as long as the module takes for some two
// hundred calls, and a few on large input.
func Run(ctx context.Context, module []byte, opts Options) (_ []Result, err error) {
	if opts.CacheDir == "" { // the module is loaded a dozen times
		if opts.CacheDir, err = os.MkdirTemp("", "plimsoll-conform-"); err != nil {
			return nil, fmt.Errorf("making a directory for what is compiled: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(opts.CacheDir)) }()
	}
	s := &suite{module: module, opts: opts}
	defer func() { err = errors.Join(err, s.close()) }()
	var results []Result
	for _, c := range checks {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("testing the module: %w", err)
		}
		explanation, err := c.run(ctx, s)
		if ended := ctx.Err(); ended != nil {
			return nil, fmt.Errorf("testing the module: %w", ended)
		}
		r := Result{Name: c.name, About: c.about, OK: err == nil, Explanation: explanation}
		if err != nil {
			r.Explanation = err.Error()
		}
		results = append(results, r)
		if s.trial == nil {
			break
		}
	}
	return results, nil
}

// suite is a module under test.
type suite struct {
	module []byte
	opts   Options
	trial  *plugins.Trial // with the default limits and the settings of the options
	most   plugins.Call   // the most of everything that a call of trial took
	works  bool           // it has a verdict on an ordinary container
}

func (s *suite) close() error {
	if s.trial == nil {
		return nil
	}
	return s.trial.Close()
}

// load makes another trial of the module.
func (s *suite) load(ctx context.Context, settings json.RawMessage, limits plugins.Limits) (*plugins.Trial, error) {
	t, err := plugins.NewTrial(ctx, s.module, plugins.TrialOptions{Options: s.opts.Options, Settings: settings, Limits: limits})
	if err != nil {
		return nil, fmt.Errorf("it does not load: %w", err)
	}
	return t, nil
}

// judge asks the module about an input, which it must come to a verdict on.
func (s *suite) judge(ctx context.Context, what string, in *plimsoll.Input) (plugins.Call, error) {
	call, err := s.trial.Judge(ctx, in)
	return s.note(what, call, err)
}

// ask is judge for a document.
func (s *suite) ask(ctx context.Context, what string, document []byte) (plugins.Call, error) {
	call, err := s.trial.Ask(ctx, document)
	return s.note(what, call, err)
}

func (s *suite) note(what string, call plugins.Call, err error) (plugins.Call, error) {
	s.most.Fuel = max(s.most.Fuel, call.Fuel)
	s.most.Memory = max(s.most.Memory, call.Memory)
	s.most.Output = max(s.most.Output, call.Output)
	if err != nil {
		return call, fmt.Errorf("%s: %w", what, err)
	}
	return call, nil
}
