package hostile

import (
	"fmt"
	"strings"
)

// The functions that policies import, and their own in the order of their exports.
const (
	opaBuiltin0 = iota
	opaBuiltin1
	opaAbort
	opaOwn // the first of their own
)

// Where policies keep text that they answer with: each ends in a zero.
const (
	opaEntrypointsAt = 16
	opaBuiltinsAt    = 512
	opaResultAt      = 1024
	opaOperandAt     = 1536
	opaHeapAt        = 4096
)

// policy is a module of OPA's ABI that finds everything valid, but for what is set: code of
// its functions, and text that they answer with.
type policy struct {
	eval, malloc, heap, dump, parse, valueDump, valueParse, builtins, entrypoints []byte
	listed, used, result, operand                                                 string
	room                                                                          string // text where memory is handed out
	version, minor                                                                int32
	globals                                                                       [][]byte
}

func (p policy) assemble() []byte {
	code := func(given, otherwise []byte) []byte {
		if given == nil {
			given = otherwise
		}
		return body(noLocals, given)
	}
	text := func(at int32, given, otherwise string) []byte {
		if given == "" {
			given = otherwise
		}
		return seq(0, num(at), opEnd, name(given+"\x00"))
	}
	version := func(given, otherwise int32) []byte {
		if given == 0 {
			given = otherwise
		}
		return seq(i32, 0, num(given), opEnd)
	}
	ints := func(n int) []byte { return repeat(n, i32) }
	const none, one, two, seven, builtin0, builtin1, abort = 0, 1, 2, 3, 4, 5, 6
	imp := func(what string, typ byte) []byte { return seq(name("env"), name(what), kindFunc, typ) }
	functions := []struct {
		name string
		typ  byte
		code []byte
	}{
		{"opa_eval", seven, code(p.eval, num(opaResultAt))},
		{"opa_malloc", one, code(p.malloc, num(opaHeapAt))},
		{"opa_heap_ptr_get", none, code(p.heap, num(opaHeapAt))},
		{"opa_json_dump", one, code(p.dump, local(0))}, // values are their own text
		{"opa_json_parse", two, code(p.parse, local(0))},
		{"opa_value_dump", one, code(p.valueDump, num(opaOperandAt))},
		{"opa_value_parse", two, code(p.valueParse, local(0))},
		{"builtins", none, code(p.builtins, num(opaBuiltinsAt))},
		{"entrypoints", none, code(p.entrypoints, num(opaEntrypointsAt))},
	}
	exports := [][]byte{
		export("memory", kindMemory, 0), export("opa_wasm_abi_version", kindGlobal, 0), export("opa_wasm_abi_minor_version", kindGlobal, 1),
	}
	var types, bodies [][]byte
	for n, f := range functions {
		exports = append(exports, export(f.name, kindFunc, byte(opaOwn+n))) //nolint:gosec // it fits
		types, bodies = append(types, []byte{f.typ}), append(bodies, f.code)
	}
	return module(
		section(secType, vec(
			funcType(nil, ints(1)), funcType(ints(1), ints(1)), funcType(ints(2), ints(1)), funcType(ints(7), ints(1)),
			funcType(ints(2), ints(1)), funcType(ints(3), ints(1)), funcType(ints(1), nil),
		)),
		section(secImport, vec(imp("opa_builtin0", builtin0), imp("opa_builtin1", builtin1), imp("opa_abort", abort))),
		section(secFunction, vec(types...)), section(secMemory, vec([]byte{0, 1})),
		section(secGlobal, vec(append([][]byte{version(p.version, 1), version(p.minor, 3)}, p.globals...)...)),
		section(secExport, vec(exports...)), section(secCode, vec(bodies...)),
		section(secData, vec(
			text(opaEntrypointsAt, p.listed, `{"main/deny":0}`), text(opaBuiltinsAt, p.used, `{}`),
			text(opaResultAt, p.result, `[{"result":[]}]`), text(opaOperandAt, p.operand, `"a"`),
			text(opaHeapAt, p.room, ""),
		)),
	)
}

// opaFunction is the index of one of a policy's own functions, by its place among them.
func opaFunction(n byte) byte { return opaOwn + n }

// The places of a policy's functions among its own.
const (
	opaEval = iota
	opaMalloc
	opaHeap
	opaDump
	opaParse
	opaValueDump
	opaValueParse
)

