package policytool

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"

	"github.com/plimsoll-project/plimsoll"
)

// Clause says what became of one clause of a rule that decides.
type Clause struct {
	// Package is without the leading data.
	Package string `json:"package"`
	Rule    string `json:"rule"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	// Source are the lines of the clause.
	Source []string `json:"source"`
	// Holds are the values of the clause's variables, once for each way in which it
	// holds.
	Holds []map[string]string `json:"holds"`
	// FailedAt is the last line that a clause got to which does not hold: what is there
	// is false or undefined. 0 if there is no such line, as when the clause holds.
	FailedAt int `json:"failed_at,omitempty"`
	// Values are the values that variables had there.
	Values map[string]string `json:"values,omitempty"`
}

// Explain evaluates the rules of refs, such as data.labels.deny, and says of each of
// their clauses whether it holds and why.
func (e *Evaluation) Explain(ctx context.Context, in *plimsoll.Input, refs []string) ([]Clause, error) {
	trace, err := e.trace(ctx, in, refs)
	if err != nil {
		return nil, err
	}
	clauses := e.clausesOf(refs)
	queries := map[uint64]*Clause{}
	for _, event := range trace {
		if rule, ok := event.Node.(*ast.Rule); ok && event.Op == topdown.EnterOp {
			queries[event.QueryID] = clauses[placeOf(rule.Location)]
		}
		if clause := queries[event.QueryID]; clause != nil {
			clause.learn(event)
		}
	}
	all := slices.Collect(maps.Values(clauses))
	slices.SortFunc(all, func(a, b *Clause) int {
		return cmp.Or(strings.Compare(a.Package, b.Package), strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	result := make([]Clause, len(all))
	for i, c := range all {
		if len(c.Holds) > 0 { // where it failed for other values is of no interest
			c.FailedAt, c.Values = 0, nil
		}
		result[i] = *c
	}
	return result, nil
}

// Trace writes everything that happens when the rules of refs are evaluated, as OPA
// shows it.
func (e *Evaluation) Trace(ctx context.Context, in *plimsoll.Input, refs []string, w io.Writer) error {
	trace, err := e.trace(ctx, in, refs)
	if err != nil {
		return err
	}
	topdown.PrettyTraceWithOpts(w, lineage.Full(trace), topdown.PrettyTraceOptions{Locations: true, ExprVariables: true})
	return nil
}

func (e *Evaluation) trace(ctx context.Context, in *plimsoll.Input, refs []string) ([]*topdown.Event, error) {
	buffer := topdown.NewBufferTracer()
	for _, ref := range refs {
		query, err := e.prepare(ctx, ref)
		if err != nil {
			return nil, err
		}
		// The index would leave out clauses without saying why.
		if _, err := e.eval(ctx, query, in, rego.EvalQueryTracer(buffer), rego.EvalRuleIndexing(false)); err != nil {
			return nil, err
		}
	}
	return *buffer, nil
}

func placeOf(loc *ast.Location) string { return fmt.Sprintf("%s:%d:%d", loc.File, loc.Row, loc.Col) }

// clausesOf returns the clauses of rules by where they are.
func (e *Evaluation) clausesOf(refs []string) map[string]*Clause {
	clauses := map[string]*Clause{}
	for name, m := range e.compiler.Modules {
		for _, r := range m.Rules {
			ref := r.Ref().GroundPrefix().String()
			if r.Default || !slices.ContainsFunc(refs, func(want string) bool { return ref == want || strings.HasPrefix(ref, want+".") }) {
				continue
			}
			c := &Clause{
				Package: strings.TrimPrefix(m.Package.Path.String(), "data."), Rule: r.Head.Ref().GroundPrefix().String(),
				File: name, Line: r.Location.Row, Source: strings.Split(strings.TrimRight(string(r.Location.Text), "\n"), "\n"),
				Holds: []map[string]string{},
			}
			clauses[placeOf(r.Location)] = c
		}
	}
	return clauses
}

// learn takes in an event of the clause's own query.
func (c *Clause) learn(event *topdown.Event) {
	switch event.Op {
	case topdown.ExitOp:
		if _, ok := event.Node.(*ast.Rule); !ok {
			return
		}
		values := valuesOf(event)
		if !slices.ContainsFunc(c.Holds, func(known map[string]string) bool { return maps.Equal(known, values) }) {
			c.Holds = append(c.Holds, values)
		}
	case topdown.FailOp:
		if event.Location != nil && event.Location.File == c.File && event.Location.Row >= c.FailedAt {
			c.FailedAt, c.Values = event.Location.Row, valuesOf(event)
		}
	default:
	}
}

// valuesOf are the values of variables as the source names them.
func valuesOf(event *topdown.Event) map[string]string {
	values := map[string]string{}
	event.Locals.Iter(func(name, value ast.Value) bool {
		v, ok := name.(ast.Var)
		if !ok {
			return false
		}
		if known, ok := event.LocalMetadata[v]; ok && !strings.HasPrefix(string(known.Name), "_") && !known.Name.IsWildcard() {
			values[string(known.Name)] = value.String()
		}
		return false
	})
	return values
}
