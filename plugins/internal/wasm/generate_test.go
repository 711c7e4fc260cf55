package wasm

import (
	"slices"

	"pgregory.net/rapid"
)

// generator makes up valid modules that end: functions call only those after them,
// loops count down in locals that nothing else writes.
type generator struct {
	t       *rapid.T
	sigs    []FuncType // of the functions; their types have the same indexes
	self    int        // the function being made up
	budget  int        // instructions it may still have, or about that
	locals  []ValueType
	scratch int // locals from here on are for counting
	labels  [][]ValueType
	loops   int
	code    []byte
}

// numbers are what everything is of.
var numbers = []ValueType{I32, I64}

// pick is a number from 0 to n-1.
func (g *generator) pick(n int) int { return rapid.IntRange(0, n-1).Draw(g.t, "pick") }

func (g *generator) types(most int) []ValueType {
	return rapid.SliceOfN(rapid.SampledFrom(numbers), 0, most).Draw(g.t, "types")
}

func (g *generator) emit(code ...byte) { g.code = append(g.code, code...) }

func (g *generator) op(op byte, immediate int) {
	g.code = appendU32(append(g.code, op), uint32(immediate))
}

// generateModule makes up a module that exports f, memory and two globals.
func generateModule(t *rapid.T) []byte {
	g := &generator{t: t}
	n := 1 + g.pick(4)
	var types, indexes, refs, bodies [][]byte
	for i := range n {
		sig := FuncType{Params: g.types(3), Results: g.types(3)}
		g.sigs = append(g.sigs, sig)
		types = append(types, funcType(sig.Params, sig.Results))
		indexes = append(indexes, []byte{byte(i)})
		refs = append(refs, []byte{byte(i)})
	}
	for i := range n {
		bodies = append(bodies, g.function(i))
	}
	return assemble(
		sect(secType, vec(types...)...),
		sect(secFunction, vec(indexes...)...),
		sect(secTable, 1, byte(FuncRef), 0, byte(n)),
		sect(secMemory, 1, 1, 1, 3),
		sect(secGlobal, vec(
			[]byte{byte(I32), 1, opI32Const, 1, opEnd},
			[]byte{byte(I64), 1, opI64Const, 2, opEnd},
		)...),
		sect(secExport, vec(
			export("f", KindFunc, 0), export("memory", KindMemory, 0),
			export("g0", KindGlobal, 0), export("g1", KindGlobal, 1),
		)...),
		sect(secElement, slices.Concat([]byte{1, 0, opI32Const, 0, opEnd}, vec(refs...))...),
		sect(secCode, vec(bodies...)...),
	)
}

func (g *generator) function(i int) []byte {
	sig := g.sigs[i]
	const counters = 3
	g.self, g.budget, g.code, g.loops = i, 40+g.pick(60), nil, 0
	g.locals = slices.Concat(sig.Params, []ValueType{I32, I64})
	g.scratch = len(g.locals)
	g.labels = [][]ValueType{sig.Results}
	g.statements()
	for _, t := range sig.Results {
		g.expression(t)
	}
	return codeOf([]byte{1, byte(I32), 1, byte(I64), counters, byte(I32)}, g.code...)
}

func (g *generator) statements() {
	for range g.pick(5) {
		g.statement()
	}
}

