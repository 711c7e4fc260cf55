package plugins

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
)

var metadata = Metadata{
	Name: "runc-spec", Version: "1.0.0", ABI: 1, Runtimes: []string{"io.containerd.runc.*"}, SpecTypes: []string{"types.containerd.io/*"},
	Operations: []plimsoll.Operation{plimsoll.OperationCreate}, Reads: []string{"operation", "object.spec"}, Settings: []byte(`{"type":"object"}`), Docs: "https://example.org",
}

func TestAnnotate(t *testing.T) {
	plain := fixture(t, "valid")
	if _, err := ReadMetadata(plain); !errors.Is(err, ErrNoMetadata) {
		t.Fatalf("error for a module without metadata is %v", err)
	}
	annotated, err := Annotate(plain, metadata)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadMetadata(annotated)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(metadata, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}

	again, err := Annotate(annotated, metadata)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(annotated, again); diff != "" {
		t.Errorf("annotating twice is not annotating once (-want +got):\n%s", diff)
	}
	other := metadata
	other.Version = "2.0.0"
	replaced, err := Annotate(annotated, other)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ReadMetadata(replaced); err != nil || got.Version != "2.0.0" {
		t.Errorf("replaced metadata are %+v, %v", got, err)
	}
	if diff := cmp.Diff(fixture(t, "valid"), plain); diff != "" {
		t.Error("the module was changed")
	}
}

func TestReadMetadataRefuses(t *testing.T) {
	plain := fixture(t, "valid")
	with := func(data string) []byte {
		return appendCustomSection(append([]byte(nil), plain...), "plimsoll.validator", []byte(data))
	}
	for _, tt := range []struct {
		name   string
		module []byte
		want   []string
	}{
		{"no module", nil, []string{"not a WebAssembly"}},
		{"a later wasm", append([]byte("\x00asm\x0d\x00\x01\x00"), plain[8:]...), []string{"not a WebAssembly"}},
		{"cut short", plain[:len(plain)-1], []string{"what is left of the module"}},
		{"a long size", append(plain[:8:8], 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0), []string{"what is left of the module"}},
		{"not JSON", with("x"), []string{"plimsoll.validator"}},
		{"twice", appendCustomSection(with(`{}`), "plimsoll.validator", []byte(`{}`)), []string{"more than one"}},
		{"empty", with(`{}`), []string{`name: ""`, "abi: it is 0"}},
		{"later ABI", with(`{"name":"a","abi":2}`), []string{"abi: it is 2, and this Plimsoll speaks 1"}},
		{
			"everything", with(`{"name":"a b","abi":1,"runtime":[],"operations":["X"],"settings":{"type":1}}`),
			[]string{`unknown key "runtime"; did you mean "runtimes"?`, `name: "a b"`, `operation "X"`},
		},
		{"reads nothing", with(`{"name":"a","abi":1,"reads":[]}`), []string{"reads: an empty list reads nothing"}},
		{
			"reads what is not there", with(`{"name":"a","abi":1,"reads":["operation","object.sepc","object.spec.mounts","user.name","x.y.z"]}`),
			[]string{
				`reads[1]: the input document has no "object.sepc"; did you mean "object.spec"?`,
				`reads[2]: the input document has no "object.spec.mounts"; it is cut no finer than "object.spec"`,
				`reads[3]: the input document has no "user.name"; it is cut no finer than "user"`,
				`reads[4]: the input document has no "x.y.z"; known are dry_run, namespace`,
			},
		},
		{"many sections", append([]byte("\x00asm\x01\x00\x00\x00"), bytes.Repeat([]byte{1, 0}, 8<<20)...), []string{"more than 1024 sections"}},
		{"a long version", with(`{"name":"a","abi":1,"version":"` + strings.Repeat("1", 65) + `"}`), []string{"version: it has 65 bytes, more than the limit of 64"}},
		{"long docs", with(`{"name":"a","abi":1,"docs":"` + strings.Repeat("x", 2049) + `"}`), []string{"docs: it has 2049 bytes, more than the limit of 2048"}},
		{"docs for terminals", with(`{"name":"a","abi":1,"docs":"https://example.org/\u001b[2J"}`), []string{"docs: ", "not printed"}},
		{
			"many patterns", with(`{"name":"a","abi":1,"runtimes":["x"` + strings.Repeat(`,"*"`, 64) + `],"spec_types":["` + strings.Repeat("*a", 128) + `"]}`),
			[]string{"runtimes: it has 65 patterns, more than the limit of 64", "spec_types[0]: the pattern has 256 bytes"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadMetadata(tt.module)
			if err == nil || errors.Is(err, ErrNoMetadata) {
				t.Fatalf("error is %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestAnnotateRefuses(t *testing.T) {
	bad := metadata
	bad.Name = "Bad"
	if _, err := Annotate(fixture(t, "valid"), bad); err == nil {
		t.Error("a bad name is taken")
	}
	if _, err := Annotate([]byte("text"), metadata); !errors.Is(err, errNotWasm) {
		t.Errorf("error for text is %v", err)
	}
}

// FuzzReadMetadata checks that no module crashes the reader, and that metadata it
// takes survive being written again.
func FuzzReadMetadata(f *testing.F) {
	plain, err := fixtures.ReadFile("testdata/valid.wasm")
	if err != nil {
		f.Fatal(err)
	}
	annotated, err := Annotate(plain, metadata)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add(plain)
	f.Add(annotated)
	f.Add(annotated[:len(annotated)-3])
	f.Fuzz(func(t *testing.T, module []byte) {
		m, err := ReadMetadata(module)
		if err != nil || m.checkSchema() != nil {
			return
		}
		again, err := Annotate(module, m)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := ReadMetadata(again); err != nil || n.Name != m.Name {
			t.Fatalf("metadata %+v became %+v, %v", m, n, err)
		}
	})
}

// TestAnnotateCommand runs the command that builds use.
func TestAnnotateCommand(t *testing.T) {
	dir := t.TempDir()
	in, meta, out := filepath.Join(dir, "a.wasm"), filepath.Join(dir, "m.json"), filepath.Join(dir, "b.wasm")
	for path, data := range map[string][]byte{in: fixture(t, "valid"), meta: []byte(`{"name":"a","version":"1","abi":1}`)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (string, error) {
		text, err := exec.CommandContext(t.Context(), "go", append([]string{"run", "./internal/annotate"}, args...)...).CombinedOutput()
		return string(text), err
	}
	if text, err := run("-in", in, "-meta", meta, "-out", out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := ReadMetadata(module); err != nil || m.Name != "a" {
		t.Errorf("metadata are %+v, %v", m, err)
	}
	if text, err := run("-in", in); err == nil || !strings.Contains(text, "-meta") {
		t.Errorf("without -meta: %v: %s", err, text)
	}
}
