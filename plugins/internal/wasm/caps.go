package wasm

import (
	"fmt"
	"reflect"
)

// Caps are the limits a module is read within. A zero field stands for the default
// of [DefaultCaps].
//
// They bound two things: the memory and time that reading takes, and the time that
// the engine's compiler takes, which grows faster than the code does with the number
// of blocks and locals in one function.
type Caps struct {
	// ModuleBytes is the size of the whole module, in bytes.
	ModuleBytes uint32
	// Types is the number of function types.
	Types uint32
	// Params and Results bound one function type or block type.
	Params, Results uint32
	// Imports is the number of imports of all kinds.
	Imports uint32
	// Functions is the number of functions, imported ones included.
	Functions uint32
	// Tables is the number of tables, imported ones included.
	Tables uint32
	// TableElements is the size of one table, at first and when it has grown: the
	// rewritten module declares no greater maximum.
	TableElements uint32
	// MemoryPages is the size of the memory in pages of 64 KiB, at first and when
	// it has grown: the rewritten module declares no greater maximum.
	MemoryPages uint32
	// Globals is the number of globals, imported ones included.
	Globals uint32
	// Exports is the number of exports.
	Exports uint32
	// ElementSegments is their number, Elements the number of elements in all of
	// them together.
	ElementSegments, Elements uint32
	// DataSegments is their number, DataBytes the size of all of them together.
	DataSegments, DataBytes uint32
	// CustomSections is their number.
	CustomSections uint32
	// NameBytes is the length of one name, of an import, export or custom section.
	NameBytes uint32
	// FunctionBytes is the size of one function's code.
	FunctionBytes uint32
	// Locals is the number of one function's locals and parameters, LocalsTotal
	// that of all functions together.
	Locals, LocalsTotal uint32
	// BlockDepth is how deep blocks, loops and ifs nest in one function.
	BlockDepth uint32
	// Blocks is the number of blocks, loops, ifs, branches, entries of br_tables and
	// charges for fuel in one function.
	Blocks uint32
	// CompileWork is the sum over all functions of blocks × (blocks + 40 × locals),
	// which the time that wazero's compiler takes grows with, beyond what is linear
	// in the size of the code: a unit is some 25 ns.
	CompileWork uint32
}

// DefaultCaps are limits that the output of the common toolchains (C, C++, Rust, Go,
// Zig, AssemblyScript, Nim, QuickJS) stays well within.
func DefaultCaps() Caps {
	return Caps{
		ModuleBytes:     8 << 20,
		Types:           4_096,
		Params:          128,
		Results:         64,
		Imports:         256,
		Functions:       32_768,
		Tables:          8,
		TableElements:   65_536,
		MemoryPages:     1_024,
		Globals:         1_024,
		Exports:         4_096,
		ElementSegments: 1_024,
		Elements:        131_072,
		DataSegments:    131_072,
		DataBytes:       8 << 20,
		CustomSections:  128,
		NameBytes:       4_096,
		FunctionBytes:   512 << 10,
		Locals:          2_048,
		LocalsTotal:     1 << 20,
		BlockDepth:      2_048,
		Blocks:          16_384,
		CompileWork:     1 << 28,
	}
}

// withDefaults returns c with its zero fields set to their defaults.
func (c Caps) withDefaults() Caps {
	defaults := reflect.ValueOf(DefaultCaps())
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			v.Field(i).Set(defaults.Field(i))
		}
	}
	return c
}

// LimitError says that a module asks for more than a cap allows.
type LimitError struct {
	// Cap is the name of the field of Caps.
	Cap string
	// Value is what the module asks for, Limit what is allowed.
	Value, Limit uint64
	// Offset is where in the module it asks, in bytes.
	Offset int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("offset %#x: %s is %d, and the limit is %d", e.Offset, e.Cap, e.Value, e.Limit)
}

// FormatError says that a module is malformed, or uses a feature that is not
// supported.
type FormatError struct {
	// Offset is where in the module, in bytes.
	Offset int
	// Reason says what is wrong.
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("offset %#x: %s", e.Offset, e.Reason)
}