// label is a label whose branch takes values that ok accepts, or -1.
func (g *generator) label(ok func([]ValueType) bool) int {
	var all []int
	for i := range g.labels {
		if ok(g.labels[len(g.labels)-1-i]) {
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		return -1
	}
	return all[g.pick(len(all))]
}

func (g *generator) values(label int) []ValueType { return g.labels[len(g.labels)-1-label] }

func (g *generator) expressions(types []ValueType) {
	for _, t := range types {
		g.expression(t)
	}
}

// block is what comes between a block's opcode and its end.
func (g *generator) block(op byte, result ValueType, content func()) {
	values := []ValueType{}
	blockType := byte(emptyBlock)
	if result != 0 {
		values, blockType = []ValueType{result}, byte(result)
	}
	if op == opLoop {
		values = nil
	}
	g.emit(op, blockType)
	g.labels = append(g.labels, values)
	g.statements()
	content()
	g.labels = g.labels[:len(g.labels)-1]
}

func (g *generator) statement() {
	if g.budget--; g.budget < 0 {
		return
	}
	nothing := func() {}
	switch g.pick(13) {
	case 0, 1:
		i := g.pick(g.scratch)
		g.expression(g.locals[i])
		g.op(opLocalSet, i)
	case 2:
		i := g.pick(2)
		g.expression(numbers[i])
		g.op(opGlobalSet, i)
	case 3:
		g.address()
		g.expression(I64)
		g.emit(0x37, 0, byte(g.pick(16))) // i64.store
	case 4:
		g.block(opBlock, 0, nothing)
		g.emit(opEnd)
	case 5, 6:
		g.expression(I32)
		g.block(opIf, 0, nothing)
		if g.pick(2) == 0 {
			g.emit(opElse)
			g.labels = append(g.labels, nil)
			g.statements()
			g.labels = g.labels[:len(g.labels)-1]
		}
		g.emit(opEnd)
	case 7, 8:
		g.loop()
	case 9: // a branch that may be taken
		label := g.label(func([]ValueType) bool { return true })
		g.expressions(g.values(label))
		g.expression(I32)
		g.op(opBrIf, label)
		g.emit(slices.Repeat([]byte{0x1a}, len(g.values(label)))...)
	case 10: // one that is, and code that cannot be reached
		g.leave()
	case 11:
		g.call()
	case 12: // memory.fill
		g.address()
		g.expression(I32)
		g.address()
		g.emit(opPrefixFC, fcMemoryFill, 0)
	}
}

// leave ends the code that can be reached.
func (g *generator) leave() {
	switch g.pick(4) {
	case 0:
		g.expressions(g.labels[0])
		g.emit(opReturn)
	case 1:
		label := g.label(func([]ValueType) bool { return true })
		g.expressions(g.values(label))
		g.op(opBr, label)
	case 2:
		first := g.label(func([]ValueType) bool { return true })
		same := func(v []ValueType) bool { return slices.Equal(v, g.values(first)) }
		g.expressions(g.values(first))
		g.expression(I32)
		g.emit(opBrTable, 2)
		for range 3 {
			g.code = appendU32(g.code, uint32(g.label(same)))
		}
	case 3:
		g.emit(opUnreachable)
	}
}

// loop runs statements at most twice.
func (g *generator) loop() {
	if g.loops == 3 {
		return
	}
	counter := g.scratch + g.loops
	g.loops++
	g.emit(opI32Const, 2)
	g.op(opLocalSet, counter)
	g.emit(opBlock, emptyBlock, opLoop, emptyBlock)
	g.labels = append(g.labels, nil, nil)
	g.op(opLocalGet, counter)
	g.emit(0x45, opBrIf, 1) // i32.eqz
	g.op(opLocalGet, counter)
	g.emit(opI32Const, 1, 0x6b) // i32.sub
	g.op(opLocalSet, counter)
	g.statements()
	g.emit(opBr, 0, opEnd, opEnd)
	g.labels = g.labels[:len(g.labels)-2]
	g.loops--
}

// call calls a later function, directly or not, and keeps what it returns.
func (g *generator) call() {
	if g.self == len(g.sigs)-1 {
		return
	}
	callee := g.self + 1 + g.pick(len(g.sigs)-g.self-1)
	g.expressions(g.sigs[callee].Params)
	if g.pick(2) == 0 {
		g.op(opCall, callee)
	} else {
		g.emit(opI32Const, byte(callee), opCallIndirect, byte(callee), 0)
	}
	for _, t := range slices.Backward(g.sigs[callee].Results) {
		g.op(opLocalSet, slices.Index(g.locals[g.scratch-2:], t)+g.scratch-2)
	}
}

// address is an expression for a small number.
func (g *generator) address() {
	g.expression(I32)
	g.emit(opI32Const, 63, 0x71) // i32.and
}

func (g *generator) expression(t ValueType) {
	g.budget--
	choice := 0
	if g.budget > 0 {
		choice = g.pick(10)
	}
	i64 := t == I64
	op := func(i32op, i64op byte) {
		if i64 {
			g.emit(i64op)
		} else {
			g.emit(i32op)
		}
	}
	switch choice {
	case 0:
		op(opI32Const, opI64Const)
		g.code = appendS64(g.code, int64(rapid.Int32().Draw(g.t, "constant")))
	case 1, 2:
		g.op(opLocalGet, slices.Index(g.locals, t))
	case 3: // add to rotr, which may trap
		g.expression(t)
		g.expression(t)
		n := byte(g.pick(15))
		op(0x6a+n, 0x7c+n)
	case 4: // compare or convert
		if i64 {
			g.expression(I32)
			g.emit(0xac + byte(g.pick(2)))
		} else {
			g.expression(I64)
			g.expression(I64)
			g.emit(0x51 + byte(g.pick(10)))
		}
	case 5:
		g.block(opBlock, t, func() { g.expression(t) })
		g.emit(opEnd)
	case 6:
		g.expression(I32)
		g.block(opIf, t, func() { g.expression(t) })
		g.emit(opElse)
		g.labels = append(g.labels, []ValueType{t})
		g.expression(t)
		g.labels = g.labels[:len(g.labels)-1]
		g.emit(opEnd)
	case 7: // load
		g.address()
		op(0x28, 0x29)
		g.emit(0, byte(g.pick(16)))
	case 8: // leave with a value, perhaps
		g.expression(t)
		if label := g.label(func(v []ValueType) bool { return slices.Equal(v, []ValueType{t}) }); label >= 0 {
			g.expression(I32)
			g.op(opBrIf, label)
		}
	case 9:
		op(opGlobalGet, opGlobalGet)
		if i64 {
			g.emit(1)
		} else {
			g.emit(0)
		}
	}
}
