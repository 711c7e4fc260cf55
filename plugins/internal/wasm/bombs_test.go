package wasm

import (
	"slices"
	"testing"
)

// TestBombsStop calls what would run for ever, or too deep.
func TestBombsStop(t *testing.T) {
	const fuel, depth = 5_000_000, 1_000
	m := metered(t, fixture(t, "bombs"))
	rt := newRuntime(t)
	tests := []struct {
		export   string
		args     []uint64
		fuel     bool // it runs out of fuel
		depth    bool // it gets too deep
		unharmed bool // it traps of its own, with fuel and depth left
	}{
		{export: "loop", fuel: true},
		{export: "loop_call", fuel: true},
		{export: "loop_if", args: []uint64{0}, fuel: true},
		{export: "loop_table", args: []uint64{1}, fuel: true},
		{export: "tree", args: []uint64{64}, fuel: true},
		{export: "recurse", depth: true},
		{export: "mutual", args: []uint64{0}, depth: true},
		{export: "indirect", depth: true},
		{export: "fill", fuel: true},
		{export: "copy", fuel: true},
		{export: "grow", fuel: true},
		{export: "grow_much", fuel: true},
		{export: "table_grow", fuel: true},
		{export: "unreachable", unharmed: true},
		{export: "divide", unharmed: true},
	}
	for _, tt := range tests {
		t.Run(tt.export, func(t *testing.T) {
			g := instantiate(t, rt, m.Bytes)
			g.refill(fuel, depth)
			_, trap := g.call(t, tt.export, tt.args...)
			if trap == "" {
				t.Fatal("it returned")
			}
			if got := g.fuelLeft() < 0; got != tt.fuel {
				t.Errorf("out of fuel: %t, want %t (%d left, %s)", got, tt.fuel, g.fuelLeft(), trap)
			}
			if got := g.depthLeft() < 0; got != tt.depth {
				t.Errorf("too deep: %t, want %t (%d left, %s)", got, tt.depth, g.depthLeft(), trap)
			}
			if tt.unharmed && (g.fuelLeft() < fuel-100 || g.depthLeft() != depth) {
				t.Errorf("fuel %d, depth %d left", g.fuelLeft(), g.depthLeft())
			}

			// Refilled, the same instance works.
			g.refill(fuel, depth)
			if _, trap := g.call(t, "empty"); trap != "" {
				t.Errorf("after refilling: %s", trap)
			}
		})
	}
}

// chain is a module of n functions each of which calls the next one twice, as f.
func chain(n int) []byte {
	bodies := make([][]byte, n)
	indexes := make([][]byte, n)
	for i := range bodies {
		indexes[i] = []byte{0}
		if i == n-1 {
			bodies[i] = codeOf(nil)
			continue
		}
		next := appendU32([]byte{opCall}, uint32(i+1))
		bodies[i] = codeOf(nil, append(next, next...)...)
	}
	return assemble(
		sect(secType, vec(funcType(nil, nil))...),
		sect(secFunction, vec(indexes...)...),
		sect(secExport, vec(export("f", KindFunc, 0))...),
		sect(secCode, vec(bodies...)...),
	)
}

// TestCallGraph calls a loop-free graph 64 deep that has 2⁶⁴ ways through it.
func TestCallGraph(t *testing.T) {
	g := instantiate(t, newRuntime(t), metered(t, chain(64)).Bytes)
	g.refill(1_000_000, 1_000)
	if _, trap := g.call(t, "f"); trap == "" || g.fuelLeft() >= 0 {
		t.Errorf("trap %q with %d fuel left", trap, g.fuelLeft())
	}
	g.refill(1_000_000, 50)
	if _, trap := g.call(t, "f"); trap == "" || g.depthLeft() >= 0 {
		t.Errorf("trap %q with a depth of %d left", trap, g.depthLeft())
	}
}

