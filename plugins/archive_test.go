package plugins

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// packed writes a configuration with its modules and packs it.
func packed(t *testing.T, opts Options, config string, files map[string][]byte) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	files["validators.yaml"] = []byte(config)
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Pack(t.Context(), opts, File(filepath.Join(dir, "validators.yaml")))
}

// What an archive has is what was packed: configuration, modules, signatures, and what was
// in a registry.
func TestArchive(t *testing.T) {
	fetched := Module{Content: []byte("of a registry"), Signature: []byte("its signature")}
	opts := Options{Fetch: func(_ context.Context, reference, _ string) (Module, error) {
		if reference != "oci://registry.example.org:5000/checks@sha256:"+strings.Repeat("0", 64) {
			return Module{}, errors.New("there is no " + reference)
		}
		return fetched, nil
	}}
	config := `validators:
- {name: a, module: sub/a.wasm}
- {name: b, module: "oci://registry.example.org:5000/checks@sha256:` + strings.Repeat("0", 64) + `"}
- {name: c, module: sub/a.wasm}
`
	archive, err := packed(t, opts, config, map[string][]byte{"sub/a.wasm": []byte("a module"), "sub/a.wasm" + SignatureExtension: []byte("signed")})
	if err != nil {
		t.Fatal(err)
	}
	again, err := packed(t, opts, config, map[string][]byte{"sub/a.wasm": []byte("a module"), "sub/a.wasm" + SignatureExtension: []byte("signed")})
	if err != nil || !bytes.Equal(archive, again) {
		t.Errorf("packed again it is other, %v", err)
	}

	set := Read(t.Context(), Options{}, Archive("mine", archive))
	if len(set.sources) != 1 || string(set.sources[0].config) != config || len(set.sources[0].problems) > 0 {
		t.Fatalf("read back: %+v", set.sources)
	}
	want := []Module{{[]byte("a module"), []byte("signed")}, fetched, {[]byte("a module"), []byte("signed")}}
	for i, m := range set.sources[0].modules {
		if m.err != nil || !bytes.Equal(m.Content, want[i].Content) || !bytes.Equal(m.Signature, want[i].Signature) {
			t.Errorf("module %d is %q signed %q, %v", i, m.Content, m.Signature, m.err)
		}
	}
}

// What is wrong with an archive is said, and nothing is read but what is in it.
func TestArchiveIsRefused(t *testing.T) {
	var huge bytes.Buffer
	w := zip.NewWriter(&huge)
	for _, name := range []string{"validators.yaml", "a", "b", "c", "d", "e"} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(make([]byte, maxModuleBytes-1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	only := func(config string) []byte {
		archive, err := zipped(map[string][]byte{archivedConfig: []byte(config)})
		if err != nil {
			t.Fatal(err)
		}
		return archive
	}
	secret := filepath.Join(t.TempDir(), "validators.yaml")
	if err := os.WriteFile(secret, []byte("validators: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		archive []byte
		want    string
	}{
		"nothing":             {nil, "not an archive of validators"},
		"no archive":          {[]byte("x"), "not an archive of validators"},
		"too large":           {huge.Bytes(), "what is in the archive has more than 64 MiB"},
		"a module is missing": {only("validators: [{name: a, module: a.wasm}]"), "validators[0].module: open a.wasm: file does not exist"},
		"one of a registry":   {only("validators: [{name: a, module: \"oci://r.example.org/a:1\"}]"), "validators[0].module: open oci/r.example.org/a:1: file does not exist"},
		"an absolute path":    {only("validators: [{name: a, module: /etc/passwd}]"), "is not a path below the directory of this file"},
		"a path upwards":      {only("validators: [{name: a, module: ../a}]"), "is not a path below the directory of this file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(t.Context(), Options{}, Archive(secret, test.archive))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want …%s…", err, test.want)
			}
		})
	}
	if _, err := packed(t, Options{}, "validators: [{name: a, module: a.wasm}]", map[string][]byte{}); err == nil || !strings.Contains(err.Error(), "a.wasm: no such file") {
		t.Errorf("packing what is not there: %v", err)
	}
}

// However often and however spelled an archive names a module, it is in memory once.
func TestArchiveIsReadOnce(t *testing.T) {
	config := "validators:\n"
	for i := range 100 {
		config += fmt.Sprintf("- {name: v%d, module: \"%sa.wasm\", sha256: %q}\n", i, strings.Repeat("./", i), fmt.Sprintf("%064x", i))
		config += fmt.Sprintf("- {name: r%d, module: \"oci://%sb.wasm\"}\n", i, strings.Repeat("x/../", i))
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for name, content := range map[string]string{archivedConfig: config, "a.wasm": "a module", archivedReferences + "/b.wasm": "of a registry"} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	set := Read(t.Context(), Options{}, Archive("mine", archive.Bytes()))
	copies := map[*byte]int{}
	for _, m := range set.sources[0].modules {
		if m.err != nil {
			t.Fatal(m.err)
		}
		copies[&m.Content[0]]++
	}
	if len(copies) != 2 || len(set.sources[0].modules) != 200 {
		t.Errorf("%d copies of two modules, %d bindings", len(copies), len(set.sources[0].modules))
	}
}
