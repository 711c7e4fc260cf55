package conform_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/plimsoll-project/plimsoll/plugins/conform"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run tests a guest of package plugins and returns the explanations of what failed, by
// check.
func run(t *testing.T, name string, opts conform.Options) (map[string]string, []conform.Result) {
	t.Helper()
	module, err := os.ReadFile(filepath.Join("..", "testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	results, err := conform.Run(t.Context(), module, opts)
	if err != nil {
		t.Fatal(err)
	}
	failed := map[string]string{}
	for _, r := range results {
		if r.About == "" || r.Explanation == "" {
			t.Errorf("a result explains nothing: %+v", r)
		}
		if !r.OK {
			failed[r.Name] = r.Explanation
		}
	}
	if conform.Passed(results) != (len(failed) == 0) {
		t.Errorf("passed is %t, and failed are %v", conform.Passed(results), failed)
	}
	return failed, results
}

// TestConforming has guests of every ABI.
func TestConforming(t *testing.T) {
	for _, name := range []string{
		"keeper",
		"command-valid", "command-exit", "command-observe", "extism-valid", "opa-valid", "opa-findings", "opa-verdict",
	} {
		t.Run(name, func(t *testing.T) {
			failed, results := run(t, name, conform.Options{})
			if diff := cmp.Diff(map[string]string{}, failed); diff != "" {
				t.Errorf("failed (-want +got):\n%s", diff)
			}
			names := make([]string, len(results))
			for i, r := range results {
				names[i] = r.Name
			}
			if diff := cmp.Diff(conform.Checks(), names); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNotConforming(t *testing.T) {
	for _, tt := range []struct {
		guest  string
		opts   conform.Options
		failed map[string]string // check to a part of the explanation
		only   bool              // nothing else fails
	}{
		{"refused-import", conform.Options{}, map[string]string{"loads": "imports the function env.http_get"}, true},
		{"settings-trap", conform.Options{}, map[string]string{"loads": "checking them"}, true},
		{"settings", conform.Options{Settings: []byte(`{"forbid":["x"]}`)}, map[string]string{"loads": "unknown trait"}, true},
		{"trap", conform.Options{}, map[string]string{
			"ordinary": "unreachable", "operations": "delete: validator module failed", "minimal": "unreachable", "incomplete": "before: validator module failed", "large": "was not tried",
			"deterministic": "unreachable", "no-state": "unreachable", "settings": "unreachable",
		}, false},
		{"counter", conform.Options{}, map[string]string{"large": "outside its memory", "settings": "outside its memory"}, false},
		{"command-mirror", conform.Options{}, map[string]string{"ordinary": "not a verdict", "unknown-fields": "not a verdict"}, false},
		{"extism-hog", conform.Options{}, map[string]string{"ordinary": "more than the limit of 32 MiB", "limits": "took 32 MiB of memory"}, false},
		{"spin", conform.Options{}, map[string]string{"ordinary": "ran out of fuel", "limits": "took 50,000,000 of fuel"}, false},
		{"opa-undefined", conform.Options{}, map[string]string{"ordinary": "undefined", "payloads": "not JSON"}, false},
	} {
		t.Run(tt.guest, func(t *testing.T) {
			failed, results := run(t, tt.guest, tt.opts)
			for check, want := range tt.failed {
				if !strings.Contains(failed[check], want) {
					t.Errorf("%s: %q, want %q in it", check, failed[check], want)
				}
			}
			if tt.only && len(results) != len(tt.failed) {
				t.Errorf("results are %+v", results)
			}
		})
	}
}

func TestPassedNothing(t *testing.T) {
	if conform.Passed(nil) {
		t.Error("a module without results has passed")
	}
}

func TestRunEndsWithContext(t *testing.T) {
	module, err := os.ReadFile("../testdata/valid.wasm")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if results, err := conform.Run(ctx, module, conform.Options{}); !errors.Is(err, context.Canceled) || results != nil {
		t.Errorf("results %v, error %v", results, err)
	}
}
