package plugins

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/plimsoll-project/plimsoll/plugins/abi"
	"github.com/plimsoll-project/plimsoll/plugins/internal/wasm"
)

// errOutOfTime says that a call used up its fuel or took too long.
var errOutOfTime = errors.New("out of time")

// keepGrown is how much an instance may have grown in a call to be worth keeping.
// Zeroing more than that takes longer than making another.
const keepGrown = 1 << 20

// instance is a running module. It is used by one call at a time, and it is in the
// state of its snapshot whenever it is not in one.
type instance struct {
	module  api.Module
	memory  *linearMemory
	fuel    api.MutableGlobal
	depth   api.MutableGlobal
	globals []api.MutableGlobal
	world   world

	initialize, alloc, validate, validateSettings api.Function
	realloc                                       bool // alloc is cabi_realloc

	// ctx tells the sealed WASI which instance calls it. It is made once: a call
	// is ended by its fuel, so no context is passed on to the guest.
	ctx   context.Context
	stack [4]uint64
}

// snapshot is all that a call can change in an instance.
type snapshot struct {
	memory  []byte
	globals []uint64
	world   world
}

// start makes an instance in its first state, before _initialize.
func (p *program) start(ctx context.Context) (*instance, error) {
	i := &instance{memory: &linearMemory{limit: p.memoryLimit}, world: newWorld()}
	ctx = context.WithoutCancel(ctx)
	i.ctx = context.WithValue(context.Background(), instanceKey{}, i)
	module, err := p.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, i.memory), p.compiled,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("starting it: %w", firstLine(err))
	}
	i.module = module
	i.fuel = module.ExportedGlobal(wasm.FuelExport).(api.MutableGlobal)
	i.depth = module.ExportedGlobal(wasm.DepthExport).(api.MutableGlobal)
	for _, name := range p.globals {
		i.globals = append(i.globals, module.ExportedGlobal(name).(api.MutableGlobal))
	}
	i.initialize = module.ExportedFunction(abi.ExportInitialize)
	i.alloc = module.ExportedFunction(p.alloc)
	i.realloc = p.alloc == abi.ExportRealloc
	i.validate = module.ExportedFunction(abi.ExportValidate)
	i.validateSettings = module.ExportedFunction(abi.ExportValidateSettings)
	return i, nil
}

func (i *instance) close(ctx context.Context) error { return i.module.Close(ctx) }

// save runs _initialize, if there is one, and returns the state it leaves.
func (i *instance) save() (*snapshot, error) {
	if i.initialize != nil {
		i.arm(initializeFuel)
		if err := i.run(i.initialize, 0); err != nil {
			return nil, fmt.Errorf("%s: %w", abi.ExportInitialize, err)
		}
	}
	s := &snapshot{memory: append([]byte(nil), i.memory.buf...), world: i.world}
	for _, g := range i.globals {
		s.globals = append(s.globals, g.Get())
	}
	return s, nil
}

// restore puts the instance into the state of s. It reports whether that worked
// and was worth it; if not, the instance must not be used again.
func (i *instance) restore(s *snapshot) bool {
	want := uint64(len(s.memory))
	mem := i.module.Memory()
	if have := uint64(len(i.memory.buf)); have > want {
		if have-want > max(keepGrown, want) {
			return false
		}
		i.memory.shrinkTo = want
		mem.Grow(1)
	} else if have < want {
		mem.Grow(uint32((want - have) / pageSize))
	}
	if uint64(mem.Size()) != want || uint64(len(i.memory.buf)) != want {
		return false
	}
	copy(i.memory.buf, s.memory)
	for n, g := range i.globals {
		g.Set(s.globals[n])
	}
	i.world = s.world
	return true
}

// ask calls fn, a validate function, with a request, and returns a copy of its
// output. An error means that the instance is in no known state.
func (i *instance) ask(fn api.Function, req abi.Request, limits Limits) ([]byte, error) {
	began := time.Now()
	i.arm(limits.Fuel)
	ptr, err := i.reserve(req.Len())
	if err != nil {
		return nil, err
	}
	req.Encode(i.memory.buf[ptr:][:req.Len()])
	i.stack[0], i.stack[1] = uint64(ptr), uint64(req.Len())
	if err := i.run(fn, 2); err != nil {
		return nil, err
	}
	if time.Since(began) > limits.Timeout {
		return nil, errOutOfTime
	}
	out, err := abi.Output(i.memory.buf, i.stack[0], limits.Output)
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), out...), nil
}

// reserve has the guest allocate n bytes, and checks that they are inside memory.
func (i *instance) reserve(n uint32) (ptr uint32, err error) {
	args := 1
	i.stack = [4]uint64{uint64(n)}
	if i.realloc {
		args = 4
		i.stack = [4]uint64{0, 0, 8, uint64(n)} // old address and size, alignment, new size
	}
	if err := i.run(i.alloc, args); err != nil {
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

// arm gives the calls that follow their fuel, for all of them together.
func (i *instance) arm(fuel uint64) {
	i.fuel.Set(fuel)
	i.depth.Set(maxDepth)
}

// run calls fn with the first args values of the stack, which its result replaces.
func (i *instance) run(fn api.Function, args int) error {
	err := fn.CallWithStack(i.ctx, i.stack[:max(args, 1)])
	switch {
	case err == nil:
		return nil
	case int64(i.fuel.Get()) < 0:
		return errOutOfTime
	case int64(i.depth.Get()) < 0, firstLine(err).Error() == "stack overflow": // the interpreter's own, lower bound
		return errors.New("its calls nest too deep")
	default:
		return &trapError{err}
	}
}

// trapError is a trap as the engine tells it, stack trace and all.
type trapError struct{ err error }

func (e *trapError) Error() string { return "it trapped: " + firstLine(e.err).Error() }

func (e *trapError) Unwrap() error { return e.err }

// trace is the guest's stack, for the log. It has names and types, no values.
func (e *trapError) trace() string { return e.err.Error() }

// firstLine is an engine's error without its stack trace.
func firstLine(err error) error {
	text := strings.TrimPrefix(err.Error(), "wasm error: ")
	text, _, _ = strings.Cut(text, "\n")
	return errors.New(strings.TrimSuffix(text, " (recovered by wazero)"))
}
