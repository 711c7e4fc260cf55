package hostile

// features are modules that use what cannot be metered.
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

// state are validators that would tell one call from the one before.
func state() []Module {
	table := [][]byte{{funcRef, 0, 4}}
	passive := [][]byte{seq(1, 0, vec([]byte{funcMarker}))}
	first := [][]byte{seq(0, num(0), opEnd, vec([]byte{funcMarker}))}
	// changed is whether an element of the table is not null.
	changed := func(n int32) []byte { return seq(num(n), opTableGet, 0, opIsNull, opI32Eqz) }
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
		kept("table-set", "denies if a table is not as it was", validator{tables: table, judge: deny(changed(1), num(1), opRefFunc, funcMarker, opTableSet, 0)}),
		kept("table-grow", "denies if a table has not the size it had", validator{tables: table, judge: deny(opFC, 16, 0, num(4), opI32Sub, opRefNull, funcRef, num(1), opFC, fcTableGrow, 0, opDrop)}),
		kept("table-fill", "denies if a table that it fills is not as it was", validator{tables: table, judge: deny(changed(1), num(1), opRefFunc, funcMarker, num(3), opFC, fcTableFill, 0)}),
		kept("table-copy", "denies if a table that it copies within is not as it was", validator{tables: table, elements: first, judge: deny(changed(1), num(1), num(0), num(1), opFC, fcTableCopy, 0, 0)}),
		kept("table-init", "denies if a table that it writes elements to is not as it was", validator{tables: table, elements: passive, judge: deny(changed(1), num(1), num(0), num(1), opFC, fcTableInit, 0, 0)}),
		kept("elem-drop", "traps if elements are gone", validator{tables: table, elements: passive, judge: then(num(0), num(0), num(1), opFC, fcTableInit, 0, 0, opFC, fcElemDrop, 0)}),
		kept("data-drop", "traps if data are gone", validator{
			dataCount: true, data: [][]byte{seq(1, name("ab"))}, judge: then(num(at), num(0), num(2), opFC, fcMemoryInit, 2, 0, opFC, fcDataDrop, 2),
		}),
		kept("reference", "denies if a reference in a global is not what it was", validator{
			globals: [][]byte{seq(funcRef, 1, opRefNull, funcRef, opEnd)}, judge: deny(opGlobalGet, 0, opIsNull, opI32Eqz, opRefFunc, funcMarker, opGlobalSet, 0),
		}),
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
