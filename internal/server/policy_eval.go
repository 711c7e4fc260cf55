package server

import (
	"context"
	"encoding/json"
	"io"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/policy/policytest"
	"github.com/plimsoll-project/plimsoll/policy/policytool"
	"github.com/plimsoll-project/plimsoll/service"
)

// Subject is a mutation and the state that it meets, for tools that look at one.
type Subject = policytest.Case

// PolicyClause says what became of a clause of a rule.
type PolicyClause = policytool.Clause

// Evaluated is what rules say of a subject.
type Evaluated struct {
	// Outcome is admitted, denied or failed.
	Outcome plimsoll.Outcome
	Verdict *plimsollv1.Verdict
	Patches []plimsoll.Patch
	// Err is why the outcome is failed.
	Err error
	// Clauses explain the policies' part, if that was asked for.
	Clauses []PolicyClause
}

// Evaluate has a subject judged, by policies and validators. With explain it also says
// what became of each clause of the policies. With a trace everything that OPA did to
// evaluate them is written to it.
func (t Tools) Evaluate(ctx context.Context, subject *Subject, explain bool, trace io.Writer) (*Evaluated, error) {
	w, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := t.rules(ctx, w)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rules.close() }() // nothing in it outlives this process
	result := &Evaluated{}
	if explain || trace != nil {
		rules.Policies, err = t.explainer(ctx, w, rules.Policies, result, trace)
		if err != nil {
			return nil, err
		}
	}
	trial := newTrial(t.Manifest, trialTimeout)
	defer func() { _ = trial.close() }() // it is in memory
	found, err := trial.tryCase(ctx, &rules.Ruleset, subject)
	if err != nil {
		return nil, err
	}
	decision := trial.last()
	if decision == nil {
		return nil, found.Err
	}
	decision.ID = "" // nobody can look it up
	result.Outcome, result.Verdict, result.Patches = found.Outcome, service.Verdict(decision), found.Patches
	if found.Outcome == plimsoll.OutcomeFailed {
		result.Err = found.Err
	}
	return result, nil
}

// explainer judges as judge does, once it has explained itself.
func (t Tools) explainer(ctx context.Context, w *policy.Workspace, judge plimsoll.Judge, result *Evaluated, trace io.Writer) (plimsoll.Judge, error) {
	evaluation, err := policytool.New(ctx, w, toolTimeout)
	if err != nil {
		return nil, err
	}
	refs := evaluation.Rules()
	return observer{judge, func(ctx context.Context, in *plimsoll.Input) error {
		if trace != nil {
			return evaluation.Trace(ctx, in, refs, trace)
		}
		var err error
		result.Clauses, err = evaluation.Explain(ctx, in, refs)
		return err
	}}, nil
}

// observer sees inputs before another judges them. Only while it does can rules ask for
// other containers.
type observer struct {
	judge plimsoll.Judge
	see   func(ctx context.Context, in *plimsoll.Input) error
}

// Judge implements [plimsoll.Judge].
func (o observer) Judge(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
	// A rule that errs does so again when it is judged, and is named then.
	if err := o.see(ctx, in); err != nil && ctx.Err() != nil {
		return plimsoll.Verdict{}, err
	}
	return o.judge.Judge(ctx, in)
}

// Query evaluates a query in Rego and returns OPA's results in JSON. subject may be nil;
// otherwise it is what input is. What print writes goes to output.
func (t Tools) Query(ctx context.Context, query string, subject *Subject, output io.Writer) (json.RawMessage, error) {
	w, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	evaluation, err := policytool.New(ctx, w, toolTimeout)
	if err != nil {
		return nil, err
	}
	if subject == nil {
		return evaluation.Query(ctx, query, nil, output)
	}
	var result json.RawMessage
	err = t.observe(ctx, subject, func(ctx context.Context, in *plimsoll.Input) error {
		result, err = evaluation.Query(ctx, query, in, output)
		return err
	})
	return result, err
}
