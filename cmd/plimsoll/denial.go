package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"connectrpc.com/connect"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// printDenial shows every violation: where, what, which rule, how to fix it, and
// where to read more.
func printDenial(w io.Writer, attempt *attemptError, remote *connect.Error, verdict *plimsollv1.Verdict) {
	_, _ = fmt.Fprintf(w, "%s%s\n", printable(attempt.lead()+headline(remote, verdict)), decisionOf(remote.Meta()))
	var rows bytes.Buffer
	t := tabwriter.NewWriter(&rows, 0, 0, 3, ' ', 0)
	for _, v := range verdict.GetViolations() {
		row(t, orDash(v.GetField()), v.GetMessage(), sourceOf(v))
		fix := v.GetFix()
		if fix != "" {
			fix = "fix: " + fix
		}
		if fix != "" || v.GetLink() != "" {
			row(t, "", fix, v.GetLink())
		}
	}
	_ = t.Flush() // into memory
	for line := range strings.Lines(rows.String()) {
		_, _ = fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
	if more := int(verdict.GetViolationCount()) - len(verdict.GetViolations()); more > 0 {
		_, _ = fmt.Fprintf(w, "  and %d more\n", more)
	}
	switch {
	case attempt.dryRun:
		_, _ = fmt.Fprintln(w, "dry run: nothing would have been stored")
	case attempt.about != "":
		_, _ = fmt.Fprintf(w, "%s was left as it is · try again safely: --dry-run\n", printable(attempt.about))
	default:
		_, _ = fmt.Fprintln(w, "nothing was stored · try again safely: --dry-run")
	}
}

// headline is the first violation and how many more there are. The server's message
// names its rule too, for clients that show nothing else; here each row does.
func headline(remote *connect.Error, verdict *plimsollv1.Verdict) string {
	if len(verdict.GetViolations()) == 0 {
		return remote.Message()
	}
	text := "denied: " + verdict.GetViolations()[0].GetMessage()
	if more := verdict.GetViolationCount() - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// row writes one row of a table. Cells are made printable, so that none of them ends
// the cell, the row or the terminal's patience.
func row(t *tabwriter.Writer, field, text, source string) {
	_, _ = fmt.Fprintf(t, "  %s\t%s\t%s\n", printable(field), printable(text), printable(source))
}

// sourceOf names the rule: a policy by its line, a validator by its version and what
// it goes by.
func sourceOf(v *plimsollv1.Violation) string {
	s := v.GetSource()
	text := s.GetName()
	if s.GetVersion() != "" {
		text += " " + s.GetVersion()
	}
	switch {
	case s.GetFile() != "":
		text += fmt.Sprintf("  %s:%d", s.GetFile(), s.GetLine())
	case v.GetTitle() != "":
		text += "  " + v.GetTitle()
	}
	return text
}
