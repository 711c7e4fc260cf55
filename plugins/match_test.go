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
