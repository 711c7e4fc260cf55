package wasm

// body is what reading one function found out.
type body struct {
	typ          FuncType
	localGroups  int // how many declarations of locals there are
	localsStart  int // offset of the first declaration
	codeStart    int // offset of the first instruction
	locals       int // parameters and locals
	instructions int
	blocks       uint64 // see Caps.Blocks
	calls        int    // calls, those that cannot be reached included
	lengths      bool   // it has bulk operations
	tight        bool   // it has a loop without calls
	floats       bool   // it computes with floating point numbers
}

// codeSection reads the functions and writes them, metered, to code.
func (r *reader) codeSection() {
	n := r.count("Functions", r.caps.Functions)
	if uint64(n) != uint64(len(r.funcs)-r.importedFuncs) {
		r.fail(r.pos, "%d functions are declared, %d have code", len(r.funcs)-r.importedFuncs, n)
	}
	r.code = appendU32(make([]byte, 0, r.left()+r.left()/2), n)
	sectionEnd := r.end
	for i := 0; i < int(n) && r.err == nil; i++ {
		size := r.u32()
		r.limit("FunctionBytes", uint64(size), uint64(r.caps.FunctionBytes))
		if uint64(size) > uint64(r.left()) {
			r.fail(r.pos, "a function announces %d bytes, %d are left", size, r.left())
		}
		if r.err != nil {
			return
		}
		r.end = r.pos + int(size)
		b := r.body(r.types[r.funcs[r.importedFuncs+i]])
		if r.pos != r.end {
			r.fail(r.pos, "a function has %d bytes too many", r.end-r.pos)
		}
		if r.err == nil {
			r.writeBody(b)
		}
		r.end = sectionEnd
		r.bodies++
	}
}

// body reads one function and leaves what there is to change in r.meter.edits.
// See https://www.w3.org/TR/wasm-core-2/#code-section (section 5.5.13).
func (r *reader) body(typ FuncType) body {
	b := body{typ: typ}
	r.readLocals(&b)
	if r.err != nil {
		return b
	}
	b.codeStart = r.pos
	r.meter.start(r.pos, len(typ.Params)+len(typ.Results), b.locals)
	for r.err == nil && len(r.meter.frames) > 0 {
		r.instruction(&b)
	}
	for _, e := range r.meter.edits {
		if e.kind == editCharge {
			r.countBlocks(&b, 1)
		}
	}
	r.work += b.blocks * (b.blocks + 40*uint64(b.locals))
	r.limit("CompileWork", r.work, uint64(r.caps.CompileWork))
	return b
}

func (r *reader) readLocals(b *body) {
	groups := r.count("Locals", r.caps.Locals)
	b.localGroups, b.localsStart = int(groups), r.pos
	total := uint64(len(b.typ.Params))
	for i := uint32(0); i < groups && r.err == nil; i++ {
		total += uint64(r.u32())
		r.limit("Locals", total, uint64(r.caps.Locals))
		r.valueType()
	}
	r.localsTotal += total
	r.limit("LocalsTotal", r.localsTotal, uint64(r.caps.LocalsTotal))
	b.locals = int(total)
}

// instruction reads one instruction with its immediates and tells the meter.
func (r *reader) instruction(b *body) {
	start := r.pos
	op := r.byte()
	imm := immediates[op]
	price := cost(op)
	sub := uint32(0)
	if op == opPrefixFC {
		if sub = r.u32(); int64(sub) < int64(len(immediatesFC)) {
			imm = immediatesFC[sub]
			price = costFC(sub)
		}
	}
	if r.err != nil {
		return
	}
	if imm == immUnknown {
		r.fail(start, "opcode %#x is not supported, it is of %s", op, unsupportedFeature(op))
		return
	}
	b.instructions++
	r.meter.pay(start, price)
	switch op {
	case opBlock, opLoop, opIf:
		r.enter(b, op, r.blockType())
	case opElse:
		if r.meter.frames[len(r.meter.frames)-1].op != opIf {
			r.fail(start, "an else without an if")
			return
		}
		r.meter.otherwise()
	case opEnd:
		if f := r.meter.frames[len(r.meter.frames)-1]; f.op == opLoop {
			b.tight = b.tight || f.calls == b.calls && !f.wasDead
		}
		r.meter.leave(r.pos)
	case opUnreachable:
		r.meter.stop()
	case opBr, opBrIf:
		r.countBlocks(b, 1)
		r.meter.branch(r.label())
		if op == opBr {
			r.meter.stop()
		}
	case opBrTable:
		r.branchTable(b)
		r.meter.stop()
	case opReturn:
		depth := len(r.meter.frames) - 1
		r.meter.branch(depth)
		r.meter.edit(edit{kind: editReturn, offset: uint32(start), amount: int64(depth)})
		r.meter.stop()
	case opCall, opCallIndirect:
		r.meter.edit(edit{kind: editBeforeCall, offset: uint32(start)})
		r.immediate(b, imm)
		r.meter.edit(edit{kind: editAfterCall, offset: uint32(r.pos)})
		b.calls++
	case opLocalSet, opLocalTee:
		r.meter.set()
		r.immediate(b, imm)
	default:
		r.bulk(b, start, op, sub)
		r.immediate(b, imm)
		r.canonical(b, op)
	}
}

