package server

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll-project/plimsoll/internal/hostile"
	"github.com/plimsoll-project/plimsoll/plugins"
)

// hostileModule is the module of that name.
func hostileModule(t *testing.T, name string) []byte {
	t.Helper()
	for _, m := range hostile.Modules() {
		if m.Name == name {
			return m.Wasm
		}
	}
	t.Fatalf("there is no hostile module %s", name)
	return nil
}

// What the reader of modules would refuse shows what the process for compiling bounds:
// that reader may be wrong, and the process must hold by itself.
func TestModulesThatTakeTooMuch(t *testing.T) {
	before := moduleLimits
	defer func() { moduleLimits = before }()
	moduleLimits.CPU = 3 * time.Second
	for name, tt := range map[string]struct {
		module string
		want   string
	}{
		"blocks without end":  {"bomb-nested-blocks", "it takes more than 3s of CPU to compile"},
		"a count of billions": {"count-params", "it takes more than 1024 MiB of memory to compile"},
		"not valid":           {"stack-underflow", "compiling the module: invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tryModule(t.Context(), plugins.Job{Module: hostileModule(t, tt.module)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}

// A module that was compiled once in a process of its own is not again, and one that
// cannot be is not compiled at all.
func TestSurvivors(t *testing.T) {
	trial := func(text string) plugins.Job {
		return plugins.Job{Module: hostile.Answering(text), CacheDir: filepath.Join(t.TempDir(), "cache")}
	}
	first := trial(`{"violations":[]}`)
	if err := tryModule(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(first.CacheDir); err != nil || len(entries) == 0 {
		t.Errorf("what was compiled is not in the cache: %v, %v", entries, err)
	}
	before := compileProgram
	defer func() { compileProgram = before }()
	compileProgram = "/no/such/program"
	if err := tryModule(t.Context(), first); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if err := tryModule(t.Context(), trial(`{"violations":[{"msg":"x"}]}`)); err == nil || !strings.Contains(err.Error(), "could not be started") {
		t.Errorf("another module: %v", err)
	}
}

// A server tries the modules of others, keeps what was compiled of them in its data
// directory, and refuses to if others can write there.
func TestCompiledValidatorsAreKept(t *testing.T) {
	data := t.TempDir()
	path := writeModule(t, hostile.Module{Name: "m", Wasm: hostile.Answering(`{"violations":[]}`)})
	load := func() error {
		options, err := Config{Data: data}.pluginOptions(slog.New(slog.DiscardHandler), nil)
		if err != nil {
			return err
		}
		v, err := plugins.Load(t.Context(), options, plugins.File(path))
		if err != nil {
			return err
		}
		return v.Close()
	}
	cache := filepath.Join(data, cacheDir)
	if err := load(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(cache); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is for the store to begin was written to: %v", err)
	}
	if err := os.WriteFile(filepath.Join(data, "FORMAT"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := load(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(cache); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the cache is %v, %v", info, err)
	}
	if err := os.Chmod(cache, 0o777); err != nil { //nolint:gosec // it is to be refused
		t.Fatal(err)
	}
	if err := load(); err == nil || !strings.Contains(err.Error(), "can be written to by others") {
		t.Errorf("a cache that others can write to: %v", err)
	}
}

func TestJobDigest(t *testing.T) {
	seen := map[[sha256.Size]byte]string{}
	for name, trial := range map[string]plugins.Job{
		"module": {Module: []byte("ab")}, "schema": {Schema: []byte("ab")}, "settings": {Settings: []byte("ab")},
		"both": {Schema: []byte("a"), Settings: []byte("b")}, "nothing": {},
	} {
		digest := jobDigest(trial)
		if other, ok := seen[digest]; ok {
			t.Errorf("%s and %s are taken for the same", name, other)
		}
		seen[digest] = name
	}
}
