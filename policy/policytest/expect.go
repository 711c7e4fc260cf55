package policytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/plimsoll-project/plimsoll"
)

// Expectation is what is known of a violation or a warning. What it leaves out may be
// anything.
type Expectation struct {
	Code  string `json:"code"`
	Field string `json:"field"`
	// Message is a part of the message, MessageIs all of it.
	Message   string `json:"message"`
	MessageIs string `json:"message_is"`
	// Package and Validator are who says so.
	Package   string `json:"package"`
	Validator string `json:"validator"`
}

func (e Expectation) matches(v plimsoll.Violation) bool {
	same := func(want, have string) bool { return want == "" || want == have }
	return same(e.Code, v.Code) && same(e.Field, v.Field) && strings.Contains(v.Message, e.Message) && same(e.MessageIs, v.Message) &&
		(e.Package == "" || v.Source.Kind == plimsoll.SourcePolicy && e.Package == v.Source.Name) &&
		(e.Validator == "" || v.Source.Kind == plimsoll.SourceValidator && e.Validator == v.Source.Name)
}

func (e Expectation) String() string {
	var parts []string
	for _, part := range [][2]string{
		{"code", e.Code},
		{"field", e.Field},
		{"message with", quoted(e.Message)},
		{"message", quoted(e.MessageIs)},
		{"package", e.Package},
		{"validator", e.Validator},
	} {
		if part[1] != "" {
			parts = append(parts, part[0]+" "+part[1])
		}
	}
	return strings.Join(parts, ", ")
}

// PatchExpectation is what is known of a patch.
type PatchExpectation struct {
	Field string `json:"field"`
	// Value is the new value; nil if it may be anything, null if the field is removed.
	Value   Document `json:"value"`
	Package string   `json:"package"`
}

func (e PatchExpectation) matches(p plimsoll.Patch) bool {
	if e.Field != p.Field || e.Package != "" && e.Package != p.Source.Name {
		return false
	}
	return e.Value == nil || sameJSON(e.Value, p.Value)
}

func (e PatchExpectation) String() string {
	text := "field " + e.Field
	if e.Value != nil {
		text += fmt.Sprintf(", value %s", e.Value)
	}
	if e.Package != "" {
		text += ", package " + e.Package
	}
	return text
}

// Finding is what came of a case.
type Finding struct {
	Outcome plimsoll.Outcome
	Verdict plimsoll.Verdict
	Patches []plimsoll.Patch
	// Err is why the outcome is denied or failed.
	Err error
	// Note is what else there is to know, for people.
	Note string
}

// compare returns how what came of a case differs from what was expected, in lines for
// people: - is what is missing, + what was not expected. It is empty if nothing does.
func (c *Case) compare(found Finding) string {
	var b strings.Builder
	have := Admitted
	switch found.Outcome {
	case plimsoll.OutcomeDenied:
		have = Denied
	case plimsoll.OutcomeFailed:
		have = Unjudged
	case plimsoll.OutcomeAdmitted, plimsoll.OutcomeDryRun:
	}
	if have != c.Expect {
		fmt.Fprintf(&b, "outcome: want %s, have %s\n", c.Expect, have)
	}
	if have == Unjudged {
		if c.Expect != Unjudged || !strings.Contains(found.Err.Error(), c.Error) {
			if c.Error != "" {
				fmt.Fprintf(&b, "- error with %q\n", c.Error)
			}
			fmt.Fprintf(&b, "+ error %v\n", found.Err)
		}
		return b.String()
	}
	differences(&b, "violation", c.Violations, found.Verdict.Violations, slices.Contains(c.AllowMore, "violations"), Expectation.matches, describe)
	differences(&b, "warning", c.Warnings, found.Verdict.Warnings, slices.Contains(c.AllowMore, "warnings"), Expectation.matches, describe)
	differences(&b, "patch", c.Patches, found.Patches, slices.Contains(c.AllowMore, "patches"), PatchExpectation.matches, describePatch)
	return b.String()
}

// differences pairs what is wanted with what there is, each with one other at most, and
// writes what is left over.
func differences[W fmt.Stringer, H any](
	b *strings.Builder, kind string, want []W, have []H, more bool, matches func(W, H) bool, describe func(H) string,
) {
	partner := make([]int, len(have)) // of each that there is: who wants it, from 1
	var find func(w int, tried []bool) bool
	find = func(w int, tried []bool) bool {
		for h := range have {
			if tried[h] || !matches(want[w], have[h]) {
				continue
			}
			tried[h] = true
			// Whoever has it may do with another.
			if partner[h] == 0 || find(partner[h]-1, tried) {
				partner[h] = w + 1
				return true
			}
		}
		return false
	}
	for w := range want {
		if !find(w, make([]bool, len(have))) {
			fmt.Fprintf(b, "- %s: %s\n", kind, want[w])
		}
	}
	for h := range have {
		if partner[h] == 0 && !more {
			fmt.Fprintf(b, "+ %s: %s\n", kind, describe(have[h]))
		}
	}
}

func describe(v plimsoll.Violation) string {
	e := Expectation{Code: v.Code, Field: v.Field, MessageIs: v.Message}
	return e.String() + "  [" + v.Source.String() + "]"
}

func describePatch(p plimsoll.Patch) string {
	value := p.Value
	if value == nil {
		value = Document("null")
	}
	return PatchExpectation{Field: p.Field, Value: value}.String() + "  [" + p.Source.String() + "]"
}

func quoted(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("%q", text)
}

// sameJSON compares documents, number by number as they are written. No document is
// null.
func sameJSON(a, b Document) bool {
	x, okA := exact(a)
	y, okB := exact(b)
	return okA && okB && reflect.DeepEqual(x, y)
}

func exact(d Document) (value any, ok bool) {
	if d == nil {
		return nil, true
	}
	decoder := json.NewDecoder(bytes.NewReader(d))
	decoder.UseNumber()
	err := decoder.Decode(&value)
	return value, err == nil
}
