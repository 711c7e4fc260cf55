package wasm

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestCaps lowers each cap to just below what a module needs.
func TestCaps(t *testing.T) {
	long := strings.Repeat("n", 100)
	tests := []struct {
		name   string
		module []byte
		value  uint64
		set    func(*Caps, uint32)
	}{
		{"ModuleBytes", fixture(t, "control"), uint64(len(fixture(t, "control"))), func(c *Caps, n uint32) { c.ModuleBytes = n }},
		{"Types", assemble(sect(secType, vec(slices.Repeat([][]byte{funcType(nil, nil)}, 9)...)...)), 9, func(c *Caps, n uint32) { c.Types = n }},
		{"Params", function(slices.Repeat([]ValueType{I32}, 9), nil, nil), 9, func(c *Caps, n uint32) { c.Params = n }},
		{"Results", assemble(sect(secType, vec(funcType(nil, slices.Repeat([]ValueType{I32}, 9)))...)), 9, func(c *Caps, n uint32) { c.Results = n }},
		{"Imports", assemble(sect(secImport, vec(slices.Repeat([][]byte{{1, 'm', 1, 'n', 3, byte(I32), 0}}, 9)...)...)), 9, func(c *Caps, n uint32) { c.Imports = n }},
		{"Functions", chain(9), 9, func(c *Caps, n uint32) { c.Functions = n }},
		{"Tables", fixture(t, "tables"), 2, func(c *Caps, n uint32) { c.Tables = n }},
		{"TableElements", fixture(t, "tables"), 4, func(c *Caps, n uint32) { c.TableElements = n }},
		{"MemoryPages", fixture(t, "bombs"), 16, func(c *Caps, n uint32) { c.MemoryPages = n }},
		{"Globals", fixture(t, "tables"), 4, func(c *Caps, n uint32) { c.Globals = n }},
		{"Exports", assemble(sect(secMemory, 1, 0, 1), sect(secExport, vec(export("a", KindMemory, 0), export("b", KindMemory, 0))...)), 2, func(c *Caps, n uint32) { c.Exports = n }},
		{"ElementSegments", fixture(t, "tables"), 4, func(c *Caps, n uint32) { c.ElementSegments = n }},
		{"Elements", fixture(t, "tables"), 7, func(c *Caps, n uint32) { c.Elements = n }},
		{"DataSegments", fixture(t, "memory"), 2, func(c *Caps, n uint32) { c.DataSegments = n }},
		{"DataBytes", fixture(t, "memory"), 22, func(c *Caps, n uint32) { c.DataBytes = n }},
		{"CustomSections", assemble(sect(0, 1, 'a'), sect(0, 1, 'b')), 2, func(c *Caps, n uint32) { c.CustomSections = n }},
		{"NameBytes", assemble(sect(0, str(long)...)), 100, func(c *Caps, n uint32) { c.NameBytes = n }},
		{"FunctionBytes", function(nil, nil, nil, repeat(97, 0x01)...), 99, func(c *Caps, n uint32) { c.FunctionBytes = n }},
		{"Locals", function([]ValueType{I32}, nil, []byte{8, byte(I64)}), 9, func(c *Caps, n uint32) { c.Locals = n }},
		{"LocalsTotal", function([]ValueType{I32}, nil, []byte{8, byte(I64)}), 9, func(c *Caps, n uint32) { c.LocalsTotal = n }},
		{"BlockDepth", function(nil, nil, nil, append(repeat(9, opBlock, emptyBlock), repeat(9, opEnd)...)...), 9, func(c *Caps, n uint32) { c.BlockDepth = n }},
		{"Blocks", function(nil, nil, nil, repeat(9, opBlock, emptyBlock, opEnd)...), 10, func(c *Caps, n uint32) { c.Blocks = n }},
		{"CompileWork", function([]ValueType{I32}, nil, nil, repeat(9, opBlock, emptyBlock, opEnd)...), 10 * (10 + 40), func(c *Caps, n uint32) { c.CompileWork = n }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var caps Caps
			tt.set(&caps, uint32(tt.value))
			if _, err := Instrument(tt.module, caps); err != nil {
				t.Fatalf("within the limit: %v", err)
			}
			tt.set(&caps, uint32(tt.value-1))
			_, err := Instrument(tt.module, caps)
			var limit *LimitError
			if !errors.As(err, &limit) {
				t.Fatalf("beyond the limit: %v", err)
			}
			if limit.Cap != tt.name || limit.Value != tt.value || limit.Limit != tt.value-1 {
				t.Errorf("%s is %d of %d, want %s to be %d of %d",
					limit.Cap, limit.Value, limit.Limit, tt.name, tt.value, tt.value-1)
			}
		})
	}
	if n := reflect.TypeFor[Caps]().NumField(); len(tests) != n {
		t.Errorf("%d caps are tested, there are %d", len(tests), n)
	}
}

// TestGrowthIsCapped declares no maximum, or one that is too large.
func TestGrowthIsCapped(t *testing.T) {
	tests := map[string]struct {
		memory []byte
		want   Memory
	}{
		"none":      {[]byte{0, 2}, Memory{Min: 2, Max: 5}},
		"too large": {[]byte{1, 2, 100}, Memory{Min: 2, Max: 5}},
		"small":     {[]byte{1, 2, 3}, Memory{Min: 2, Max: 3}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			module := assemble(
				sect(secType, vec(funcType([]ValueType{I32}, []ValueType{I32}))...),
				sect(secFunction, vec([]byte{0}, []byte{0})...),
				sect(secTable, 1, 0x70, 0, 1),
				sect(secMemory, vec(tt.memory)...),
				sect(secExport, vec(export("memory", KindFunc, 0), export("table", KindFunc, 1))...),
				sect(secCode, vec(
					codeOf(nil, opLocalGet, 0, opMemoryGrow, 0),
					codeOf(nil, opRefNull, 0x70, opLocalGet, 0, opPrefixFC, fcTableGrow, 0),
				)...),
			)
			m, err := Instrument(module, Caps{MemoryPages: 5, TableElements: 10})
			if err != nil {
				t.Fatal(err)
			}
			if *m.Memory != tt.want {
				t.Errorf("memory %+v, want %+v", *m.Memory, tt.want)
			}
			g := instantiate(t, newRuntime(t), m.Bytes)
			grow := func(name string, by, want uint64) {
				t.Helper()
				if got, trap := g.call(t, name, by); trap != "" || got[0] != want {
					t.Errorf("%s: growing by %d gave %v, %s, want %d", name, by, got, trap, want)
				}
			}
			grow("memory", uint64(tt.want.Max-tt.want.Min)+1, math.MaxUint32)
			grow("memory", uint64(tt.want.Max-tt.want.Min), uint64(tt.want.Min))
			grow("table", 10, math.MaxUint32)
			grow("table", 9, 1)
		})
	}
}
