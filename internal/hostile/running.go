package hostile

// quick is a budget that is used up in a few milliseconds.
const quick = "fuel: 2000000"

// endless are validators whose calls never end by themselves.
func endless() []Module {
	m := func(n, does string, v validator) Module {
		return Module{Name: "endless-" + n, Does: does, Wasm: v.assemble(), Want: Timeout, Says: "ran out of fuel", Limits: quick}
	}
	withWASI := func(function string, params []byte, code ...any) validator {
		return validator{
			types: [][]byte{funcType(params, []byte{i32})}, imported: 1,
			imports: [][]byte{seq(name(wasi), name(function), kindFunc, typeMore)},
			judge:   never(forever(seq(code...), call(0), opDrop)),
		}
	}
	// chain is n functions, each of which calls the next one twice: 2ⁿ calls and no loop.
	chain := func(n byte) validator {
		v := validator{judge: then(call(funcMore))}
		for f := byte(0); f < n; f++ {
			v = v.function(typeNone, noLocals, call(funcMore+f+1), call(funcMore+f+1))
		}
		return v.function(typeNone, noLocals, opNop)
	}
	// tree(n) calls itself twice with n-1.
	tree := validator{judge: then(num(64), call(funcMore), opDrop)}.function(typeAlloc, noLocals,
		local(0), opIf, i32, local(0), num(1), opI32Sub, call(funcMore), opDrop, local(0), num(1), opI32Sub, call(funcMore), opElse, num(0), opEnd)
	indirect := validator{
		tables: [][]byte{{funcRef, 0, 1}}, elements: [][]byte{seq(0, num(0), opEnd, vec([]byte{funcMore}))},
		judge: never(forever(num(0), opCallIndir, typeNone, 0)),
	}.function(typeNone, noLocals, opNop)
	var sets []byte
	for n := range uint32(2_000) {
		sets = append(sets, seq(opLocalGet, u(n), long(1), opI64Add, opLocalSet, u(n))...)
	}
	moves := validator{globals: [][]byte{seq(i32, 1, num(1), opEnd)}, judge: never(call(funcMore))}.function(typeNone, manyLocals(2_000),
		forever(opGlobalGet, 0, opI32Eqz, opIf, emptyBlock, sets, opEnd))
	const kib = 32 << 10
	return []Module{
		{Name: "endless-by-default", Does: "a loop, with the default budget", Wasm: judging(never(forever())), Want: Timeout, Says: "ran out of fuel"},
		m("loop", "a loop of nothing", validator{judge: never(forever())}),
		m("loop-in-alloc", "a loop in the allocator", validator{alloc: never(forever())}),
		m("loop-if", "a loop by br_if", validator{judge: then(opLoop, emptyBlock, num(1), opBrIf, 0, opEnd)}),
		m("loop-table", "a loop by br_table", validator{judge: then(opLoop, emptyBlock, num(0), opBrTable, 1, 0, 0, opEnd)}),
		m("loop-nested", "loops in loops", validator{judge: never(forever(opLoop, emptyBlock, opLoop, emptyBlock, num(0), opBrIf, 0, opEnd, num(0), opBrIf, 0, opEnd))}),
		m("loop-counting", "a loop to 2³² in a local", validator{
			judgeLocals: vec(seq(1, i32)),
			judge:       then(opLoop, emptyBlock, local(2), num(1), opI32Add, opLocalSet, 2, local(2), opBrIf, 0, opEnd),
		}),
		m("loop-calling", "a loop that calls", validator{judge: never(forever(call(funcMarker)))}),
		m("loop-indirect", "a loop that calls through a table", indirect),
		m("tree", "calls without a loop, 2⁶⁴ of them, by one function", tree),
		m("graph", "calls without a loop, 2⁶⁴ of them, by 64 functions", chain(64)),
		m("graph-wide", "calls without a loop, 2²⁰⁰ of them", chain(200)),
		m("moves", "branches of a few instructions, each of which moves 2,000 locals", moves),
		m("fill", "fills memory again and again", validator{judge: never(forever(num(kib), num(0), num(kib), opFC, fcMemoryFill, 0))}),
		m("copy", "copies memory again and again", validator{judge: never(forever(num(kib), num(0), num(kib), opFC, fcMemoryCopy, 0, 0))}),
		m("init", "copies data to memory again and again", validator{
			dataCount: true, data: [][]byte{seq(1, name(string(make([]byte, 4096))))},
			judge: never(forever(num(kib), num(0), num(4096), opFC, fcMemoryInit, 2, 0)),
		}),
		m("divide", "slow instructions", validator{
			judge: never(forever(repeat(100, seq(long(1<<62), long(3), opI64DivS, opDrop)...))),
		}),
		m("random", "asks for random numbers without end", withWASI("random_get", []byte{i32, i32}, num(kib), num(kib))),
		m("write", "writes to standard output without end", withWASI("fd_write", []byte{i32, i32, i32, i32}, num(1), num(kib), num(1), num(kib+64))),
		m("yield", "yields without end", withWASI("sched_yield", nil)),
		m("clock", "asks for the time without end", withWASI("clock_time_get", []byte{i32, i64, i32}, num(0), long(0), num(kib))),
	}
}

