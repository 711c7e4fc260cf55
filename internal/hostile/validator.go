package hostile

import "slices"

// Where things are in the memory of a validator.
const (
	verdictAt = 16
	verdict   = `{"violations":[]}`
	denial    = `{"violations":[{"msg":"a call before this one left something behind"}]}`
	denialAt  = 64
	requestAt = 1024
	page      = 64 << 10
)

// Indexes of the types and functions of a validator that imports nothing.
const (
	typeNone  = iota // ()
	typeAlloc        // (i32) → i32
	typeJudge        // (i32, i32) → i64
	typeMore         // the first of its own
)

const (
	funcMarker = iota
	funcAlloc
	funcJudge
	funcMore // the first of its own
)

// validator is a module that keeps the contract, and finds everything valid, but for what
// is set. Each vector is appended to what it has anyway.
type validator struct {
	types, imports, funcs, tables, globals, exports, elements, code, data [][]byte
	imported                                                              byte   // functions
	memory                                                                []byte // limits; one page if nil
	dataCount                                                             bool
	marker                                                                string
	alloc, judge                                                          []byte // code
	allocLocals, judgeLocals                                              []byte
	extra                                                                 []byte // sections at the end
	start                                                                 []byte // the index of a start function
}

// say returns the verdict at ptr.
func say(ptr, n uint32) []byte { return long(pack(ptr, n)) }

// admit returns the verdict that nothing is wrong.
var admit = say(verdictAt, uint32(len(verdict)))

// then is code, and after it the verdict that nothing is wrong.
func then(code ...any) []byte { return seq(seq(code...), admit) }

// never is code that does not come to an end, as the compiler has to be told.
func never(code ...any) []byte { return seq(seq(code...), opUnreachable) }

func (v validator) assemble() []byte {
	or := func(b, otherwise []byte) []byte {
		if b == nil {
			return otherwise
		}
		return b
	}
	marker := v.marker
	if marker == "" {
		marker = "plimsoll_abi_1"
	}
	optional := func(id byte, items [][]byte) []byte {
		if len(items) == 0 {
			return nil
		}
		return section(id, vec(items...))
	}
	n := v.imported
	var started []byte
	if v.start != nil {
		started = section(secStart, v.start)
	}
	var count []byte
	if v.dataCount {
		count = section(secDataCount, u(uint32(len(v.data)+2))) //nolint:gosec // it fits
	}
	return module(
		section(secType, vec(append([][]byte{
			funcType(nil, nil), funcType([]byte{i32}, []byte{i32}), funcType([]byte{i32, i32}, []byte{i64}),
		}, v.types...)...)),
		optional(secImport, v.imports),
		section(secFunction, vec(append([][]byte{{typeNone}, {typeAlloc}, {typeJudge}}, v.funcs...)...)),
		optional(secTable, v.tables),
		section(secMemory, vec(or(v.memory, []byte{0, 1}))),
		optional(secGlobal, v.globals),
		section(secExport, vec(append([][]byte{
			export("memory", kindMemory, 0), export(marker, kindFunc, n+funcMarker),
			export("plimsoll_alloc", kindFunc, n+funcAlloc), export("plimsoll_validate", kindFunc, n+funcJudge),
		}, v.exports...)...)),
		started,
		optional(secElement, v.elements),
		count,
		section(secCode, vec(append([][]byte{
			body(noLocals), body(or(v.allocLocals, noLocals), or(v.alloc, num(requestAt))), body(or(v.judgeLocals, noLocals), or(v.judge, admit)),
		}, v.code...)...)),
		section(secData, vec(append([][]byte{
			seq(0, num(verdictAt), opEnd, name(verdict)), seq(0, num(denialAt), opEnd, name(denial)),
		}, v.data...)...)),
		v.extra,
	)
}

// judging is a validator whose validate is that code.
func judging(code ...any) []byte { return validator{judge: seq(code...)}.assemble() }

// function adds a function of the validator's own.
func (v validator) function(typ byte, locals []byte, code ...any) validator {
	v.funcs = append(slices.Clone(v.funcs), []byte{typ})
	v.code = append(slices.Clone(v.code), body(locals, code...))
	return v
}

// Answering is a validator that answers every request with text, and means no harm.
func Answering(text string) []byte {
	const at = requestAt / 2
	return validator{
		data:  [][]byte{seq(0, num(at), opEnd, name(text))},
		judge: say(at, uint32(len(text))), //nolint:gosec // it fits
	}.assemble()
}
