package hostile

import "math"

// Where commands keep their lists of buffers.
const (
	bufferList = 256
	resultAt   = 320
)

// The functions that commands import, and their own main function.
const (
	cmdWrite = iota
	cmdRead
	cmdExit
	cmdMain
)

// command is a WASI command with that code, and the verdict that nothing is wrong in its
// memory, with a list of one buffer that leads to it.
func command(code ...any) []byte {
	list := []byte{verdictAt, 0, 0, 0, byte(len(verdict)), 0, 0, 0}
	return module(
		section(secType, vec(funcType(nil, nil), funcType([]byte{i32, i32, i32, i32}, []byte{i32}), funcType([]byte{i32}, nil))),
		section(secImport, vec(
			seq(name(wasi), name("fd_write"), kindFunc, 1), seq(name(wasi), name("fd_read"), kindFunc, 1), seq(name(wasi), name("proc_exit"), kindFunc, 2),
		)),
		section(secFunction, vec([]byte{0})), section(secMemory, vec([]byte{0, 1})),
		section(secGlobal, vec(seq(i32, 1, num(0), opEnd))),
		section(secExport, vec(export("memory", kindMemory, 0), export("_start", kindFunc, cmdMain))),
		section(secCode, vec(body(noLocals, code...))),
		section(secData, vec(seq(0, num(verdictAt), opEnd, name(verdict)), seq(0, num(bufferList), opEnd, u(uint32(len(list))), list))), //nolint:gosec // it fits
	)
}

// write has a command write n buffers of a list to standard output, and forget the result.
func write(list, n uint32) []byte {
	return seq(num(1), num(int32(list)), num(int32(n)), num(resultAt), call(cmdWrite), opDrop) //nolint:gosec // the same 32 bits
}

// commands are programs for WASI that answer on their standard output.
func commands() []Module {
	m := func(n, does string, want Outcome, says string, code ...any) Module {
		return Module{Name: "command-" + n, Does: does, Wasm: command(code...), Want: want, Says: says, Limits: quick}
	}
	answer := write(bufferList, 1)
	return []Module{
		m("endless", "never ends", Timeout, "ran out of fuel", forever()),
		m("flood", "writes verdicts without end", Fault, "more than the limit", forever(answer)),
		m("silent", "writes nothing", Fault, "wrote nothing", opNop),
		m("twice", "writes two verdicts", Fault, "not a verdict", answer, answer),
		m("exit-1", "writes a verdict, and exits with code 1", Fault, "exited with code 1", answer, num(1), call(cmdExit)),
		m("exit-0", "exits with code 0 before it writes", Fault, "wrote nothing", num(0), call(cmdExit)),
		m("trap", "writes a verdict, and traps", Fault, "unreachable", answer, opUnreachable),
		m("recursion", "calls itself", Fault, "nest too deep", call(cmdMain)),
		m("list-outside", "writes a list of buffers that is outside memory", Fault, "wrote nothing", write(page-4, 1)),
		m("list-endless", "writes a list of 2³²-1 buffers", Fault, "wrote nothing", write(bufferList, math.MaxUint32)),
		m("list-wrap", "writes a list at the end of addresses", Fault, "wrote nothing", write(math.MaxUint32-7, 2)),
		m("read-outside", "reads to an address outside memory, and answers", Valid, "", num(0), num(page-4), num(1), num(resultAt), call(cmdRead), opDrop, answer),
		m("read-endless", "reads its input again and again", Timeout, "ran out of fuel", forever(num(0), num(bufferList), num(1), num(resultAt), call(cmdRead), opDrop)),
		m("state", "writes nothing if it has run before", Valid, "", opGlobalGet, 0, opI32Eqz, opIf, emptyBlock, answer, opEnd, num(1), opGlobalSet, 0),
	}
}

// The functions that Extism modules import, and their own.
const (
	extAlloc = iota
	extFree
	extLength
	extLoad
	extStore
	extInput
	extOutput
	extError
	extVarGet
	extVarSet
	extValidate
)

// extism is an Extism module with that code in validate.
func extism(code ...any) []byte {
	const host = "extism:host/env"
	imp := func(text string, typ byte) []byte { return seq(name(host), name(text), kindFunc, typ) }
	return module(
		section(secType, vec(
			funcType(nil, []byte{i32}), funcType([]byte{i64}, []byte{i64}), funcType([]byte{i64}, nil), funcType([]byte{i64}, []byte{i32}),
			funcType([]byte{i64, i32}, nil), funcType([]byte{i64, i64}, nil),
		)),
		section(secImport, vec(
			imp("alloc", 1), imp("free", 2), imp("length", 1), imp("load_u8", 3), imp("store_u8", 4), imp("input_load_u8", 3),
			imp("output_set", 5), imp("error_set", 2), imp("var_get", 1), imp("var_set", 5),
		)),
		section(secFunction, vec([]byte{0})), section(secMemory, vec([]byte{0, 1})),
		section(secExport, vec(export("memory", kindMemory, 0), export("validate", kindFunc, extValidate))),
		section(secCode, vec(body(vec(seq(1, i64)), code...))),
	)
}

// extisms are modules made for Extism's host.
func extisms() []Module {
	m := func(n, does string, want Outcome, says string, code ...any) Module {
		return Module{Name: "extism-" + n, Does: does, Wasm: extism(seq(code...), num(0)), Want: want, Says: says, Limits: quick}
	}
	alloc := func(n uint64) []byte { return seq(long(n), call(extAlloc)) }
	most := uint64(math.MaxUint64)
	return []Module{
		m("endless", "never ends", Timeout, "ran out of fuel", forever()),
		m("silent", "sets no output", Fault, "set no output", opNop),
		m("error", "sets an error", Fault, "set an error", alloc(8), call(extError)),
		m("alloc-all", "asks for 2⁶⁴-1 bytes", Timeout, "ran out of fuel", alloc(most), opDrop),
		{
			Name: "extism-alloc-large", Does: "asks for more than its memory may be", Want: Fault, Says: "more than the limit", Limits: "memory: 1MiB",
			Wasm: extism(alloc(600<<10), opDrop, alloc(600<<10), opDrop, num(0)),
		},
		m("alloc-many", "asks for a byte without end", Timeout, "ran out of fuel", forever(alloc(1), opDrop)),
		m("output-outside", "sets output that is outside its memory", Fault, "which it does not have", long(16), long(8), call(extOutput)),
		m("output-wrap", "sets output at the end of addresses", Fault, "which it does not have", long(most-8), long(64), call(extOutput)),
		m("output-all", "sets output of 2⁶⁴-1 bytes", Fault, "more than the limit of 65536", alloc(8), long(most), call(extOutput)),
		m("load-outside", "reads a byte at the end of addresses", Fault, "which it does not have", long(most), call(extLoad), opDrop),
		m("load-null", "reads a byte at 0", Fault, "which it does not have", long(0), call(extLoad), opDrop),
		m("store-outside", "writes a byte beyond a block", Fault, "which it does not have", alloc(8), long(4096), opI64Add, num(1), call(extStore)),
		m("input-outside", "reads beyond its input", Fault, "of its input", long(1<<32), call(extInput), opDrop),
		m("free-twice", "frees what is free, and what never was", Fault, "set no output", alloc(8), call(extFree), long(16), call(extFree), long(most), call(extFree)),
		m("variable-large", "sets a variable again and again", Timeout, "ran out of fuel", forever(alloc(8), alloc(8), call(extVarSet))),
	}
}
