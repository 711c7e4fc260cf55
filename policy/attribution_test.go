package policy_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

// said is where something was said.
type said struct {
	Message, Package, Rule, File string
	Line                         int
}

func allSaid(violations []plimsoll.Violation) []said {
	var all []said
	for _, v := range violations {
		all = append(all, said{v.Message, v.Source.Name, v.Source.Rule, v.Source.File, v.Source.Line})
	}
	return all
}

// Every violation is from the clause that produced it, whatever that one is made of.
func TestAttribution(t *testing.T) {
	p := mustLoad(t, files("set.rego", `package set

import data.lib
import data.lib.shout as loud
import input.object.labels as labels

local(x) := y if y := concat("", [x, "!"]) else := "none"

default fallback := "fallback"

deny contains "same"

deny contains "same" if true

deny contains m if some m in ["some"]

deny contains m if {
	every _, v in labels { is_string(v) }
	m := "every"
}

deny contains m if m := concat(",", sort([v | some v in labels]))

deny contains loud("imported")

deny contains lib.greeting

deny contains local("local")

deny contains fallback

deny contains {"msg": m, "field": "id"} if m := input.object.id

deny contains sprintf("%d here", [count(deny_count)])

deny_count contains 1
`, "same_package.rego", `package set

# reads what is in the other file
deny contains local("from another file")

deny contains concat(" ", data.words)
`, "lib.rego", `package lib

shout(x) := upper(x)

greeting := "hello"

`, "data.json", `{"words": ["from", "data"]}`,
		"odd.rego", `package odd["na me"].x

violation contains "a"

violation contains "b"
`, "default.rego", `package whole

default deny := false

deny if input.object.id == "other"

deny if {
	input.object.id == "web-1"
}
`, "reader.rego", `package reader

# The set itself is still there for others, and no copy of it shows.
deny contains sprintf("%d said", [count(data.set.deny)])

deny contains sprintf("%d names", [count({name | some name, _ in data.set})])
`))
	verdict, err := p.Judge(context.Background(), create())
	if err != nil {
		t.Fatal(err)
	}
	want := []said{
		{"a", `odd["na me"].x`, "violation", "policies/odd.rego", 3},
		{"b", `odd["na me"].x`, "violation", "policies/odd.rego", 5},
		{"12 said", "reader", "deny", "policies/reader.rego", 4},
		{"3 names", "reader", "deny", "policies/reader.rego", 6},
		{"from another file!", "set", "deny", "policies/same_package.rego", 4},
		{"from data", "set", "deny", "policies/same_package.rego", 6},
		{"same", "set", "deny", "policies/set.rego", 11},
		{"same", "set", "deny", "policies/set.rego", 13},
		{"some", "set", "deny", "policies/set.rego", 15},
		{"every", "set", "deny", "policies/set.rego", 17},
		{"alice,core", "set", "deny", "policies/set.rego", 22},
		{"IMPORTED", "set", "deny", "policies/set.rego", 24},
		{"hello", "set", "deny", "policies/set.rego", 26},
		{"local!", "set", "deny", "policies/set.rego", 28},
		{"fallback", "set", "deny", "policies/set.rego", 30},
		{"web-1", "set", "deny", "policies/set.rego", 32},
		{"1 here", "set", "deny", "policies/set.rego", 34},
		{"rule whole.deny holds", "whole", "deny", "policies/default.rego", 5},
	}
	if diff := cmp.Diff(want, allSaid(verdict.Violations)); diff != "" {
		t.Errorf("violations (-want +have):\n%s", diff)
	}
}

// Rules that ask for their own annotations get those of the original.
func TestOwnAnnotations(t *testing.T) {
	p := mustLoad(t, files("a.rego", `# METADATA
# scope: subpackages
# title: of the parent
package a
`, "b.rego", `# METADATA
# title: of the package
package a.b

# METADATA
# scope: document
# title: of the document

# METADATA
# title: of the rule
deny contains rego.metadata.rule().title

deny contains title if title := rego.metadata.chain()[_].annotations.title
`))
	verdict, err := p.Judge(context.Background(), create())
	if err != nil {
		t.Fatal(err)
	}
	want := []said{
		{"of the rule", "a.b", "deny", "policies/b.rego", 11},
		{"of the document", "a.b", "deny", "policies/b.rego", 13},
		{"of the package", "a.b", "deny", "policies/b.rego", 13},
		{"of the parent", "a.b", "deny", "policies/b.rego", 13},
	}
	if diff := cmp.Diff(want, allSaid(verdict.Violations)); diff != "" {
		t.Errorf("violations (-want +have):\n%s", diff)
	}
}

func TestMetadata(t *testing.T) {
	p := mustLoad(t, files("parent.rego", `# METADATA
# scope: subpackages
# custom:
#   severity: low
#   enforcement: warn
package a
`, "b.rego", `# METADATA
# title: Package
# description: What it is for.
# related_resources:
# - https://example.org/package
package a.b

# METADATA
# title: Rule
# related_resources:
# - ref: https://example.org/rule
# - ref: https://example.org/other
# custom:
#   enforcement: enforce
#   severity: high
deny contains "rule"

deny contains {"msg": "own", "link": "https://example.org/own", "severity": "odd", "field": "f", "code": "C", "fix": "x"}

# METADATA
# custom:
#   enforcement: enforce
warn contains "a warning, whatever it says"
`, "c.rego", `package c

# METADATA
# scope: document
# title: Document
violation contains "first"

violation contains "second"
`))
	verdict, err := p.Judge(context.Background(), create())
	if err != nil {
		t.Fatal(err)
	}
	source := func(pkg, rule, file string, line int) plimsoll.Source {
		return plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: pkg, Rule: rule, File: file, Line: line}
	}
	want := plimsoll.Verdict{
		Violations: []plimsoll.Violation{
			{
				Message: "rule", Title: "Rule", Link: "https://example.org/rule", Severity: "high",
				Source: source("a.b", "deny", "policies/b.rego", 16),
			},
			{Message: "first", Title: "Document", Source: source("c", "violation", "policies/c.rego", 6)},
			{Message: "second", Title: "Document", Source: source("c", "violation", "policies/c.rego", 8)},
		},
		Warnings: []plimsoll.Violation{
			{
				Message: "own", Field: "f", Code: "C", Fix: "x", Title: "Package", Link: "https://example.org/own", Severity: "odd",
				Source: source("a.b", "deny", "policies/b.rego", 18),
			},
			{
				Message: "a warning, whatever it says", Title: "Package", Link: "https://example.org/package", Severity: "low",
				Source: source("a.b", "warn", "policies/b.rego", 23),
			},
		},
	}
	if diff := cmp.Diff(want, verdict); diff != "" {
		t.Errorf("verdict (-want +have):\n%s", diff)
	}
	packages := []policy.Package{
		{
			Name: "a.b", Title: "Rule", Description: "What it is for.", Enforcement: policy.Enforce,
			Rules: []string{"deny", "warn"}, Files: []string{"policies/b.rego"},
		},
		{Name: "c", Title: "Document", Enforcement: policy.Enforce, Rules: []string{"violation"}, Files: []string{"policies/c.rego"}},
	}
	if diff := cmp.Diff(packages, p.Packages()); diff != "" {
		t.Errorf("packages (-want +have):\n%s", diff)
	}
}
