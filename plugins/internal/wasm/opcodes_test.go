package wasm

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
)

// snippet is a function (a, b i32) → i64 that uses one opcode. Around it are a memory with
// a data segment, two tables of functions, a mutable global and a second function.
type snippet struct {
	op   byte
	sub  byte // after opPrefixFC
	code []byte
}

func (s snippet) name() string {
	if s.op == opPrefixFC {
		return fmt.Sprintf("0xfc %d", s.sub)
	}
	return fmt.Sprintf("%#x", s.op)
}

// Offsets into memory and the like in the snippets.
const (
	extend  = opI64ExtendU
	noAlign = 0
)

// address is an address in memory, from the first argument: most are inside.
var address = []byte{opLocalGet, 0, opI32Const, 0xff, 0xff, 7, 0x71} // and 0x1ffff

// snippets has one for each opcode that is not numeric.
func snippets() []snippet {
	one := func(op byte, code ...any) snippet { return snippet{op: op, code: flat(code...)} }
	fc := func(sub byte, code ...any) snippet { return snippet{op: opPrefixFC, sub: sub, code: flat(code...)} }
	zero := []byte{opI64Const, 0}
	get := []byte{opLocalGet, 0}
	index := []byte{opLocalGet, 0, opI32Const, 7, 0x71} // and 7: in the tables, and beyond
	list := []snippet{
		one(opUnreachable, get, opIf, emptyBlock, opUnreachable, opEnd, zero),
		one(0x01, 0x01, zero),
		one(opBlock, opBlock, emptyBlock, get, opBrIf, 0, opLocalGet, 1, opLocalSet, 0, opEnd, get, extend),
		one(opLoop, get, opI32Const, 15, 0x71, opLocalSet, 0, opLoop, emptyBlock, get, opIf, emptyBlock, get, opI32Const, 1, 0x6b, opLocalSet, 0, opBr, 1, opEnd, opEnd, get, extend),
		one(opIf, get, opIf, byte(I64), opI64Const, 1, opElse, opI64Const, 2, opEnd),
		one(opElse, get, opIf, byte(I64), zero, opElse, opLocalGet, 1, extend, opEnd),
		one(opEnd, opBlock, byte(I64), zero, opEnd),
		one(opBr, opBlock, byte(I64), opI64Const, 3, opBr, 0, opEnd),
		one(opBrIf, opBlock, byte(I64), opI64Const, 3, get, opBrIf, 0, opEnd),
		one(opBrTable, opBlock, emptyBlock, opBlock, emptyBlock, opBlock, emptyBlock, get, opBrTable, 2, 0, 1, 2, opEnd, opI64Const, 5, opReturn, opEnd, opI64Const, 6, opReturn, opEnd, opI64Const, 7),
		one(opReturn, get, opIf, emptyBlock, opI64Const, 9, opReturn, opEnd, zero),
		one(opCall, get, opCall, 1, extend),
		one(opCallIndirect, get, index, opCallIndirect, 1, 0, extend),
		one(opRefNull, opRefNull, byte(FuncRef), 0xd1, extend),
		one(0xd1, index, 0x25, 0, 0xd1, extend), // ref.is_null
		one(opRefFunc, opRefFunc, 1, 0xd1, extend),
		one(0x1a, get, 0x1a, zero),                                     // drop
		one(0x1b, opLocalGet, 1, get, get, 0x1b, extend),               // select
		one(0x1c, opLocalGet, 1, get, get, 0x1c, 1, byte(I32), extend), // select of a type
		one(opLocalGet, get, extend), one(opLocalSet, opLocalGet, 1, opLocalSet, 0, get, extend),
		one(opLocalTee, opLocalGet, 1, opLocalTee, 0, extend),
		one(opGlobalGet, opGlobalGet, 0), one(opGlobalSet, get, extend, opGlobalSet, 0, opGlobalGet, 0),
		one(0x25, index, 0x25, 0, 0xd1, extend), // table.get
		one(opTableSet, index, opRefFunc, 1, opTableSet, 0, index, 0x25, 0, 0xd1, extend),
		one(0x3f, 0x3f, 0, extend), // memory.size
		one(opMemoryGrow, index, opMemoryGrow, 0, extend),
		one(opI32Const, opI32Const, 0x7f, extend), one(opI64Const, opI64Const, 0x7f),
		one(opF32Const, opF32Const, 0, 0, 0xc0, 0x7f, 0xbc, extend), // reinterpreted
		one(opF64Const, opF64Const, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f, 0xbd),
		fc(fcMemoryInit, address, opI32Const, 0, index, opPrefixFC, fcMemoryInit, 0, 0, zero),
		fc(fcDataDrop, opPrefixFC, fcDataDrop, 0, address, opI32Const, 0, index, opPrefixFC, fcMemoryInit, 0, 0, zero),
		fc(fcMemoryCopy, address, opLocalGet, 1, opI32Const, 0xff, 0, 0x71, opI32Const, 50, opPrefixFC, fcMemoryCopy, 0, 0, zero),
		fc(fcMemoryFill, address, opLocalGet, 1, opI32Const, 50, opPrefixFC, fcMemoryFill, 0, zero),
		fc(fcTableInit, index, opI32Const, 0, opI32Const, 2, opPrefixFC, fcTableInit, 0, 0, zero),
		fc(fcElemDrop, opPrefixFC, fcElemDrop, 0, index, opI32Const, 0, index, opPrefixFC, fcTableInit, 0, 0, zero),
		fc(fcTableCopy, index, opI32Const, 0, opI32Const, 2, opPrefixFC, fcTableCopy, 1, 0, zero),
		fc(fcTableGrow, opRefNull, byte(FuncRef), index, opPrefixFC, fcTableGrow, 0, extend),
		fc(16, opPrefixFC, 16, 0, extend), // table.size
		fc(fcTableFill, index, opRefNull, byte(FuncRef), opI32Const, 2, opPrefixFC, fcTableFill, 0, zero),
	}
	return append(list, memorySnippets()...)
}