// TestDepthCountsLargeFrames tells a frame of many locals from a small one.
func TestDepthCountsLargeFrames(t *testing.T) {
	const depth = 100
	nested := func(locals uint32) int64 {
		// f(n) = n == 0 ? 0 : f(n-1)
		module := function([]ValueType{I32}, nil, append(appendU32(nil, locals), byte(I64)),
			opLocalGet, 0, opIf, emptyBlock, opLocalGet, 0, opI32Const, 1, 0x6b, opCall, 0, opEnd)
		g := instantiate(t, newRuntime(t), metered(t, module).Bytes)
		n := int64(0)
		for ; n <= depth; n++ {
			g.refill(plenty, depth)
			if _, trap := g.call(t, "f", uint64(n)); trap != "" {
				break
			}
		}
		return n
	}
	if n := nested(1); n != depth {
		t.Errorf("%d small frames fit into a depth of %d", n, depth)
	}
	if n := nested(64 * 9); n != depth/10 {
		t.Errorf("%d frames of 10 times the size fit into a depth of %d", n, depth)
	}
}

// TestFuelIsDeterministic takes the same fuel for the same call, on another engine,
// in whatever order.
func TestFuelIsDeterministic(t *testing.T) {
	module := fixture(t, "control")
	used := func() map[uint64]int64 {
		g := instantiate(t, newRuntime(t), metered(t, module).Bytes)
		all := map[uint64]int64{}
		for n := range uint64(32) {
			g.refill(plenty, plenty)
			g.call(t, "nested", n)
			all[n] = plenty - g.fuelLeft()
		}
		return all
	}
	first, second := used(), used()
	for n, fuel := range first {
		if second[n] != fuel {
			t.Errorf("nested(%d) took %d, then %d", n, fuel, second[n])
		}
		if n > 0 && n < 31 && first[n+1] <= fuel {
			t.Errorf("nested(%d) took %d, nested(%d) no more: %d", n, fuel, n+1, first[n+1])
		}
	}
}

// TestSkippedCodeIsNotPaidFor branches around a thousand instructions.
func TestSkippedCodeIsNotPaidFor(t *testing.T) {
	const many = 1_000
	long := repeat(many, opI32Const, 0, 0x45, 0x1a) // i32.const 0, i32.eqz, drop
	tests := map[string][]byte{
		"branch":              slices.Concat([]byte{opLocalGet, 0, opBrIf, 0}, long),
		"branch, two blocks":  slices.Concat([]byte{opBlock, emptyBlock, opBlock, emptyBlock, opLocalGet, 0, opBrIf, 2, opEnd, opEnd}, long),
		"branch out of loop":  slices.Concat([]byte{opLoop, emptyBlock, opLocalGet, 0, opBrIf, 1, opEnd}, long),
		"branch to outer end": slices.Concat([]byte{opBlock, emptyBlock, opBlock, emptyBlock, opLocalGet, 0, opBrIf, 1, opEnd}, long, []byte{opEnd}),
		"branch table":        slices.Concat([]byte{opBlock, emptyBlock, opLocalGet, 0, opBrTable, 1, 0, 1, opEnd}, long),
		"return in if":        slices.Concat([]byte{opLocalGet, 0, opIf, emptyBlock, opReturn, opEnd}, long),
		"then":                slices.Concat([]byte{opLocalGet, 0, 0x45, opIf, emptyBlock}, long, []byte{opEnd}),
		"else":                slices.Concat([]byte{opLocalGet, 0, opIf, emptyBlock, opElse}, long, []byte{opEnd}),
	}
	for name, code := range tests {
		t.Run(name, func(t *testing.T) {
			g := instantiate(t, newRuntime(t), metered(t, function([]ValueType{I32}, nil, nil, code...)).Bytes)
			used := func(n uint64) int64 {
				g.refill(plenty, plenty)
				if _, trap := g.call(t, "f", n); trap != "" {
					t.Fatal(trap)
				}
				return plenty - g.fuelLeft()
			}
			if n := used(0); n < many || n > many+3*slack {
				t.Errorf("executing %d instructions took %d", many, n)
			}
			if n := used(1); n > 3*slack {
				t.Errorf("skipping them took %d", n)
			}
		})
	}
}
