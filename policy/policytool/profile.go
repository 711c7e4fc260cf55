package policytool

import (
	"context"

	"github.com/open-policy-agent/opa/v1/profiler"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/plimsoll-project/plimsoll"
)

// Line is what a line of a policy took.
type Line struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
	// Nanoseconds is the time in all evaluations together, Evaluations how often the line
	// was evaluated.
	Nanoseconds int64 `json:"ns"`
	Evaluations int   `json:"evaluations"`
}

// Profile evaluates the rules of refs once and returns the lines that took longest, at
// most a number of them. Being watched they take longer than they would otherwise.
func (e *Evaluation) Profile(ctx context.Context, in *plimsoll.Input, refs []string, limit int) ([]Line, error) {
	p := profiler.New()
	for _, ref := range refs {
		query, err := e.prepare(ctx, ref)
		if err != nil {
			return nil, err
		}
		if _, err := e.eval(ctx, query, in, rego.EvalQueryTracer(p)); err != nil {
			return nil, err
		}
	}
	lines := []Line{}
	for _, stats := range p.ReportTopNResults(0, []string{"total_time_ns"}) {
		text := e.workspace.Line(stats.Location.File, stats.Location.Row)
		if text == "" { // the query itself
			continue
		}
		lines = append(lines, Line{
			File: stats.Location.File, Line: stats.Location.Row, Text: text, Nanoseconds: stats.ExprTimeNs, Evaluations: stats.NumEval,
		})
	}
	return lines[:min(limit, len(lines))], nil
}
