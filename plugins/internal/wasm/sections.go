package wasm

import (
	"math"
	"strings"
)

// valueType reads the type of a value.
// See https://www.w3.org/TR/wasm-core-2/#types⑥ (section 5.3).
func (r *reader) valueType() ValueType {
	start := r.pos
	switch t := ValueType(r.byte()); t {
	case I32, I64, F32, F64, FuncRef, ExternRef:
		return t
	case 0x7b:
		r.fail(start, "SIMD is not supported (value type v128)")
	default:
		r.fail(start, "value type %#x is not supported", byte(t))
	}
	return 0
}

func (r *reader) refType() ValueType {
	start := r.pos
	t := r.valueType()
	if t != FuncRef && t != ExternRef {
		r.fail(start, "%s is not a reference type", t)
	}
	return t
}

func (r *reader) valueTypes(name string, limit uint32) []ValueType {
	n := r.count(name, limit)
	if n == 0 {
		return nil
	}
	types := make([]ValueType, n)
	for i := range types {
		types[i] = r.valueType()
	}
	return types
}

func (r *reader) globalType() GlobalType {
	t := r.valueType()
	start := r.pos
	mutable := r.byte()
	if mutable > 1 {
		r.fail(start, "mutability %#x is not supported", mutable)
	}
	return GlobalType{Type: t, Mutable: mutable == 1}
}

// maxPages is the size of all that 32 bits can address.
const maxPages = 1 << 16

// limits reads a size that must be at most limit; a maximum that is missing or
// greater becomes limit, if it is at most largest.
func (r *reader) limits(name string, limit, largest uint32) limits {
	start := r.pos
	flag := r.byte()
	if flag > 1 {
		r.fail(start, "limits with flags %#x (shared or 64-bit) are not supported", flag)
	}
	l := limits{min: r.u32(), max: limit}
	r.limit(name, uint64(l.min), uint64(limit))
	if flag == 1 {
		declared := r.u32()
		if declared < l.min {
			r.fail(start, "the maximum %d is less than the minimum %d", declared, l.min)
		}
		if declared > largest {
			r.fail(start, "the maximum %d is more than %d", declared, largest)
		}
		l.max = min(declared, limit)
	}
	return l
}

func (r *reader) table() table {
	return table{element: r.refType(), limits: r.limits("TableElements", r.caps.TableElements, math.MaxUint32)}
}

func (r *reader) addTable() {
	r.tables = append(r.tables, r.table())
	r.limit("Tables", uint64(len(r.tables)), uint64(r.caps.Tables))
}

func (r *reader) addMemory() {
	start := r.pos
	r.memories = append(r.memories, r.limits("MemoryPages", r.caps.MemoryPages, maxPages))
	if len(r.memories) > 1 {
		r.fail(start, "more than one memory is not supported")
	}
}

func (r *reader) addGlobal() {
	r.globals = append(r.globals, r.globalType())
	r.limit("Globals", uint64(len(r.globals)), uint64(r.caps.Globals))
}

func (r *reader) addFunc() {
	r.funcs = append(r.funcs, r.index("type", len(r.types)))
	r.limit("Functions", uint64(len(r.funcs)), uint64(r.caps.Functions))
}

func (r *reader) typeSection() {
	n := r.count("Types", r.caps.Types)
	r.types = make([]FuncType, 0, n)
	for i := uint32(0); i < n && r.err == nil; i++ {
		start := r.pos
		if form := r.byte(); form != 0x60 {
			r.fail(start, "type form %#x is not a function type", form)
		}
		t := FuncType{
			Params:  r.valueTypes("Params", r.caps.Params),
			Results: r.valueTypes("Results", r.caps.Results),
		}
		if len(t.Params) == 0 {
			r.blockTypes[typeKey(t.Results)] = len(r.types)
		}
		r.types = append(r.types, t)
	}
}

func (r *reader) importSection() {
	n := r.count("Imports", r.caps.Imports)
	for i := uint32(0); i < n && r.err == nil; i++ {
		imp := Import{Module: r.name(r.caps.NameBytes), Name: r.name(r.caps.NameBytes)}
		r.notReserved(imp.Name)
		start := r.pos
		imp.Kind = Kind(r.byte())
		switch imp.Kind {
		case KindFunc:
			r.addFunc()
			imp.Func = r.funcType(len(r.funcs) - 1)
		case KindTable:
			r.addTable()
		case KindMemory:
			r.addMemory()
			r.importedMemory = true
		case KindGlobal:
			r.addGlobal()
			imp.Global = r.globals[len(r.globals)-1]
		default:
			r.fail(start, "import kind %#x is not supported", byte(imp.Kind))
		}
		r.imports = append(r.imports, imp)
	}
	r.importedFuncs, r.importedGlobals, r.importedTables = len(r.funcs), len(r.globals), len(r.tables)
}

// funcType is the signature of function i, which exists unless there is an error.
func (r *reader) funcType(i int) FuncType {
	if r.err != nil {
		return FuncType{}
	}
	return r.types[r.funcs[i]]
}

// notReserved refuses the names that Instrument adds.
func (r *reader) notReserved(name string) {
	for _, reserved := range []string{FuelExport, DepthExport, StartExport, GlobalExportPrefix} {
		if strings.HasPrefix(name, reserved) {
			r.fail(r.pos, "the name %q is reserved: nothing may be called %s…", name, reserved)
		}
	}
}

