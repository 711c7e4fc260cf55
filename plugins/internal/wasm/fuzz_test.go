package wasm

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
)

// fuzzCaps keep compiling quick.
var fuzzCaps = Caps{
	ModuleBytes: 16 << 10, Functions: 64, FunctionBytes: 4 << 10, Locals: 64, Blocks: 256,
	BlockDepth: 64, MemoryPages: 4, TableElements: 64,
}

// FuzzInstrument gives it whatever comes. It must not panic; what it makes of a valid
// module must be valid; and running that must come to an end.
func FuzzInstrument(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.wasm")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, seed := range seeds {
		f.Add(fixture(f, strings.TrimSuffix(filepath.Base(seed), ".wasm")))
	}
	f.Add(assemble())
	f.Add(chain(3))
	f.Fuzz(func(t *testing.T, module []byte) {
		m, err := Instrument(module, fuzzCaps)
		if err != nil {
			return
		}
		ctx := t.Context()
		rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(features))
		defer rt.Close(ctx)
		_, before := rt.CompileModule(ctx, module)
		_, after := rt.CompileModule(ctx, m.Bytes)
		if before == nil && after != nil {
			t.Fatalf("a valid module became invalid: %v", after)
		}
		if after != nil || len(m.Imports) > 0 {
			return
		}
		instance, err := rt.InstantiateWithConfig(ctx, m.Bytes, wazero.NewModuleConfig().WithStartFunctions())
		if err != nil {
			return // a segment is out of bounds
		}
		g := withFuel(instance)
		for _, name := range exported(m, KindFunc) {
			e, _ := m.Export(name)
			g.refill(20_000, 100)
			g.call(t, name, make([]uint64, len(e.Func.Params))...)
		}
	})
}
