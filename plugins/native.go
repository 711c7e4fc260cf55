package plugins

import (
	"errors"
	"fmt"
	"strings"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
	"github.com/plimsoll-project/plimsoll/plugins/internal/wasm"
)

// nativeGuest is the ABI that package abi describes.
type nativeGuest struct{}

var _ guest = nativeGuest{}

var (
	i32          = wasm.I32
	noResult     = wasm.FuncType{}
	toI32        = wasm.FuncType{Results: []wasm.ValueType{i32}}
	i32ToI32     = wasm.FuncType{Params: []wasm.ValueType{i32}, Results: []wasm.ValueType{i32}}
	validateType = wasm.FuncType{Params: []wasm.ValueType{i32, i32}, Results: []wasm.ValueType{wasm.I64}}
	// allocators, in the order of preference.
	allocators = []struct {
		name string
		typ  wasm.FuncType
	}{
		{abi.ExportAlloc, i32ToI32},
		{abi.ExportMalloc, i32ToI32},
		{abi.ExportRealloc, wasm.FuncType{Params: []wasm.ValueType{i32, i32, i32, i32}, Results: []wasm.ValueType{i32}}},
	}
)

func (nativeGuest) kind() abi.Kind { return abi.Native }

func (nativeGuest) imports() map[string]hostFunctions {
	return map[string]hostFunctions{wasiModule: wasiImports}
}

func (nativeGuest) check(p *program, m *wasm.Module) []error {
	if err := checkMarker(m); err != nil {
		return []error{err}
	}
	errs := []error{checkFunc(m, abi.ExportValidate, validateType)}
	var err error
	p.settings, err = checkOptional(m, abi.ExportValidateSettings, validateType)
	errs = append(errs, err)
	_, err = checkOptional(m, abi.ExportInitialize, noResult)
	errs = append(errs, err)
	p.alloc, err = findAlloc(m)
	errs = append(errs, err)
	if m.Start {
		errs = append(errs, fmt.Errorf("it has a start function; export %s instead", abi.ExportInitialize))
	}
	if m.Memory != nil && m.Memory.Imported {
		errs = append(errs, errors.New("it imports its memory; link it so that it has its own"))
	}
	return errs
}

func checkMarker(m *wasm.Module) error {
	if exports(m, abi.ExportMarker) {
		return checkFunc(m, abi.ExportMarker, noResult)
	}
	for _, e := range m.Exports {
		if version, ok := strings.CutPrefix(e.Name, abi.MarkerPrefix); ok {
			return fmt.Errorf("it speaks version %s of the validator ABI, and this Plimsoll speaks %d", version, abi.Version)
		}
	}
	return fmt.Errorf("it does not export the function %s", abi.ExportMarker)
}

func findAlloc(m *wasm.Module) (string, error) {
	for _, a := range allocators {
		if exports(m, a.name) {
			return a.name, checkFunc(m, a.name, a.typ)
		}
	}
	return "", fmt.Errorf("it does not export the function %s%s, nor %s or %s",
		abi.ExportAlloc, allocators[0].typ, abi.ExportMalloc, abi.ExportRealloc)
}

func (nativeGuest) prepare(i *instance) error { return i.runIfExported(abi.ExportInitialize) }

func (nativeGuest) ask(i *instance, req abi.Request, limits Limits) ([][]byte, error) {
	name := abi.ExportValidate
	if req.ForSettings() {
		name = abi.ExportValidateSettings
	}
	ptr, err := i.reserve(req.Len())
	if err != nil {
		return nil, err
	}
	req.Encode(i.memory.buf[ptr:][:req.Len()])
	i.stack[0], i.stack[1] = uint64(ptr), uint64(req.Len())
	if err := i.run(i.function(name), 2); err != nil {
		return nil, err
	}
	out, err := abi.Output(i.memory.buf, i.stack[0], limits.Output)
	if err != nil {
		return nil, err
	}
	return i.answer(out), nil
}

// reserve has the guest allocate n bytes, and checks that they are inside memory.
func (i *instance) reserve(n uint32) (ptr uint32, err error) {
	args := 1
	i.stack[0] = uint64(n)
	if i.program.alloc == abi.ExportRealloc {
		args = 4
		copy(i.stack[:], []uint64{0, 0, 8, uint64(n)}) // old address and size, alignment, new size
	}
	if err := i.run(i.function(i.program.alloc), args); err != nil {
		return 0, fmt.Errorf("allocating %d bytes for the request: %w", n, err)
	}
	ptr = uint32(i.stack[0])
	if ptr == 0 {
		return 0, fmt.Errorf("it has no memory for a request of %d bytes: its allocator returned 0", n)
	}
	if end := uint64(ptr) + uint64(n); end > uint64(len(i.memory.buf)) {
		return 0, fmt.Errorf("its allocator returned %d to %d for the request, which is outside its memory of %d bytes",
			ptr, end, len(i.memory.buf))
	}
	return ptr, nil
}

func (nativeGuest) decode(_ *instance, answers [][]byte) (plimsoll.Verdict, error) {
	return abi.DecodeVerdict(answers[0])
}
