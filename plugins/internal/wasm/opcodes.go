package wasm

// The opcodes that the rewriter reads or writes by name.
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opTableSet     = 0x26
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opF32Eq        = 0x5b
	opF64Eq        = 0x61
	opSelect       = 0x1b
	opI64Sub       = 0x7d
	opI64Mul       = 0x7e
	opI64Or        = 0x84
	opI64ShrU      = 0x88
	opI32WrapI64   = 0xa7
	opI64ExtendU   = 0xad // i64.extend_i32_u
	opRefNull      = 0xd0
	opRefFunc      = 0xd2
	opPrefixFC     = 0xfc
)

// The opcodes after prefix 0xfc that the rewriter knows by name.
const (
	fcMemoryInit = 8
	fcDataDrop   = 9
	fcMemoryCopy = 10
	fcMemoryFill = 11
	fcTableInit  = 12
	fcElemDrop   = 13
	fcTableCopy  = 14
	fcTableGrow  = 15
	fcTableFill  = 17
)

// emptyBlock is the type of a block without parameters and results.
const emptyBlock = 0x40

// immediate says what follows an opcode.
type immediate byte

const (
	immUnknown      immediate = iota // the opcode is not supported
	immNone                          // nothing
	immBlock                         // a block type
	immLabel                         // a label
	immBranchTable                   // a vector of labels and one more
	immFunc                          // a function
	immCallIndirect                  // a type and a table
	immLocal                         // a local
	immGlobal                        // a global
	immTable                         // a table
	immTwoTables                     // two tables
	immElem                          // an element segment
	immElemTable                     // an element segment and a table
	immData                          // a data segment
	immDataMemory                    // a data segment and a memory
	immMemArg                        // an alignment and an offset
	immMemory                        // a memory
	immTwoMemories                   // two memories
	immI32                           // a signed 32-bit LEB128 number
	immI64                           // a signed 64-bit LEB128 number
	immF32                           // 4 bytes
	immF64                           // 8 bytes
	immTypes                         // a vector of value types
	immRefType                       // a reference type
)

// immediates has an entry for every supported opcode without a prefix.
// See https://www.w3.org/TR/wasm-core-2/#instructions⑥ (section 5.4).
var immediates = [256]immediate{
	// 5.4.1 control instructions
	opUnreachable: immNone, 0x01: immNone,
	opBlock: immBlock, opLoop: immBlock, opIf: immBlock,
	opElse: immNone, opEnd: immNone,
	opBr: immLabel, opBrIf: immLabel, opBrTable: immBranchTable,
	opReturn: immNone, opCall: immFunc, opCallIndirect: immCallIndirect,
	// 5.4.2 reference instructions
	opRefNull: immRefType, 0xd1: immNone, opRefFunc: immFunc,
	// 5.4.3 parametric instructions
	0x1a: immNone, 0x1b: immNone, 0x1c: immTypes,
	// 5.4.4 variable instructions
	opLocalGet: immLocal, opLocalSet: immLocal, opLocalTee: immLocal,
	opGlobalGet: immGlobal, opGlobalSet: immGlobal,
	// 5.4.5 table instructions
	0x25: immTable, opTableSet: immTable,
	// 5.4.6 memory instructions: loads, stores, size, grow
	0x28: immMemArg, 0x29: immMemArg, 0x2a: immMemArg, 0x2b: immMemArg,
	0x2c: immMemArg, 0x2d: immMemArg, 0x2e: immMemArg, 0x2f: immMemArg,
	0x30: immMemArg, 0x31: immMemArg, 0x32: immMemArg, 0x33: immMemArg,
	0x34: immMemArg, 0x35: immMemArg, 0x36: immMemArg, 0x37: immMemArg,
	0x38: immMemArg, 0x39: immMemArg, 0x3a: immMemArg, 0x3b: immMemArg,
	0x3c: immMemArg, 0x3d: immMemArg, 0x3e: immMemArg,
	0x3f: immMemory, opMemoryGrow: immMemory,
	// 5.4.7 numeric instructions: constants; init adds the ones without immediates
	opI32Const: immI32, opI64Const: immI64, opF32Const: immF32, opF64Const: immF64,
}

// Numeric instructions without immediates are one run of opcodes: i32.eqz to
// f64.copysign, the conversions, and the five sign extensions.
const firstNumeric, lastNumeric = 0x45, 0xc4

func init() {
	for op := firstNumeric; op <= lastNumeric; op++ {
		immediates[op] = immNone
	}
}

// computes is the type of the result of an instruction whose result, if it is no number, the
// specification leaves to the machine; 0 for others. Those that move a sign (abs, neg,
// copysign) or bits are exact.
func computes(op byte) ValueType {
	switch {
	case op >= 0x8d && op <= 0x97, op == 0xb6: // f32.ceil to f32.max, f32.demote_f64
		return F32
	case op >= 0x9b && op <= 0xa5, op == 0xbb: // f64.ceil to f64.max, f64.promote_f32
		return F64
	}
	return 0
}

// immediatesFC has an entry for every supported opcode after prefix 0xfc: the
// saturating conversions (5.4.7), bulk memory (5.4.6) and tables (5.4.5).
var immediatesFC = [...]immediate{
	0: immNone, 1: immNone, 2: immNone, 3: immNone,
	4: immNone, 5: immNone, 6: immNone, 7: immNone,
	fcMemoryInit: immDataMemory,
	fcDataDrop:   immData,
	fcMemoryCopy: immTwoMemories,
	fcMemoryFill: immMemory,
	fcTableInit:  immElemTable,
	fcElemDrop:   immElem,
	fcTableCopy:  immTwoTables,
	fcTableGrow:  immTable,
	16:           immTable, // table.size
	fcTableFill:  immTable,
}

// unsupportedFeature names the feature that an opcode outside of the tables is
// from, for the message.
func unsupportedFeature(op byte) string {
	switch op {
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f:
		return "exception handling"
	case 0x12, 0x13:
		return "tail calls"
	case 0x14, 0x15, 0xd3, 0xd4, 0xd5, 0xd6, 0xfb:
		return "typed references or garbage collection"
	case 0xfd:
		return "SIMD"
	case 0xfe:
		return "threads"
	}
	return "an unknown feature"
}
