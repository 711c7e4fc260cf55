package plugins

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/plimsoll-project/plimsoll/plugins/internal/wasm"
)

// wasiModule is the one module that a validator may import from.
const wasiModule = "wasi_snapshot_preview1"

// A sealed WASI: everything that standard libraries expect to link to, with nothing
// behind it. wazero's own is not used because it keeps state that a guest can
// change (a closed descriptor, a clock) and that would outlive the call, and
// because its work is not metered.

// world is what a guest can observe of its surroundings, and what it changes by
// observing them. It is a value, so that it can be part of a snapshot.
type world struct {
	now    uint64 // nanoseconds since 1970
	random rand.PCG
}

func newWorld() world {
	const newYear2000 = 946_684_800_000_000_000
	return world{now: newYear2000, random: *rand.NewPCG(0, 0)}
}

// Results of WASI functions.
const (
	wasiSuccess uint32 = 0
	wasiBadf    uint32 = 8  // there is no such descriptor
	wasiFault   uint32 = 21 // an address is not inside memory
	wasiInval   uint32 = 28
	wasiNosys   uint32 = 52
	wasiSpipe   uint32 = 70
)

type instanceKey struct{}

// wasiCall is one call of a WASI function.
type wasiCall struct {
	*instance
	args []uint64
}

func (c wasiCall) arg(n int) uint32 { return uint32(c.args[n]) }

// bytes is memory[ptr:ptr+n]; nil if that is not inside memory.
func (c wasiCall) bytes(ptr uint32, n uint64) []byte {
	if uint64(ptr)+n > uint64(len(c.memory.buf)) {
		return nil
	}
	return c.memory.buf[ptr : uint64(ptr)+n]
}

func (c wasiCall) put32(ptr, v uint32) uint32 {
	b := c.bytes(ptr, 4)
	if b == nil {
		return wasiFault
	}
	binary.LittleEndian.PutUint32(b, v)
	return wasiSuccess
}

func (c wasiCall) put64(ptr uint32, v uint64) uint32 {
	b := c.bytes(ptr, 8)
	if b == nil {
		return wasiFault
	}
	binary.LittleEndian.PutUint64(b, v)
	return wasiSuccess
}

// charge takes fuel for work that the host does in the guest's name, so that
// nothing is for free. It panics when there is none left; the engine makes that
// the call's error.
func (c wasiCall) charge(fuel uint64) {
	left := int64(c.fuel.Get()) - int64(fuel)
	c.fuel.Set(uint64(left))
	if left < 0 {
		panic(errOutOfTime)
	}
}

// wasiCallCost is the fuel that any call of a WASI function takes.
const wasiCallCost = 100

// wasiFunction is the implementation of a function and the types of its parameters,
// written as i for i32 and I for i64. Its result is an errno.
type wasiFunction struct {
	params string
	call   func(wasiCall) uint32
}

// typ is the function's type. Only proc_exit has no result.
func (f wasiFunction) typ(name string) wasm.FuncType {
	t := wasm.FuncType{Results: []wasm.ValueType{wasm.I32}}
	if name == "proc_exit" {
		t.Results = nil
	}
	for _, p := range f.params {
		if p == 'I' {
			t.Params = append(t.Params, wasm.I64)
		} else {
			t.Params = append(t.Params, wasm.I32)
		}
	}
	return t
}

// linkWASI makes the sealed WASI known to a runtime.
func linkWASI(ctx context.Context, r wazero.Runtime) (api.Module, error) {
	b := r.NewHostModuleBuilder(wasiModule)
	for name, f := range wasiFunctions {
		typ := f.typ(name)
		b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) {
			i, ok := ctx.Value(instanceKey{}).(*instance)
			if !ok {
				panic(fmt.Errorf("%s was called outside a call", name))
			}
			c := wasiCall{instance: i, args: stack}
			c.charge(wasiCallCost)
			if errno := f.call(c); len(typ.Results) > 0 {
				stack[0] = uint64(errno)
			}
		}), engineTypes(typ.Params), engineTypes(typ.Results)).Export(name)
	}
	return b.Instantiate(ctx)
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
