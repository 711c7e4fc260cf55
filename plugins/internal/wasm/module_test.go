package wasm

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModuleTellsWhatItIs(t *testing.T) {
	log := FuncType{Params: []ValueType{I32, I32}}
	module := assemble(
		sect(secCustom, slices.Concat(str("plimsoll.validator"), []byte(`{"name":"x"}`))...),
		sect(secType, vec(funcType(log.Params, nil), funcType([]ValueType{I32}, []ValueType{I64}))...),
		sect(secImport, vec(
			slices.Concat(str("plimsoll"), str("log"), []byte{0, 0}),
			slices.Concat(str("env"), str("base"), []byte{3, byte(I32), 0}),
			slices.Concat(str("env"), str("table"), []byte{1, byte(FuncRef), 0, 3}),
		)...),
		sect(secFunction, vec([]byte{1})...),
		sect(secMemory, 1, 1, 2, 9),
		sect(secExport, vec(
			export("memory", KindMemory, 0),
			export("plimsoll_validate", KindFunc, 1),
			export("log", KindFunc, 0),
			export("base", KindGlobal, 0),
		)...),
		sect(secCode, vec(codeOf(nil, opI64Const, 0))...),
		sect(secCustom, slices.Concat(str("producers"), []byte{0})...),
	)
	got := metered(t, module)
	got.Usage = nil // see TestCaps, and plugins
	got.Bytes = nil
	want := &Module{
		Imports: []Import{
			{Module: "plimsoll", Name: "log", Kind: KindFunc, Func: log},
			{Module: "env", Name: "base", Kind: KindGlobal, Global: GlobalType{Type: I32}},
			{Module: "env", Name: "table", Kind: KindTable},
		},
		Exports: []Export{
			{Name: "memory", Kind: KindMemory},
			{Name: "plimsoll_validate", Kind: KindFunc, Index: 1, Func: FuncType{Params: []ValueType{I32}, Results: []ValueType{I64}}},
			{Name: "log", Kind: KindFunc, Func: log},
			{Name: "base", Kind: KindGlobal, Global: GlobalType{Type: I32}},
		},
		Memory: &Memory{Min: 2, Max: 9},
		Custom: []CustomSection{
			{Name: "plimsoll.validator", Data: []byte(`{"name":"x"}`)},
			{Name: "producers", Data: []byte{0}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("module (-want +got):\n%s", diff)
	}
	if e, ok := got.Export("log"); !ok || e.Kind != KindFunc {
		t.Errorf("Export(log) = %v, %t", e, ok)
	}
	if _, ok := got.Export("none"); ok {
		t.Error("Export(none) exists")
	}
}

func TestUnrestorable(t *testing.T) {
	tests := map[string][]string{
		"control": nil,
		"memory":  {"data.drop"},
		"tables":  {"elem.drop", "table.copy", "table.fill", "table.grow", "table.init", "table.set"},
	}
	for name, want := range tests {
		if got := metered(t, fixture(t, name)).Unrestorable; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestTrapsNameFunctions keeps the names of functions, and nothing else that is in
// custom sections, for stack traces.
func TestTrapsNameFunctions(t *testing.T) {
	g := instantiate(t, newRuntime(t), metered(t, fixture(t, "bombs")).Bytes)
	g.refill(plenty, 10)
	_, err := g.module.ExportedFunction("mutual").Call(t.Context(), 0)
	if err == nil || !strings.Contains(err.Error(), "ping") || !strings.Contains(err.Error(), "pong") {
		t.Errorf("the trap does not name the functions: %v", err)
	}
}

// TestBadNames gives up on a name section that is not well formed, and only on that.
func TestBadNames(t *testing.T) {
	name := func(content ...byte) []byte {
		return append(function(nil, nil, nil, opUnreachable), sect(secCustom, append(str("name"), content...)...)...)
	}
	without := len(metered(t, function(nil, nil, nil, opUnreachable)).Bytes)
	tests := map[string]struct {
		module []byte
		kept   bool
	}{
		"good":              {name(1, 4, 1, 0, 1, 'f'), true},
		"after module name": {name(0, 2, 1, 'm', 1, 4, 1, 0, 1, 'f'), true},
		"huge count":        {name(append([]byte{1, 6}, huge...)...), false},
		"no such function":  {name(1, 4, 1, 1, 1, 'f'), false},
		"twice":             {name(1, 7, 2, 0, 1, 'f', 0, 1, 'g'), false},
		"not UTF-8":         {name(1, 4, 1, 0, 1, 0xff), false},
		"cut short":         {name(1, 9, 1, 0), false},
		"too long":          {name(1, 5, 1, 0, 1, 'f', 0), false},
		"none":              {name(2, 1, 0), false},
	}
	for label, tt := range tests {
		t.Run(label, func(t *testing.T) {
			m := metered(t, tt.module)
			if kept := len(m.Bytes) > without; kept != tt.kept {
				t.Errorf("kept: %t, want %t", kept, tt.kept)
			}
			rt := newRuntime(t)
			if _, err := rt.CompileModule(t.Context(), m.Bytes); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestImportsRun calls an imported function from a metered one, and through a table.
func TestImportsRun(t *testing.T) {
	rt := newRuntime(t)
	_, err := rt.NewHostModuleBuilder("host").NewFunctionBuilder().
		WithFunc(func(n uint32) uint32 { return n * n }).Export("square").Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	module := assemble(
		sect(secType, vec(funcType([]ValueType{I32}, []ValueType{I32}))...),
		sect(secImport, vec(slices.Concat(str("host"), str("square"), []byte{0, 0}))...),
		sect(secFunction, vec([]byte{0}, []byte{0})...),
		sect(secTable, 1, 0x70, 0, 1),
		sect(secExport, vec(export("direct", KindFunc, 1), export("indirect", KindFunc, 2))...),
		sect(secElement, 1, 0, opI32Const, 0, opEnd, 1, 0),
		sect(secCode, vec(
			codeOf(nil, opLocalGet, 0, opCall, 0),
			codeOf(nil, opLocalGet, 0, opI32Const, 0, opCallIndirect, 0, 0),
		)...),
	)
	g := instantiate(t, rt, metered(t, module).Bytes)
	for _, f := range []string{"direct", "indirect"} {
		if got, trap := g.call(t, f, 12); trap != "" || got[0] != 144 {
			t.Errorf("%s(12) = %v, %s", f, got, trap)
		}
	}
}

// TestEmptyModule has nothing but what is added.
func TestEmptyModule(t *testing.T) {
	g := instantiate(t, newRuntime(t), metered(t, assemble()).Bytes)
	if g.fuelLeft() != plenty || g.depthLeft() != plenty {
		t.Errorf("fuel %d, depth %d", g.fuelLeft(), g.depthLeft())
	}
}

// TestMeteredModuleIsRefused does not let a module bring its own meter.
func TestMeteredModuleIsRefused(t *testing.T) {
	refused(t, metered(t, fixture(t, "control")).Bytes, "reserved")
}

func TestFuncTypeString(t *testing.T) {
	tests := map[string]FuncType{
		"()":                           {},
		"(i32, i64) → f32":             {Params: []ValueType{I32, I64}, Results: []ValueType{F32}},
		"(f64) → (funcref, externref)": {Params: []ValueType{F64}, Results: []ValueType{FuncRef, ExternRef}},
	}
	for want, typ := range tests {
		if got := typ.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if !typ.Equal(FuncType{Params: slices.Clone(typ.Params), Results: slices.Clone(typ.Results)}) {
			t.Errorf("%s is not equal to itself", typ)
		}
		if typ.Equal(FuncType{Params: []ValueType{I32}}) {
			t.Errorf("%s is equal to (i32)", typ)
		}
	}
}
