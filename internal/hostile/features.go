package hostile

// features are modules that use what cannot be metered, or put back.
func features() []Module {
	types := section(secType, vec(funcType(nil, nil)))
	m := func(name, does string, wasm []byte, says string) Module {
		return Module{Name: "feature-" + name, Does: does, Wasm: wasm, Want: Refused, Says: says}
	}
	return []Module{
		m("simd", "SIMD", judging(opFC+1, 12, make([]byte, 16), opDrop, admit), "SIMD"),
		m("simd-local", "a local of type v128", module(types, section(secFunction, vec([]byte{0})), section(secCode, vec(body(vec(seq(1, v128)))))), "SIMD is not supported"),
		m("threads", "atomic operations", judging(num(0), 0xfe, 0x10, 2, 0, opDrop, admit), "threads"),
		m("shared-memory", "shared memory", module(section(secMemory, vec([]byte{3, 1, 1}))), "shared or 64-bit"),
		m("memory64", "64-bit memory", module(section(secMemory, vec([]byte{4, 1}))), "shared or 64-bit"),
		m("memories", "two memories", module(section(secMemory, vec([]byte{0, 1}, []byte{0, 1}))), "more than one memory"),
		m("tail-call", "tail calls, which make a loop without one", judging(0x12, 0), "tail calls"),
		m("exceptions", "exceptions", judging(0x08, 0), "exception handling"),
		m("gc", "garbage-collected structures", judging(0xfb, 0, 0), "garbage collection"),
		m("typed-call", "calls through typed references", judging(0x14, 0), "typed references"),
		m("extended-constant", "computing in a constant", module(section(secGlobal, vec(seq(i32, 0, num(1), num(2), opI32Add, opEnd)))), "constant expression"),
		m("unknown", "an opcode that is none", judging(0xff), "unknown feature"),
	}
}

// state are modules with state that cannot be put back, and modules whose state is.
func state() []Module {
	refused := func(name, does string, v validator, says string) Module {
		return Module{Name: "state-" + name, Does: does, Wasm: v.assemble(), Want: Refused, Says: says}
	}
	table := [][]byte{{funcRef, 0, 4}}
	passive := [][]byte{seq(1, 0, vec([]byte{0}))}
	// deny judges by a number on the stack: not 0 is a call that can tell it is not the first.
	deny := func(code ...any) []byte {
		return seq(seq(code...), opIf, i64, say(denialAt, uint32(len(denial))), opElse, admit, opEnd)
	}
	kept := func(name, does string, v validator) Module {
		return Module{Name: "state-" + name, Does: does, Wasm: v.assemble(), Want: Valid}
	}
	const at = 512 // in memory
	global := [][]byte{seq(i32, 1, num(0), opEnd)}
	return []Module{
		refused("table-set", "keeps state in a table", validator{tables: table, judge: then(num(0), opRefNull, funcRef, opTableSet, 0)}, "table.set"),
		refused("table-grow", "grows a table", validator{tables: table, judge: then(opRefNull, funcRef, num(1), opFC, fcTableGrow, 0, opDrop)}, "table.grow"),
		refused("table-fill", "fills a table", validator{tables: table, judge: then(num(0), opRefNull, funcRef, num(1), opFC, fcTableFill, 0)}, "table.fill"),
		refused("table-copy", "copies within a table", validator{tables: table, judge: then(num(0), num(1), num(1), opFC, fcTableCopy, 0, 0)}, "table.copy"),
		refused("table-init", "writes elements to a table", validator{tables: table, elements: passive, judge: then(num(0), num(0), num(1), opFC, fcTableInit, 0, 0)}, "table.init"),
		refused("elem-drop", "drops elements", validator{tables: table, elements: passive, judge: then(opFC, fcElemDrop, 0)}, "elem.drop"),
		refused("data-drop", "drops data", validator{dataCount: true, judge: then(opFC, fcDataDrop, 0)}, "data.drop"),
		refused("reference", "keeps a reference in a global", validator{globals: [][]byte{seq(funcRef, 1, opRefNull, funcRef, opEnd)}}, "mutable funcref"),
		refused("host-reference", "keeps a host's reference in a global", validator{globals: [][]byte{seq(externRef, 1, opRefNull, externRef, opEnd)}}, "mutable externref"),
		kept("memory", "denies if memory is not as it was", validator{judge: deny(num(at), opI32Load, 2, 0, num(at), num(1), opI32Store, 2, 0)}),
		kept("global", "denies if a global is not as it was", validator{globals: global, judge: deny(opGlobalGet, 0, num(1), opGlobalSet, 0)}),
		kept("exported-global", "denies if an exported global is not as it was", validator{globals: global, exports: [][]byte{export("g", kindGlobal, 0)}, judge: deny(opGlobalGet, 0, num(1), opGlobalSet, 0)}),
		kept("memory-size", "denies if memory has not the size it had", validator{judge: deny(opMemorySize, 0, num(1), opI32Sub, num(1), opMemoryGrow, 0, opDrop)}),
		kept("grown-memory", "denies if memory that it grows by is not zero", validator{
			judge: deny(num(1), opMemoryGrow, 0, opDrop, num(page+at), opI32Load, 2, 0, num(page+at), num(1), opI32Store, 2, 0),
		}),
		kept("request", "denies if the request of a call before is in memory", validator{
			judge: deny(local(0), local(1), opI32Add, num(32), opI32Add, opI32Load, 0, 0, local(0), local(1), opI32Add, num(32), opI32Add, num(1), opI32Store, 0, 0),
		}),
		kept("verdict", "writes over its verdict after the call before", validator{
			globals: global, judge: seq(opGlobalGet, 0, opIf, emptyBlock, num(verdictAt), num(0), opI32Store8, 0, 0, opEnd, num(1), opGlobalSet, 0, admit),
		}),
		kept("alloc", "allocates further on each time", validator{
			globals: [][]byte{seq(i32, 1, num(requestAt), opEnd)},
			alloc:   seq(opGlobalGet, 0, opGlobalGet, 0, num(8192), opI32Add, opGlobalSet, 0),
		}),
		{
			Name: "state-random", Does: "denies if random numbers are not what they were", Want: Valid, Wasm: validator{
				types: [][]byte{funcType([]byte{i32, i32}, []byte{i32})}, imported: 1,
				imports: [][]byte{seq(name(wasi), name("random_get"), kindFunc, typeMore)}, globals: global,
				judge: deny(num(at), num(4), call(0), opDrop, num(at), opI32Load, 0, 0, num(at), num(4), call(0), opDrop, num(at), opI32Load, 0, 0, opI32Sub, opI32Eqz),
			}.assemble(),
		},
	}
}
