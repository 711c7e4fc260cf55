package wasm

import (
	"slices"
	"testing"
)

// importer is a module that imports a function and a memory, in that order or the
// other, and writes to the memory in f. If exports is not empty it exports the memory.
func importer(memoryFirst bool, exports string) []byte {
	function := slices.Concat(str("env"), str("g"), []byte{byte(KindFunc), 0})
	memory := slices.Concat(str("env"), str("memory"), []byte{byte(KindMemory), 0, 2})
	imports := [][]byte{function, memory}
	if memoryFirst {
		imports = [][]byte{memory, function}
	}
	list := [][]byte{export("f", KindFunc, 1)}
	if exports != "" {
		list = append(list, export(exports, KindMemory, 0))
	}
	return assemble(
		sect(secType, vec(funcType(nil, nil))...),
		sect(secImport, vec(imports...)...),
		sect(secFunction, vec([]byte{0})...),
		sect(secExport, vec(list...)...),
		sect(secCode, vec(codeOf(nil, opI32Const, 8, opI32Const, 42, 0x36, 2, 0))...), // i32.store
	)
}

func TestOwnMemory(t *testing.T) {
	for _, tt := range []struct {
		name        string
		memoryFirst bool
		exports     string
	}{
		{"function first", false, ""},
		{"memory first", true, ""},
		{"exported already", true, "memory"},
		{"exported as another", false, "heap"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := metered(t, importer(tt.memoryFirst, tt.exports))
			if !m.Memory.Imported {
				t.Fatal("the memory is not imported")
			}
			m.OwnMemory("memory")
			if e, ok := m.Export("memory"); !ok || e.Kind != KindMemory || m.Memory.Imported || len(m.Imports) != 1 {
				t.Errorf("module is %+v", m)
			}
			rt := newRuntime(t)
			host := rt.NewHostModuleBuilder("env")
			if _, err := host.NewFunctionBuilder().WithFunc(func() {}).Export("g").Instantiate(t.Context()); err != nil {
				t.Fatal(err)
			}
			g := instantiate(t, rt, m.Bytes)
			g.refill(plenty, plenty)
			if _, trap := g.call(t, "f"); trap != "" {
				t.Fatal(trap)
			}
			memory := g.module.ExportedMemory("memory")
			if got, _ := memory.ReadUint32Le(8); got != 42 || memory.Size() != 2<<16 {
				t.Errorf("memory of %d bytes has %d", memory.Size(), got)
			}
			if _, ok := memory.Grow(m.Memory.Max - 1); ok {
				t.Error("it grows beyond its cap")
			}
		})
	}
}

// TestStartIsNotRun instantiates a module whose start function traps.
func TestStartIsNotRun(t *testing.T) {
	m := metered(t, assemble(
		sect(secType, vec(funcType(nil, nil))...),
		sect(secFunction, vec([]byte{0}, []byte{0})...),
		sect(secExport, vec(export("f", KindFunc, 0))...),
		sect(secStart, 1),
		sect(secCode, vec(codeOf(nil), codeOf(nil, opUnreachable))...),
	))
	if _, ok := m.Export(StartExport); ok || !m.Start {
		t.Fatalf("start is %t, its export listed: %t", m.Start, ok)
	}
	g := instantiate(t, newRuntime(t), m.Bytes)
	g.refill(plenty, plenty)
	if _, trap := g.call(t, "f"); trap != "" {
		t.Fatal(trap)
	}
	if _, trap := g.call(t, StartExport); trap == "" {
		t.Error("the start function was not called")
	}
}
