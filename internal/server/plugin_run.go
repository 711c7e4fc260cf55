package server

import (
	"context"
	"time"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// PluginRun is what a validator says of a subject, and what that took.
type PluginRun struct {
	// Outcome is admitted, denied or failed.
	Outcome plimsoll.Outcome
	Verdict *plimsollv1.Verdict
	// Err is why the outcome is failed.
	Err error
	// Called is false if the subject is none that the validator judges.
	Called bool
	Info   PluginInfo
	Call   PluginCall
	// Instantiate is what it takes to make an instance.
	Instantiate time.Duration
}

// Run has the validator alone judge a subject.
func (p Plugin) Run(ctx context.Context, subject *Subject) (*PluginRun, error) {
	validator, err := p.open(ctx, "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = validator.Close() }() // nothing in it outlives this process
	result := &PluginRun{Info: validator.Info()}
	if result.Instantiate, err = validator.Instantiate(ctx); err != nil {
		return nil, err
	}
	judge := &pluginJudge{trial: validator}
	trial := newTrial(p.Manifest, trialTimeout)
	defer func() { _ = trial.close() }() // it is in memory
	found, err := trial.tryCase(ctx, judge.rules(), subject)
	if err != nil {
		return nil, err
	}
	decision := trial.last()
	if decision == nil {
		return nil, found.Err
	}
	decision.ID = "" // nobody can look it up
	result.Outcome, result.Verdict = found.Outcome, service.Verdict(decision)
	if found.Outcome == plimsoll.OutcomeFailed {
		result.Err = found.Err
	}
	result.Called, result.Call = judge.called, judge.call
	return result, nil
}
