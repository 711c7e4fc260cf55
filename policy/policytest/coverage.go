package policytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"

	"github.com/plimsoll-project/plimsoll/policy"
)

// Coverage is how much of the policies the tests in Rego evaluated. Tests are not part
// of it.
type Coverage struct {
	// Percent is of the lines with expressions or rule heads.
	Percent float64        `json:"percent"`
	Files   []FileCoverage `json:"files"`
}

// FileCoverage is the coverage of one file.
type FileCoverage struct {
	File    string  `json:"file"`
	Percent float64 `json:"percent"`
	// Missed are the lines that no test evaluated, in order.
	Missed []int `json:"missed"`
}

func newCoverage(c *cover.Cover, modules map[string]*ast.Module) *Coverage {
	policies := maps.Clone(modules)
	maps.DeleteFunc(policies, func(name string, _ *ast.Module) bool { return policy.IsTest(name) })
	report := c.Report(policies)
	result := &Coverage{Files: []FileCoverage{}}
	covered, missed := 0, 0
	for _, name := range slices.Sorted(maps.Keys(policies)) { // of tests only what is covered is known
		f := report.Files[name]
		covered += f.CoveredLines
		missed += f.NotCoveredLines
		result.Files = append(result.Files, FileCoverage{File: name, Percent: percent(f.CoveredLines, f.NotCoveredLines), Missed: missedLines(f)})
	}
	result.Percent = percent(covered, missed)
	return result
}

func percent(covered, missed int) float64 {
	if covered+missed == 0 {
		return 100 // nothing to evaluate
	}
	return 100 * float64(covered) / float64(covered+missed)
}

func missedLines(f *cover.FileReport) []int {
	lines := []int{}
	for _, r := range f.NotCovered {
		for line := r.Start.Row; line <= r.End.Row; line++ {
			if !f.IsCovered(line) {
				lines = append(lines, line)
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func (c *Coverage) write(b *strings.Builder) {
	for _, f := range c.Files {
		fmt.Fprintf(b, "%s: %.1f%% covered%s\n", f.File, f.Percent, spans(f.Missed))
	}
	fmt.Fprintf(b, "coverage %.1f%%\n", c.Percent)
}

// spans names lines, those that follow each other together.
func spans(lines []int) string {
	var names []string
	for i := 0; i < len(lines); {
		j := i
		for j+1 < len(lines) && lines[j+1] == lines[j]+1 {
			j++
		}
		if i == j {
			names = append(names, fmt.Sprint(lines[i]))
		} else {
			names = append(names, fmt.Sprintf("%d-%d", lines[i], lines[j]))
		}
		i = j + 1
	}
	if len(names) == 0 {
		return ""
	}
	return ", not lines " + strings.Join(names, ", ")
}
