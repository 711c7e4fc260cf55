package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plimsoll-project/plimsoll"
)

// A package sees what the packages see that it refers to, in whatever way.
func TestVisibleTo(t *testing.T) {
	const helper = "package lib.spec\n\nargs := input.object.spec.process.args\n\nf(x) := input.object.spec.root.path\n"
	for name, test := range map[string]struct {
		rego  string
		sees  []string
		specs bool
	}{
		"itself alone":            {`deny contains "x" if input.object.labels.a`, []string{"object.labels.a"}, false},
		"a helper":                {`deny contains "x" if data.lib.spec.args[0] == "a"`, []string{"object.spec.process.args", "object.spec.root.path"}, true},
		"an import":               {"import data.lib.spec as s\ndeny contains \"x\" if s.args[0] == \"a\"", []string{"object.spec.process.args", "object.spec.root.path"}, true},
		"a function":              {`deny contains "x" if data.lib.spec.f(1) == "a"`, []string{"object.spec.process.args", "object.spec.root.path"}, true},
		"a package by a variable": {`deny contains "x" if { some name; data.lib[name].args[0] == "a" }`, []string{"object.spec.process.args", "object.spec.root.path"}, true},
		"parameters":              {`deny contains "x" if data.parameters.a == input.namespace`, []string{"namespace"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Load(t.Context(), Options{}, FS("policies", fstest.MapFS{
				"p.rego": {Data: []byte("package p\n\n" + test.rego + "\n")}, "lib.rego": {Data: []byte(helper)},
			}))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.sees, p.seen().paths()); diff != "" {
				t.Errorf("seen (-want +have):\n%s", diff)
			}
			if have := p.groups[0].whole.seesOfObjects("spec"); have != test.specs {
				t.Errorf("sees specs: %v", have)
			}
		})
	}
}

// What is remembered is what would be found again, whatever differs between inputs.
func TestVerdictsAreRemembered(t *testing.T) {
	source := FS("policies", fstest.MapFS{"p.rego": {Data: []byte(`package labels

deny contains sprintf("team %v of %s", [input.object.labels.team, input.object.id]) if input.object.labels.team != "core"

warn contains "old" if input.old_object.labels.team
`)}, "q.rego": {Data: []byte(`package specs

deny contains {"msg": sprintf("mount %d", [i]), "field": sprintf("spec.mounts[%d]", [i])} if {
	some i, m in input.object.spec.mounts
	not startswith(m, "/")
}

deny contains "operation" if { input.operation == "DELETE"; input.object.spec.keep }
`)}})
	load := func() *Policies {
		p, err := Load(t.Context(), Options{Timeout: time.Minute}, source)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	remembers := load()
	if len(remembers.groups) != 2 {
		t.Fatalf("%d groups", len(remembers.groups))
	}
	specs := []string{
		`{"mounts": ["/a", "b"], "x": %d}`, `{"mounts": ["/a"], "x": %d}`, `{"mounts": [], "keep": true, "x": %d}`, `{"x": %d}`,
		`{"mo\u0075nts": ["a"], "x": %d}`, `{"mounts": "a", "x": %d}`, `{"mounts": {"mounts": "a"}, "x": %d}`,
	}
	rapid.Check(t, func(t *rapid.T) {
		forgets := load()
		for range 20 {
			c := &plimsoll.Container{
				ID:     rapid.SampledFrom([]string{"a", "b"}).Draw(t, "id"),
				Labels: map[string]string{"team": rapid.SampledFrom([]string{"core", "web", ""}).Draw(t, "team")},
				Spec:   plimsoll.Any{Value: fmt.Appendf(nil, rapid.SampledFrom(specs).Draw(t, "spec"), rapid.IntRange(0, 9).Draw(t, "x"))},
			}
			in := &plimsoll.Input{Operation: rapid.SampledFrom([]plimsoll.Operation{"CREATE", "UPDATE", "DELETE"}).Draw(t, "operation"), Object: c}
			if rapid.Bool().Draw(t, "old") {
				in.Old = c
			}
			forgets.forget()
			want, wantErr := forgets.Judge(context.Background(), in)
			have, haveErr := remembers.Judge(context.Background(), in)
			if diff := cmp.Diff(want, have); diff != "" || fmt.Sprint(wantErr) != fmt.Sprint(haveErr) {
				t.Fatalf("%s: errors %v and %v, verdicts (-anew +remembered):\n%s", in.Object.Spec.Value, wantErr, haveErr, diff)
			}
			have.Violations = append(have.Violations, plimsoll.Violation{Message: "mine"}) // a caller's verdict is its own
		}
	})
	if n := remembers.groups[1].verdicts.Len(); n == 0 || n > 100 {
		t.Errorf("%d verdicts are remembered", n)
	}
}

// forget makes p evaluate everything anew.
func (p *Policies) forget() {
	for _, g := range p.groups {
		g.verdicts.Purge()
	}
}

// BenchmarkRemembered judges containers whose specs differ in what no rule looks at, and
// in what one does.
func BenchmarkRemembered(b *testing.B) {
	p, err := Load(context.Background(), Options{}, Path("../examples/policies"))
	if err != nil {
		b.Fatal(err)
	}
	for name, old := range map[string]string{"alike": `"web-1"`, "different": `"nosuid"`} {
		b.Run(name, func(b *testing.B) {
			base := benchInput(b)
			for i := 0; b.Loop(); i++ {
				in := &plimsoll.Input{Operation: base.Operation, Namespace: base.Namespace, User: base.User, Object: base.Object.Clone()}
				in.Object.Spec.Value = []byte(strings.Replace(string(in.Object.Spec.Value), old, fmt.Sprintf("%q", fmt.Sprint("n", i)), 1))
				if _, err := p.Judge(context.Background(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
