package policytest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/plimsoll-project/plimsoll/policy"
)

// DefaultTimeout is how long one test may take.
const DefaultTimeout = 5 * time.Second

// Options say which tests are run, and how.
type Options struct {
	// Match selects tests: rules by their whole name, such as
	// data.labels_test.test_missing, cases by file and name with a slash in between. nil
	// selects all.
	Match *regexp.Regexp
	// Timeout bounds each test; 0 means [DefaultTimeout].
	Timeout time.Duration
	// Coverage asks for what the rules evaluated.
	Coverage bool
	// VarValues asks for the values of variables where a test failed.
	VarValues bool
}

func (o Options) timeout() time.Duration {
	if o.Timeout == 0 {
		return DefaultTimeout
	}
	return o.Timeout
}

// Rego runs the tests in Rego that w has, several at a time. Errors in modules are a
// [policy.LoadError].
func Rego(ctx context.Context, w *policy.Workspace, options Options) (*Report, error) {
	report := &Report{Results: []Result{}}
	var tracer *cover.Cover
	if options.Coverage {
		tracer = cover.New()
	}
	modules := w.Modules()
	filter := ""
	if options.Match != nil {
		filter = options.Match.String()
	}
	results, err := run(ctx, w, modules, options.timeout(), filter, func(r *tester.Runner) {
		if tracer != nil {
			r.SetCoverageQueryTracer(tracer)
		}
	})
	if err != nil {
		return nil, err
	}
	var failed []string
	for _, r := range results {
		report.Results = append(report.Results, resultOf(r, options.timeout()))
		if r.Fail {
			failed = append(failed, regexp.QuoteMeta(nameOf(r)))
		}
	}
	if tracer != nil {
		report.Coverage = newCoverage(tracer, modules)
	}
	if len(failed) > 0 {
		// Traces take memory and exclude coverage, so only what failed is run with one.
		traced, err := run(ctx, w, w.Modules(), options.timeout(), "^("+strings.Join(failed, "|")+")$",
			func(r *tester.Runner) { r.EnableTracing(true) })
		if err != nil {
			return nil, err
		}
		explain(report, w, traced, options.VarValues)
	}
	report.Sort()
	return report, ctx.Err()
}

// run runs the tests whose names match filter, once configure has made the runner what
// it is to be.
func run(
	ctx context.Context, w *policy.Workspace, modules map[string]*ast.Module, timeout time.Duration, filter string, configure func(*tester.Runner),
) ([]*tester.Result, error) {
	compiler, err := w.Compiler()
	if err != nil {
		return nil, err
	}
	store := w.Store()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	runner := tester.NewRunner().SetCompiler(compiler).SetStore(store).SetModules(modules).
		SetTimeout(timeout).RaiseBuiltinErrors(true).Filter(filter).
		AddCustomBuiltins([]*tester.Builtin{{Func: policy.Builtins}})
	configure(runner)
	all, err := runner.RunTests(ctx, txn)
	if err != nil {
		return nil, w.Explain(err)
	}
	var results []*tester.Result
	for r := range all {
		if r != nil {
			results = append(results, r)
		}
	}
	return results, nil
}

func nameOf(r *tester.Result) string { return r.Package + "." + r.Name }

func resultOf(r *tester.Result, timeout time.Duration) Result {
	result := Result{
		Group: strings.TrimPrefix(r.Package, "data."), Name: strings.TrimPrefix(nameOf(r), "data."),
		File: r.Location.File, Line: r.Location.Row, Outcome: Passed, Duration: r.Duration, Output: string(r.Output),
	}
	switch {
	case r.Skip:
		result.Outcome = Skipped
	case topdown.IsCancel(r.Error) || errors.Is(r.Error, context.DeadlineExceeded):
		result.Outcome, result.Detail = Broken, fmt.Sprintf("it did not end within %s", timeout)
	case r.Error != nil:
		result.Outcome, result.Detail = Broken, r.Error.Error()
	case r.Fail:
		result.Outcome = Failed
	}
	return result
}

// explain says of the tests that failed where they did.
func explain(report *Report, w *policy.Workspace, traced []*tester.Result, values bool) {
	details := map[string]string{}
	for _, r := range traced {
		details[strings.TrimPrefix(nameOf(r), "data.")] = detailOf(w, r, values)
	}
	for i := range report.Results {
		if r := &report.Results[i]; r.Outcome == Failed {
			r.Detail = details[r.Name]
		}
	}
}

func detailOf(w *policy.Workspace, r *tester.Result, values bool) string {
	var b strings.Builder
	if len(r.SubResults) == 0 {
		writeFailure(&b, w, r.Trace, values)
	}
	for names, sub := range r.SubResults.Iter {
		if sub.Fail && len(sub.SubResults) == 0 {
			fmt.Fprintf(&b, "case %s\n", strings.Join(names, ", "))
			writeFailure(&b, w, sub.Trace, values)
		}
	}
	return b.String()
}

// writeFailure shows the last expression of a test that failed.
func writeFailure(b *strings.Builder, w *policy.Workspace, trace []*topdown.Event, values bool) {
	for i := len(trace) - 1; i >= 0; i-- {
		e := trace[i]
		if e.Op != topdown.FailOp || e.Location == nil || e.QueryID == 0 || isEvery(e) || !policy.IsTest(e.Location.File) {
			continue
		}
		fmt.Fprintf(b, "%s:%d: this does not hold:\n", e.Location.File, e.Location.Row)
		if values && topdown.PrettyEvent(b, e, topdown.PrettyEventOpts{PrettyVars: true}) == nil {
			b.WriteString("\n")
			return
		}
		fmt.Fprintf(b, "  %s\n", strings.TrimSpace(w.Line(e.Location.File, e.Location.Row)))
		return
	}
}

// isEvery reports whether an event is of a whole every, of which only an expression
// inside says what is wrong.
func isEvery(e *topdown.Event) bool {
	expr, ok := e.Node.(*ast.Expr)
	if !ok {
		return false
	}
	_, ok = expr.Terms.(*ast.Every)
	return ok
}
