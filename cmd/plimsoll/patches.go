package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// maxPatchValue is how much of a patch's value a person is shown, in characters.
const maxPatchValue = 60

// printPatches shows what rules changed, and which: where, to what, by whom. The values
// of a spec's fields may be long and secret: the container has them.
func printPatches(w io.Writer, patches []*plimsollv1.Patch) error {
	shown := patches[:min(maxViolations, len(patches))]
	var rows bytes.Buffer
	t := tabwriter.NewWriter(&rows, 0, 0, 3, ' ', 0)
	for _, p := range shown {
		row(t, p.GetField(), patchText(p), sourceOf(&plimsollv1.Violation{Source: p.GetSource()}))
	}
	_ = t.Flush() // into memory
	for line := range strings.Lines(rows.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	if more := len(patches) - len(shown); more > 0 {
		_, err := fmt.Fprintf(w, "  and %d more\n", more)
		return err
	}
	return nil
}

func patchText(p *plimsollv1.Patch) string {
	value := p.GetValue()
	switch {
	case value == "":
		return "removed by policy"
	case strings.HasPrefix(p.GetField(), "spec."):
		return "set by policy"
	case utf8.RuneCountInString(value) > maxPatchValue:
		value = string([]rune(value)[:maxPatchValue]) + "…"
	}
	return "set by policy to " + value
}
