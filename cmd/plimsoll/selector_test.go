package main

import (
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/filters"
	"github.com/google/go-cmp/cmp"
)

func TestSelectorFilter(t *testing.T) {
	for _, test := range []struct{ selector, want string }{
		{"", ""},
		{"team=core", `labels."team"=="core"`},
		{"team==core, tier != web", `labels."team"=="core",labels."tier"!="web"`},
		{"example.org/team", `labels."example.org/team"`},
		{"!canary", `labels."canary"~="^$"`},
		{"team in (core, pay.ments),!x", `labels."team"~="^(core|pay\\.ments)$",labels."x"~="^$"`},
		{"team notin (core,payments)", `labels."team"!="core",labels."team"!="payments"`},
		{"team=", `labels."team"~="^$"`},
		{"team!=", `labels."team"`},
	} {
		t.Run(test.selector, func(t *testing.T) {
			got, err := selectorFilter(test.selector)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if _, err := filters.Parse(got); err != nil {
				t.Errorf("containerd does not take it: %v", err)
			}
		})
	}
	for _, bad := range []string{",", "team=core,", "team>5", "a b", "team in core", "team in (a", "team)", "=x", "!", "team=a=b", "(team)"} {
		if got, err := selectorFilter(bad); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

// A selector selects what kubectl says that it does, and is a filter whatever it is.
func FuzzSelectorFilter(f *testing.F) {
	f.Add("team in (a,b),!x", "a")
	f.Add("team!=é\"\\", "")
	f.Fuzz(func(t *testing.T, selector, value string) {
		text, err := selectorFilter(selector)
		if err != nil {
			return
		}
		if _, err := filters.Parse(text); err != nil {
			t.Fatalf("%q became %q: %v", selector, text, err)
		}
		if value == "" || strings.ContainsAny(value, " \t\r\n\v\f,=!()<>\u0085\u00a0") {
			return
		}
		text, err = selectorFilter("key=" + value)
		if err != nil {
			t.Fatal(err)
		}
		filter, err := filters.Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if !filter.Match(filters.AdapterFunc(func([]string) (string, bool) { return value, true })) {
			t.Errorf("%q does not match %q", text, value)
		}
	})
}