func (r *reader) functionSection() {
	n := r.count("Functions", r.caps.Functions)
	for i := uint32(0); i < n && r.err == nil; i++ {
		r.addFunc()
	}
}

func (r *reader) tableSection() {
	n := r.count("Tables", r.caps.Tables)
	for i := uint32(0); i < n && r.err == nil; i++ {
		r.addTable()
	}
}

func (r *reader) memorySection() {
	n := r.u32() // the second one is an error
	for i := uint32(0); i < n && r.err == nil; i++ {
		r.addMemory()
	}
}

func (r *reader) globalSection() {
	n := r.count("Globals", r.caps.Globals)
	for i := uint32(0); i < n && r.err == nil; i++ {
		t := r.globalType()
		r.constant()
		r.globals = append(r.globals, t)
		r.limit("Globals", uint64(len(r.globals)), uint64(r.caps.Globals))
	}
}

// constant reads a constant expression: one instruction and end. A global.get must
// be of a global that comes before.
// See https://www.w3.org/TR/wasm-core-2/#constant-expressions① (section 3.3.7).
func (r *reader) constant() {
	start := r.pos
	switch op := r.byte(); op {
	case opI32Const:
		r.signed(32)
	case opI64Const:
		r.signed(64)
	case opF32Const:
		r.bytes(4)
	case opF64Const:
		r.bytes(8)
	case opGlobalGet:
		r.index("global", len(r.globals))
	case opRefNull:
		r.refType()
	case opRefFunc:
		r.index("function", len(r.funcs))
	default:
		r.fail(start, "opcode %#x is not supported in a constant expression", op)
	}
	start = r.pos
	if r.byte() != opEnd {
		r.fail(start, "a constant expression of more than one instruction is not supported")
	}
}

func (r *reader) exportSection() {
	n := r.count("Exports", r.caps.Exports)
	seen := make(map[string]bool, n)
	for i := uint32(0); i < n && r.err == nil; i++ {
		start := r.pos
		e := Export{Name: r.name(r.caps.NameBytes)}
		r.notReserved(e.Name)
		if seen[e.Name] {
			r.fail(start, "%q is exported twice", e.Name)
		}
		seen[e.Name] = true
		e.Kind = Kind(r.byte())
		switch e.Kind {
		case KindFunc:
			e.Index = r.index("function", len(r.funcs))
			e.Func = r.funcType(int(e.Index))
		case KindTable:
			e.Index = r.index("table", len(r.tables))
		case KindMemory:
			e.Index = r.index("memory", len(r.memories))
		case KindGlobal:
			e.Index = r.index("global", len(r.globals))
			if r.err == nil {
				e.Global = r.globals[e.Index]
			}
		default:
			r.fail(start, "export kind %#x is not supported", byte(e.Kind))
		}
		r.exports = append(r.exports, e)
	}
}

// startSection reads which function the engine would run on its own.
func (r *reader) startSection() {
	at := r.pos
	r.start = r.index("function", len(r.funcs))
	if typ := r.funcType(int(r.start)); len(typ.Params)+len(typ.Results) > 0 {
		r.fail(at, "the start function is %s; want ()", typ)
	}
	if int(r.start) < r.importedFuncs {
		r.fail(at, "the start function is an import")
	}
	r.hasStart = true
}

// elementSection reads element segments. Bit 0 of a segment's flags says that it
// is passive or declarative, bit 1 that it is declarative or has a table index,
// bit 2 that its elements are expressions.
// See https://www.w3.org/TR/wasm-core-2/#element-section (section 5.5.12).
func (r *reader) elementSection() {
	n := r.count("ElementSegments", r.caps.ElementSegments)
	for i := uint32(0); i < n && r.err == nil; i++ {
		start := r.pos
		flags := r.u32()
		if flags > 7 {
			r.fail(start, "element segment flags %#x are not supported", flags)
		}
		active, explicit, expressions := flags&1 == 0, flags&2 != 0, flags&4 != 0
		if active {
			if explicit {
				r.index("table", len(r.tables))
			} else if len(r.tables) == 0 {
				r.fail(start, "an element segment is for table 0, which does not exist")
			}
			r.constant()
		}
		if !active || explicit {
			if expressions {
				r.refType()
			} else if kind := r.byte(); kind != 0 {
				r.fail(start, "element kind %#x is not supported", kind)
			}
		}
		items := r.count("Elements", r.caps.Elements)
		r.elementItems += int(items)
		r.limit("Elements", uint64(r.elementItems), uint64(r.caps.Elements))
		for j := uint32(0); j < items && r.err == nil; j++ {
			if expressions {
				r.constant()
			} else {
				r.index("function", len(r.funcs))
			}
		}
		r.elements++
	}
}

// dataSection reads data segments.
// See https://www.w3.org/TR/wasm-core-2/#data-section (section 5.5.14).
func (r *reader) dataSection() {
	n := r.count("DataSegments", r.caps.DataSegments)
	total := uint64(0)
	for i := uint32(0); i < n && r.err == nil; i++ {
		start := r.pos
		flags := r.u32()
		switch flags {
		case 0, 2:
			if flags == 2 {
				r.index("memory", len(r.memories))
			} else if len(r.memories) == 0 {
				r.fail(start, "a data segment is for memory 0, which does not exist")
			}
			r.constant()
		case 1:
		default:
			r.fail(start, "data segment flags %#x are not supported", flags)
		}
		size := r.u32()
		total += uint64(size)
		r.limit("DataBytes", total, uint64(r.caps.DataBytes))
		r.bytes(size)
		r.data++
	}
}
