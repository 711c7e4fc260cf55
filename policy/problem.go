package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/open-policy-agent/opa/v1/ast"
)

// LoadError is why policies could not be loaded: every problem found, by file and
// line.
type LoadError struct {
	Problems []Problem
}

// Error shows all problems, each with its line of source and a caret under the spot.
func (e *LoadError) Error() string {
	var b strings.Builder
	if n := len(e.Problems); n == 1 {
		b.WriteString("policies have a problem:")
	} else {
		fmt.Fprintf(&b, "policies have %d problems:", n)
	}
	for _, p := range e.Problems {
		b.WriteString("\n" + p.String())
	}
	return b.String()
}

// Problem is one thing that is wrong with a policy or data file.
type Problem struct {
	// File is relative to the source, as in a violation's.
	File string `json:"file"`
	// Line and Column count from 1; 0 if the problem concerns the whole file.
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	// Text is the line of source.
	Text string `json:"text,omitempty"`
	// Hint says what would be right, if that is known.
	Hint string `json:"hint,omitempty"`
}

// String is "file:line:column: message", and below it the line of source, a caret
// and the hint.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": " + p.Message)
	if p.Text != "" {
		fmt.Fprintf(&b, "\n\t%s\n\t%s^", p.Text, p.indent())
	}
	if p.Hint != "" {
		b.WriteString("\n\t" + strings.ReplaceAll(p.Hint, "\n", "\n\t"))
	}
	return b.String()
}

// indent is blank and as wide as the text before the column, whatever width a
// terminal gives to its tabs.
func (p Problem) indent() string {
	before := []rune(p.Text)
	before = before[:min(max(p.Column-1, 0), len(before))]
	for i, r := range before {
		if r != '\t' {
			before[i] = ' '
		}
	}
	return string(before)
}

// text gives the lines of all modules, for problems to quote.
type text map[string][]string

func textOf(files []file) text {
	t := make(text, len(files))
	for _, f := range files {
		if f.isModule() {
			t[f.name] = strings.Split(string(f.content), "\n")
		}
	}
	return t
}

// at makes a problem of what is wrong at loc.
func (t text) at(loc *ast.Location, message, hint string) Problem {
	p := Problem{Message: message, Hint: hint}
	if loc == nil {
		p.File = "policies"
		return p
	}
	p.File, p.Line, p.Column = loc.File, loc.Row, loc.Col
	if lines := t[loc.File]; loc.Row >= 1 && loc.Row <= len(lines) {
		p.Text = strings.TrimRight(lines[loc.Row-1], "\r")
	}
	return p
}

// explain makes a problem of an error of OPA's parser or compiler.
func (t text) explain(e *ast.Error) Problem {
	loc, hint := e.Location, ""
	switch d := e.Details.(type) {
	case nil:
		name, found := strings.CutPrefix(e.Message, "undefined function ")
		if why := whyWithheld(name); found && why != "" {
			hint = name + " is not available to policies: " + why
		}
	case *ast.RefErrInvalidDetail:
		bad := d.Ref[d.Pos]
		if bad.Location != nil && bad.Location.File == loc.File {
			loc = bad.Location
		}
		hint = wrongField(bad.Value, d.OneOf)
		if hint == "" {
			hint = strings.Join(d.Lines(), "\n")
		}
	case *ast.ParserErrorDetail: // the line and a caret, which problems have anyway
	default:
		hint = strings.Join(d.Lines(), "\n")
	}
	return t.at(loc, e.Message, hint)
}

// wrongField says which fields there are instead of have.
func wrongField(have ast.Value, oneOf []ast.Value) string {
	if len(oneOf) == 0 {
		return ""
	}
	names := make([]string, len(oneOf))
	best, distance := "", 3
	for i, v := range oneOf {
		names[i] = v.String()
		if d := levenshtein.ComputeDistance(names[i], have.String()); d < distance {
			best, distance = names[i], d
		}
	}
	hint := fmt.Sprintf("have %s, want one of [%s]", have, strings.Join(names, ", "))
	if best != "" {
		hint += "; did you mean " + best + "?"
	}
	return hint
}

// asError returns nil if there are no problems, else all of them in the order of the
// source, each once.
func asError(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column, strings.Compare(a.Message, b.Message))
	})
	return &LoadError{Problems: slices.Compact(problems)}
}

// explainAll makes problems of what OPA's parser or compiler returned for a file.
func (t text) explainAll(name string, err error) []Problem {
	var errs ast.Errors
	if !errors.As(err, &errs) {
		return []Problem{{File: name, Message: err.Error()}}
	}
	problems := make([]Problem, len(errs))
	for i, e := range errs {
		problems[i] = t.explain(e)
	}
	return problems
}