// policies are modules of OPA's ABI.
func policies() []Module {
	m := func(n, does string, want Outcome, says string, p policy) Module {
		return Module{Name: "opa-" + n, Does: does, Wasm: p.assemble(), Want: want, Says: says, Limits: quick}
	}
	isValid := func(address int32) []byte { return seq(num(1), num(0), num(address), call(opaBuiltin1)) }
	// using has opa_eval call a builtin, with the address of an operand.
	using := func(address int32, p policy) policy {
		if p.used == "" {
			p.used = `{"semver.is_valid":1}`
		}
		p.eval = seq(isValid(address), opDrop, num(opaResultAt))
		return p
	}
	const outside, last = page - 1, -1 // the latter is the highest address
	names := make([]string, 2_500)
	for n := range names {
		names[n] = fmt.Sprintf(`"http.send%d":%d`, n, n)
	}
	many := "{" + strings.Join(names, ",") + "}"
	// full is memory without a zero from an address on.
	full := func(at int32) []byte {
		return seq(num(at), num('1'), num(page-at), opFC, fcMemoryFill, 0)
	}
	return []Module{
		m("valid", "nothing at all", Valid, "", policy{}),
		m("endless", "never ends", Timeout, "ran out of fuel", policy{eval: never(forever())}),
		m("recursion", "calls itself", Fault, "nest too deep", policy{eval: seq(repeat(7, num(0)...), call(opaFunction(opaEval)))}),
		m("abort", "aborts", Fault, "aborted", policy{eval: seq(num(8), call(opaAbort), num(0))}),
		m("version", "a version that is not there yet", Refused, "speaks version 2.3", policy{version: 2}),
		m("version-minor", "a version before opa_eval", Refused, "speaks version 1.1", policy{minor: 1}),
		m("version-negative", "a negative version", Refused, "speaks version -1.3", policy{version: -1}),

		m("entrypoints-null", "entrypoints at 0", Refused, "outside its memory", policy{entrypoints: num(0)}),
		m("entrypoints-outside", "entrypoints at the highest address", Refused, "outside its memory", policy{entrypoints: num(last)}),
		m("entrypoints-end", "entrypoints without an end", Refused, "beyond the end of its memory", policy{entrypoints: seq(full(outside), num(outside))}),
		m("entrypoints-large", "entrypoints of more than 64 KiB", Refused, "more than the limit of 65536 bytes", policy{entrypoints: seq(
			num(1), opMemoryGrow, 0, opDrop, num(opaHeapAt), num('1'), num(page+1), opFC, fcMemoryFill, 0, num(opaHeapAt),
		)}),
		m("entrypoints-list", "entrypoints that are a list", Refused, "not a table of numbers by name", policy{listed: `["main/deny"]`}),
		m("entrypoints-none", "no entrypoints", Refused, "it has 0 entrypoints", policy{listed: `{}`}),
		m("entrypoints-null-table", "entrypoints that are null", Refused, "it has 0 entrypoints", policy{listed: `null`}),
		m("entrypoints-many", "17 entrypoints", Refused, "it has 17 entrypoints", policy{listed: `{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0,"k":0,"l":0,"m":0,"n":0,"o":0,"p":0,"q":0}`}),
		m("entrypoints-number", "an entrypoint of number 2⁶⁴", Refused, "not a table of numbers by name", policy{listed: `{"main/deny":18446744073709551616}`}),
		m("entrypoints-trap", "traps when it is asked for entrypoints", Refused, "it trapped", policy{entrypoints: never()}),
		m("entrypoints-endless", "never says what its entrypoints are", Refused, "out of fuel", policy{entrypoints: never(forever())}),
		m("entrypoints-builtin", "calls a builtin when it is asked for entrypoints", Refused, "before it was evaluated", policy{entrypoints: isValid(8)}),

		m("builtins-network", "asks for the network", Refused, "uses the builtin http.send", policy{used: `{"http.send":0}`}),
		m("builtins-outside", "builtins outside memory", Refused, "outside its memory", policy{builtins: num(last)}),
		m("builtins-text", "builtins that are no table", Refused, "not a table of numbers by name", policy{used: `"semver.is_valid"`}),
		m("builtins-many", "2,500 builtins that there are not, to fill the log", Refused, "uses the builtin http.send", policy{
			builtins: num(opaHeapAt), room: many,
		}),
		m("data-null", "cannot parse its data", Refused, "cannot parse a value of the host", policy{parse: num(0)}),
		m("data-trap", "traps when it is given its data", Refused, "it trapped", policy{parse: never()}),

		m("alloc-null", "an allocator that returns 0", Refused, "its allocator returned 0", policy{malloc: num(0)}),
		m("alloc-outside", "an allocator that returns the end of memory", Refused, "outside its memory", policy{malloc: num(page - 1)}),
		m("alloc-last", "an allocator that returns the highest address", Refused, "outside its memory", policy{malloc: num(last)}),
		m("alloc-request", "an allocator that has no room for requests", Fault, "outside its memory", policy{malloc: num(page - 2)}),
		m("heap-last", "a heap at the highest address", Valid, "", policy{heap: num(last)}),
		m("heap-trap", "traps when it is asked for its heap", Fault, "it trapped", policy{heap: never()}),

		m("result-null", "a result at 0", Fault, "outside its memory", policy{eval: num(0)}),
		m("result-outside", "a result at the end of memory", Fault, "outside its memory", policy{eval: num(page)}),
		m("result-last", "a result at the highest address", Fault, "outside its memory", policy{eval: num(last)}),
		m("result-end", "a result without an end", Fault, "beyond the end of its memory", policy{eval: seq(full(outside), num(outside))}),
		{
			Name: "opa-result-large", Does: "a result of 60 KiB", Want: Fault, Says: "more than the limit of 1024 bytes", Limits: "output: 1KiB",
			Wasm: policy{eval: seq(full(opaHeapAt), num(opaHeapAt))}.assemble(),
		},
		m("result-empty", "an empty result", Fault, "not a verdict", policy{result: "\x00"}),
		m("result-undefined", "an undefined result", Fault, "undefined", policy{result: `[]`}),
		m("result-null-value", "a result that is null", Fault, "not a verdict", policy{result: `[{"result":null}]`}),
		m("result-allow", "a result that allows, and is no verdict", Fault, "not a verdict", policy{result: `[{"result":true}]`}),
		m("result-twice", "two results", Fault, "want one result", policy{result: `[{"result":[]},{"result":[]}]`}),
		m("result-names", "a verdict with two lists of violations", Fault, "not a verdict", policy{result: `[{"result":{"violations":["no"],"violations":[]}}]`}),
		m("result-deep", "a result that nests 10,000 deep", Fault, "not a verdict", policy{
			eval: seq(num(opaHeapAt), num('['), num(20_000), opFC, fcMemoryFill, 0, num(opaHeapAt+20_000), num(0), opI32Store, 2, 0, num(opaHeapAt)),
		}),

		m("builtin-unlisted", "calls a builtin that it does not list", Fault, "which it does not list", using(8, policy{used: `{}`})),
		m("builtin-many", "calls a builtin without end", Timeout, "ran out of fuel", policy{used: `{"semver.is_valid":1}`, eval: never(forever(isValid(8), opDrop))}),
		m("builtin-operands", "calls a builtin with too few operands", Fault, "it takes 1 operands", policy{
			used: `{"semver.is_valid":1}`, eval: seq(num(1), num(0), call(opaBuiltin0)),
		}),
		m("builtin-outside", "an operand outside memory", Fault, "outside its memory", using(8, policy{valueDump: num(last)})),
		m("builtin-null", "an operand at 0", Fault, "outside its memory", using(0, policy{valueDump: local(0)})),
		m("builtin-garbage", "an operand that is no value", Fault, "it is not a value", using(8, policy{operand: "\xff\xfe{]"})),
		m("builtin-deep", "an operand that nests 100 deep", Fault, "nests deeper than 64", using(8, policy{operand: strings.Repeat("[", 100)})),
		m("builtin-large", "an operand of 60 KiB of digits", Fault, "more than 400 digits", using(8, policy{valueDump: seq(
			full(opaHeapAt), num(page-4), num(0), opI32Store, 2, 0, num(opaHeapAt),
		)})),
		m("builtin-number", "an operand of numbers that OPA cannot compare", Fault, "an exponent of more than 4 digits", using(8, policy{operand: `{1e999999999,2e999999999}`})),
		m("builtin-trap", "traps when it is asked for an operand", Fault, "it trapped", using(8, policy{valueDump: never()})),
		m("builtin-endless", "never gives its operand", Timeout, "ran out of fuel", using(8, policy{valueDump: never(forever())})),
		m("builtin-result", "cannot parse what a builtin returns", Fault, "cannot parse a value of the host", using(8, policy{valueParse: num(0)})),
		m("builtin-alloc", "has no room for what a builtin returns", Fault, "its allocator returned 0", using(8, policy{
			malloc:    seq(opGlobalGet, 2, opIf, i32, num(0), opElse, num(opaHeapAt), opEnd),
			valueDump: seq(num(1), opGlobalSet, 2, num(opaOperandAt)), globals: [][]byte{seq(i32, 1, num(0), opEnd)},
		})),
		// The next three would have the engine run over the stack that a function is on.
		m("builtin-in-dump", "calls a builtin when it is asked for an operand of one", Fault, "while it was asked for the operands", using(8, policy{valueDump: isValid(8)})),
		m("builtin-in-parse", "calls a builtin when it is given the result of one", Fault, "while it was asked for the operands", using(8, policy{valueParse: isValid(8)})),
		m("builtin-in-alloc", "calls a builtin when it is asked for memory by one", Fault, "while it was asked for the operands", using(8, policy{
			malloc:    seq(opGlobalGet, 2, opIf, i32, isValid(8), opElse, num(opaHeapAt), opEnd),
			valueDump: seq(num(1), opGlobalSet, 2, num(opaOperandAt)), globals: [][]byte{seq(i32, 1, num(0), opEnd)},
		})),
		m("state", "finds fault if it was evaluated before", Valid, "", policy{
			eval: seq(opGlobalGet, 2, opIf, i32, num(0), opElse, num(1), opGlobalSet, 2, num(opaResultAt), opEnd), globals: [][]byte{seq(i32, 1, num(0), opEnd)},
		}),
	}
}
