package hostile

import (
	"fmt"
	"strings"
)

const wasi = "wasi_snapshot_preview1"

// imports are modules that ask the host for more than there is, or take its names.
func imports() []Module {
	m := func(n, does, from, what string, kind any, says string) Module {
		v := validator{imports: [][]byte{seq(name(from), name(what), kind)}}
		if k := seq(kind); k[0] == kindFunc {
			v.imported = 1
		}
		return Module{Name: "import-" + n, Does: does, Wasm: v.assemble(), Want: Refused, Says: says}
	}
	function := []byte{kindFunc, typeNone}
	taken := func(n, does, text string) Module {
		return Module{
			Name: "name-" + n, Does: does, Want: Refused, Says: "is reserved",
			Wasm: validator{globals: [][]byte{seq(i64, 1, long(1), opEnd)}, exports: [][]byte{export(text, kindGlobal, 0)}}.assemble(),
		}
	}
	return []Module{
		m("function", "a function of an unknown module", "env", "http_get", function, "imports the function env.http_get"),
		m("wasi-unknown", "a function that WASI does not have", wasi, "fd_teleport", function, "imports the function "+wasi+".fd_teleport"),
		m("wasi-type", "a function of WASI with another type", wasi, "random_get", function, "want a function (i32, i32) → i32"),
		m("wasi-later", "a later version of WASI", "wasi:filesystem/preopens@0.2.0", "get-directories", function, "which validators are not given"),
		m("wasi-global", "a function of WASI as a global", wasi, "fd_write", []byte{kindGlobal, i32, 0}, "want a function"),
		m("memory", "memory", "env", "memory", []byte{kindMemory, 0, 1}, "more than one memory"),
		m("table", "a table", "env", "table", []byte{kindTable, funcRef, 0, 1}, "imports the table env.table"),
		m("global", "a global", "env", "secret", []byte{kindGlobal, i64, 1}, "imports the global env.secret"),
		m("fuel", "its own fuel", "env", "plimsoll_fuel", []byte{kindGlobal, i64, 1}, "is reserved"),
		taken("fuel", "exports a global as its fuel, to be refilled by it", "plimsoll_fuel"),
		taken("depth", "exports a global as its depth", "plimsoll_depth"),
		taken("state", "exports a global under a name that the host uses", "plimsoll_global_0"),
	}
}

// contract are modules that are no validators.
func contract() []Module {
	m := func(n, does string, wasm []byte, says string) Module {
		return Module{Name: "contract-" + n, Does: does, Wasm: wasm, Want: Refused, Says: says}
	}
	bare := func(exports ...[]byte) []byte {
		return module(section(secType, vec(funcType(nil, nil), funcType([]byte{i32, i32}, []byte{i64}))),
			section(secFunction, vec([]byte{0}, []byte{1})), section(secMemory, vec([]byte{0, 1})), section(secExport, vec(exports...)),
			section(secCode, vec(body(noLocals), body(noLocals, long(0)))))
	}
	memory, marker := export("memory", kindMemory, 0), export("plimsoll_abi_1", kindFunc, 0)
	validate := export("plimsoll_validate", kindFunc, 1)
	return []Module{
		m("abi-0", "version 0 of the contract", validator{marker: "plimsoll_abi_0"}.assemble(), "speaks version 0"),
		m("abi-2", "a later version of the contract", validator{marker: "plimsoll_abi_2"}.assemble(), "speaks version 2"),
		m("abi-text", "a version that is no number", validator{marker: "plimsoll_abi_latest"}.assemble(), "speaks version latest"),
		m("no-marker", "no version of the contract", validator{marker: "main"}.assemble(), "does not export the function plimsoll_abi_1"),
		m("marker-global", "a version that is a global", validator{
			marker: "none", globals: [][]byte{seq(i32, 0, num(1), opEnd)}, exports: [][]byte{export("plimsoll_abi_1", kindGlobal, 0)},
		}.assemble(), "export plimsoll_abi_1 is a global"),
		m("no-memory", "memory that is not exported", bare(marker, validate), `does not export its memory`),
		m("memory-function", "a function called memory", bare(marker, validate, export("memory", kindFunc, 0)), `does not export its memory`),
		m("no-alloc", "no allocator", bare(memory, marker, validate), "does not export the function plimsoll_alloc"),
		m("no-validate", "nothing to call", bare(memory, marker), "does not export the function plimsoll_validate"),
		m("validate-type", "a validate without parameters", bare(memory, marker, export("plimsoll_validate", kindFunc, 0)), "plimsoll_validate is (); want (i32, i32) → i64"),
		m("export-twice", "two exports of one name", validator{exports: [][]byte{export("memory", kindFunc, 0)}}.assemble(), `"memory" is exported twice`),
	}
}

