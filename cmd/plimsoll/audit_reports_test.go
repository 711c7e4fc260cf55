package main

import (
	"bytes"
	"strings"
	"testing"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// What is no report is not taken for one.
func TestCheckJUnit(t *testing.T) {
	for name, report := range map[string]string{
		"another root":      `<testsuite name="a" tests="0" failures="0" errors="0" time="0"/>`,
		"unknown element":   `<testsuites><case/></testsuites>`,
		"unknown attribute": `<testsuites colour="blue"/>`,
		"no name":           `<testsuites><testsuite tests="0" failures="0" errors="0" time="0"/></testsuites>`,
		"no number":         `<testsuites><testsuite name="a" tests="x" failures="0" errors="0" time="0"/></testsuites>`,
		"wrong count":       `<testsuites><testsuite name="a" tests="1" failures="0" errors="0" skipped="0" time="0"/></testsuites>`,
		"text":              `<testsuites>text</testsuites>`,
		"not closed":        `<testsuites>`,
	} {
		if err := checkJUnit(strings.NewReader(report)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// Whatever rules and containers are called, reports are what the formats' readers take.
func TestAuditReports(t *testing.T) {
	odd := "\x00\x1b[31m<&\"'\u2028\nü"
	policySource := &plimsollv1.Source{Kind: plimsollv1.Source_KIND_POLICY, Name: "labels.team", Rule: "deny", File: "p q/ü.rego", Line: 3}
	findings := []*plimsollv1.AuditFinding{
		{Container: &plimsollv1.ContainerRef{Namespace: "one", Id: "a"}, Opinion: &plimsollv1.Opinion{
			Standing: plimsollv1.Standing_STANDING_DENIED,
			Verdict: &plimsollv1.Verdict{
				Violations: []*plimsollv1.Violation{
					{Message: odd, Field: odd, Fix: odd, Link: "https://example.org/a", Title: "t", Source: policySource},
					{Message: "no line", Link: "no link", Source: &plimsollv1.Source{Kind: plimsollv1.Source_KIND_POLICY, Name: "b", Rule: "deny", File: "b.rego"}},
					{Message: "validator", Source: &plimsollv1.Source{Kind: plimsollv1.Source_KIND_VALIDATOR, Name: "v", Version: "1.0.0"}},
				},
				Warnings: []*plimsollv1.Violation{{Message: "w", Source: policySource}},
			},
		}},
		{Container: &plimsollv1.ContainerRef{Namespace: "two", Id: "b"}, Opinion: &plimsollv1.Opinion{Standing: plimsollv1.Standing_STANDING_FAILED, Error: odd}},
		{Container: &plimsollv1.ContainerRef{Namespace: odd, Id: odd}, Opinion: &plimsollv1.Opinion{Standing: plimsollv1.Standing_STANDING_FAILED, Error: "e", Failed: policySource}},
	}
	for _, findings := range [][]*plimsollv1.AuditFinding{nil, findings} {
		summary := &plimsollv1.AuditSummary{Ruleset: "sha256:00", Revision: 7}
		report := newSARIF(findings, summary)
		if err := report.Validate(); err != nil {
			t.Errorf("SARIF of %d findings: %v", len(findings), err)
		}
		if want := map[int]int{0: 0, 3: 6}[len(findings)]; len(report.Runs[0].Results) != want {
			t.Errorf("%d results, want %d", len(report.Runs[0].Results), want)
		}
		var junit bytes.Buffer
		if err := writeAuditJUnit(&junit, findings, summary); err != nil {
			t.Fatal(err)
		}
		if err := checkJUnit(&junit); err != nil {
			t.Errorf("JUnit of %d findings: %v", len(findings), err)
		}
	}
}
