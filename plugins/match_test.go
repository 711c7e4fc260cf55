package plugins

import (
	"testing"

	"github.com/plimsoll-project/plimsoll"
)

func TestMatchCovers(t *testing.T) {
	create := []plimsoll.Operation{plimsoll.OperationCreate}
	for _, tt := range []struct {
		name  string
		match Match
		want  bool
	}{
		{"everything", Match{Operations: create}, true},
		{"another operation", Match{Operations: []plimsoll.Operation{plimsoll.OperationDelete}}, false},
		{"no operation", Match{}, false},
		{"runtime", Match{Operations: create, Runtimes: []string{"io.containerd.runc.v2"}}, true},
		{"runtime pattern", Match{Operations: create, Runtimes: []string{"io.containerd.runc.*"}}, true},
		{"one of two patterns", Match{Operations: create, Runtimes: []string{"x", "io.*"}}, true},
		{"pattern is not a prefix", Match{Operations: create, Runtimes: []string{"io.containerd.runc"}}, false},
		{"pattern is not a suffix", Match{Operations: create, Runtimes: []string{"*.runc"}}, false},
		{"other runtime", Match{Operations: create, Runtimes: []string{"io.containerd.kata.*"}}, false},
		{"class", Match{Operations: create, Runtimes: []string{"io.containerd.runc.v[12]"}}, true},
		{"spec type across slashes", Match{Operations: create, SpecTypes: []string{"types.containerd.io/*"}}, true},
		{"spec type with its slashes", Match{Operations: create, SpecTypes: []string{"types.containerd.io/opencontainers/*/1/Spec"}}, true},
		{"other spec type", Match{Operations: create, SpecTypes: []string{"example.org/*"}}, false},
		{"namespace", Match{Operations: create, Namespaces: []string{"def*"}}, true},
		{"other namespace", Match{Operations: create, Namespaces: []string{"prod"}}, false},
		{"all must fit", Match{Operations: create, Namespaces: []string{"default"}, Runtimes: []string{"kata"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.match.covers(input(smallSpec)); got != tt.want {
				t.Errorf("covers is %v, want %v", got, tt.want)
			}
		})
	}
}

// TestStarMatchesPaths: clients may name a runtime by the path of its shim, and "*"
// must not let it go unjudged.
func TestStarMatchesPaths(t *testing.T) {
	in := input(smallSpec)
	in.Object.Runtime.Name = "/usr/local/bin/containerd-shim-runc-v2"
	for pattern, want := range map[string]bool{
		"*": true, "*runc*": true, "/usr/*": true, "/usr/local/bin/containerd-shim-runc-v?": true, "io.containerd.runc.*": false,
	} {
		m := Match{Operations: operations, Runtimes: []string{pattern}}
		if got := m.covers(in); got != want {
			t.Errorf("%q covers a path: %v, want %v", pattern, got, want)
		}
	}
}

// A label or a spec's type that is changed does not take an update out of sight.
func TestMatchCoversUpdates(t *testing.T) {
	match := Match{
		Operations: []plimsoll.Operation{plimsoll.OperationUpdate}, SpecTypes: []string{specType}, Labels: map[string]string{"tier": "prod-*", "owner": "*"},
	}
	state := func(specType string, labels map[string]string) *plimsoll.Container {
		return &plimsoll.Container{Labels: labels, Spec: plimsoll.Any{TypeURL: specType}}
	}
	prod, test := map[string]string{"tier": "prod-eu", "owner": ""}, map[string]string{"tier": "test", "owner": "x"}
	for _, tt := range []struct {
		name        string
		old, object *plimsoll.Container
		want        bool
	}{
		{"fits before and after", state(specType, prod), state(specType, prod), true},
		{"fits before", state(specType, prod), state(specType, test), true},
		{"fits after", state(specType, test), state(specType, prod), true},
		{"label taken away", state(specType, prod), state(specType, map[string]string{"owner": "x"}), true},
		{"all labels taken away", state(specType, prod), state(specType, nil), true},
		{"type changed", state(specType, prod), state("x", prod), true},
		{"never fits", state(specType, test), state(specType, nil), false},
		{"one of two labels", state(specType, map[string]string{"tier": "prod-eu"}), state(specType, map[string]string{"owner": "x"}), false},
		{"half before and half after", state(specType, test), state("x", prod), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &plimsoll.Input{Operation: plimsoll.OperationUpdate, Object: tt.object, Old: tt.old}
			if got := match.covers(in); got != tt.want {
				t.Errorf("covers is %v, want %v", got, tt.want)
			}
		})
	}
	if create := input(smallSpec); (Match{Operations: []plimsoll.Operation{plimsoll.OperationCreate}, Labels: map[string]string{"a": "*"}}).covers(create) {
		t.Error("a container without labels fits one that asks for some")
	}
}
