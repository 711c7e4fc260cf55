package policy_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/policy"
)

// Sets are collected by names that begin like deny, unless they are helpers.
func TestPrefixedNames(t *testing.T) {
	for name, test := range map[string]struct {
		files    []string
		denies   []string
		warnings []string
	}{
		"deny":           {[]string{"a.rego", "package a\n\ndeny_no_team contains \"no team\"\n"}, []string{"no team"}, nil},
		"violation":      {[]string{"a.rego", "package a\n\nviolation_1 contains {\"msg\": \"one\"}\n"}, []string{"one"}, nil},
		"warn":           {[]string{"a.rego", "package a\n\nwarn_x contains \"w\"\n"}, nil, []string{"w"}},
		"of METADATA":    {[]string{"a.rego", "package a\n\n# METADATA\n# custom:\n#   enforcement: warn\ndeny_x contains \"w\"\n"}, nil, []string{"w"}},
		"beside deny":    {[]string{"a.rego", "package a\n\ndeny contains \"a\"\n\ndeny_b contains \"b\"\n"}, []string{"a", "b"}, nil},
		"some clauses":   {[]string{"a.rego", "package a\n\ndeny_b contains \"b\"\n\ndeny_b contains \"c\"\n"}, []string{"b", "c"}, nil},
		"in a tree":      {[]string{"a.rego", "package a\n\nb.deny_c contains \"c\"\n"}, []string{"c"}, nil},
		"a helper":       {[]string{"a.rego", "package a\n\ndeny contains \"a\" if count(deny_names) == 1\n\ndeny_names contains \"x\"\n"}, []string{"a"}, nil},
		"other file":     {[]string{"a.rego", "package a\n\ndeny contains \"a\" if \"x\" in deny_names\n", "b.rego", "package a\n\ndeny_names contains \"x\"\n"}, []string{"a"}, nil},
		"of a package":   {[]string{"a.rego", "package a\n\ndeny contains \"a\" if \"x\" in data.b.deny_names\n", "b.rego", "package b\n\ndeny_names contains \"x\"\n"}, []string{"a"}, nil},
		"imported":       {[]string{"a.rego", "package a\n\nimport data.b\n\ndeny contains \"a\" if \"x\" in b.deny_names\n", "b.rego", "package b\n\ndeny_names contains \"x\"\n"}, []string{"a"}, nil},
		"imported alone": {[]string{"a.rego", "package a\n\nimport data.b.deny_names as names\n\ndeny contains \"a\" if names.x\n", "b.rego", "package b\n\ndeny_names contains \"x\"\n"}, []string{"a"}, nil},
		"a function":     {[]string{"a.rego", "package a\n\ndeny contains \"a\"\n\ndeny_if(x) if x\n"}, []string{"a"}, nil},
		"a helper elsewhere is none here": {
			[]string{"a.rego", "package a\n\ndeny contains \"a\" if \"x\" in deny_names\n\ndeny_names contains \"x\"\n", "b.rego", "package b\n\ndeny_names contains \"b\"\n"},
			[]string{"a", "b"},
			nil,
		},
		"read with all others": {
			[]string{"a.rego", "package a\n\ndeny contains \"a\" if count(data.b[_]) == 1\n", "b.rego", "package b\n\ndeny_x contains \"x\"\n"},
			[]string{"a", "x"},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			verdict, err := mustLoad(t, files(test.files...)).Judge(context.Background(), create())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.denies, messages(verdict.Violations)); diff != "" {
				t.Errorf("denies (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.warnings, messages(verdict.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// What warns never denies, whatever its full name.
func TestPrefixedWarnStays(t *testing.T) {
	options := policy.Options{Timeout: time.Minute, Enforcement: []policy.Override{{Packages: []string{"a"}, Enforcement: policy.Enforce}}}
	p, err := policy.Load(t.Context(), options, files("a.rego", "package a\n\nwarn_x contains \"w\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := p.Judge(t.Context(), create())
	if err != nil || len(verdict.Violations) != 0 || len(verdict.Warnings) != 1 {
		t.Errorf("verdict %+v, error %v", verdict, err)
	}
}

// Rules that are called almost like those that decide, and that nothing reads.
func TestNearMisses(t *testing.T) {
	unread := func(name string) string {
		return "no rule refers to " + name + ", and it does not decide: that do deny, violation, warn, patch"
	}
	noSet := func(name string) string { return "no rule refers to " + name + ", and it decides only as a set" }
	const (
		deny  = "did you mean deny, or deny_…?"
		warn  = "did you mean warn, or warn_…?"
		shape = "rules that decide look like: deny contains \"reason\" if { ... }"
	)
	for rule, test := range map[string]struct{ message, hint string }{
		`denies contains "x"`:                     {unread("denies"), deny},
		`denied contains "x"`:                     {unread("denied"), deny},
		`deny1 contains "x"`:                      {unread("deny1"), deny},
		`Deny contains "x"`:                       {unread("Deny"), deny},
		`denyTeam contains "x"`:                   {unread("denyTeam"), deny},
		`deny_ contains "x"`:                      {unread("deny_"), deny},
		`violations contains "x"`:                 {unread("violations"), "did you mean violation, or violation_…?"},
		`warning contains "x"`:                    {unread("warning"), warn},
		`warnings contains "x"`:                   {unread("warnings"), warn},
		`patches contains {"image": "x"}`:         {unread("patches"), "did you mean patch?"},
		`patch_team contains {"image": "x"}`:      {unread("patch_team"), "did you mean patch?"},
		`b.denies contains "x"`:                   {unread("denies"), deny},
		`deny_x if input.object.image == "x"`:     {noSet("deny_x"), shape},
		`deny_x[y] := 1 if some y in ["a"]`:       {noSet("deny_x"), shape},
		`deny_x := "x" if input.object.id == "x"`: {noSet("deny_x"), shape},
	} {
		t.Run(rule, func(t *testing.T) {
			_, err := policy.Load(t.Context(), policy.Options{}, files("a.rego", "package a\n\ndeny contains \"y\"\n\n"+rule+"\n"))
			var failed *policy.LoadError
			if !errors.As(err, &failed) || len(failed.Problems) != 1 {
				t.Fatalf("error is %v", err)
			}
			if p := failed.Problems[0]; p.Line != 5 || p.Message != test.message || p.Hint != test.hint {
				t.Errorf("problem is %+v, want %q and %q", p, test.message, test.hint)
			}
		})
	}
	for name, rules := range map[string]struct{ a, b string }{
		"read":               {a: "denies contains \"x\"\n\nwarn contains x if some x in denies"},
		"read elsewhere":     {a: "denies contains \"x\"", b: "warn contains x if some x in data.a.denies"},
		"read by a variable": {a: "denies contains \"x\"", b: "warn contains x if some x in data.a[\"denies\"]"},
		"read with others":   {a: "denies contains \"x\"", b: "warn contains x if some x in data.a[_]"},
		"no set":             {a: "denied if input.object.image == \"x\""},
		"far off":            {a: "images contains \"x\"\n\nteams contains \"y\"\n\ndenylist contains \"z\""},
	} {
		t.Run(name, func(t *testing.T) {
			mustLoad(t, files("a.rego", "package a\n\n"+rules.a+"\n", "b.rego", "package b\n\ndeny contains \"y\"\n\n"+rules.b+"\n"))
		})
	}
}
