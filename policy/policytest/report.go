package policytest

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Outcome is how a test ended.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"  // it ran, and what came of it is wrong
	Broken  Outcome = "error"   // it could not be run to its end
	Skipped Outcome = "skipped" // it is called todo_test_…
)

// Result is what became of one test.
type Result struct {
	// Group is the package of a rule, without the leading data, or a suite's file.
	Group string `json:"group"`
	Name  string `json:"name"`
	// File and Line are where the test is.
	File    string  `json:"file"`
	Line    int     `json:"line"`
	Outcome Outcome `json:"outcome"`
	// Detail says why it did not pass, in lines for people.
	Detail string `json:"detail,omitempty"`
	// Output is what print wrote, or a note on the case.
	Output   string        `json:"output,omitempty"`
	Duration time.Duration `json:"duration_ns"`
}

// Report is what became of all tests.
type Report struct {
	Results []Result `json:"results"`
	// Coverage is nil if it was not asked for.
	Coverage *Coverage `json:"coverage,omitempty"`
}

// Sort orders the results by file and line.
func (r *Report) Sort() {
	slices.SortStableFunc(r.Results, func(a, b Result) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, strings.Compare(a.Name, b.Name))
	})
}

// Count is how many tests ended so.
func (r *Report) Count(outcome Outcome) int {
	n := 0
	for _, result := range r.Results {
		if result.Outcome == outcome {
			n++
		}
	}
	return n
}

// OK reports whether no test failed or broke.
func (r *Report) OK() bool { return r.Count(Failed)+r.Count(Broken) == 0 }

// WriteText writes the report for people: what did not pass, or everything if verbose,
// then the coverage and a summary.
func (r *Report) WriteText(w io.Writer, verbose bool) error {
	var b strings.Builder
	for _, result := range r.Results {
		if verbose || result.Outcome != Passed {
			result.write(&b)
		}
	}
	if r.Coverage != nil {
		r.Coverage.write(&b)
	}
	for _, outcome := range []Outcome{Passed, Failed, Broken, Skipped} {
		if n := r.Count(outcome); n > 0 || outcome == Passed {
			fmt.Fprintf(&b, "%s %d/%d\n", outcome, n, len(r.Results))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Result) write(b *strings.Builder) {
	fmt.Fprintf(b, "%s:%d: %s: %s (%s)\n", r.File, r.Line, r.Name, r.Outcome, r.Duration.Round(time.Microsecond))
	for _, text := range []string{r.Output, r.Detail} {
		for line := range strings.Lines(text) {
			b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
		}
	}
}

// NoneRun reports whether all tests were skipped.
func (r *Report) NoneRun() bool { return r.Count(Skipped) == len(r.Results) }
