package hostile

import "math"

// all is a count that a reader which believes it takes 4 GiB and more for.
const all = math.MaxUint32

// counts are modules of a few bytes that announce billions of something: wazero by itself
// allocates for them, and dies.
func counts() []Module {
	types := section(secType, vec(funcType(nil, nil)))
	functions := section(secFunction, vec([]byte{0}))
	memory := section(secMemory, vec([]byte{0, 1}))
	inBody := func(content ...any) []byte {
		code := seq(content...)
		return module(types, functions, memory, section(secCode, vec(seq(u(uint32(len(code))), code)))) //nolint:gosec // it fits
	}
	m := func(name, does string, wasm []byte, says string) Module {
		return Module{Name: "count-" + name, Does: does, Wasm: wasm, Want: Refused, Says: says}
	}
	return []Module{
		m("types", "function types", module(section(secType, u(all))), limit("Types", all, 4096)),
		m("params", "parameters of a function type", module(section(secType, 1, 0x60, u(all))), limit("Params", all, 128)),
		m("results", "results of a function type", module(section(secType, 1, 0x60, 0, u(all))), limit("Results", all, 64)),
		m("imports", "imports", module(section(secImport, u(all))), limit("Imports", all, 256)),
		m("import-name", "bytes of the name of an import", module(section(secImport, 1, u(all))), limit("NameBytes", all, 4096)),
		m("functions", "functions", module(types, section(secFunction, u(all))), limit("Functions", all, 32768)),
		m("tables", "tables", module(section(secTable, u(all))), limit("Tables", all, 8)),
		m("table-elements", "elements of a table", module(section(secTable, 1, funcRef, 0, u(all))), limit("TableElements", all, 65536)),
		m("memories", "memories", module(section(secMemory, u(all), 0, 1, 0, 1)), "more than one memory is not supported"),
		m("memory-pages", "pages of memory", module(section(secMemory, 1, 0, u(all))), "more than the limit of 32 MiB"),
		m("globals", "globals", module(section(secGlobal, u(all))), limit("Globals", all, 1024)),
		m("exports", "exports", module(section(secExport, u(all))), limit("Exports", all, 4096)),
		m("export-name", "bytes of the name of an export", module(section(secExport, 1, u(all))), limit("NameBytes", all, 4096)),
		m("element-segments", "element segments", module(section(secElement, u(all))), limit("ElementSegments", all, 1024)),
		m("elements", "elements of a segment", module(section(secElement, 1, 1, 0, u(all))), limit("Elements", all, 131072)),
		m("data-announced", "data segments, in the section that announces them", module(section(secDataCount, u(all))), limit("DataSegments", all, 131072)),
		m("data-segments", "data segments", module(section(secData, u(all))), limit("DataSegments", all, 131072)),
		m("data-bytes", "bytes of a data segment", module(section(secData, 1, 1, u(all))), limit("DataBytes", all, 8<<20)),
		m("bodies", "functions in the code section", module(section(secCode, u(all))), limit("Functions", all, 32768)),
		m("body-bytes", "bytes of a function", module(types, functions, section(secCode, 1, u(all))), limit("FunctionBytes", all, 512<<10)),
		m("local-groups", "declarations of locals", inBody(u(all)), limit("Locals", all, 2048)),
		m("locals", "locals in one declaration", inBody(1, u(all), i64, opEnd), limit("Locals", all, 2048)),
		m("locals-in-sum", "locals whose number wraps around 32 bits", inBody(2, u(all), i64, 2, i64, opEnd), limit("Locals", all, 2048)),
		m("branch-table", "entries of a br_table", inBody(0, num(0), opBrTable, u(all)), limit("Blocks", all, 16384)),
		m("select-types", "types of a select", inBody(0, 0x1c, u(all)), limit("Results", all, 64)),
		m("section-bytes", "bytes of a section", module(seq(secType, u(all))), "more than what is left"),
		m("custom-name", "bytes of the name of a custom section", module(section(secCustom, u(all))), "more than what is left"),
		m("not-there", "types that are few enough, and not there", module(section(secType, u(4096))), "4096 elements are announced, 0 bytes are left"),
	}
}
