package service

import (
	"strings"
	"testing"

	"github.com/plimsoll-project/plimsoll"
)

// Whatever Go would take for a field of a spec is a field of it to everybody.
func TestSpecNames(t *testing.T) {
	for _, test := range []struct {
		name, spec string
		problem    string // empty if the spec is fine
	}{
		{"as it should be", `{"linux":{"namespaces":[{"type":"pid"}],"resources":{"cpu":{}}}}`, ""},
		{"capital", `{"Linux":{}}`, `"Linux" for "linux"`},
		{"beside the right one", `{"linux":{},"LINUX":{}}`, `"LINUX" for "linux"`},
		{"inside", `{"process":{"Capabilities":{}}}`, `"process.Capabilities" for "capabilities"`},
		{"in an array", `{"mounts":[{"destination":"/a"},{"Source":"/etc"}]}`, `"mounts.1.Source" for "source"`},
		{"in a map", `{"linux":{"resources":{"rdma":{"mlx":{"HcaHandles":1}}}}}`, `"linux.resources.rdma.mlx.HcaHandles" for "hcaHandles"`},
		{"long s", `{"mountſ":[]}`, `for "mounts"`},
		{"Kelvin sign", `{"hoo\u212as":{}}`, `for "hooks"`},
		{"escaped", `{"\u004cinux":{}}`, `"Linux" for "linux"`},
		{"known in capitals", `{"process":{"consoleSize":{"height":1}},"linux":{"personality":{"domain":"LINUX"}}}`, ""},
		{"unknown", `{"linuxx":{"Linux":{}},"l\u0131nux":{}}`, ""},
		{"names of the caller's", `{"annotations":{"Linux":"a","linux":"b"},"linux":{"sysctl":{"Type":"1"}}}`, ""},
		{"of another type", `{"linux":[{"Type":1}],"mounts":{"a":{"destination":"/"}}}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, url := range []string{ociType, "example.org/Other"} {
				err := checkSpec(plimsoll.Any{TypeURL: url, Value: []byte(test.spec)})
				if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
					t.Errorf("%s: error is %v, want %q", url, err, test.problem)
				}
			}
		})
	}
}
