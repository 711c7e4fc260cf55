package policy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/policy"
)

// The first override that covers package and namespace counts, also for what is
// remembered; rules called warn only ever warn.
func TestOverrides(t *testing.T) {
	source := files("a.rego", `package labels.team

deny contains "denies"

warn contains "warns"
`, "b.rego", `# METADATA
# custom: {enforcement: warn}
package labels.tier

deny contains "introduced"
`, "c.rego", "package images\n\nviolation contains \"image\"\n")
	p, err := policy.Load(context.Background(), policy.Options{Enforcement: []policy.Override{
		{Packages: []string{"labels.team"}, Namespaces: []string{"dev-strict"}, Enforcement: policy.Enforce},
		{Packages: []string{"labels.*", "imgaes"}, Namespaces: []string{"dev-*", "test"}, Enforcement: policy.Warn},
		{Packages: []string{"labels.*"}, Namespaces: []string{"prod"}, Enforcement: policy.Enforce},
		{Packages: []string{"images"}, Enforcement: policy.Warn},
	}}, source)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for namespace, want := range map[string][2][]string{
			"default":    {{"denies"}, {"image", "warns", "introduced"}},
			"dev-1":      {nil, {"image", "denies", "warns", "introduced"}},
			"test":       {nil, {"image", "denies", "warns", "introduced"}},
			"dev-strict": {{"denies"}, {"image", "warns", "introduced"}},
			"prod":       {{"denies", "introduced"}, {"image", "warns"}},
		} {
			in := create()
			in.Namespace = namespace
			verdict, err := p.Judge(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			have := [2][]string{messages(verdict.Violations), messages(verdict.Warnings)}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("in %s, denied and warned (-want +have):\n%s", namespace, diff)
			}
		}
	}
	if diff := cmp.Diff([]string{"imgaes"}, p.Unmatched()); diff != "" {
		t.Errorf("unmatched (-want +have):\n%s", diff)
	}
}

func TestOverridesRefused(t *testing.T) {
	for name, test := range map[string]struct {
		override policy.Override
		want     string
	}{
		"no packages":         {policy.Override{Enforcement: policy.Warn}, `enforcement[0]: packages: name at least one`},
		"bad pattern":         {policy.Override{Packages: []string{"[a"}, Enforcement: policy.Warn}, `packages[0]: "[a" is no pattern`},
		"bad namespace":       {policy.Override{Packages: []string{"a"}, Namespaces: []string{""}, Enforcement: policy.Warn}, `namespaces[0]: "" is no pattern`},
		"unknown enforcement": {policy.Override{Packages: []string{"a"}, Enforcement: "wran"}, `enforcement: "wran" is none of enforce, warn, canary:PERCENT%`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Load(context.Background(), policy.Options{Enforcement: []policy.Override{test.override}}, files("a.rego", denies))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
}
