package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"

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
	guest       guest
	globals     []string // names of the mutable globals, which a call can change and the host put back
	// unrestorable is what else a call can change; see fresh.
	unrestorable []string
	alloc        string    // name of a native module's allocator
	settings     bool      // it checks its settings itself
	stderr       io.Writer // of its instances; nil discards
}

// compile makes a program of a module. Nothing of the module is run. The error, if
// any, tells all that is missing.
func compile(ctx context.Context, r wazero.Runtime, try func(context.Context, Job) error, module []byte, memoryLimit uint64) (*program, error) {
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
	p.noteState(metered)
	if p.compiled, err = compileTried(ctx, r, try, metered.Bytes); err != nil {
		return nil, err
	}
	return p, nil
}

// check holds the module against its ABI, by its declarations alone.
func (p *program) check(m *wasm.Module) error {
	guest, err := identify(m)
	if err != nil {
		return err
	}
	p.guest = guest
	errs := guest.check(p, m)
	errs = append(errs, checkImports(m, guest.imports())...)
	return errors.Join(append(errs, p.checkMemory(m))...)
}

func (p *program) checkMemory(m *wasm.Module) error {
	e, ok := m.Export(abi.ExportMemory)
	if !ok || e.Kind != wasm.KindMemory || m.Memory == nil {
		return fmt.Errorf("it does not export its memory as %q", abi.ExportMemory)
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

// noteState notes what of the module's state cannot be put back after a call. Linkers
// write passive data for threads, and some toolchains keep the host's objects in a table;
// such modules work, but each call has to have an instance of its own.
func (p *program) noteState(m *wasm.Module) {
	p.unrestorable = m.Unrestorable
	for _, g := range m.Globals {
		if g.Type == wasm.FuncRef || g.Type == wasm.ExternRef {
			p.unrestorable = append(p.unrestorable, fmt.Sprintf("a mutable %s", g.Type))
			continue
		}
		p.globals = append(p.globals, g.Name)
	}
}

// fresh tells whether every call is given an instance that has served no other. It is
// dearer than putting an instance back for all modules whose state can be (see the
// benchmarks), so only need decides.
func (p *program) fresh() bool { return len(p.unrestorable) > 0 }
