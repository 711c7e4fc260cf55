package validators_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/plimsoll-project/plimsoll/plugins/conform"
)

// TestExamplesConform puts every example, in whatever language and ABI, through the
// suite.
func TestExamplesConform(t *testing.T) {
	modules, err := filepath.Glob("*/*.wasm")
	if err != nil || len(modules) < 4 {
		t.Fatalf("%d examples, error %v", len(modules), err)
	}
	for _, path := range modules {
		t.Run(filepath.Base(path), func(t *testing.T) {
			module, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			results, err := conform.Run(t.Context(), module, conform.Options{Options: options})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if !r.OK {
					t.Errorf("%s: %s", r.Name, r.Explanation)
				}
			}
		})
	}
}
