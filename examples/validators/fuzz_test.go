package validators_test

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/plimsoll-project/plimsoll/plugins"
)

// Whatever the payload is, every validator has a verdict: no trap, no end of fuel, no
// output that the host would refuse. judge fails the test otherwise.
func FuzzSpec(f *testing.F) {
	v := loadAll(f)
	seeds := uint64(100)
	if raceEnabled { // these make one call at a time
		seeds = 5
	}
	for _, name := range []string{"linux-default", "linux-rlimits-devices", "linux-userns", "windows"} {
		spec := fixture(f, name)
		f.Add(spec)
		for seed := range seeds {
			f.Add(mutated(spec, seed))
		}
	}
	for _, spec := range hostile {
		f.Add([]byte(spec))
	}
	f.Fuzz(func(t *testing.T, spec []byte) {
		judge(t, v, input(spec))
	})
}

// hostile specs are deep, wide, long, repetitive or broken.
var hostile = []string{
	"", "{", "[]", "null", `{"":{"":{}}}`, "{\"hostname\":\"\xff\"}", `{"hostname":"\ud800"}`, `{"process":{"args":[null,{},[]]}}`,
	`{"a":` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + `}`,
	strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000),
	`{"a":[1` + strings.Repeat(",1", 60_000) + `]}`,
	`{"annotations":{"a":"` + strings.Repeat("x", 200_000) + `"}}`,
	`{"annotations":{"a":"` + strings.Repeat(`\u0022`, 20_000) + `"}}`,
	`{"annotations":{"":""` + strings.Repeat(`,"dev.gvisor.spec.mount.a.share":"pod","io.katacontainers.x":"\n"`, 1_000) + `}}`,
	`{"process":{"env":["A=` + strings.Repeat("://a:", 10_000) + `"]}}`,
	`{"process":{"env":["A=` + strings.Repeat("-----BEGIN ", 10_000) + `"]}}`,
	`{"mounts":[{}` + strings.Repeat(`,{"destination":"a","type":1,"options":["a=b=c"]}`, 2_000) + `],"linux":{}}`,
}

// general are those that read requests with what their ABI or language has for everything,
// and take more fuel for it than there is by default.
var general = []string{"env-secrets", "pod-security", "seccomp-audit"}

// loadAll binds every validator here that has cases, for all runtimes, without settings.
func loadAll(t testing.TB) *plugins.Validators {
	t.Helper()
	fsys := fstest.MapFS{}
	var bindings []any
	for _, name := range validatorsWith(t, "cases.yaml") {
		module, err := os.ReadFile(filepath.Join(name, name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256(module)
		fsys[name+".wasm"] = &fstest.MapFile{Data: module}
		binding := map[string]any{
			"module": name + ".wasm", "sha256": hex.EncodeToString(digest[:]), "match": map[string]any{"runtimes": []string{"*"}},
		}
		if slices.Contains(general, name) {
			binding["limits"] = map[string]any{"fuel": 1_000_000_000, "memory": "256MiB"}
		}
		bindings = append(bindings, binding)
	}
	fsys["validators.yaml"] = &fstest.MapFile{Data: encode(t, map[string]any{"validators": bindings})}
	return load(t, plugins.FS(fsys, "validators.yaml"))
}

// mutated is the spec with a few random changes, most of which leave it JSON.
func mutated(spec []byte, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	spec = append([]byte(nil), spec...)
	for range 1 + random.IntN(4) {
		at := random.IntN(len(spec))
		switch random.IntN(4) {
		case 0:
			spec[at] = byte(random.IntN(256))
		case 1: // another digit, letter or delimiter that is in the spec already
			spec[at] = spec[random.IntN(len(spec))]
		case 2:
			spec = append(spec[:at], spec[at+1:]...)
		case 3: // a part of it twice
			end := min(len(spec), at+random.IntN(60))
			spec = append(spec[:end:end], spec[at:]...)
		}
	}
	return spec
}
