package js_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/plugins/js"
)

// open makes a validator of a script. What it writes to standard error goes to said.
func open(t *testing.T, script string, said *strings.Builder) (*plugins.Trial, error) {
	t.Helper()
	module, err := js.Module([]byte(script))
	if err != nil {
		t.Fatal(err)
	}
	trial, err := plugins.NewTrial(t.Context(), module, plugins.TrialOptions{Options: plugins.Options{Stderr: said}})
	if err == nil {
		t.Cleanup(func() {
			if err := trial.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return trial, err
}

// script does what a request says. The engine takes a while to compile, so there is one
// for all that does not end when it is evaluated.
const script = `
const words = ["x", "y"].join();
const found = (msg) => ({ violations: [{ msg }] });
const validate = (r) => {
  switch (r.do) {
    case "echo": return found(String(r.a));
    case "settings": return found(JSON.stringify(r.settings));
    case "prepared": return found(words);
    case "throw": throw new TypeError("no");
    case "throw text": throw "no";
    case "cycle": r.r = r; return r;
    case "nothing": return;
    case "calls": return validate(r);
    case "nests": return JSON.parse("[".repeat(100000));
  }
  return { violations: [] };
};
globalThis.validate = validate;
`

func TestModule(t *testing.T) {
	var said strings.Builder
	trial, err := open(t, script+strings.Repeat(" ", js.MaxScript-len(script)), &said)
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	const trapped = "validator module failed: it trapped: unreachable"
	tests := map[string]struct{ document, found, fault, said string }{
		"valid":         {document: `{"do": ""}`},
		"reads":         {document: `{"do": "echo", "a": "é\u0001"}`, found: "é\x01"},
		"settings":      {document: `{"do": "settings"}`, found: "{}"},
		"prepared":      {document: `{"do": "prepared"}`, found: "x,y"},
		"unreadable":    {document: "{\"do\": \"\xff\"}", found: "the request is not JSON that can be read"},
		"throws":        {document: `{"do": "throw"}`, fault: trapped, said: "TypeError: no\n    at validate (validator.js:9)\n"},
		"throws a text": {document: `{"do": "throw text"}`, fault: trapped, said: "no\n"},
		"cycle":         {document: `{"do": "cycle"}`, fault: trapped, said: "TypeError: circular reference\n"},
		"no verdict":    {document: `{"do": "nothing"}`, fault: trapped, said: "validate returned no verdict\n"},
		"calls":         {document: `{"do": "calls"}`, fault: "validator module failed: "}, // by whichever bound it meets first
		"nests":         {document: `{"do": "nests"}`, fault: "validator module "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			said.Reset()
			call, err := trial.Ask(t.Context(), []byte(test.document))
			switch {
			case test.fault == "" && err != nil:
				t.Fatalf("%v\n%s", err, &said)
			case test.fault != "" && (err == nil || !strings.HasPrefix(err.Error(), test.fault)):
				t.Fatalf("error is %v, want %q", err, test.fault)
			}
			var found []string
			for _, v := range call.Verdict.Violations {
				found = append(found, v.Message)
			}
			if diff := cmp.Diff(test.found, strings.Join(found, "; ")); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(said.String(), test.said) {
				t.Errorf("it said %q, want %q", &said, test.said)
			}
		})
	}
}

// A script that is wrong is refused when it is loaded, and standard error says why.
func TestModuleEvaluation(t *testing.T) {
	tests := map[string]struct{ script, said string }{
		"does not parse": {"function validate(", "SyntaxError: "},
		"throws":         {"null.x", "TypeError: "},
		"no function":    {"var validate = 1", "validator.js has no function validate\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var said strings.Builder
			_, err := open(t, test.script, &said)
			if err == nil || !strings.Contains(err.Error(), "it trapped: unreachable") {
				t.Errorf("error is %v, want a trap", err)
			}
			if !strings.HasPrefix(said.String(), test.said) {
				t.Errorf("it said %q, want %q", &said, test.said)
			}
		})
	}
}

func TestModuleRefuses(t *testing.T) {
	tests := map[string]struct{ script, want string }{
		"too long":  {strings.Repeat(" ", js.MaxScript+1), fmt.Sprintf("the script has %d bytes, more than %d", js.MaxScript+1, js.MaxScript)},
		"zero byte": {"function validate() {}\x00", "the script has a zero byte"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := js.Module([]byte(test.script)); err == nil || err.Error() != test.want {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
}
