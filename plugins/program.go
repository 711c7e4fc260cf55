package plugins

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/plimsoll-project/plimsoll/plugins/abi"
	"github.com/plimsoll-project/plimsoll/plugins/internal/wasm"
)

// coreFeatures are those that internal/wasm can read and meter. A module that uses
// another does not come as far as the engine; this is the second lock on the door.
const coreFeatures = api.CoreFeatureBulkMemoryOperations | api.CoreFeatureMultiValue |
	api.CoreFeatureMutableGlobal | api.CoreFeatureNonTrappingFloatToIntConversion |
	api.CoreFeatureReferenceTypes | api.CoreFeatureSignExtensionOps

// program is a module that has been checked, metered and compiled, and not yet run.
type program struct {
	runtime     wazero.Runtime
	compiled    wazero.CompiledModule
	memoryLimit uint64
	globals     []string // names of the mutable globals, which a call can change
	alloc       string   // name of the allocator
	settings    bool     // it checks its settings itself
}

// compile makes a program of a module. Nothing of the module is run. The error, if
// any, tells all that is missing.
func compile(ctx context.Context, r wazero.Runtime, try func(context.Context, Trial) error, module []byte, memoryLimit uint64) (*program, error) {
	// One page more than is ever given out: see linearMemory.
	metered, err := wasm.Instrument(module, wasm.Caps{MemoryPages: uint32(memoryLimit/pageSize) + 1})
	p := &program{runtime: r, memoryLimit: memoryLimit}
	if tooLarge, ok := errors.AsType[*wasm.LimitError](err); ok && tooLarge.Cap == "MemoryPages" {
		err = errors.Join(p.checkMemorySize(tooLarge.Value), err) // first in the words of the configuration
	}
	if err != nil {
		return nil, fmt.Errorf("reading the module: %w", err)
	}
	if err := p.check(metered); err != nil {
		return nil, err
	}
	for _, g := range metered.Globals {
		p.globals = append(p.globals, g.Name)
	}
	if p.compiled, err = compileTried(ctx, r, try, metered.Bytes); err != nil {
		return nil, err
	}
	return p, nil
}

// check holds the module against the contract, by its declarations alone.
func (p *program) check(m *wasm.Module) error {
	errs := checkImports(m)
	if err := checkMarker(m); err != nil {
		return errors.Join(append(errs, err)...)
	}
	if err := checkFunc(m, abi.ExportValidate, validateType); err != nil {
		errs = append(errs, err)
	}
	if _, ok := m.Export(abi.ExportValidateSettings); ok {
		p.settings = true
		errs = append(errs, checkFunc(m, abi.ExportValidateSettings, validateType))
	}
	if _, ok := m.Export(abi.ExportInitialize); ok {
		errs = append(errs, checkFunc(m, abi.ExportInitialize, wasm.FuncType{}))
	}
	alloc, err := findAlloc(m)
	p.alloc = alloc
	return errors.Join(append(errs, err, p.checkMemory(m), checkState(m))...)
}

var (
	i32          = wasm.I32
	validateType = wasm.FuncType{Params: []wasm.ValueType{i32, i32}, Results: []wasm.ValueType{wasm.I64}}
	// allocators, in the order of preference.
	allocators = []struct {
		name string
		typ  wasm.FuncType
	}{
		{abi.ExportAlloc, wasm.FuncType{Params: []wasm.ValueType{i32}, Results: []wasm.ValueType{i32}}},
		{abi.ExportMalloc, wasm.FuncType{Params: []wasm.ValueType{i32}, Results: []wasm.ValueType{i32}}},
		{abi.ExportRealloc, wasm.FuncType{Params: []wasm.ValueType{i32, i32, i32, i32}, Results: []wasm.ValueType{i32}}},
	}
)

func checkMarker(m *wasm.Module) error {
	if _, ok := m.Export(abi.ExportMarker); ok {
		return checkFunc(m, abi.ExportMarker, wasm.FuncType{})
	}
	for _, e := range m.Exports {
		if version, ok := strings.CutPrefix(e.Name, abi.MarkerPrefix); ok {
			return fmt.Errorf("it speaks version %s of the validator ABI, and this Plimsoll speaks %d", version, abi.Version)
		}
	}
	if _, ok := m.Export("_start"); ok {
		return fmt.Errorf("it is a program (it exports _start), not a validator (it does not export %s); build it as a reactor: "+
			"-mexec-model=reactor for clang, -buildmode=c-shared for Go, a cdylib for Rust", abi.ExportMarker)
	}
	return fmt.Errorf("it is not a validator: it does not export the function %s", abi.ExportMarker)
}

func checkFunc(m *wasm.Module, name string, want wasm.FuncType) error {
	e, ok := m.Export(name)
	switch {
	case !ok:
		return fmt.Errorf("it does not export the function %s%s", name, want)
	case e.Kind != wasm.KindFunc:
		return fmt.Errorf("its export %s is a %s; want a function %s", name, e.Kind, want)
	case !e.Func.Equal(want):
		return fmt.Errorf("its function %s is %s; want %s", name, e.Func, want)
	}
	return nil
}

func findAlloc(m *wasm.Module) (string, error) {
	for _, a := range allocators {
		if _, ok := m.Export(a.name); ok {
			return a.name, checkFunc(m, a.name, a.typ)
		}
	}
	return "", fmt.Errorf("it does not export the function %s%s, nor %s or %s",
		abi.ExportAlloc, allocators[0].typ, abi.ExportMalloc, abi.ExportRealloc)
}

func (p *program) checkMemory(m *wasm.Module) error {
	e, ok := m.Export(abi.ExportMemory)
	if !ok || e.Kind != wasm.KindMemory || m.Memory == nil {
		return fmt.Errorf("it does not export its memory as %q", abi.ExportMemory)
	}
	if m.Memory.Imported {
		return errors.New("it imports its memory; link it so that it has its own")
	}
	return p.checkMemorySize(uint64(m.Memory.Min))
}

func (p *program) checkMemorySize(pages uint64) error {
	if pages > p.memoryLimit/pageSize {
		return fmt.Errorf("it starts with %s of memory, more than the limit of %s; raise limits.memory",
			sized(pages*pageSize), sized(p.memoryLimit))
	}
	return nil
}

// checkState refuses modules with state that cannot be put back after a call.
func checkState(m *wasm.Module) error {
	var errs []error
	if len(m.Unrestorable) > 0 {
		errs = append(errs, fmt.Errorf("it uses %s, whose effect would outlive the call; build it without",
			strings.Join(m.Unrestorable, ", ")))
	}
	for _, g := range m.Globals {
		if g.Type == wasm.FuncRef || g.Type == wasm.ExternRef {
			errs = append(errs, fmt.Errorf("its global %s is a mutable %s, whose value would outlive the call; build it without",
				g.Name, g.Type))
		}
	}
	return errors.Join(errs...)
}

// checkImports allows the sealed WASI and nothing else.
func checkImports(m *wasm.Module) []error {
	var errs []error
	for _, imp := range m.Imports {
		f, known := wasiFunctions[imp.Name]
		switch {
		case imp.Module != wasiModule || !known:
			errs = append(errs, fmt.Errorf("it imports the %s %s.%s, which validators are not given; they may import functions of %s only",
				imp.Kind, imp.Module, imp.Name, wasiModule))
		case imp.Kind != wasm.KindFunc || !imp.Func.Equal(f.typ(imp.Name)):
			errs = append(errs, fmt.Errorf("it imports %s.%s as a %s %s; want a function %s",
				imp.Module, imp.Name, imp.Kind, imp.Func, f.typ(imp.Name)))
		}
	}
	return errs
}