// memorySnippets are of the loads and stores, by the type of the value.
func memorySnippets() []snippet {
	// toI64 makes an i64 of a value, fromI32 a value of an i32.
	toI64 := map[ValueType][]byte{I32: {extend}, I64: nil, F32: {0xbc, extend}, F64: {0xbd}}
	fromI32 := map[ValueType][]byte{I32: nil, I64: {extend}, F32: {0xbe}, F64: {extend, 0xbf}}
	var list []snippet
	for _, r := range []struct {
		first, last byte
		typ         ValueType
		load        bool
	}{
		{0x28, 0x28, I32, true},
		{0x29, 0x29, I64, true},
		{0x2a, 0x2a, F32, true},
		{0x2b, 0x2b, F64, true},
		{0x2c, 0x2f, I32, true},
		{0x30, 0x35, I64, true},
		{0x36, 0x36, I32, false},
		{0x37, 0x37, I64, false},
		{0x38, 0x38, F32, false},
		{0x39, 0x39, F64, false},
		{0x3a, 0x3b, I32, false},
		{0x3c, 0x3e, I64, false},
	} {
		for op := r.first; op <= r.last; op++ {
			code := flat(address, op, noAlign, 3, toI64[r.typ])
			if !r.load {
				code = flat(address, opLocalGet, 1, fromI32[r.typ], op, noAlign, 3, opI64Const, 0)
			}
			list = append(list, snippet{op: op, code: code})
		}
	}
	return list
}

// flat is code of bytes and lists of bytes.
func flat(parts ...any) []byte {
	var out []byte
	for _, part := range parts {
		switch p := part.(type) {
		case byte:
			out = append(out, p)
		case int:
			out = append(out, byte(p))
		case []byte:
			out = append(out, p...)
		}
	}
	return out
}

