package plugins

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"github.com/plimsoll-project/plimsoll"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixtures are modules in the text format, each with its binary beside it. What a
// fixture does is in its first line. testdata/build.sh makes the binaries.
//
//go:embed testdata/*.wasm
var fixtures embed.FS

func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	module, err := fs.ReadFile(fixtures, "testdata/"+name+".wasm")
	if err != nil {
		tb.Fatal(err)
	}
	return module
}

func digest(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}

// bound is one entry of a validators.yaml; more is added to it, indented. No call is
// late, however busy the machine.
func bound(name string, module []byte, more ...string) string {
	entry := fmt.Sprintf("- name: %s\n  module: %s.wasm\n  sha256: %s\n", name, name, digest(module))
	limited := false
	for _, m := range more {
		if rest, ok := strings.CutPrefix(m, "limits: {"); ok {
			limited, m = true, "limits: {timeout: 1m, "+rest
		}
		entry += "  " + strings.ReplaceAll(m, "\n", "\n  ") + "\n"
	}
	if !limited {
		entry += "  limits: {timeout: 1m}\n"
	}
	return entry
}

// files is a directory with a validators.yaml and modules.
func files(entries string, modules map[string][]byte) fstest.MapFS {
	fsys := fstest.MapFS{"validators.yaml": {Data: []byte("validators:\n" + entries)}}
	for name, module := range modules {
		fsys[name+".wasm"] = &fstest.MapFile{Data: module}
	}
	return fsys
}

// tryLoad loads one fixture, with more added to its entry.
func tryLoad(tb testing.TB, name string, more ...string) (*Validators, error) {
	tb.Helper()
	module := fixture(tb, name)
	return Load(context.Background(), Options{},
		FS(files(bound(name, module, more...), map[string][]byte{name: module}), "validators.yaml"))
}

func load(tb testing.TB, name string, more ...string) *Validators {
	tb.Helper()
	v, err := tryLoad(tb, name, more...)
	if err != nil {
		tb.Fatal(err)
	}
	closeLater(tb, v)
	return v
}

func closeLater(tb testing.TB, v *Validators) {
	tb.Cleanup(func() {
		if err := v.Close(); err != nil {
			tb.Errorf("closing: %v", err)
		}
	})
}

const specType = "types.containerd.io/opencontainers/runtime-spec/1/Spec"

// input is a create with a spec of its own.
func input(spec string) *plimsoll.Input {
	return &plimsoll.Input{
		Operation: plimsoll.OperationCreate, Namespace: "default",
		User: plimsoll.User{Name: "ada", Via: "unix"},
		Object: &plimsoll.Container{
			ID: "web", Image: "docker.io/library/nginx:1", Runtime: plimsoll.Runtime{Name: "io.containerd.runc.v2"},
			Spec: plimsoll.Any{TypeURL: specType, Value: []byte(spec)},
		},
	}
}

const smallSpec = `{"ociVersion":"1.2.0","process":{"args":["nginx"],"cwd":"/"}}`
