package policytest

import (
	"context"
	"time"
)

// Run makes the mutation of a case on the state that the case says. An error means that
// the case could not be tried, such as when its manifest is none.
type Run func(ctx context.Context, c *Case) (Finding, error)

// Suites runs the cases of suites one after the other.
func Suites(ctx context.Context, suites []*Suite, options Options, run Run) (*Report, error) {
	report := &Report{Results: []Result{}}
	for _, suite := range suites {
		for _, c := range suite.Cases {
			if options.Match != nil && !options.Match.MatchString(suite.File+"/"+c.Name) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			report.Results = append(report.Results, runCase(ctx, suite, c, options.timeout(), run))
		}
	}
	report.Sort()
	return report, nil
}

func runCase(ctx context.Context, suite *Suite, c *Case, timeout time.Duration, run Run) Result {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result := Result{Group: suite.File, Name: c.Name, File: suite.File, Line: c.Line, Outcome: Passed}
	start := time.Now()
	found, err := run(ctx, c)
	result.Duration, result.Output = time.Since(start), found.Note
	if err != nil {
		result.Outcome, result.Detail = Broken, err.Error()
	} else if result.Detail = c.compare(found); result.Detail != "" {
		result.Outcome = Failed
	}
	return result
}
