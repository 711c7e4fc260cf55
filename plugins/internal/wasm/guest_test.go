package wasm

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// features are those that Instrument lets through, and SIMD, so that it is not the
// engine that refuses what this package should.
const features = api.CoreFeaturesV2

const plenty = 1 << 60

// guest is an instance of a module, metered or not.
type guest struct {
	module      api.Module
	fuel, depth api.MutableGlobal // nil if it is not metered
}

// newRuntime is an engine that is closed at the end of the test.
func newRuntime(tb testing.TB) wazero.Runtime {
	tb.Helper()
	return newRuntimeOf(tb, 1024)
}

// newRuntimeOf is newRuntime for memories of at most that many pages.
func newRuntimeOf(tb testing.TB, pages uint32) wazero.Runtime {
	tb.Helper()
	rt := wazero.NewRuntimeWithConfig(tb.Context(), wazero.NewRuntimeConfig().
		WithCoreFeatures(features).WithMemoryLimitPages(pages))
	tb.Cleanup(func() { rt.Close(context.Background()) })
	return rt
}

// instantiate makes a guest of a module, with plenty of fuel and depth.
func instantiate(tb testing.TB, rt wazero.Runtime, module []byte) *guest {
	tb.Helper()
	m, err := rt.InstantiateWithConfig(tb.Context(), module,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		tb.Fatalf("instantiate: %v", err)
	}
	return withFuel(m)
}

// withFuel finds the globals of an instance, if it is metered, and fills them.
func withFuel(m api.Module) *guest {
	g := &guest{module: m}
	if fuel := m.ExportedGlobal(FuelExport); fuel != nil {
		g.fuel = fuel.(api.MutableGlobal)
		g.depth = m.ExportedGlobal(DepthExport).(api.MutableGlobal)
		g.refill(plenty, plenty)
	}
	return g
}

func (g *guest) refill(fuel, depth int64) {
	g.fuel.Set(uint64(fuel))
	g.depth.Set(uint64(depth))
}

func (g *guest) fuelLeft() int64  { return int64(g.fuel.Get()) }
func (g *guest) depthLeft() int64 { return int64(g.depth.Get()) }

// call calls an export and returns its results or how it trapped, without the
// stack trace, which names what metering adds.
func (g *guest) call(tb testing.TB, name string, args ...uint64) ([]uint64, string) {
	tb.Helper()
	f := g.module.ExportedFunction(name)
	if f == nil {
		tb.Fatalf("function %s is not exported", name)
	}
	results, err := f.Call(tb.Context(), args...)
	if err != nil {
		trap, _, _ := strings.Cut(err.Error(), "\n")
		return nil, trap
	}
	return results, ""
}

// metered instruments a module that must be accepted.
func metered(tb testing.TB, module []byte) *Module {
	tb.Helper()
	m, err := Instrument(module, Caps{})
	if err != nil {
		tb.Fatalf("instrument: %v", err)
	}
	return m
}

// meteredOnly is metered, but for the bits of results that are no numbers, which stay as
// they are in the module: it can be compared with that.
func meteredOnly(tb testing.TB, module []byte) *Module {
	tb.Helper()
	m, err := instrumentOnly(module)
	if err != nil {
		tb.Fatalf("instrument: %v", err)
	}
	return m
}

func instrumentOnly(module []byte) (*Module, error) {
	r := newReader(module, DefaultCaps())
	r.keepNaNs = true
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.rewrite(), nil
}

// fixture reads testdata/name.wasm.
func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	module, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		tb.Fatal(err)
	}
	return module
}
