package wasm

import (
	"hash/maphash"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero/api"
)

// state is what a call leaves behind.
type state struct {
	results []uint64
	trap    string
	globals []uint64
	memory  uint64 // a hash
	pages   uint32
}

var seed = maphash.MakeSeed()

// run calls an export and returns what there is to see afterwards.
func run(tb testing.TB, g *guest, globals []string, name string, args []uint64) state {
	tb.Helper()
	var s state
	s.results, s.trap = g.call(tb, name, args...)
	for _, name := range globals {
		s.globals = append(s.globals, g.module.ExportedGlobal(name).Get())
	}
	if mem := g.module.ExportedMemory("memory"); mem != nil {
		content, _ := mem.Read(0, mem.Size())
		s.memory, s.pages = maphash.Bytes(seed, content), mem.Size()
	}
	return s
}

// exported are the names of the module's own exports of a kind that is of numbers.
func exported(m *Module, kind Kind) []string {
	var names []string
	for _, e := range m.Exports {
		if e.Kind == kind {
			names = append(names, e.Name)
		}
	}
	return names
}

// TestFixturesBehaveTheSame calls every export of each fixture with many arguments,
// on one instance before and one after metering: state from one call lasts to the
// next.
func TestFixturesBehaveTheSame(t *testing.T) {
	for _, name := range []string{"control", "multi", "memory", "tables"} {
		t.Run(name, func(t *testing.T) {
			module := fixture(t, name)
			m := meteredOnly(t, module)
			rt := newRuntime(t)
			before, after := instantiate(t, rt, module), instantiate(t, rt, m.Bytes)
			globals := exported(m, KindGlobal)
			calls := 0
			for _, f := range exported(m, KindFunc) {
				e, _ := m.Export(f)
				for _, args := range arguments(e.Func.Params) {
					want := run(t, before, globals, f, args)
					after.refill(plenty, plenty)
					got := run(t, after, globals, f, args)
					if diff := cmp.Diff(want, got, cmp.AllowUnexported(state{})); diff != "" {
						t.Fatalf("%s%v (-unmetered +metered):\n%s", f, args, diff)
					}
					if got.trap == "" && after.depthLeft() != plenty {
						t.Fatalf("%s%v left the depth at %d", f, args, after.depthLeft())
					}
					if used := plenty - after.fuelLeft(); used <= 0 {
						t.Fatalf("%s%v took %d fuel", f, args, used)
					}
					calls++
				}
			}
			if calls < 20 {
				t.Errorf("only %d calls were compared", calls)
			}
		})
	}
}

// TestExactFuel runs each export with just the fuel that it took, and with one less.
func TestExactFuel(t *testing.T) {
	for _, name := range []string{"control", "multi", "memory"} {
		t.Run(name, func(t *testing.T) {
			m := metered(t, fixture(t, name))
			rt := newRuntime(t)
			for _, f := range exported(m, KindFunc) {
				e, _ := m.Export(f)
				all := arguments(e.Func.Params)
				for _, args := range all[:min(len(all), 8)] {
					g := instantiate(t, rt, m.Bytes)
					if _, trap := g.call(t, f, args...); trap != "" {
						continue
					}
					used := plenty - g.fuelLeft()

					g = instantiate(t, rt, m.Bytes)
					g.refill(used, plenty)
					if _, trap := g.call(t, f, args...); trap != "" || g.fuelLeft() != 0 {
						t.Errorf("%s%v with %d fuel: %q, %d left", f, args, used, trap, g.fuelLeft())
					}
					g = instantiate(t, rt, m.Bytes)
					g.refill(used-1, plenty)
					if _, trap := g.call(t, f, args...); trap == "" || g.fuelLeft() >= 0 {
						t.Errorf("%s%v with %d fuel: %q, %d left", f, args, used-1, trap, g.fuelLeft())
					}
				}
			}
		})
	}
}

func TestGlobalsAreReachable(t *testing.T) {
	m := metered(t, fixture(t, "tables"))
	want := []MutableGlobal{
		{Name: "plimsoll_global_0", Type: FuncRef},
		{Name: "plimsoll_global_1", Type: I64},
		{Name: "visible", Type: I32},
	}
	if diff := cmp.Diff(want, m.Globals); diff != "" {
		t.Fatalf("globals (-want +got):\n%s", diff)
	}
	g := instantiate(t, newRuntime(t), m.Bytes)
	var saved []uint64
	for _, global := range m.Globals {
		saved = append(saved, g.module.ExportedGlobal(global.Name).Get())
	}
	first, _ := g.call(t, "globals", 2)
	for i, global := range m.Globals {
		v := g.module.ExportedGlobal(global.Name).(api.MutableGlobal)
		if v.Get() == saved[i] {
			t.Errorf("the call did not change %s", global.Name)
		}
		v.Set(saved[i])
	}
	again, _ := g.call(t, "globals", 2)
	if !slices.Equal(first, again) || first[0] != 42 {
		t.Errorf("globals were put back, but %d became %d", first, again)
	}
}
