package wasm

import (
	"slices"
	"strings"
)

// Names of what Instrument adds to a module. A module that exports or imports a
// name that starts with one of them is refused.
const (
	// FuelExport is the mutable i64 global that holds the fuel left.
	FuelExport = "plimsoll_fuel"
	// DepthExport is the mutable i64 global that holds the frames left.
	DepthExport = "plimsoll_depth"
	// StartExport is the module's start function, if it has one: see [Module].Start.
	StartExport = "plimsoll_start"
	// GlobalExportPrefix and the index of a mutable global make the name under
	// which it is exported if the module does not do so itself.
	GlobalExportPrefix = "plimsoll_global_"
)

// Module is an instrumented module and what there is to know about it without
// running it.
type Module struct {
	// Bytes is the rewritten module. It has no custom sections but one, the names
	// of its functions, if the module had them.
	Bytes []byte
	// Imports are in the module's order.
	Imports []Import
	// Exports are those of the module itself, in its order: what Instrument adds
	// is not among them.
	Exports []Export
	// Memory is the module's memory, or nil if it neither defines nor imports one.
	Memory *Memory
	// Globals are the module's mutable globals, each with a name it is exported
	// under, without the two that Instrument adds. Imported ones belong to the
	// host and are not listed.
	Globals []MutableGlobal
	// Start says that the module has a start function. The rewritten module has none,
	// so that nothing runs when it is instantiated; the function, of type () → (), is
	// exported as StartExport instead, for the host to call with fuel or not at all.
	Start bool
	// Custom are the custom sections in the module's order. Their names need not
	// be unique. Data aliases the bytes given to Instrument.
	Custom []CustomSection
	// Unrestorable names, sorted and once each, the instructions in the code that
	// change tables or drop segments. An instance that may have run one is not as
	// it was, even when its memory and globals have been put back.
	Unrestorable []string
	// Usage is how much of each cap the module uses, in the order of [Caps].
	Usage []Usage
}

// Usage is how much of a cap a module uses: the most that anything the cap is for does.
type Usage struct {
	// Cap is the name of the field of [Caps].
	Cap          string
	Value, Limit uint64
}

// Export returns the export of that name.
func (m *Module) Export(name string) (Export, bool) {
	for _, e := range m.Exports {
		if e.Name == name {
			return e, true
		}
	}
	return Export{}, false
}

// Kind is the kind of an import or export.
type Kind byte

// The kinds, with their values in the binary format.
const (
	KindFunc   Kind = 0x00
	KindTable  Kind = 0x01
	KindMemory Kind = 0x02
	KindGlobal Kind = 0x03
)

func (k Kind) String() string {
	switch k {
	case KindFunc:
		return "function"
	case KindTable:
		return "table"
	case KindMemory:
		return "memory"
	case KindGlobal:
		return "global"
	}
	return "unknown kind"
}

// Import is something the module cannot be instantiated without.
type Import struct {
	Module, Name string
	Kind         Kind
	// Func is the type of an imported function.
	Func FuncType
	// Global is the type of an imported global.
	Global GlobalType
}

// Export is something the module offers its host.
type Export struct {
	Name string
	Kind Kind
	// Index is its index among all of its kind, imported ones first.
	Index uint32
	// Func is the type of an exported function.
	Func FuncType
	// Global is the type of an exported global.
	Global GlobalType
}

// Memory is a linear memory's size in pages of 64 KiB.
type Memory struct {
	// Min is the size at instantiation.
	Min uint32
	// Max is what it may grow to: the module's own maximum or Caps.MemoryPages,
	// whichever is less. The rewritten module declares it.
	Max      uint32
	Imported bool
}

// MutableGlobal is a global whose value a call can change.
type MutableGlobal struct {
	// Name is the export it is reached by: the module's own or one that
	// Instrument added.
	Name string
	Type ValueType
}

// CustomSection is a named section that means nothing to the runtime.
type CustomSection struct {
	Name string
	Data []byte
}

// ValueType is the type of a parameter, result, local or global.
type ValueType byte

// The value types, with their values in the binary format.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return "unknown type"
}

// GlobalType is the type of a global.
type GlobalType struct {
	Type    ValueType
	Mutable bool
}

// FuncType is the signature of a function. Signatures may share their slices:
// treat them as read-only.
type FuncType struct {
	Params, Results []ValueType
}

// String is the signature as people write it: "(i32, i32) → i64".
func (t FuncType) String() string {
	var b strings.Builder
	list := func(vs []ValueType) {
		b.WriteByte('(')
		for i, v := range vs {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(v.String())
		}
		b.WriteByte(')')
	}
	list(t.Params)
	switch len(t.Results) {
	case 0:
	case 1:
		b.WriteString(" → " + t.Results[0].String())
	default:
		b.WriteString(" → ")
		list(t.Results)
	}
	return b.String()
}

// Equal tells whether two signatures are the same.
func (t FuncType) Equal(u FuncType) bool {
	return slices.Equal(t.Params, u.Params) && slices.Equal(t.Results, u.Results)
}

// Instrument reads module strictly, within caps, and returns it metered. Zero
// fields of caps stand for their defaults. The error is a [*LimitError] or a
// [*FormatError]. The module is neither kept (but see [Module].Custom) nor changed.
func Instrument(module []byte, caps Caps) (*Module, error) {
	r := newReader(module, caps.withDefaults())
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.rewrite(), nil
}