// canonical makes a result that is no number the one that all machines have: which bits
// there are in it, and its sign, is otherwise up to the processor, and a guest can see them.
func (r *reader) canonical(b *body, op byte) {
	typ := computes(op)
	if typ == 0 || r.keepNaNs || r.meter.dead() {
		return
	}
	b.floats = true
	r.meter.edit(edit{kind: editNaN, offset: uint32(r.pos), amount: int64(typ)})
}

// enter opens a block, loop or if that has so many parameters and results.
func (r *reader) enter(b *body, op byte, carried int) {
	r.countBlocks(b, 1)
	r.limit("BlockDepth", uint64(len(r.meter.frames)), uint64(r.caps.BlockDepth))
	r.meter.enter(op, r.pos, carried)
	r.meter.frames[len(r.meter.frames)-1].calls = b.calls
}

func (r *reader) countBlocks(b *body, n uint64) {
	b.blocks += n
	r.limit("Blocks", b.blocks, uint64(r.caps.Blocks))
}

// blockType reads nothing, a value type, or a type index, and returns how many parameters
// and results the block has.
// See https://www.w3.org/TR/wasm-core-2/#control-instructions⑥ (section 5.4.1).
func (r *reader) blockType() (carried int) {
	start := r.pos
	switch b := r.byte(); {
	case b == emptyBlock:
		return 0
	case b&0xc0 == 0x40: // a negative number of one byte: a value type
		r.pos = start
		r.valueType()
		return 1
	}
	r.pos = start
	i := r.signed(33)
	if i < 0 || i >= int64(len(r.types)) {
		r.fail(start, "block type %d does not exist, there are %d", i, len(r.types))
	}
	if r.err != nil {
		return 0
	}
	return len(r.types[i].Params) + len(r.types[i].Results)
}

// label reads a label and returns it.
func (r *reader) label() int { return int(r.index("label", len(r.meter.frames))) }

func (r *reader) branchTable(b *body) {
	n := r.count("Blocks", r.caps.Blocks)
	r.countBlocks(b, uint64(n)+1)
	for i := uint32(0); i <= n && r.err == nil; i++ {
		r.meter.branch(r.label())
	}
}

// bulk prices what takes time by its length, and notes what cannot be restored.
func (r *reader) bulk(b *body, offset int, op byte, sub uint32) {
	e := edit{kind: editLength, offset: uint32(offset)}
	switch {
	case op == opMemoryGrow:
		e.amount = costGrowPage
	case op == opTableSet:
		r.unrestorable["table.set"] = true
	case op != opPrefixFC:
	case sub == fcMemoryInit || sub == fcMemoryCopy || sub == fcMemoryFill:
		e.amount, e.shift = 1, bytesPerFuelLog2
	case sub == fcTableInit || sub == fcTableCopy || sub == fcTableFill:
		r.unrestorable[unrestorableName[sub]] = true
		e.amount = costTableElement
	case sub == fcTableGrow:
		r.unrestorable[unrestorableName[sub]] = true
		e.amount = costGrowElement
	case sub == fcDataDrop || sub == fcElemDrop:
		r.unrestorable[unrestorableName[sub]] = true
	}
	if e.amount != 0 {
		r.meter.edit(e)
		b.lengths = true
	}
}

var unrestorableName = map[uint32]string{
	fcDataDrop: "data.drop", fcElemDrop: "elem.drop", fcTableInit: "table.init",
	fcTableCopy: "table.copy", fcTableFill: "table.fill", fcTableGrow: "table.grow",
}

// immediate reads the immediates of an instruction that is not a control one.
func (r *reader) immediate(b *body, imm immediate) {
	switch imm {
	case immFunc:
		r.index("function", len(r.funcs))
	case immCallIndirect:
		r.index("type", len(r.types))
		r.index("table", len(r.tables))
	case immLocal:
		r.index("local", b.locals)
	case immGlobal:
		r.index("global", len(r.globals))
	case immTable:
		r.index("table", len(r.tables))
	case immTwoTables:
		r.index("table", len(r.tables))
		r.index("table", len(r.tables))
	case immElem:
		r.index("element segment", r.elements)
	case immElemTable:
		r.index("element segment", r.elements)
		r.index("table", len(r.tables))
	case immData:
		r.index("data segment", max(r.dataCount, 0))
	case immDataMemory:
		r.index("data segment", max(r.dataCount, 0))
		r.index("memory", len(r.memories))
	case immMemArg:
		r.memArg()
	case immMemory:
		r.index("memory", len(r.memories))
	case immTwoMemories:
		r.index("memory", len(r.memories))
		r.index("memory", len(r.memories))
	case immI32:
		r.signed(32)
	case immI64:
		r.signed(64)
	case immF32:
		r.bytes(4)
	case immF64:
		r.bytes(8)
	case immTypes:
		r.valueTypes("Results", r.caps.Results)
	case immRefType:
		r.refType()
	case immNone:
	default: // those of control instructions are read where these are
		r.fail(r.pos, "immediates of kind %d are not understood", imm)
	}
}

// memArg reads the alignment, as a power of two, and offset of a memory access.
func (r *reader) memArg() {
	start := r.pos
	if align := r.u32(); align > 3 {
		r.fail(start, "an alignment of 1<<%d is not supported", align)
	}
	r.u32()
	if len(r.memories) == 0 {
		r.fail(start, "memory 0 does not exist")
	}
}
