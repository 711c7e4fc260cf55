package hostile

import "math"

// traps are validators that break off.
func traps() []Module {
	m := func(n, does, says string, v validator) Module {
		return Module{Name: "trap-" + n, Does: does, Wasm: v.assemble(), Want: Fault, Says: says}
	}
	exit := func(n, does, says, function string, code ...any) Module {
		return m(n, does, says, validator{
			types: [][]byte{funcType([]byte{i32}, nil)}, imported: 1,
			imports: [][]byte{seq(name(wasi), name(function), kindFunc, typeMore)}, judge: then(code...),
		})
	}
	table := validator{types: [][]byte{funcType(nil, []byte{i64})}, tables: [][]byte{{funcRef, 0, 2}}, elements: [][]byte{seq(0, num(0), opEnd, vec([]byte{funcMarker}))}}
	through := func(typ byte, element int32, results ...any) validator {
		v := table
		v.judge = then(num(element), opCallIndir, typ, 0, seq(results...))
		return v
	}
	nan := seq(opF64Const, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f})
	last := int32(page - 1)
	return []Module{
		m("unreachable", "unreachable", "unreachable", validator{judge: []byte{opUnreachable}}),
		m("unreachable-in-alloc", "unreachable in the allocator", "unreachable", validator{alloc: []byte{opUnreachable}}),
		m("divide-by-zero", "a division by zero", "divide by zero", validator{judge: then(num(1), num(0), opI32DivS, opDrop)}),
		m("remainder-of-zero", "a remainder of zero", "divide by zero", validator{judge: then(num(1), num(0), opI32RemU, opDrop)}),
		m("overflow", "a division whose result does not fit", "integer overflow", validator{judge: then(num(math.MinInt32), num(-1), opI32DivS, opDrop)}),
		m("not-a-number", "what is no number made an integer", "invalid conversion to integer", validator{judge: then(nan, opI32TruncF64, opDrop)}),
		m("load", "a load across the end of memory", "out of bounds memory access", validator{judge: then(num(last), opI32Load, 0, 0, opDrop)}),
		m("load-offset", "a load at 4 GiB and more", "out of bounds memory access", validator{judge: then(num(-1), opI64Load, 0, u(math.MaxUint32), opDrop)}),
		m("store", "a store across the end of memory", "out of bounds memory access", validator{judge: then(num(last), num(0), opI32Store, 0, 0)}),
		m("store-in-alloc", "a store outside memory, in the allocator", "out of bounds memory access", validator{alloc: seq(num(-1), num(0), opI32Store, 0, 0, num(requestAt))}),
		m("fill", "a fill across the end of memory", "out of bounds memory access", validator{judge: then(num(last), num(0), num(2), opFC, fcMemoryFill, 0)}),
		m("copy", "a copy across the end of memory", "out of bounds memory access", validator{judge: then(num(0), num(last), num(2), opFC, fcMemoryCopy, 0, 0)}),
		m("init", "more data than there is", "out of bounds memory access", validator{dataCount: true, data: [][]byte{seq(1, name("ab"))}, judge: then(num(0), num(0), num(3), opFC, fcMemoryInit, 2, 0)}),
		m("indirect-null", "a call of a null reference", "invalid table access", through(typeNone, 1)),
		m("indirect-outside", "a call beyond the table", "invalid table access", through(typeNone, 2)),
		m("indirect-type", "a call of a function of another type", "indirect call type mismatch", through(typeMore, 0, opDrop)),
		m("table-get", "an element beyond the table", "invalid table access", func() validator {
			v := table
			v.judge = then(num(9), opTableGet, 0, opDrop)
			return v
		}()),
		exit("exit-0", "proc_exit(0), as if all were well", "exited with code 0", "proc_exit", num(0), call(0)),
		exit("exit-1", "proc_exit(1)", "exited with code 1", "proc_exit", num(1), call(0)),
		exit("exit-max", "proc_exit with the largest code", "exited with code 4294967295", "proc_exit", num(-1), call(0)),
	}
}
