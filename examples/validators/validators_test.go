// Package validators_test runs the validators of this directory as Plimsoll does.
package validators_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins"
)

const (
	moduleFile = "runc-spec/runc-spec.wasm"
	specType   = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
	runtime    = "io.containerd.runc.v2"
)

// settings are those of runc-spec; nil lists are left out.
type settings struct {
	Forbid        []string `json:"forbid,omitempty"`
	Warn          []string `json:"warn,omitempty"`
	MaskedPaths   []string `json:"masked_paths,omitempty"`
	ReadonlyPaths []string `json:"readonly_paths,omitempty"`
}

// options make all loads of the tests share what the first one compiled.
var options plugins.Options

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "plimsoll-validators")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	options.CacheDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// loadDefault loads what Plimsoll embeds.
func loadDefault(t testing.TB) *plugins.Validators {
	t.Helper()
	return load(t, plugins.File("validators.yaml"))
}

// loadWith loads runc-spec with settings of the test's own.
func loadWith(t testing.TB, s settings) *plugins.Validators {
	t.Helper()
	fsys, err := bindingOf(s)
	if err != nil {
		t.Fatal(err)
	}
	return load(t, plugins.FS(fsys, "validators.yaml"))
}

// bindingOf is a directory with a validators.yaml and runc-spec.
func bindingOf(s any) (fstest.MapFS, error) { return bindingTo(moduleFile, s) }

// bindingTo is a directory with a validators.yaml and a module.
func bindingTo(file string, settings any) (fstest.MapFS, error) {
	module, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(module)
	config, err := json.Marshal(map[string]any{"validators": []any{map[string]any{
		"module": "module.wasm", "sha256": hex.EncodeToString(digest[:]), "settings": settings,
	}}})
	if err != nil {
		return nil, err
	}
	return fstest.MapFS{"validators.yaml": {Data: config}, "module.wasm": {Data: module}}, nil
}

func load(t testing.TB, source plugins.Source) *plugins.Validators {
	t.Helper()
	v, err := plugins.Load(t.Context(), options, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// input asks to create a container with a spec.
func input(spec []byte) *plimsoll.Input {
	return &plimsoll.Input{
		Operation: plimsoll.OperationCreate,
		Namespace: "default",
		Object: &plimsoll.Container{
			ID:      "web-1",
			Runtime: plimsoll.Runtime{Name: runtime},
			Spec:    plimsoll.Any{TypeURL: specType, Value: spec},
		},
	}
}

func judge(t testing.TB, v *plugins.Validators, in *plimsoll.Input) plimsoll.Verdict {
	t.Helper()
	verdict, err := v.Judge(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

// places is where and what of each finding: "spec.process.cwd process.cwd".
func places(found []plimsoll.Violation) []string {
	var list []string
	for _, f := range found {
		list = append(list, f.Field+" "+f.Code)
	}
	return list
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	spec, err := os.ReadFile(filepath.Join("runc-spec", "testdata", "specs", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestDigestIsPinned(t *testing.T) {
	module, err := os.ReadFile(moduleFile)
	if err != nil {
		t.Fatal(err)
	}
	infos := loadDefault(t).List()
	if len(infos) != 1 {
		t.Fatalf("%d validators are bound, want 1", len(infos))
	}
	digest := sha256.Sum256(module)
	if diff := cmp.Diff(hex.EncodeToString(digest[:]), infos[0].SHA256); diff != "" {
		t.Errorf("digest (-module +binding):\n%s", diff)
	}
	if len(module) > 250_000 {
		t.Errorf("the module has %d bytes; it is embedded in every Plimsoll and should stay below 250 kB", len(module))
	}
}

// The annotated metadata is the file beside the sources, of every validator.
func TestMetadataIsCurrent(t *testing.T) {
	decoded := cmp.Transformer("decoded", func(raw json.RawMessage) (v any) {
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Error(err)
		}
		return v
	})
	for _, name := range validatorsWith(t, "validator.json") {
		t.Run(name, func(t *testing.T) {
			module, err := os.ReadFile(filepath.Join(name, name+".wasm"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := plugins.ReadMetadata(module)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(filepath.Join(name, "validator.json"))
			if err != nil {
				t.Fatal(err)
			}
			want, err := plugins.ParseMetadata(raw)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, decoded); diff != "" {
				t.Errorf("metadata (-validator.json +module):\n%s", diff)
			}
		})
	}
}
