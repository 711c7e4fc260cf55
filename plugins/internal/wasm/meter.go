package wasm

// slack is the price of conditional code that may be paid for in advance in any
// case: a charge of its own would cost more than it does.
const slack = 16

// meter decides where in one function charges go and how much they are. It is told
// of every opcode, in order, once.
//
// A charge covers the code that follows it, up to the end of the block in which it
// is (for an if, up to its else) or to the next charge in that same block. Inside of
// that, an inner block may have a charge of its own, which covers the rest of that
// inner block. A loop always has one, at its head, so no charge covers an
// instruction twice over: within one passage of a charge, control only moves forward
// through what it covers. And none of it can be reached past the charge: a branch
// leads to a loop's head, before its charge, or to the end of a block, where
// charges inside of that block no longer count. Hence every instruction executed has
// been paid for.
type meter struct {
	// slack is the constant, or 0 to charge every instruction by itself, which is
	// what the others must agree with.
	slack   int64
	locals  int // of the function, parameters included
	frames  []frame
	charges []charge // that cover what comes next, the innermost last
	edits   []edit   // in the order of their offsets
}

// frame is a block that is open.
type frame struct {
	op      byte // opBlock, opLoop, opIf or opElse; opBlock for the function itself
	dead    bool // what comes next cannot be reached
	wasDead bool // the block cannot be reached
	calls   int  // how many calls came before it
	carried int  // how many values branches to it, or what leaves it, take along
	sets    int  // how many instructions in it set a local
	head    int  // the edit that is the charge of a loop that can be reached
}

// charge is an amount of fuel taken at one place.
type charge struct {
	frame int // the block it is in, as an index of frames
	edit  int // the edit that takes it
	// certain is the price of what will be executed unless something traps, maybe
	// that of what may be skipped.
	certain, maybe int64
	// skip is the outermost block that may have been left since, or noSkip: until
	// it ends, everything is conditional.
	skip int
}

const noSkip = int(^uint(0) >> 1)

// editKind says what to do at a place in a function.
type editKind byte

const (
	// editCharge takes amount.
	editCharge editKind = iota
	// editReturn replaces the return there by a branch out of amount blocks.
	editReturn
	// editLength takes amount for every 1<<shift of the length on top of the stack.
	editLength
	// editBeforeCall and editAfterCall are around a call.
	editBeforeCall
	editAfterCall
	// editNaN makes what is on top of the stack, of the type that is amount, the canonical
	// NaN if it is one.
	editNaN
)

// edit is a change to a function's code in front of the instruction at the offset.
type edit struct {
	kind   editKind
	shift  byte
	offset uint32 // in the module
	depth  uint32 // how many blocks are open there, the function included
	amount int64
}

// edit notes a change, unless it is to code that cannot be reached.
func (m *meter) edit(e edit) {
	if !m.dead() {
		e.depth = uint32(len(m.frames))
		m.edits = append(m.edits, e)
	}
}

// start begins with a function whose first instruction is at the offset. It has that many
// parameters and results, taken together, and locals, parameters included.
func (m *meter) start(offset, carried, locals int) {
	m.frames = append(m.frames[:0], frame{op: opBlock})
	m.charges = m.charges[:0]
	m.edits = m.edits[:0]
	m.locals = locals
	m.charge(offset, costEntry+costMoves(carried))
}

// dead tells whether what comes next cannot be reached.
func (m *meter) dead() bool { return m.frames[len(m.frames)-1].dead }

// pay sees to it that the instruction at the offset is paid for.
func (m *meter) pay(offset int, price int64) {
	if m.dead() || price == 0 {
		return
	}
	switch c := &m.charges[len(m.charges)-1]; {
	case m.slack == 0:
		m.charge(offset, price)
	case c.skip == noSkip:
		c.certain += price
	case c.maybe+price <= max(c.certain, m.slack):
		c.maybe += price
	default:
		m.charge(offset, price)
	}
}

// charge opens a charge at the offset. It takes over from one in the same block.
func (m *meter) charge(offset int, price int64) {
	m.closeCharges()
	m.charges = append(m.charges, charge{
		frame: len(m.frames) - 1, edit: len(m.edits), certain: price, skip: noSkip,
	})
	m.edit(edit{kind: editCharge, offset: uint32(offset)})
}

// closeCharges closes the charge that is in the innermost block, if there is one.
// What may have been skipped since then concerns the charge around it, too.
func (m *meter) closeCharges() {
	n := len(m.charges) - 1
	if n < 0 || m.charges[n].frame != len(m.frames)-1 {
		return
	}
	c := m.charges[n]
	m.charges = m.charges[:n]
	m.edits[c.edit].amount = c.certain + c.maybe
	if n > 0 {
		m.charges[n-1].skip = min(m.charges[n-1].skip, c.skip)
	}
}

// enter opens a block whose first instruction is at the offset, and which has that many
// parameters and results, taken together.
func (m *meter) enter(op byte, offset, carried int) {
	dead := m.dead()
	m.frames = append(m.frames, frame{op: op, dead: dead, wasDead: dead, carried: carried})
	if dead {
		return
	}
	switch op {
	case opLoop:
		m.charge(offset, costLoop)
		m.frames[len(m.frames)-1].head = m.charges[len(m.charges)-1].edit
	case opIf:
		m.branch(0)
	}
}

// otherwise goes from an if to its else.
func (m *meter) otherwise() {
	m.closeCharges()
	f := &m.frames[len(m.frames)-1]
	f.op, f.dead = opElse, f.wasDead
}

// leave closes the innermost block, which ends before the offset. Values that have to be
// moved when it is left, or a loop when it begins anew, are paid for by whatever gets there.
func (m *meter) leave(offset int) {
	m.closeCharges()
	block := len(m.frames) - 1
	f := m.frames[block]
	m.frames = m.frames[:block]
	if n := len(m.charges) - 1; n >= 0 && m.charges[n].skip >= block {
		m.charges[n].skip = noSkip
	}
	if block == 0 {
		return
	}
	m.frames[block-1].sets += f.sets
	switch moves := costMoves(min(f.sets, m.locals) + f.carried); {
	case f.op != opLoop:
		m.pay(offset, moves)
	case !f.wasDead:
		m.edits[f.head].amount += moves
	}
}

// set notes that a local is set.
func (m *meter) set() { m.frames[len(m.frames)-1].sets++ }

// branch notes that control may leave as many blocks as the label says, and one.
func (m *meter) branch(label int) {
	if !m.dead() {
		c := &m.charges[len(m.charges)-1]
		c.skip = min(c.skip, len(m.frames)-1-label)
	}
}

// stop notes that control does not get to what comes next.
func (m *meter) stop() { m.frames[len(m.frames)-1].dead = true }
