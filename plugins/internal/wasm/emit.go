package wasm

// emitter writes one metered function.
//
// The whole of it becomes
//
//	block                 ;; $spent
//	  …                   ;; entry: frame, charge
//	  block (results)     ;; takes the place of the function as a target of branches
//	    …                 ;; the code; branches keep their labels, a return becomes one
//	  end
//	  …                   ;; exit: frame
//	  return
//	end
//	unreachable           ;; one trap for all charges, out of the way of the code
//
// where a charge is, for an amount n,
//
//	fuel - n → fuel; fuel >> 63 ≠ 0 → br $spent
//
// The fuel is in its global at every call and when the function ends. In between, a
// function that has a loop without calls keeps it in a local, and so most likely in
// a register: in a loop of a few instructions the way through memory would take
// longer than the instructions do. If anything but a charge traps there, the global
// has what was left at the function's last call or at its entry.
//
// Comparing by shift, branching to a common trap and relying on the engine to
// forward stores to global variables are all for wazero's compiler, which turns them
// into the shortest code.
type emitter struct {
	out         []byte
	fuel, depth uint32 // globals
	length      uint32 // the local, an i32, for the length of a bulk operation
	cache       uint32 // the local, an i64, for the fuel
	cached      bool   // whether it is used
	floats      uint32 // the locals, an f64 and an f32, for results that are computed, if there are any
}

// writeBody appends a function, metered, to the code section.
func (r *reader) writeBody(b body) {
	e := emitter{
		out:    r.scratch[:0],
		fuel:   r.fuelGlobal(),
		depth:  r.depthGlobal(),
		length: uint32(b.locals),
		cache:  uint32(b.locals) + 1,
		cached: b.tight,
		floats: uint32(b.locals) + 2,
	}
	weight := frameWeight(b.locals, b.instructions)
	edits := r.meter.edits

	groups := b.localGroups + 2
	if b.floats {
		groups += 2
	}
	e.out = appendU32(e.out, uint32(groups))
	e.bytes(r.module[b.localsStart:b.codeStart]...)
	e.bytes(1, byte(I32), 1, byte(I64))
	if b.floats {
		e.bytes(1, byte(F64), 1, byte(F32))
	}
	e.bytes(opBlock, emptyBlock)
	if e.cached {
		e.op(opGlobalGet, e.fuel)
		e.op(opLocalSet, e.cache)
	}
	if b.calls > 0 {
		// One of two numbers is negative just when the two together are.
		e.takeDepth(weight)
		e.take(edits[0].amount)
		e.getFuel()
		e.op(opGlobalGet, e.depth)
		e.bytes(opI64Or)
		e.trapIfNegative(0)
	} else {
		e.take(edits[0].amount)
		e.getFuel()
		e.trapIfNegative(0)
	}
	e.bytes(opBlock)
	e.out = r.appendBlockType(e.out, b.typ.Results)
	e.code(r.module[:r.end], uint32(b.codeStart), edits[1:])
	if b.calls > 0 {
		e.takeDepth(-weight)
	}
	e.store()
	e.bytes(opReturn, opEnd)
	e.store()
	e.bytes(opUnreachable, opEnd)

	r.code = append(appendU32(r.code, uint32(len(e.out))), e.out...)
	r.scratch = e.out
}

// code writes the code that starts at pos, and ends where the module given does,
// with its changes.
func (e *emitter) code(module []byte, pos uint32, edits []edit) {
	for _, edit := range edits {
		e.bytes(module[pos:edit.offset]...)
		pos = edit.offset
		switch edit.kind {
		case editCharge:
			e.take(edit.amount)
			e.getFuel()
			e.trapIfNegative(edit.depth)
		case editLength:
			e.takeLength(edit)
			e.getFuel()
			e.trapIfNegative(edit.depth)
		case editReturn:
			e.op(opBr, uint32(edit.amount))
			pos++
		case editBeforeCall:
			e.store()
		case editAfterCall:
			if e.cached {
				e.op(opGlobalGet, e.fuel)
				e.op(opLocalSet, e.cache)
			}
		case editNaN:
			e.canonical(ValueType(edit.amount))
		}
	}
	e.bytes(module[pos:]...)
}

