package policy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/plimsoll-project/plimsoll"
)

// Judge evaluates all rules on in. Violations and warnings are ordered by package,
// file, line, field and message.
//
// Besides the errors of [plimsoll.Judge], it gives a [plimsoll.RequestError] for a
// document that is ambiguous; see the package's guarantees.
func (p *Policies) Judge(ctx context.Context, in *plimsoll.Input) (verdict plimsoll.Verdict, err error) {
	// OPA's arithmetic panics on numbers that a rule may make of a caller's string.
	defer func() {
		if r := recover(); r != nil {
			verdict, err = plimsoll.Verdict{}, fault(evaluation, fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	if err := ctx.Err(); err != nil {
		return plimsoll.Verdict{}, err
	}
	doc, err := in.JSON()
	if err != nil {
		return plimsoll.Verdict{}, fmt.Errorf("encoding policy input: %w", err)
	}
	input, err := decode(doc, p.footprint, in.Operation == plimsoll.OperationDelete)
	if err != nil {
		return plimsoll.Verdict{}, err
	}
	values, err := p.evaluate(ctx, input)
	if err != nil {
		return plimsoll.Verdict{}, err
	}
	return p.read(values)
}

// evaluate returns the value of each rule, nil if it has none.
func (p *Policies) evaluate(parent context.Context, input ast.Value) ([]*ast.Term, error) {
	ctx, done := context.WithTimeout(parent, p.timeout)
	defer done()
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	results, err := p.query.Eval(ctx,
		rego.EvalParsedInput(input), rego.EvalExternalCancel(cancel), rego.EvalMetrics(metrics.NoOp()))
	interrupted := topdown.IsCancel(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case interrupted && parent.Err() != nil:
		return nil, parent.Err()
	case interrupted:
		return nil, fmt.Errorf("%w: the limit is %s", &plimsoll.TimeoutError{Source: evaluation}, p.timeout)
	case err != nil:
		return nil, fault(p.locate(err), err)
	case len(results) != 1 || len(results[0].Expressions) != 1:
		return nil, fault(evaluation, fmt.Errorf("undefined: %d results", len(results)))
	}
	all, ok := results[0].Expressions[0].Value.(*ast.Term)
	if !ok {
		return nil, fault(evaluation, fmt.Errorf("result is a %T", results[0].Expressions[0].Value))
	}
	return p.values(all)
}

// values takes the result of the query apart: see prepare.
func (p *Policies) values(all *ast.Term) ([]*ast.Term, error) {
	entries, ok := all.Value.(*ast.Array)
	if !ok || entries.Len() != len(p.rules) {
		return nil, fault(evaluation, errors.New("results do not match the rules"))
	}
	values := make([]*ast.Term, len(p.rules))
	for i, r := range p.rules {
		entry, ok := entries.Elem(i).Value.(*ast.Array)
		switch {
		case !ok || entry.Len() > 1:
			return nil, fault(r.source, errors.New("has more than one value"))
		case entry.Len() == 1:
			values[i] = entry.Elem(0)
		case r.total:
			return nil, fault(r.source, errors.New("is undefined, which it never should be"))
		}
	}
	return values, nil
}

// evaluation is the source of errors that concern no one rule.
var evaluation = plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "evaluation"}

func fault(source plimsoll.Source, err error) error {
	return &plimsoll.FaultError{Source: source, Err: err}
}

// locate tells where in the policies err happened: the line, and the rule around it.
func (p *Policies) locate(err error) plimsoll.Source {
	var e *topdown.Error
	if !errors.As(err, &e) || e.Location == nil {
		return evaluation
	}
	source := plimsoll.Source{
		Kind: plimsoll.SourcePolicy, Name: evaluation.Name, File: e.Location.File, Line: e.Location.Row,
	}
	m := p.modules[e.Location.File]
	if m == nil {
		return source
	}
	source.Name = packageName(m.Package.Path)
	for _, r := range m.Rules { // in the order of the source
		if r.Location.Row <= e.Location.Row {
			source.Rule = r.Head.Ref().String()
		}
	}
	return source
}
