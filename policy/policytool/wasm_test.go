package policytool_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/plimsoll-project/plimsoll/policy/policytool"
)

const denying = "package main\n\ndeny contains data.words.no if input.object.id == \"no\"\n"

// The same sources make the same module, wherever they lie and whatever else does.
func TestCompileWasm(t *testing.T) {
	sources := fstest.MapFS{
		"policy.rego":    {Data: []byte(denying)},
		"words.rego":     {Data: []byte("package words\n\nno := \"no\"\n")},
		"main_test.rego": {Data: []byte("package main_test\n\ntest_x if missing(1)\n")},
		"README.md":      {Data: []byte("# no policy")},
	}
	module, err := policytool.CompileWasm(t.Context(), sources, "main/deny")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(module, []byte("\x00asm\x01\x00\x00\x00")) {
		t.Errorf("the module begins with %q", module[:8])
	}
	again, err := policytool.CompileWasm(t.Context(), sources, "main/deny")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(module, again) {
		t.Error("the same sources made another module")
	}
}

func TestCompileWasmErrors(t *testing.T) {
	tests := map[string]struct{ source, entrypoint, want string }{
		"does not parse":     {"package main\n\ndeny contains", "main/deny", "policy.rego:3"},
		"does not compile":   {"package main\n\ndeny contains missing(1)", "main/deny", "undefined function missing"},
		"no such entrypoint": {denying, "main/denied", "main/denied"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := policytool.CompileWasm(t.Context(), fstest.MapFS{"policy.rego": {Data: []byte(test.source)}}, test.entrypoint)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %q", err, test.want)
			}
		})
	}
}
