package policytool

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

// Evaluation is what queries are evaluated on.
type Evaluation struct {
	workspace *policy.Workspace
	policies  *policy.Policies
	compiler  *ast.Compiler
	timeout   time.Duration
}

// New loads the policies of a workspace and compiles its tests, whose rules queries may
// use, too. An evaluation that takes longer than timeout is an error.
func New(ctx context.Context, w *policy.Workspace, timeout time.Duration) (*Evaluation, error) {
	policies, err := w.Check(ctx)
	if err != nil {
		return nil, err
	}
	compiler, err := w.Compile()
	if err != nil {
		return nil, err
	}
	return &Evaluation{workspace: w, policies: policies, compiler: compiler, timeout: timeout}, nil
}

// Policies are the policies themselves.
func (e *Evaluation) Policies() *policy.Policies { return e.policies }

// Query evaluates a query in Rego, such as data.labels.deny, and returns its results as
// OPA writes them in JSON; an empty array if the query is undefined. in may be nil.
// What print writes goes to output.
func (e *Evaluation) Query(ctx context.Context, query string, in *plimsoll.Input, output io.Writer) (json.RawMessage, error) {
	prepared, err := e.prepare(ctx, query, rego.EnablePrintStatements(true), rego.PrintHook(topdown.NewPrintHook(output)))
	if err != nil {
		return nil, err
	}
	results, err := e.eval(ctx, prepared, in)
	if err != nil {
		return nil, err
	}
	if results == nil {
		results = rego.ResultSet{}
	}
	return json.Marshal(results)
}

// Rules are the rules that decide, as Explain, Trace and Profile take them.
func (e *Evaluation) Rules() []string {
	var refs []string
	for _, p := range e.policies.Packages() {
		for _, rule := range p.Rules {
			refs = append(refs, "data."+p.Name+"."+rule)
		}
	}
	return refs
}

func (e *Evaluation) prepare(ctx context.Context, query string, options ...func(*rego.Rego)) (rego.PreparedEvalQuery, error) {
	options = append(options, policy.Builtins,
		rego.Query(query), rego.SetRegoVersion(ast.RegoV1), rego.Compiler(e.compiler), rego.Capabilities(e.compiler.Capabilities()),
		rego.Store(e.workspace.Store()), rego.StrictBuiltinErrors(true),
	)
	prepared, err := rego.New(options...).PrepareForEval(ctx)
	if err != nil {
		return prepared, fmt.Errorf("query %s: %w", query, err)
	}
	return prepared, nil
}

func (e *Evaluation) eval(
	ctx context.Context, query rego.PreparedEvalQuery, in *plimsoll.Input, options ...rego.EvalOption,
) (rego.ResultSet, error) {
	if in != nil {
		ctx = e.policies.Context(ctx, in)
		document, err := in.JSON()
		if err != nil {
			return nil, fmt.Errorf("encoding the input: %w", err)
		}
		input, err := ast.ValueFromReader(bytes.NewReader(document))
		if err != nil {
			return nil, fmt.Errorf("reading the input: %w", err)
		}
		options = append(options, rego.EvalParsedInput(input))
	}
	limited, done := context.WithTimeout(ctx, e.timeout)
	defer done()
	results, err := query.Eval(limited, options...)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("it did not end within %s", e.timeout)
	}
	return results, err
}
