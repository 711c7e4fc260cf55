package wasm

// Prices in fuel. A unit is one plain instruction, which takes 0.1 to 1 ns under
// wazero's compiler, and some 100 ns at worst, when memory is not in any cache;
// dearer instructions are priced so that they, too, take at most 1 ns a unit. Prices are
// part of what a fuel budget means: changing one changes the outcome of calls near
// their budget.
const (
	// costEntry is for entering a function, on top of the call itself.
	costEntry = 2
	// costLoop is for every round of a loop.
	costLoop = 1
	// costCall is for call and call_indirect.
	costCall = 4
	// costSlow is for divisions and square roots.
	costSlow = 12
	// costFloat is for computing with floating point numbers, and looking at the result.
	costFloat = 3
	// costRefFunc is for ref.func, for which compiled code calls the engine.
	costRefFunc = 256

	// A bulk memory operation costs one for every 1<<bytesPerFuelLog2 bytes.
	bytesPerFuelLog2 = 3
	// costTableElement is for each element that is copied or filled.
	costTableElement = 2
	// costGrowElement is for each element that a table is to grow by.
	costGrowElement = 64
	// costGrowPage is for each page that memory is to grow by: it is zeroed, and
	// what is there already may have to be moved.
	costGrowPage = 16_384
	// costGrow is for any attempt to grow anything.
	costGrow = 1_024
	// costBulk is for any bulk operation.
	costBulk = 16

	// Where control may come from more than one place, compiled code moves values: locals
	// that were set on the way, and those that branches and calls carry along. The first
	// freeMoves of them are in registers; each of the others, from one place in memory to
	// another, costs one.
	freeMoves = 16
)

// costMoves is the price of moving that many values.
func costMoves(values int) int64 { return int64(max(values-freeMoves, 0)) }

// cost is the fixed price of an opcode without a prefix. What compiles to nothing by
// itself, but for an operand of something that has a price, is free.
func cost(op byte) int64 {
	switch op {
	case opBlock, opLoop, opElse, opEnd, 0x01, // nop; for loop see costLoop
		opLocalGet, opI32Const, opI64Const, opF32Const, opF64Const, 0x1a: // drop
		return 0
	case opCall, opCallIndirect:
		return costCall
	case 0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82, // integer div, rem
		0x91, 0x95, 0x9f, 0xa3: // f32 and f64 sqrt, div
		return costSlow
	case opRefFunc:
		return costRefFunc
	}
	if computes(op) != 0 {
		return costFloat
	}
	switch op {
	case opMemoryGrow:
		return costGrow
	}
	return 1
}

// costFC is the fixed price of an opcode after prefix 0xfc.
func costFC(op uint32) int64 {
	switch op {
	case fcTableGrow:
		return costGrow
	case fcMemoryInit, fcMemoryCopy, fcMemoryFill, fcTableInit, fcTableCopy, fcTableFill:
		return costBulk
	}
	return 1
}

// frameWeight is what a call of a function counts for in the depth: 1 for each 64
// values that its frame may hold. Locals count fully; of the instructions, half are
// taken to leave a value behind.
func frameWeight(locals, instructions int) int64 {
	return 1 + (int64(locals)+int64(instructions)/2)/64
}
