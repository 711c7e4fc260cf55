package hostile

import (
	"encoding/binary"
	"slices"
)

// Ids of sections.
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
)

// Types of values, and kinds of imports and exports.
const (
	i32, i64, f32, f64 = 0x7f, 0x7e, 0x7d, 0x7c
	funcRef, externRef = 0x70, 0x6f
	v128               = 0x7b

	kindFunc, kindTable, kindMemory, kindGlobal = 0, 1, 2, 3
)

// Opcodes.
const (
	opUnreachable, opNop           = 0x00, 0x01
	opBlock, opLoop, opIf, opElse  = 0x02, 0x03, 0x04, 0x05
	opEnd                          = 0x0b
	opBr, opBrIf, opBrTable        = 0x0c, 0x0d, 0x0e
	opReturn, opCall, opCallIndir  = 0x0f, 0x10, 0x11
	opDrop                         = 0x1a
	opLocalGet, opLocalSet         = 0x20, 0x21
	opGlobalGet, opGlobalSet       = 0x23, 0x24
	opTableGet, opTableSet         = 0x25, 0x26
	opI32Load, opI64Load           = 0x28, 0x29
	opI32Store                     = 0x36
	opI32Store8                    = 0x3a
	opMemorySize, opMemoryGrow     = 0x3f, 0x40
	opI32Const, opI64Const         = 0x41, 0x42
	opF32Const, opF64Const         = 0x43, 0x44
	opI32Eqz                       = 0x45
	opI32Add, opI32Sub, opI32Mul   = 0x6a, 0x6b, 0x6c
	opI32DivS, opI32RemU           = 0x6d, 0x70
	opI64Add, opI64DivS            = 0x7c, 0x7f
	opI32TruncF64                  = 0xaa
	opI64Extend                    = 0xad // i64.extend_i32_u
	opRefNull, opIsNull, opRefFunc = 0xd0, 0xd1, 0xd2
	opFC                           = 0xfc
	emptyBlock                     = 0x40
)

// Opcodes after opFC.
const (
	fcMemoryInit, fcDataDrop, fcMemoryCopy, fcMemoryFill                   = 8, 9, 10, 11
	fcTableInit, fcElemDrop, fcTableCopy, fcTableGrow, _, fcTableFill byte = 12, 13, 14, 15, 16, 17
)

const header = "\x00asm\x01\x00\x00\x00"

// u is an unsigned LEB128 number.
func u(v uint32) []byte { return binary.AppendUvarint(nil, uint64(v)) }

// s is a signed LEB128 number.
func s(v int64) []byte {
	var b []byte
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// seq is parts, one after the other: bytes, numbers that are one byte, or lists of bytes.
func seq(parts ...any) []byte {
	var out []byte
	for _, part := range parts {
		switch p := part.(type) {
		case []byte:
			out = append(out, p...)
		case byte:
			out = append(out, p)
		case int:
			out = append(out, byte(p)) //nolint:gosec // they are opcodes and small numbers
		case string:
			out = append(out, p...)
		default:
			panic(part)
		}
	}
	return out
}

// vec is a vector of items.
func vec(items ...[]byte) []byte {
	return slices.Concat(append([][]byte{u(uint32(len(items)))}, items...)...) //nolint:gosec // it fits
}

// name is a string with its length.
func name(text string) []byte { return seq(u(uint32(len(text))), text) } //nolint:gosec // it fits

// section is a section.
func section(id byte, content ...any) []byte {
	body := seq(content...)
	return seq(id, u(uint32(len(body))), body) //nolint:gosec // it fits
}

// module is the header and sections.
func module(sections ...[]byte) []byte {
	return slices.Concat(append([][]byte{[]byte(header)}, sections...)...)
}

// funcType is a function type. Types are written as strings of bytes.
func funcType(params, results []byte) []byte {
	return seq(0x60, vec(split(params)...), vec(split(results)...))
}

func split(types []byte) [][]byte {
	list := make([][]byte, len(types))
	for i, t := range types {
		list[i] = []byte{t}
	}
	return list
}

// export is an entry of the export section.
func export(text string, kind, index byte) []byte { return seq(name(text), kind, index) }

// body is a function in the code section. The last end is added. locals is a vector.
func body(locals []byte, code ...any) []byte {
	content := seq(locals, seq(code...), opEnd)
	return seq(u(uint32(len(content))), content) //nolint:gosec // it fits
}

// noLocals is a vector of none.
var noLocals = vec()

// manyLocals is n locals of type i64.
func manyLocals(n uint32) []byte { return vec(seq(u(n), i64)) }

// num is a constant.
func num(v int32) []byte      { return seq(opI32Const, s(int64(v))) }
func long(v uint64) []byte    { return seq(opI64Const, s(int64(v))) } //nolint:gosec // the same 64 bits
func call(f byte) []byte      { return seq(opCall, u(uint32(f))) }
func local(n byte) []byte     { return seq(opLocalGet, n) }
func forever(c ...any) any    { return seq(opLoop, emptyBlock, seq(c...), opBr, 0, opEnd) }
func pack(p, n uint32) uint64 { return uint64(p)<<32 | uint64(n) }
