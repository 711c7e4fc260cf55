package wasm

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/plimsoll-project/plimsoll/internal/hostile"
)

// fuzzCaps keep compiling quick.
var fuzzCaps = Caps{
	ModuleBytes: 16 << 10, Functions: 64, FunctionBytes: 4 << 10, Locals: 64, Blocks: 256,
	BlockDepth: 64, MemoryPages: 4, TableElements: 64,
}

// FuzzRead reads and rewrites whatever comes, and does nothing with it: it must not panic,
// what is refused is refused with a reason of the two kinds, and what is accepted is
// rewritten the same again.
func FuzzRead(f *testing.F) {
	seedModules(f)
	f.Fuzz(func(t *testing.T, module []byte) {
		m, err := Instrument(module, fuzzCaps)
		if err != nil {
			_, limit := errors.AsType[*LimitError](err)
			_, format := errors.AsType[*FormatError](err)
			if !limit && !format {
				t.Errorf("error is %T: %v", err, err)
			}
			return
		}
		again, err := Instrument(module, fuzzCaps)
		if err != nil || !bytes.Equal(again.Bytes, m.Bytes) {
			t.Errorf("the second time it is another: %v", err)
		}
	})
}

func seedModules(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.wasm")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, seed := range seeds {
		f.Add(fixture(f, strings.TrimSuffix(filepath.Base(seed), ".wasm")))
	}
	for _, m := range hostile.Modules() {
		if len(m.Wasm) <= int(fuzzCaps.ModuleBytes) {
			f.Add(m.Wasm)
		}
	}
	f.Add(assemble())
	f.Add(chain(3))
}

// FuzzInstrument gives it whatever comes. It must not panic; what it makes of a valid
// module must be valid; and running that must come to an end.
func FuzzInstrument(f *testing.F) {
	seedModules(f)
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
