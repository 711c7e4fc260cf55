package plugins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// onDisk is a directory with a validators.yaml and what it names.
type onDisk struct {
	testing.TB
	dir string
}

func (d onDisk) config() Source { return File(filepath.Join(d.dir, "validators.yaml")) }

func (d onDisk) write(name, content string) {
	d.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		d.Fatal(err)
	}
}

// A set's fingerprint changes with all that is read, and with nothing else.
func TestFingerprint(t *testing.T) {
	d := onDisk{t, t.TempDir()}
	bind := func(name string) string {
		return fmt.Sprintf("validators:\n- {name: %s, module: modules/m.wasm, sha256: %s}\n", name, digest([]byte("a module")))
	}
	fingerprint := func() string { return Read(t.Context(), Options{}, d.config()).Fingerprint() }
	d.write("validators.yaml", bind("a"))
	d.write("modules/m.wasm", "a module")
	before := fingerprint()
	d.write("README", "read me")
	d.write("modules/m.wasm", "a module")
	if fingerprint() != before {
		t.Error("it changed with what is not read")
	}
	seen := map[string]string{before: "before"}
	for _, step := range []struct{ name, file, content string }{
		{"another module", "modules/m.wasm", "another module"},
		{"a signature", "modules/m.wasm.minisig", "signed"},
		{"another signature", "modules/m.wasm.minisig", "signed again"},
		{"another configuration", "validators.yaml", bind("b")},
		{"no such module", "validators.yaml", strings.Replace(bind("b"), "m.wasm", "absent.wasm", 1)},
		{"a mistake", "validators.yaml", "validator: []\n"},
	} {
		d.write(step.file, step.content)
		if same, ok := seen[fingerprint()]; ok {
			t.Errorf("%s: it is that of %s", step.name, same)
		}
		seen[fingerprint()] = step.name
	}
}

// A set that was written down is the same when it is read again.
func TestEncode(t *testing.T) {
	d := onDisk{t, t.TempDir()}
	valid, denies := fixture(t, "valid"), fixture(t, "violations")
	d.write("v.wasm", string(valid))
	d.write("v.wasm.minisig", "signed")
	d.write("validators.yaml", "validators:\n- {name: a, module: v.wasm, sha256: "+digest(valid)+"}\n"+
		"- {name: b, module: v.wasm, sha256: "+digest(valid)+"}\n- {name: c, module: 'oci://example.org/d:v1', sha256: "+digest(denies)+"}\n")
	opts := Options{Fetch: func(context.Context, string, string) (Module, error) { return Module{Content: denies}, nil }}
	set := Read(t.Context(), opts, d.config())
	encoded, modules, err := set.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]byte{digest(valid): valid, digest(denies): denies}, modules); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
	module := func(digest string) ([]byte, error) { return modules[digest], nil }
	again, err := Decode(encoded, module)
	if err != nil || again.Fingerprint() != set.Fingerprint() {
		t.Fatalf("%v, fingerprint %s, want %s", err, again.Fingerprint(), set.Fingerprint())
	}
	v, err := again.Load(t.Context(), Options{}) // nothing is read or fetched
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, v)
	if verdict, err := v.Judge(t.Context(), input(smallSpec)); outcomeOf(verdict, err) != denied {
		t.Errorf("verdict %v, %v", verdict, err)
	}

	for name, want := range map[string]bool{digest(denies): true, "": false, digest(valid): false} {
		if m, ok := again.Module("oci://example.org/d:v1", name); ok != want || ok && string(m.Content) != string(denies) {
			t.Errorf("pinned to %q: found %v, want %v", name, ok, want)
		}
	}
	modules[digest(valid)] = denies
	if again, err = Decode(encoded, module); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Load(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "validators[0].module: the copy of "+digest(valid)+" is not what it was") {
		t.Errorf("with other copies: %v", err)
	}
	for text, want := range map[string]string{
		"{}": "decoding validators", `[{"path": "v", "config": "dmFsaWRhdG9yczogW10=", "modules": [{}]}]`: "binds 0 modules, and 1 are kept",
	} {
		if _, err := Decode([]byte(text), module); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Modules of registries are asked for with their pin, and must be what is pinned.
func TestReferences(t *testing.T) {
	module := fixture(t, "valid")
	pin := digest(module)
	byDigest := "oci://example.org/m@sha256:" + strings.Repeat("0", 64)
	moved := errors.New("no such tag")
	for _, tt := range []struct {
		name, binding string
		fetched       Module
		err           error
		want          string // problem; empty if it loads
	}{
		{"by tag", "module: oci://example.org/m:v1, sha256: " + strings.ToUpper(pin), Module{Content: module}, nil, ""},
		{"by digest", "module: '" + byDigest + "'", Module{Content: module}, nil, ""},
		{"by digest, pinned too", "module: '" + byDigest + "', sha256: " + pin, Module{Content: module}, nil, ""},
		{"no pin", "module: oci://example.org/m:v1", Module{Content: module}, nil, "validators[0]: oci://example.org/m:v1: sha256 is missing; if this is the module you mean, add\n  sha256: " + pin},
		{"moved", "module: oci://example.org/m:v1, sha256: " + pin, Module{Content: []byte("other")}, nil, "validators[0]: oci://example.org/m:v1: the tag was moved, or never meant it: the module is not the one that is pinned"},
		{"by digest, pinned to another", "module: '" + byDigest + "', sha256: " + pin, Module{Content: []byte("other")}, nil, byDigest + ": the module is not the one that is pinned"},
		{"cannot be fetched", "module: oci://example.org/m:v1, sha256: " + pin, Module{}, moved, "validators[0].module: no such tag"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := onDisk{t, t.TempDir()}
			d.write("validators.yaml", "validators:\n- {name: m, "+tt.binding+"}\n")
			var asked []Reference
			v, err := Load(t.Context(), Options{Fetch: func(_ context.Context, reference, sha256 string) (Module, error) {
				asked = append(asked, Reference{reference, sha256})
				return tt.fetched, tt.err
			}}, d.config())
			if diff := cmp.Diff(References(d.config()), asked); diff != "" {
				t.Errorf("asked for (-references +asked):\n%s", diff)
			}
			if err == nil {
				closeLater(t, v)
				if got := v.List()[0].SHA256; got != pin {
					t.Errorf("digest is %s, want %s", got, pin)
				}
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
			if _, err := Load(t.Context(), Options{}, d.config()); err == nil || !strings.Contains(err.Error(), "cannot be fetched here") {
				t.Errorf("without a way to fetch: %v", err)
			}
		})
	}
}

func TestDirs(t *testing.T) {
	d := onDisk{t, t.TempDir()}
	d.write("validators.yaml", "validators:\n- {module: modules/m.wasm}\n- {module: 'oci://example.org/m:v1'}\n")
	want := []string{d.dir, filepath.Join(d.dir, "modules")}
	if diff := cmp.Diff(want, Dirs(d.config(), FS(os.DirFS(d.dir), "validators.yaml"))); diff != "" {
		t.Errorf("directories (-want +got):\n%s", diff)
	}
	if refs := References(File("/no/such/file")); refs != nil {
		t.Errorf("references %v of nothing", refs)
	}
}
