package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

// partFiles are policies whose packages depend on each other, on data, and on what packages
// above them say.
func partFiles() map[string]string {
	return map[string]string{
		"lib.rego":    "package lib\n\nbad(x) if x == data.limits.bad\n",
		"a.rego":      "package a\n\ndeny contains \"a\" if data.lib.bad(input.object.labels.a)\n",
		"b.rego":      "package b\n\ndeny contains \"b\" if input.object.labels.b == \"1\"\n\nwarn contains \"w\" if input.object.labels.w == \"1\"\n",
		"bc.rego":     "package b.c\n\ndeny contains \"c\" if input.object.labels.c == \"1\"\n",
		"d.rego":      "# METADATA\n# custom:\n#   match:\n#     namespaces: [\"prod-*\"]\npackage d\n\ndeny contains \"d\" if plimsoll.count({\"labels\": {\"d\": \"1\"}}) >= 0\n",
		"patch.rego":  "package p\n\npatch contains {\"op\": \"add\", \"path\": \"/labels/b\", \"value\": \"1\"} if input.object.labels.p\n",
		"limits.json": `{"limits": {"bad": "1"}}`,
	}
}

func loadParts(t *testing.T, byName map[string]string, overrides ...policy.Override) *policy.Policies {
	t.Helper()
	var namesAndContents []string
	for name, content := range byName {
		namesAndContents = append(namesAndContents, name, content)
	}
	p, err := policy.Load(t.Context(), policy.Options{Timeout: time.Minute, Enforcement: overrides}, files(namesAndContents...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func digests(p *policy.Policies) map[string]string {
	all := map[string]string{"(patch)": p.PatchDigest()}
	for _, part := range p.Parts() {
		all[part.Name] = part.Digest
	}
	return all
}

// The digest of a package changes with whatever its rules depend on, and with nothing else.
func TestPartDigests(t *testing.T) {
	before := digests(loadParts(t, partFiles()))
	for name, test := range map[string]struct {
		file, content string
		want          []string
	}{
		"itself":                  {"a.rego", "package a\n\ndeny contains \"x\" if data.lib.bad(input.object.labels.a)\n", []string{"a"}},
		"where a rule is":         {"a.rego", "package a\n\n\ndeny contains \"a\" if data.lib.bad(input.object.labels.a)\n", []string{"a"}},
		"what it refers to":       {"lib.rego", "package lib\n\nbad(x) if x != data.limits.bad\n", []string{"a"}},
		"a package that holds it": {"b.rego", "# METADATA\n# scope: subpackages\n# title: All of b\npackage b\n\ndeny contains \"b\" if input.object.labels.b == \"1\"\n", []string{"b", "b.c"}},
		"a match":                 {"d.rego", "package d\n\ndeny contains \"d\" if plimsoll.count({\"labels\": {\"d\": \"1\"}}) >= 0\n", []string{"d"}},
		"patches":                 {"patch.rego", "package p\n\npatch contains {\"op\": \"add\", \"path\": \"/labels/b\", \"value\": \"2\"} if input.object.labels.p\n", []string{"(patch)"}},
		"data":                    {"limits.json", `{"limits": {"bad": "2"}}`, []string{"(patch)", "a", "b", "b.c", "d"}},
		"a new file":              {"e.rego", "package e\n\ndeny contains \"e\" if input.object.labels.e\n", []string{"e"}},
		"another file of it":      {"b2.rego", "package b\n\nhelper := 1\n", []string{"b", "b.c"}},
		"nothing":                 {"a.rego", partFiles()["a.rego"], nil},
	} {
		t.Run(name, func(t *testing.T) {
			changedFiles := partFiles()
			changedFiles[test.file] = test.content
			var changed []string
			for part, digest := range digests(loadParts(t, changedFiles)) {
				if digest != before[part] {
					changed = append(changed, part)
				}
			}
			slices.Sort(changed)
			if d := cmp.Diff(test.want, changed); d != "" {
				t.Errorf("changed (-want +got):\n%s", d)
			}
		})
	}
	warned := loadParts(t, partFiles(), policy.Override{Packages: []string{"a"}, Enforcement: policy.Warn})
	for part, digest := range digests(warned) {
		if digest == before[part] {
			t.Errorf("%s does not depend on the enforcement", part)
		}
	}
}

// What the parts find is what the whole finds, however it is parted, and a part that covers
// nothing finds nothing.
func TestPartsMakeTheWhole(t *testing.T) {
	p := loadParts(t, partFiles())
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	for range 200 {
		labels := map[string]string{}
		for _, key := range []string{"a", "b", "c", "w"} {
			labels[key] = fmt.Sprint(random.IntN(2))
		}
		in := &plimsoll.Input{
			Operation: plimsoll.OperationCreate, Namespace: []string{"dev", "prod-a"}[random.IntN(2)],
			Object: &plimsoll.Container{ID: "x", Labels: labels}, Others: someOthers(),
		}
		whole, err := p.Judge(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		first := map[string]bool{}
		for _, part := range p.Parts() {
			first[part.Name] = random.IntN(2) == 0
		}
		byName := map[string]plimsoll.Verdict{}
		for _, chosen := range []func(string) bool{
			func(name string) bool { return first[name] },
			func(name string) bool { return !first[name] },
		} {
			some, err := p.JudgeParts(t.Context(), in, chosen)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range p.Parts() {
				if chosen(part.Name) {
					byName[part.Name] = only(some, part.Name)
				}
			}
		}
		var together plimsoll.Verdict
		for _, part := range p.Parts() {
			together.Add(byName[part.Name])
			if said := byName[part.Name]; !part.Covers(in) && len(said.Violations)+len(said.Warnings) > 0 {
				t.Errorf("%s does not cover %v and says %v", part.Name, labels, said)
			}
		}
		if d := cmp.Diff(whole, together); d != "" {
			t.Errorf("parts of %v (-whole +together):\n%s", first, d)
		}
	}
}

// only is what a package says.
func only(v plimsoll.Verdict, name string) plimsoll.Verdict {
	var out plimsoll.Verdict
	for _, violation := range v.Violations {
		if violation.Source.Name == name {
			out.Violations = append(out.Violations, violation)
		}
	}
	for _, warning := range v.Warnings {
		if warning.Source.Name == name {
			out.Warnings = append(out.Warnings, warning)
		}
	}
	return out
}
