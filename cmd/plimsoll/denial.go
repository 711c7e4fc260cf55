package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"connectrpc.com/connect"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// printDenial shows every violation: where, what, which rule, how to fix it, and
// where to read more.
func printDenial(w io.Writer, attempt *attemptError, remote *connect.Error, verdict *plimsollv1.Verdict) {
	_, _ = fmt.Fprintf(w, "%s%s\n", printable(attempt.lead()+headline(remote, verdict)), decisionOf(remote.Meta()))
	printViolations(w, verdict)
	why := ""
	if id := orElse(verdict.GetDecisionId(), remote.Meta().Get(service.HeaderDecision)); id != "" {
		why = " · why: plimsoll explain " + printable(id)
	}
	switch {
	case attempt.dryRun:
		_, _ = fmt.Fprintf(w, "dry run: nothing would have been stored%s\n", why)
	case attempt.about != "":
		_, _ = fmt.Fprintf(w, "%s was left as it is%s · try again safely: --dry-run\n", printable(attempt.about), why)
	default:
		_, _ = fmt.Fprintf(w, "nothing was stored%s · try again safely: --dry-run\n", why)
	}
}

// printViolations shows the violations of a verdict: as a table, or if that would be too
// wide, one below the other.
func printViolations(w io.Writer, verdict *plimsollv1.Verdict) {
	shown := verdict.GetViolations()
	shown = shown[:min(maxViolations, len(shown))]
	rows := rowsOf(shown)
	for line := range strings.Lines(rows) {
		_, _ = fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
	if more := int(verdict.GetViolationCount()) - len(shown); more > 0 {
		_, _ = fmt.Fprintf(w, "  and %d more\n", more)
	}
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// rowsOf shows violations as a table, or, if that would be too wide, as a list.
func rowsOf(violations []*plimsollv1.Violation) string {
	if rows := tableOf(violations); widest(rows) <= maxDenialWidth {
		return rows
	}
	return listOf(violations)
}

// headline is the first violation and how many more there are. The server's message
// names its rule too, for clients that show nothing else; here each row does.
func headline(remote *connect.Error, verdict *plimsollv1.Verdict) string {
	if len(verdict.GetViolations()) == 0 {
		return remote.Message()
	}
	return leadOf(verdict)
}

// leadOf is headline of a verdict with violations.
func leadOf(verdict *plimsollv1.Verdict) string {
	text := "denied: " + verdict.GetViolations()[0].GetMessage()
	if more := verdict.GetViolationCount() - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// maxViolations is how many violations a person is shown. What is wrong with most is
// seen from the first few; JSON has them all.
const maxViolations = 50

// maxDenialWidth is how wide a denial may be as a table. Most terminals show that
// much of a line, and what is wider is hard to follow.
const maxDenialWidth = 130

// tableOf shows violations as a table: where, what, which rule; below, how to fix it
// and where to read more.
func tableOf(violations []*plimsollv1.Violation) string {
	var rows bytes.Buffer
	t := tabwriter.NewWriter(&rows, 0, 0, 3, ' ', 0)
	for _, v := range violations {
		row(t, orDash(v.GetField()), v.GetMessage(), sourceOf(v))
		if have := haveOf(v); have != "" {
			row(t, "", have, "")
		}
		if standing := standingOf(v); standing != "" {
			row(t, "", standing, "")
		}
		if fix := fixOf(v); fix != "" || v.GetLink() != "" {
			row(t, "", fix, v.GetLink())
		}
	}
	_ = t.Flush() // into memory
	return rows.String()
}

// listOf shows violations one below the other, with the same in it.
func listOf(violations []*plimsollv1.Violation) string {
	var b strings.Builder
	for _, v := range violations {
		_, _ = fmt.Fprintf(&b, "  %s: %s\n", printable(orDash(v.GetField())), printable(v.GetMessage()))
		for _, text := range []string{haveOf(v), standingOf(v), fixOf(v), sourceOf(v), v.GetLink()} {
			if text != "" {
				_, _ = fmt.Fprintf(&b, "      %s\n", printable(text))
			}
		}
	}
	return b.String()
}

func widest(text string) int {
	width := 0
	for line := range strings.Lines(text) {
		width = max(width, utf8.RuneCountInString(strings.TrimRight(line, " \n")))
	}
	return width
}

// haveOf is the offending value, unless the message quotes it.
func haveOf(v *plimsollv1.Violation) string {
	if v.GetValue() == "" || strings.Contains(v.GetMessage(), strings.Trim(v.GetValue(), `"`)) {
		return ""
	}
	return "have: " + v.GetValue()
}

// standingOf says why a violation does not count, or that it is of a canary.
func standingOf(v *plimsollv1.Violation) string {
	if v.GetWaiver() == nil {
		return v.GetEnforcement()
	}
	return leniencyOf(v)
}

func fixOf(v *plimsollv1.Violation) string {
	if v.GetFix() == "" {
		return ""
	}
	return "fix: " + v.GetFix()
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