func (e *emitter) bytes(b ...byte) { e.out = append(e.out, b...) }

func (e *emitter) op(op byte, immediate uint32) {
	e.out = appendU32(append(e.out, op), immediate)
}

func (e *emitter) i64(v int64) { e.out = appendS64(append(e.out, opI64Const), v) }

func (e *emitter) getFuel() {
	if e.cached {
		e.op(opLocalGet, e.cache)
	} else {
		e.op(opGlobalGet, e.fuel)
	}
}

func (e *emitter) setFuel() {
	if e.cached {
		e.op(opLocalSet, e.cache)
	} else {
		e.op(opGlobalSet, e.fuel)
	}
}

// store brings the fuel back to its global.
func (e *emitter) store() {
	if e.cached {
		e.op(opLocalGet, e.cache)
		e.op(opGlobalSet, e.fuel)
	}
}

func (e *emitter) take(amount int64) {
	e.getFuel()
	e.i64(amount)
	e.bytes(opI64Sub)
	e.setFuel()
}

func (e *emitter) takeDepth(amount int64) {
	e.op(opGlobalGet, e.depth)
	e.i64(amount)
	e.bytes(opI64Sub)
	e.op(opGlobalSet, e.depth)
}

// takeLength takes fuel by the length on top of the stack, and leaves it there. A
// length is less than 1<<32 and a price at most 1<<14, so nothing overflows.
func (e *emitter) takeLength(edit edit) {
	e.op(opLocalSet, e.length)
	e.getFuel()
	e.op(opLocalGet, e.length)
	e.bytes(opI64ExtendU)
	if edit.shift > 0 {
		e.i64(int64(edit.shift))
		e.bytes(opI64ShrU)
	}
	e.i64(edit.amount)
	e.bytes(opI64Mul, opI64Sub)
	e.setFuel()
	e.op(opLocalGet, e.length)
}

// canonical puts the canonical NaN in the place of any other on top of the stack.
func (e *emitter) canonical(typ ValueType) {
	local := e.floats
	if typ == F32 {
		local++
	}
	e.op(opLocalTee, local)
	if typ == F32 {
		e.bytes(opF32Const, 0, 0, 0xc0, 0x7f)
	} else {
		e.bytes(opF64Const, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f)
	}
	e.op(opLocalGet, local)
	e.op(opLocalGet, local)
	if typ == F32 {
		e.bytes(opF32Eq, opSelect)
	} else {
		e.bytes(opF64Eq, opSelect)
	}
}

// trapIfNegative branches to the trap, out of that many blocks, if the number on
// top of the stack is negative.
func (e *emitter) trapIfNegative(label uint32) {
	e.i64(63)
	e.bytes(opI64ShrU, opI32WrapI64)
	e.op(opBrIf, label)
}

// appendBlockType appends the type of a block with those results. More than one
// need a function type, which is added if the module does not have it.
func (r *reader) appendBlockType(out []byte, results []ValueType) []byte {
	switch len(results) {
	case 0:
		return append(out, emptyBlock)
	case 1:
		return append(out, byte(results[0]))
	}
	key := typeKey(results)
	index, ok := r.blockTypes[key]
	if !ok {
		index = len(r.types) + len(r.addedTypes)
		r.addedTypes = append(r.addedTypes, FuncType{Results: results})
		r.blockTypes[key] = index
	}
	return appendS64(out, int64(index))
}

// typeKey makes a list of types comparable.
func typeKey(types []ValueType) string {
	key := make([]byte, len(types))
	for i, t := range types {
		key[i] = byte(t)
	}
	return string(key)
}