// recursion are validators whose calls nest without end.
func recursion() []Module {
	m := func(n, does string, v validator) Module {
		return Module{Name: "recursion-" + n, Does: does, Wasm: v.assemble(), Want: Fault, Says: "nest too deep"}
	}
	return []Module{
		m("plain", "a function that calls itself", validator{judge: then(call(funcMore))}.function(typeNone, noLocals, call(funcMore))),
		m("mutual", "two functions that call each other", validator{judge: then(call(funcMore))}.
			function(typeNone, noLocals, call(funcMore+1)).function(typeNone, noLocals, call(funcMore))),
		m("validate", "a validate that calls itself", validator{judge: seq(local(0), local(1), call(funcJudge))}),
		m("alloc", "an allocator that calls itself", validator{alloc: seq(local(0), call(funcAlloc))}),
		m("indirect", "a function that calls itself through a table", validator{
			tables: [][]byte{{funcRef, 0, 1}}, elements: [][]byte{seq(0, num(0), opEnd, vec([]byte{funcMore}))}, judge: then(call(funcMore)),
		}.function(typeNone, noLocals, num(0), opCallIndir, typeNone, 0)),
		m("large-frames", "a function of 2,000 locals that calls itself", validator{judge: then(call(funcMore))}.
			function(typeNone, manyLocals(2_000), call(funcMore))),
		m("large-stack", "a function that calls itself with 1,000 values on the stack", validator{judge: then(call(funcMore))}.
			function(typeNone, noLocals, repeat(1_000, opI64Const, 1), call(funcMore), repeat(1_000, opDrop))),
	}
}

// growth are validators that take what they can get.
func growth() []Module {
	grow := func(pages int32) []byte { return seq(num(pages), opMemoryGrow, 0) }
	m := func(n, does string, want Outcome, says, limits string, v validator) Module {
		return Module{Name: "grow-" + n, Does: does, Wasm: v.assemble(), Want: want, Says: says, Limits: limits}
	}
	return []Module{
		m("for-ever", "memory, page by page, and on when there is no more", Timeout, "ran out of fuel", "fuel: 20000000", validator{judge: never(forever(grow(1), opDrop))}),
		m("by-all", "4 GiB at once, which costs more than any budget", Timeout, "ran out of fuel", "", validator{judge: then(grow(65_535), opDrop)}),
		m("by-minus-one", "a negative number of pages", Timeout, "ran out of fuel", "", validator{judge: then(grow(-1), opDrop)}),
		m("beyond-limit", "a page more than its limit, and goes on without", Valid, "", "memory: 1MiB", validator{judge: then(grow(16), num(-1), 0x47, opIf, emptyBlock, opUnreachable, opEnd)}),
		m("and-trap", "memory until it gets no more, and traps", Fault, "it trapped: unreachable", "memory: 16MiB", validator{
			judge: never(opLoop, emptyBlock, grow(8), num(-1), 0x47, opBrIf, 0, opEnd),
		}),
		m("and-keep", "8 MiB, and does not give it back", Valid, "", "memory: 16MiB", validator{judge: then(grow(128), opDrop)}),
		m("in-alloc", "memory in the allocator, without end", Timeout, "ran out of fuel", "fuel: 20000000", validator{alloc: never(forever(grow(1), opDrop))}),
		m("and-touch", "memory, and writes to every page of it", Timeout, "ran out of fuel", "fuel: 4000000", validator{
			judgeLocals: vec(seq(1, i32)),
			judge: never(forever(grow(1), opDrop, local(2), num(1), opI32Store, 2, 0, local(2), num(4096), opI32Add,
				opMemorySize, 0, num(page), opI32Mul, opI32RemU, opLocalSet, 2)),
		}),
	}
}