// metadata are modules whose description of themselves is hostile.
func metadata() []Module {
	m := func(n, does, text, says string) Module {
		return Module{
			Name: "metadata-" + n, Does: does, Want: Refused, Says: says,
			Wasm: validator{extra: section(secCustom, name("plimsoll.validator"), text)}.assemble(),
		}
	}
	settings := func(schema string) string { return `{"name":"x","version":"1","abi":1,"settings":` + schema + `}` }
	twice := section(secCustom, name("plimsoll.validator"), settings("{}"))
	return []Module{
		m("empty", "nothing", "", "plimsoll.validator"),
		m("not-json", "no JSON", "{name: x}", "plimsoll.validator"),
		m("unknown-key", "a member that is not known", `{"name":"x","version":"1","abi":1,"allow_all":true}`, `unknown key "allow_all"`),
		m("abi", "another version of the contract", `{"name":"x","version":"1","abi":2}`, "speaks 1"),
		m("name", "a name with control characters", `{"name":"x\u001b[2J","version":"1","abi":1}`, "is not a name"),
		m("deep", "JSON nested 100,000 deep", settings(strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)), "depth"),
		m("large", "a megabyte of it", settings(`{"description":"`+strings.Repeat("x", 1<<20)+`"}`), "more than the limit"),
		m("file", "a schema that refers to a file", settings(`{"$ref":"file:///etc/passwd"}`), "not a JSON Schema"),
		m("network", "a schema that refers to another machine", settings(`{"$ref":"http://192.0.2.1/schema"}`), "not a JSON Schema"),
		{
			Name: "metadata-schema-bomb", Does: "a schema of a few kilobytes that takes 2⁴⁰ steps to look at settings with", Want: Refused,
			Says: "it takes more than 2s of CPU to look at settings with its schema", Slow: true,
			Wasm: validator{extra: section(secCustom, name("plimsoll.validator"), settings(schemaBomb(40)))}.assemble(),
		},
		{
			Name: "metadata-schema-deep", Does: "a schema that nests 9,000 deep, which takes minutes to compile", Want: Refused,
			Says: "to look at settings with its schema", Slow: true,
			Wasm: validator{extra: section(secCustom, name("plimsoll.validator"), settings(strings.Repeat(`{"not":`, 9_000)+"{}"+strings.Repeat("}", 9_000)))}.assemble(),
		},
		{
			Name: "metadata-schema-patterns", Does: "a schema of regular expressions that take gigabytes", Want: Refused,
			Says: "to look at settings with its schema", Slow: true,
			Wasm: validator{extra: section(secCustom, name("plimsoll.validator"), settings(patternBomb(9)))}.assemble(),
		},
		m("docs", "a link of 200,000 bytes, that every violation would have", `{"name":"x","version":"1","abi":1,"docs":"`+strings.Repeat("x", 200_000)+`"}`, "docs: it has 200000 bytes"),
		m("patterns", "10,000 runtimes, to be looked at for each request", `{"name":"x","version":"1","abi":1,"runtimes":["x"`+strings.Repeat(`,"*a*"`, 9_999)+`]}`, "runtimes: it has 10000 patterns"),
		{
			Name: "metadata-twice", Does: "two descriptions", Want: Refused, Says: "more than one plimsoll.validator section",
			Wasm: validator{extra: seq(twice, twice)}.assemble(),
		},
	}
}

// starts are modules that run, or try to, before anybody calls them.
func starts() []Module {
	initialize := func(n, does, says string, code ...any) Module {
		v := validator{exports: [][]byte{export("_initialize", kindFunc, funcMore)}}.function(typeNone, noLocals, code...)
		return Module{Name: "start-" + n, Does: does, Wasm: v.assemble(), Want: Refused, Says: says}
	}
	start := func(n, does, says string, code ...any) Module {
		v := validator{start: u(funcMore)}.function(typeNone, noLocals, code...)
		return Module{Name: "start-section-" + n, Does: does, Wasm: v.assemble(), Want: Refused, Says: says}
	}
	return []Module{
		start("endless", "a start function without end", "it has a start function", forever()),
		start("trap", "a start function that traps", "it has a start function", opUnreachable),
		start("recursion", "a start function that calls itself", "it has a start function", call(funcMore)),
		{Name: "start-type", Does: "a start function with parameters", Wasm: validator{start: u(funcAlloc)}.assemble(), Want: Refused, Says: "start"},
		{Name: "start-nothing", Does: "a start function that is not there", Wasm: validator{start: u(99)}.assemble(), Want: Refused, Says: "function 99 does not exist"},
		initialize("endless", "an _initialize without end", "_initialize: out of fuel", forever()),
		initialize("trap", "an _initialize that traps", "_initialize: it trapped", opUnreachable),
		initialize("recursion", "an _initialize that calls itself", "_initialize: its calls nest too deep", call(funcMore)),
		initialize("memory", "an _initialize that takes memory until it gets no more, and traps", "_initialize: it trapped",
			opLoop, emptyBlock, num(16), opMemoryGrow, 0, num(-1), 0x47, opBrIf, 0, opEnd, opUnreachable),
		{
			Name: "start-unasked", Does: "a _start beside the contract, which nobody calls", Want: Valid,
			Wasm: validator{exports: [][]byte{export("_start", kindFunc, funcMore)}}.function(typeNone, noLocals, forever()).assemble(),
		},
		{
			Name: "start-settings", Does: "a check of its settings without end", Want: Refused, Says: "checking them", Limits: "fuel: 1000000",
			Wasm: validator{exports: [][]byte{export("plimsoll_validate_settings", kindFunc, funcMore)}}.function(typeJudge, noLocals, never(forever())).assemble(),
		},
	}
}

// patternBomb is a JSON Schema of n regular expressions, each as large as they may be.
func patternBomb(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"pattern":"^x%d%s"}`, i, strings.Repeat("a{1000}", 3_300))
	}
	return `{"allOf":[` + strings.Join(list, ",") + `]}`
}

// schemaBomb is a JSON Schema of n definitions, each of which asks twice for the next one.
func schemaBomb(n int) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
	for i := range n {
		fmt.Fprintf(&b, `"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `"d%d":{}}}`, n)
	return b.String()
}
