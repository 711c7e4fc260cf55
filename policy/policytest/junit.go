package policytest

import (
	"io"

	"github.com/plimsoll-project/plimsoll/internal/junit"
)

// WriteJUnit writes the report as JUnit XML: a suite for each package and each file of
// cases. Coverage is not in it.
func (r *Report) WriteJUnit(w io.Writer) error {
	var suites []junit.Suite
	index := map[string]int{}
	for _, result := range r.Results {
		i, ok := index[result.Group]
		if !ok {
			i = len(suites)
			index[result.Group] = i
			suites = append(suites, junit.Suite{Name: result.Group})
		}
		suites[i].Cases = append(suites[i].Cases, caseOf(result))
	}
	return junit.Write(w, suites)
}

func caseOf(r Result) junit.Case {
	c := junit.Case{Class: r.Group, Name: r.Name, File: r.File, Line: r.Line, Duration: r.Duration, Output: r.Output}
	switch r.Outcome {
	case Failed:
		c.Failure = orUnsaid(r.Detail)
	case Broken:
		c.Error = orUnsaid(r.Detail)
	case Skipped:
		c.Skipped = true
	case Passed:
	}
	return c
}

// orUnsaid is never empty, which would mean that nothing was wrong.
func orUnsaid(detail string) string {
	if detail == "" {
		return "it is not said why"
	}
	return detail
}
