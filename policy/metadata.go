package policy

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/plimsoll-project/plimsoll"
)

// Enforcement is what becomes of a deny: see [plimsoll.Enforcement].
type Enforcement = plimsoll.Enforcement

// The enforcements, as custom.enforcement in METADATA says them, besides canaries.
const (
	Enforce = plimsoll.Enforce // denies; the default
	Warn    = plimsoll.Warn    // only warns
)

// metadata is what the annotations of a rule, its document, package and parent
// packages say together; the nearest wins, attribute by attribute.
type metadata struct {
	title       string
	description string
	link        string
	severity    string
	enforcement Enforcement
	match       *match // nil matches everything
}

func metadataOf(chain []*ast.Annotations) metadata {
	m := metadata{enforcement: Enforce}
	for _, a := range slices.Backward(chain) {
		if a.Title != "" {
			m.title = a.Title
		}
		if a.Description != "" {
			m.description = a.Description
		}
		if len(a.RelatedResources) > 0 {
			m.link = a.RelatedResources[0].Ref.String()
		}
		if s, ok := a.Custom["severity"].(string); ok {
			m.severity = s
		}
		if s, ok := a.Custom["enforcement"].(string); ok {
			m.enforcement = Enforcement(s)
		}
		if v, ok := a.Custom["match"]; ok {
			m.match, _ = readMatch(v) // what is wrong with it is known
		}
	}
	return m
}

// checkAnnotation refuses what would silently mean something else.
func checkAnnotation(t text, a *ast.Annotations) []Problem {
	var problems []Problem
	if v, ok := a.Custom["enforcement"]; ok {
		s, _ := v.(string)
		if Enforcement(s).Check(Enforce, Warn) != nil {
			problems = append(problems, t.at(a.Location, fmt.Sprintf("custom.enforcement is %v", quoted(v)),
				fmt.Sprintf("want one of [%q, %q, \"canary:10%%\"], where a percentage is from 0 to 100 in steps of 0.01", Enforce, Warn)))
		}
	}
	if v, ok := a.Custom["severity"]; ok {
		if s, isString := v.(string); !isString || s == "" {
			problems = append(problems, t.at(a.Location, fmt.Sprintf("custom.severity is %v", quoted(v)), `want a word, such as "high"`))
		}
	}
	if v, ok := a.Custom["match"]; ok {
		if _, wrong := readMatch(v); wrong != nil {
			problems = append(problems, t.at(a.Location, "custom.match"+wrong.message, wrong.hint))
		}
	}
	return append(problems, checkContext(t, a)...)
}

func quoted(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprint(v)
}
