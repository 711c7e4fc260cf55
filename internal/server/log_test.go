package server

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
)

func violations(rules, each int) []plimsoll.Violation {
	var all []plimsoll.Violation
	for i := range rules {
		for j := range each {
			all = append(all, plimsoll.Violation{
				Message: "CANARY-message", Field: fmt.Sprintf("CANARY-field[%d]", j), Code: "CANARY-code", Fix: "CANARY-fix",
				Source: plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "p", File: "a.rego", Line: i},
			})
		}
	}
	return all
}

func TestRulesOf(t *testing.T) {
	if diff := cmp.Diff([]string{"p a.rego:0", "p a.rego:1"}, rulesOf(violations(2, 1000))); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	many := rulesOf(violations(1000, 2))
	if len(many) != maxLoggedRules+1 || many[maxLoggedRules] != "..." {
		t.Errorf("%d rules, the last is %q", len(many), many[len(many)-1])
	}
}

// How long a line is, and what is in it, is not up to whoever made the request.
func TestLogDecision(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log, err := newLogger(&out, format, "debug")
		if err != nil {
			t.Fatal(err)
		}
		logDecision(log, plimsoll.Decision{
			ID: "d1", Outcome: plimsoll.OutcomeDenied, Key: plimsoll.Key{Namespace: "default", ID: "web"},
			Verdict: plimsoll.Verdict{Violations: violations(3, 10_000), Warnings: violations(1, 1)},
		})
		line := out.String()
		if len(line) > 1024 || strings.Count(line, "\n") != 1 || strings.Contains(line, "CANARY") {
			t.Errorf("%s: %d bytes: %.1024s", format, len(line), line)
		}
		for _, want := range []string{"p a.rego:2", "30000", "d1", "web"} {
			if !strings.Contains(line, want) {
				t.Errorf("%s lacks %q: %s", format, want, line)
			}
		}
	}
}