// module is the snippet as function f in a module of its own.
func (s snippet) module() []byte {
	return assemble(
		sect(secType, vec(funcType([]ValueType{I32, I32}, []ValueType{I64}), funcType([]ValueType{I32}, []ValueType{I32}))...),
		sect(secFunction, vec([]byte{0}, []byte{1})...),
		sect(secTable, vec([]byte{byte(FuncRef), 0, 5}, []byte{byte(FuncRef), 0, 4})...),
		sect(secMemory, vec([]byte{1, 1, 4})...),
		sect(secGlobal, vec([]byte{byte(I64), 1, opI64Const, 42, opEnd})...),
		sect(secExport, vec(export("f", KindFunc, 0), export("memory", KindMemory, 0), export("global", KindGlobal, 0))...),
		sect(secElement, vec(
			[]byte{1, 0, 2, 1, 1}, // passive: function 1, twice
			[]byte{0, opI32Const, 0, opEnd, 2, 1, 0},
		)...),
		sect(secDataCount, 1),
		sect(secCode, vec(codeOf(nil, s.code...), codeOf(nil, opLocalGet, 0, opI32Const, 3, 0x6c))...),
		sect(secData, vec(append([]byte{1}, str("data")...))...),
	)
}

// TestEveryOpcode runs code that uses each opcode which is let through, unmetered, metered,
// and metered with the interpreter: results, traps, memory and globals are the same, and
// so is the fuel on both engines. Numeric instructions are in TestNumeric too.
func TestEveryOpcode(t *testing.T) {
	all := snippets()
	for _, s := range signatures {
		for op := int(s.first); op <= int(s.last); op++ {
			all = append(all, numericSnippet(s, byte(op)))
		}
	}
	for _, s := range saturating {
		for op := s.first; op <= s.last; op++ {
			n := numericSnippet(s, opPrefixFC, op)
			n.sub = op
			all = append(all, n)
		}
	}
	covered, coveredFC := map[byte]bool{}, map[int]bool{}
	for _, s := range all {
		if s.op == opPrefixFC {
			coveredFC[int(s.sub)] = true
		} else {
			covered[s.op] = true
		}
		t.Run(s.name(), func(t *testing.T) { testSnippet(t, s) })
	}
	for op, imm := range immediates {
		if imm != immUnknown && !covered[byte(op)] {
			t.Errorf("opcode %#x is let through and not tested", op)
		}
	}
	for op, imm := range immediatesFC {
		if imm != immUnknown && !coveredFC[op] {
			t.Errorf("opcode 0xfc %d is let through and not tested", op)
		}
	}
}

// numericSnippet calls a numeric instruction on values made of the arguments.
func numericSnippet(s signature, opcode ...byte) snippet {
	made := map[ValueType][]byte{I32: nil, I64: {0xac}, F32: {0xb2}, F64: {0xb7}} // extended or converted, signed
	toI64 := map[ValueType][]byte{I32: {extend}, I64: nil, F32: {0xbc, extend}, F64: {0xbd}}
	var code []byte
	for i, p := range s.params {
		code = append(code, flat(opLocalGet, i, made[p])...)
	}
	return snippet{op: opcode[0], code: flat(code, opcode, toI64[s.result])}
}

func testSnippet(t *testing.T, s snippet) {
	module := s.module()
	m := meteredOnly(t, module)
	if s.op != opPrefixFC && !slices.Contains(s.code, s.op) {
		t.Fatal("the code does not have the opcode")
	}
	rt := newRuntime(t)
	interpreter := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features))
	defer interpreter.Close(t.Context())
	before, after, interpreted := instantiate(t, rt, module), instantiate(t, rt, m.Bytes), instantiate(t, interpreter, m.Bytes)
	returned := 0
	for _, args := range arguments([]ValueType{I32, I32}) {
		want := run(t, before, []string{"global"}, "f", args)
		var fuel []int64
		for _, g := range []*guest{after, interpreted} {
			g.refill(plenty, plenty)
			if diff := cmp.Diff(want, run(t, g, []string{"global"}, "f", args), cmp.AllowUnexported(state{})); diff != "" {
				t.Fatalf("f%v (-unmetered +metered):\n%s", args, diff)
			}
			fuel = append(fuel, plenty-g.fuelLeft())
		}
		if want.trap == "" {
			returned++
			if fuel[0] != fuel[1] || fuel[0] <= 0 {
				t.Errorf("f%v took %d fuel compiled, %d interpreted", args, fuel[0], fuel[1])
			}
		}
	}
	if returned == 0 {
		t.Error("every call trapped: the code is not what it should be")
	}
}
