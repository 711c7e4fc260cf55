package plugins_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/plugins"
)

// The digest of files changes with all that Load reads, and with nothing else.
func TestFilesDigest(t *testing.T) {
	dir := t.TempDir()
	config, module := filepath.Join(dir, "validators.yaml"), filepath.Join(dir, "modules", "valid.wasm")
	write := func(path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bound := func(name string) string {
		return fmt.Sprintf("validators:\n- {name: %s, module: modules/valid.wasm, sha256: %x}\n", name, sha256.Sum256([]byte("a module")))
	}
	digest := func() string {
		t.Helper()
		d, err := plugins.FilesDigest(plugins.File(config))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	write(config, bound("a"))
	write(module, "a module")
	before := digest()
	write(filepath.Join(dir, "README"), "read me")
	write(module, "a module")
	if digest() != before {
		t.Error("it changed with what is not read")
	}
	write(module, "another module")
	if digest() == before {
		t.Error("it is the same with another module")
	}
	write(module, "a module")
	write(config, bound("b"))
	if digest() == before {
		t.Error("it is the same with another configuration")
	}
	if diff := cmp.Diff([]string{dir, dir, filepath.Join(dir, "modules")}, plugins.Dirs(plugins.File(config))); diff != "" {
		t.Errorf("directories (-want +got):\n%s", diff)
	}
	for want, text := range map[string]string{"no such file": strings.Replace(bound("a"), "valid.wasm", "absent.wasm", 1), "unknown key": "validator: []\n"} {
		write(config, text)
		if _, err := plugins.FilesDigest(plugins.File(config)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want …%s…", err, want)
		}
	}
	if _, err := plugins.FilesDigest(plugins.File(filepath.Join(dir, "absent.yaml"))); err == nil {
		t.Error("a file that is not there has a digest")
	}
}
