package plugins

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
	"github.com/plimsoll-project/plimsoll/plugins/internal/wasm"
)

// guest is an ABI: what the host has to know to speak with modules of that kind. Its
// values have no state; what there is of one module or one call is in program and
// instance. Everything else is the same for all of them: modules are read, metered,
// bounded and restored without regard to how they are spoken to.
type guest interface {
	kind() abi.Kind
	// imports are the host functions that modules may import, by module and name.
	imports() map[string]hostFunctions
	// check holds a module against the contract by its declarations alone, and notes in
	// p what of it is optional.
	check(p *program, m *wasm.Module) []error
	// prepare brings an instance that has just been made, and has fuel, to where calls
	// start. What it leaves behind, in i.known too, is part of the snapshot.
	prepare(i *instance) error
	// ask puts a request to an instance that has fuel, and returns copies of its
	// answers: one, unless the ABI says otherwise. None is longer than limits.Output.
	// An error means that the instance is in no known state.
	ask(i *instance, req abi.Request, limits Limits) ([][]byte, error)
	// decode reads the answers.
	decode(i *instance, answers [][]byte) (plimsoll.Verdict, error)
}

// identify chooses the ABI by what a module exports and imports. The first that fits is
// it: a marker of the native ABI is put there on purpose, OPA's compiler exports its ABI
// version, and modules made with Extism's kits, which may export _start, import what
// only Extism has.
func identify(m *wasm.Module) (guest, error) {
	imports := func(module string) bool {
		return slices.ContainsFunc(m.Imports, func(i wasm.Import) bool { return i.Module == module })
	}
	switch {
	case slices.ContainsFunc(m.Exports, func(e wasm.Export) bool { return strings.HasPrefix(e.Name, abi.MarkerPrefix) }):
		return nativeGuest{}, nil
	case exports(m, opaVersion):
		return opaGuest{}, nil
	case imports(extismModule):
		return extismGuest{}, nil
	case exports(m, exportStart):
		return commandGuest{}, nil
	}
	return nil, fmt.Errorf("it is not a validator: it does not export the function %s, nor %s as WASI commands do; "+
		"nor does it import from %s, or export %s", abi.ExportMarker, exportStart, extismModule, opaVersion)
}

func exports(m *wasm.Module, name string) bool {
	_, ok := m.Export(name)
	return ok
}

// exportStart is the main function of a WASI command.
const exportStart = "_start"

func checkFunc(m *wasm.Module, name string, want ...wasm.FuncType) error {
	e, ok := m.Export(name)
	switch {
	case !ok:
		return fmt.Errorf("it does not export the function %s%s", name, want[0])
	case e.Kind != wasm.KindFunc:
		return fmt.Errorf("its export %s is a %s; want a function %s", name, e.Kind, want[0])
	case !slices.ContainsFunc(want, e.Func.Equal):
		return fmt.Errorf("its function %s is %s; want %s", name, e.Func, want[0])
	}
	return nil
}

// checkOptional is checkFunc, if there is an export of that name.
func checkOptional(m *wasm.Module, name string, want ...wasm.FuncType) (bool, error) {
	if !exports(m, name) {
		return false, nil
	}
	return true, checkFunc(m, name, want...)
}

// checkImports allows what the ABI grants and nothing else.
func checkImports(m *wasm.Module, granted map[string]hostFunctions) []error {
	var errs []error
	for _, imp := range m.Imports {
		f, known := granted[imp.Module][imp.Name]
		switch {
		case !known:
			errs = append(errs, fmt.Errorf("it imports the %s %s.%s, which validators are not given; they may import functions of %s only",
				imp.Kind, brief(imp.Module), brief(imp.Name), strings.Join(slices.Sorted(maps.Keys(granted)), " and ")))
		case imp.Kind != wasm.KindFunc || !imp.Func.Equal(f.typ()):
			errs = append(errs, fmt.Errorf("it imports %s.%s as a %s %s; want a function %s",
				imp.Module, imp.Name, imp.Kind, imp.Func, f.typ()))
		}
		if len(errs) == maxTold {
			return append(errs, errors.New("and perhaps more such imports"))
		}
	}
	return errs
}

// Bounds on what is told of what a module made up: errors go to logs and to terminals.
const (
	maxTold      = 10  // things of a kind
	maxToldBytes = 100 // of a name
)

// brief is a name that a module made up, fit to be told: cut if it is long, and quoted if it
// has anything that is not printed.
func brief(name string) string {
	whole := name
	name = strings.ToValidUTF8(name[:min(len(name), maxToldBytes)], "")
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		name = strconv.Quote(name)
	}
	if len(whole) > maxToldBytes {
		name += "…"
	}
	return name
}

// firstOf lists names, and says how many there are beyond the first few.
func firstOf(names []string) string {
	if len(names) <= maxTold {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxTold], ", "), len(names)-maxTold)
}

// hostFunctions are functions of the host by name.
type hostFunctions map[string]hostFunction

// hostFunction is something that guests may import. Types are written as i for i32 and
// I for i64.
type hostFunction struct {
	params, results string
	// cost is the fuel that any call takes, before what it takes by length.
	cost uint64
	call func(hostCall) uint64
}

func (f hostFunction) typ() wasm.FuncType {
	return wasm.FuncType{Params: valueTypes(f.params), Results: valueTypes(f.results)}
}

func valueTypes(letters string) []wasm.ValueType {
	var types []wasm.ValueType
	for _, letter := range letters {
		if letter == 'I' {
			types = append(types, wasm.I64)
		} else {
			types = append(types, wasm.I32)
		}
	}
	return types
}

// hostCall is one call of a host function. To fail it panics with an error, which the
// engine makes that of the call of the guest.
type hostCall struct {
	*instance

	args []uint64
}

func (c hostCall) arg(n int) uint32 { return uint32(c.args[n]) }

// charge takes fuel for work that the host does in the guest's name, so that nothing is
// for free. It panics when there is none left.
func (i *instance) charge(fuel uint64) {
	left := int64(i.fuel.Get()) - int64(fuel)
	i.fuel.Set(uint64(left))
	if left < 0 {
		panic(errOutOfFuel)
	}
}

// chargeBytes is charge for reading, writing or copying n bytes.
func (i *instance) chargeBytes(n uint64) { i.charge(n/8 + 1) }

type instanceKey struct{}

// link makes the functions of a host module known to a runtime.
func link(ctx context.Context, r wazero.Runtime, module string, functions hostFunctions) error {
	b := r.NewHostModuleBuilder(module)
	for name, f := range functions {
		b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) {
			i, ok := ctx.Value(instanceKey{}).(*instance)
			if !ok {
				panic(fmt.Errorf("%s was called outside a call", name))
			}
			i.charge(f.cost)
			if result := f.call(hostCall{instance: i, args: stack[:len(f.params)]}); f.results != "" {
				stack[0] = result
			}
		}), engineTypes(f.typ().Params), engineTypes(f.typ().Results)).Export(name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("linking %s: %w", module, err)
	}
	return nil
}

// linkAll makes all that guests may import known to a runtime.
func linkAll(ctx context.Context, r wazero.Runtime) error {
	return errors.Join(link(ctx, r, wasiModule, wasiImports), link(ctx, r, extismModule, extismFunctions),
		link(ctx, r, opaModule, opaFunctions))
}

// engineTypes are value types in the engine's words, which are those of the binary
// format.
func engineTypes(types []wasm.ValueType) []api.ValueType {
	list := make([]api.ValueType, len(types))
	for i, t := range types {
		list[i] = api.ValueType(t)
	}
	return list
}
