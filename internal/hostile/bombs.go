package hostile

import "slices"

// bombs are modules whose code takes long, or much memory, to compile or to hold.
func bombs() []Module {
	nested := func(n int, op byte) []byte { return then(repeat(n, op, emptyBlock), repeat(n, opEnd)) }
	bodies := func(n int, code []byte) []byte {
		list := slices.Repeat([][]byte{code}, n)
		return module(section(secType, vec(funcType(nil, nil))), section(secFunction, vec(slices.Repeat([][]byte{{0}}, n)...)),
			section(secMemory, vec([]byte{0, 1})), section(secCode, vec(list...)))
	}
	branches := func(n int) []byte { return seq(num(0), opBrTable, u(uint32(n)), make([]byte, n+1)) } //nolint:gosec // it fits
	m := func(name, does string, wasm []byte, says string) Module {
		return Module{Name: "bomb-" + name, Does: does, Wasm: wasm, Want: Refused, Says: says}
	}
	return []Module{
		m("module", "a module of 9 MiB", validator{extra: section(secCustom, name("padding"), make([]byte, 9<<20))}.assemble(), "ModuleBytes is "),
		m("function", "one function of 600 KiB", judging(then(repeat(300<<10, opNop, opNop))), "FunctionBytes is "),
		m("functions", "40,000 functions", bodies(40_000, body(noLocals)), limit("Functions", 40_000, 32_768)),
		m("types", "5,000 function types", module(section(secType, vec(slices.Repeat([][]byte{funcType(nil, nil)}, 5_000)...))), limit("Types", 5_000, 4_096)),
		m("locals", "a function of 49,000 locals", bodies(1, body(manyLocals(49_000))), limit("Locals", 49_000, 2_048)),
		m("locals-total", "a thousand functions of 2,000 locals each", bodies(1_000, body(manyLocals(2_000))), "LocalsTotal is 1050000, and the limit is 1048576"),
		m("locals-live", "a hundred functions of 2,000 locals and many blocks", bodies(100, body(manyLocals(2_000), repeat(500, opBlock, emptyBlock, opEnd))), "CompileWork is "),
		m("nested-blocks", "blocks nested 100,000 deep", judging(nested(100_000, opBlock)), limit("BlockDepth", 2_049, 2_048)),
		m("nested-loops", "loops nested 3,000 deep", judging(nested(3_000, opLoop)), limit("BlockDepth", 2_049, 2_048)),
		m("flat-blocks", "100,000 blocks in a row", judging(then(repeat(100_000, opBlock, emptyBlock, opEnd))), limit("Blocks", 16_385, 16_384)),
		m("flat-loops", "8,000 loops in a row, in each of two functions", bodies(2, body(noLocals, repeat(8_000, opLoop, emptyBlock, opEnd))), "CompileWork is "),
		m("branch-table", "a br_table of 100,000 entries", judging(then(branches(100_000))), limit("Blocks", 100_000, 16_384)),
		m("branch-tables", "100 functions, each with a br_table of 10,000 entries", bodies(100, body(noLocals, branches(10_000))), "CompileWork is "),
		m("params", "a function of 1,000 parameters", module(section(secType, vec(funcType(repeat(1_000, i64), nil)))), limit("Params", 1_000, 128)),
		m("results", "a function of 1,000 results", module(section(secType, vec(funcType(nil, repeat(1_000, i64))))), limit("Results", 1_000, 64)),
		m("globals", "2,000 globals", module(section(secGlobal, vec(slices.Repeat([][]byte{seq(i32, 1, num(0), opEnd)}, 2_000)...))), limit("Globals", 2_000, 1_024)),
		m("memory", "4 GiB of memory", validator{memory: seq(0, u(65_536))}.assemble(), "more than the limit of 32 MiB"),
		m("memory-large", "33 MiB of memory", validator{memory: seq(0, u(528))}.assemble(), "more than the limit of 32 MiB"),
		m("table", "a table of 134 million elements", validator{tables: [][]byte{seq(funcRef, 0, u(1<<27))}}.assemble(), limit("TableElements", 1<<27, 65_536)),
		m("tables", "50 tables", validator{tables: slices.Repeat([][]byte{{funcRef, 0, 1}}, 50)}.assemble(), limit("Tables", 50, 8)),
		m("element-segments", "2,000 element segments", validator{tables: [][]byte{{funcRef, 0, 1}}, elements: slices.Repeat([][]byte{seq(0, num(0), opEnd, vec())}, 2_000)}.assemble(), limit("ElementSegments", 2_000, 1_024)),
		m("custom-sections", "200 custom sections", validator{extra: slices.Repeat(section(secCustom, name("x")), 200)}.assemble(), limit("CustomSections", 129, 128)),
		m("sections", "four million empty sections", module(repeat(4_000_000, secType, 0)), "more than 1024 sections"),
		m("export-name", "an export with a name of 5,000 bytes", validator{exports: [][]byte{export(string(repeat(5_000, 'x')), kindFunc, 0)}}.assemble(), limit("NameBytes", 5_000, 4_096)),
	}
}
