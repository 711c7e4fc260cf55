package plugins

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/plugins/abi"
)

func TestInspect(t *testing.T) {
	meta := Metadata{Name: "mine", Version: "1.0.0", ABI: abi.Native}
	tests := map[string]struct {
		module   string
		metadata *Metadata
		want     Inspection
	}{
		"smallest": {module: "valid.wasm", want: Inspection{ABI: "native"}},
		"metadata": {module: "valid.wasm", metadata: &meta, want: Inspection{ABI: "native", Metadata: &meta}},
		"settings": {module: "settings.wasm", want: Inspection{ABI: "native", ChecksSettings: true}},
		"state":    {module: "table-set.wasm", want: Inspection{ABI: "native", Unrestorable: []string{"table.set"}}},
		"command":  {module: "command-silent.wasm", want: Inspection{ABI: "wasi-command"}},
		"metadata of another ABI": {
			module: "command-silent.wasm", metadata: &meta,
			want: Inspection{
				ABI: "wasi-command", Metadata: &meta,
				Problems: []string{"its metadata say that it speaks the ABI native, and its exports are those of wasi-command"},
			},
		},
		"no marker": {module: "refused-no-marker.wasm", want: Inspection{Problems: []string{"it is not a validator: "}}},
		"no memory": {module: "refused-no-memory.wasm", want: Inspection{Problems: []string{"it does not export its memory"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			module, err := os.ReadFile(filepath.Join("testdata", test.module))
			if err != nil {
				t.Fatal(err)
			}
			if test.metadata != nil {
				if module, err = Annotate(module, *test.metadata); err != nil {
					t.Fatal(err)
				}
			}
			have := Inspect(module)
			if have.Size != len(module) || len(have.SHA256) != 64 {
				t.Errorf("size is %d and digest %q", have.Size, have.SHA256)
			}
			if !slices.EqualFunc(have.Problems, test.want.Problems, strings.HasPrefix) {
				t.Errorf("problems are %q, want %q", have.Problems, test.want.Problems)
			}
			known := Inspection{ABI: have.ABI, Metadata: have.Metadata, ChecksSettings: have.ChecksSettings, Unrestorable: have.Unrestorable}
			test.want.Problems = nil
			if diff := cmp.Diff(test.want, known); diff != "" {
				t.Errorf("inspection (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInspectDeclarations(t *testing.T) {
	module, err := os.ReadFile(filepath.Join("testdata", "wasi-exit.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	have := Inspect(module)
	for _, want := range []CapUsage{{"ModuleBytes", uint64(len(module)), 8 << 20}, {"Imports", 1, 256}, {"Functions", 4, 32_768}, {"MemoryPages", 1, 512}, {"Tables", 0, 8}} {
		if !slices.Contains(have.Usage, want) {
			t.Errorf("usage %+v is not in %+v", want, have.Usage)
		}
	}
	want := &Inspection{
		Usage: have.Usage, SHA256: have.SHA256, Size: len(module), ABI: "native",
		Imports: []string{"wasi_snapshot_preview1.proc_exit(i32)"},
		Exports: []string{"memory: memory", "plimsoll_abi_1()", "plimsoll_alloc(i32) → i32", "plimsoll_validate(i32, i32) → i64"},
		Memory:  &MemorySize{Initial: pageSize, Maximum: defaultMemory},
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("inspection (-want +got):\n%s", diff)
	}
}

// Whatever is not a module is described as far as it goes.
func TestInspectNoModule(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "text": "no wasm", "cut": "\x00asm\x01\x00\x00\x00\x01"} {
		t.Run(name, func(t *testing.T) {
			have := Inspect([]byte(content))
			if have.Size != len(content) || len(have.Problems) == 0 || have.ABI != "" {
				t.Errorf("inspection is %+v, want problems and no ABI", have)
			}
		})
	}
}
