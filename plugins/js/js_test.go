package js_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/plugins/js"
)

// ask has a script judge a document. It returns the messages of violations, or the error,
// and what the script said.
func ask(t *testing.T, script, document string) (found []string, said string, err error) {
	t.Helper()
	module, err := js.Module([]byte(script))
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	trial, err := plugins.NewTrial(t.Context(), module, plugins.TrialOptions{Options: plugins.Options{Stderr: &stderr}})
	if err != nil {
		return nil, stderr.String(), err
	}
	defer func() {
		if err := trial.Close(); err != nil {
			t.Error(err)
		}
	}()
	call, err := trial.Ask(t.Context(), []byte(document))
	for _, v := range call.Verdict.Violations {
		found = append(found, v.Message)
	}
	return found, stderr.String(), err
}

func TestModule(t *testing.T) {
	const echo = `function validate(r) { return { violations: [{ msg: String(r.a) }] } }`
	tests := map[string]struct {
		script, document string
		want             []string
	}{
		"valid":          {`function validate() { return { violations: [] } }`, `{"a": 1}`, nil},
		"reads":          {echo, `{"a": "é\u0001"}`, []string{"é\x01"}},
		"settings":       {`const validate = (r) => ({ violations: [{ msg: JSON.stringify(r.settings) }] }); globalThis.validate = validate`, `{"a": 1}`, []string{"{}"}},
		"prepared":       {`const words = ["x", "y"].join(); function validate() { return { violations: [{ msg: words }] } }`, `{"a": 1}`, []string{"x,y"}},
		"unreadable":     {echo, "{\"a\": \"\xff\"}", []string{"the request is not JSON that can be read"}},
		"largest script": {echo + strings.Repeat(" ", js.MaxScript-len(echo)), `{"a": 2}`, []string{"2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found, said, err := ask(t, test.script, test.document)
			if err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			if diff := cmp.Diff(test.want, found); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// What a script throws is a fault, and standard error says what and where.
func TestModuleFaults(t *testing.T) {
	tests := map[string]struct{ script, said string }{
		"throws":          {"function validate() {\n\tthrow new TypeError('no')\n}", "TypeError: no\n    at validate (validator.js:2)\n"},
		"throws a text":   {"function validate() { throw 'no' }", "no\n"},
		"no verdict":      {"function validate() {}", "validate returned no verdict\n"},
		"cyclic verdict":  {"function validate(r) { r.r = r; return r }", "TypeError: circular reference\n"},
		"does not parse":  {"function validate(", "SyntaxError: "},
		"throws at first": {"null.x", "TypeError: "},
		"no function":     {"var validate = 1", "validator.js has no function validate\n"},
		"empty":           {"", "validator.js has no function validate\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, said, err := ask(t, test.script, `{"a": 1}`)
			if err == nil || !strings.Contains(err.Error(), "it trapped: unreachable") {
				t.Errorf("error is %v, want a trap", err)
			}
			if !strings.HasPrefix(said, test.said) {
				t.Errorf("it said %q, want %q", said, test.said)
			}
		})
	}
}

// A script that nests without end is ended, by whichever bound it meets first.
func TestModuleRecursion(t *testing.T) {
	for name, script := range map[string]string{
		"calls": "function validate(r) { return validate(r) }",
		"reads": "function validate(r) { return JSON.parse('['.repeat(100000)) }",
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := ask(t, script, `{"a": 1}`)
			if !errors.Is(err, plimsoll.ErrFault) {
				t.Errorf("error is %v, want a fault", err)
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
