package policy

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

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
	onGrownStack(func() { verdict, err = p.judge(ctx, in, nil) })
	return verdict, err
}

// judge evaluates the rules of the packages that are chosen; all of them if that is nil.
func (p *Policies) judge(ctx context.Context, in *plimsoll.Input, chosen func(name string) bool) (verdict plimsoll.Verdict, err error) {
	// OPA's arithmetic panics on numbers that a rule may make of a caller's string.
	defer func() {
		if r := recover(); r != nil {
			verdict, err = plimsoll.Verdict{}, fault(evaluationSource, fmt.Errorf("panic: %s\n%s", ofPanic(r), debug.Stack()))
		}
	}()
	if err := ctx.Err(); err != nil {
		return plimsoll.Verdict{}, err
	}
	ctx, done := p.limit(ctx)
	defer done()
	for _, g := range p.groups {
		said, err := p.judgeGroup(ctx, g, in, chosen)
		if err != nil {
			return plimsoll.Verdict{}, err
		}
		verdict.Add(said)
	}
	verdict = p.reclassify(verdict, plimsoll.Key{Namespace: in.Namespace, ID: in.Object.ID})
	slices.SortFunc(verdict.Violations, compare)
	slices.SortFunc(verdict.Warnings, compare)
	return verdict, nil
}

// limit gives all evaluations in the context that it returns the timeout together: what
// is judged group by group, or patched round by round, has it once.
func (p *Policies) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, p.timeout, p.errTimeout())
}

func (p *Policies) errTimeout() error {
	return fmt.Errorf("%w: the limit is %s", &plimsoll.TimeoutError{Source: evaluationSource}, p.timeout)
}

// ended is why a context of limit is done: the policies' own timeout, or the caller's error.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.As(cause, new(*plimsoll.TimeoutError)) {
		return cause
	}
	return ctx.Err()
}

// evaluate returns an entry for each of q.asked: see prepare. The context is one of limit.
func (p *Policies) evaluate(ctx context.Context, q *query, in *plimsoll.Input, input ast.Value, options ...rego.EvalOption) (*ast.Array, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	e := &evaluation{policies: p, in: in, payloads: q.payloads}
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	cache := ruleCaches.Get().(*ruleCache) //nolint:forcetypeassert // holds nothing else
	options = append(options, rego.EvalParsedInput(input), rego.EvalExternalCancel(cancel),
		rego.EvalMetrics(metrics.NoOp()), rego.EvalVirtualCache(cache))
	results, err := q.prepared.Eval(context.WithValue(ctx, evaluationKey{}, e), options...)
	cache.release()
	interrupted := topdown.IsCancel(err)
	for _, err := range []error{err, e.err} {
		interrupted = interrupted || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	}
	switch {
	case e.err != nil && !interrupted: // whatever the rule made of it
		return nil, e.err
	case interrupted && ctx.Err() != nil:
		return nil, ended(ctx)
	case interrupted: // by a time limit of what gave the other containers
		return nil, p.errTimeout()
	case err != nil:
		return nil, fault(p.locate(err), withoutValues(err))
	case len(results) != 1 || len(results[0].Expressions) != 1:
		return nil, fault(evaluationSource, fmt.Errorf("undefined: %d results", len(results)))
	}
	all, ok := results[0].Expressions[0].Value.(*ast.Term)
	if !ok {
		return nil, fault(evaluationSource, fmt.Errorf("result is a %T", results[0].Expressions[0].Value))
	}
	entries, ok := all.Value.(*ast.Array)
	if !ok || entries.Len() != len(q.asked) {
		return nil, fault(evaluationSource, errors.New("results do not match the rules"))
	}
	return entries, nil
}

// evaluationSource is the source of errors that concern no one rule.
var evaluationSource = plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "evaluation"}

func fault(source plimsoll.Source, err error) error {
	return &plimsoll.FaultError{Source: source, Err: err}
}

// withoutValues says what went wrong in an evaluation, and not on what: OPA's messages
// quote operands, which may be secrets out of a spec, and faults are logged.
func withoutValues(err error) error {
	var e *topdown.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("evaluation ended with a %T, whose text may quote what was judged", err)
	}
	switch e.Code {
	case topdown.BuiltinErr, topdown.TypeErr, topdown.ConflictErr:
		// The builtin or the rule, then a colon, then what may hold values.
		what, _, _ := strings.Cut(e.Message, ":")
		return fmt.Errorf("%s: %s (the rest may quote what was judged, and is left out)", e.Code, what)
	}
	return fmt.Errorf("%s (its text may quote what was judged, and is left out)", e.Code)
}

// ofPanic describes a panic value, whose text is known to be harmless only if it is
// the Go runtime's.
func ofPanic(value any) string {
	if err, ok := value.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", value)
}

// locate tells where in the policies err happened: the line, and the rule around it.
func (p *Policies) locate(err error) plimsoll.Source {
	var e *topdown.Error
	if !errors.As(err, &e) {
		return evaluationSource
	}
	return p.sourceAt(e.Location)
}

// sourceAt is the rule around a location.
func (p *Policies) sourceAt(at *ast.Location) plimsoll.Source {
	if at == nil {
		return evaluationSource
	}
	source := plimsoll.Source{
		Kind: plimsoll.SourcePolicy, Name: evaluationSource.Name, File: at.File, Line: at.Row,
	}
	m := p.modules[at.File]
	if m == nil {
		return source
	}
	source.Name = packageName(m.Package.Path)
	for _, r := range m.Rules { // in the order of the source
		if r.Location.Row <= at.Row {
			source.Rule = r.Head.Ref().String()
		}
	}
	return source
}
