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

// errOutOfTime says that a call took too long.
var errOutOfTime = errors.New("out of time")

// errOutOfFuel says that it used up its fuel.
var errOutOfFuel = errors.New("out of fuel")

// keepGrown is how much an instance may have grown in a call to be worth keeping.
// Zeroing more than that takes longer than making another.
const keepGrown = 1 << 20

// instance is a running module. It is used by one call at a time, and it is in the
// state of its snapshot whenever it is not in one.
type instance struct {
	program *program
	module  api.Module
	memory  *linearMemory
	fuel    api.MutableGlobal
	depth   api.MutableGlobal
	globals []api.MutableGlobal
	// functions are those that have been called, by the name of their export. One of
	// them must not be called while it runs.
	functions map[string]api.Function

	world  world
	stdio  *stdio     // of a WASI command, during a call
	kernel *kernel    // of an Extism module, during a call
	policy *opaPolicy // of an OPA module, once it is prepared; immutable
	// serving says that a builtin of an OPA module is under way.
	serving bool

	// ctx tells host functions which instance calls them. It is made once: a call
	// is ended by its fuel, so no context is passed on to the guest.
	ctx     context.Context
	stack   [8]uint64 // arguments and results, so that calls allocate nothing
	answers [1][]byte
}

// snapshot is all that a call can change in an instance.
type snapshot struct {
	memory  []byte
	globals []uint64
	world   world
	policy  *opaPolicy
}

// start makes an instance that is not prepared. Nothing of the module is run.
func (p *program) start(ctx context.Context) (*instance, error) {
	i := &instance{
		program: p, memory: &linearMemory{limit: p.memoryLimit}, world: newWorld(), functions: map[string]api.Function{},
	}
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
	return i, nil
}

func (i *instance) close(ctx context.Context) error { return i.module.Close(ctx) }

// save prepares the instance with that much fuel, and returns the state it is in then.
func (i *instance) save(fuel uint64) (*snapshot, error) {
	i.arm(fuel)
	if err := i.program.guest.prepare(i); err != nil {
		return nil, err
	}
	return i.snapshot(), nil
}

func (i *instance) snapshot() *snapshot {
	s := &snapshot{memory: append([]byte(nil), i.memory.buf...), world: i.world, policy: i.policy}
	for _, g := range i.globals {
		s.globals = append(s.globals, g.Get())
	}
	return s
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
	i.world, i.policy = s.world, s.policy
	i.stdio, i.kernel = nil, nil
	return true
}

// ask puts a request to the guest and returns its answers. An error means that the
// instance is in no known state.
func (i *instance) ask(req abi.Request, limits Limits) ([][]byte, error) {
	began := time.Now()
	i.arm(limits.Fuel)
	if i.program.fresh() {
		if err := i.program.guest.prepare(i); err != nil {
			return nil, err
		}
	}
	answers, err := i.program.guest.ask(i, req, limits)
	if err != nil {
		return nil, err
	}
	if time.Since(began) > limits.Timeout {
		return nil, errOutOfTime
	}
	return answers, nil
}

// answer is a copy of what a guest of one answer says.
func (i *instance) answer(out []byte) [][]byte {
	i.answers[0] = append([]byte(nil), out...)
	return i.answers[:]
}

// function is an exported function.
func (i *instance) function(name string) api.Function {
	f, ok := i.functions[name]
	if !ok {
		f = i.module.ExportedFunction(name)
		i.functions[name] = f
	}
	return f
}

// runIfExported calls a function without parameters or results, if there is one of
// that name.
func (i *instance) runIfExported(name string) error {
	fn := i.function(name)
	if fn == nil {
		return nil
	}
	if err := i.run(fn, 0); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// arm gives the calls that follow their fuel, for all of them together.
func (i *instance) arm(fuel uint64) {
	i.fuel.Set(fuel)
	i.depth.Set(maxDepth)
}

// spent is how much of the fuel is gone: all of it, if it ran out.
func (i *instance) spent(fuel uint64) uint64 {
	return fuel - uint64(max(int64(i.fuel.Get()), 0))
}

// held is how much memory the guest has, in bytes: its own, and what it has of the host.
func (i *instance) held() uint64 {
	n := uint64(len(i.memory.buf))
	if i.kernel != nil {
		n += i.kernel.most
	}
	return n
}

// run calls fn with the first args values of the stack, which its result replaces.
func (i *instance) run(fn api.Function, args int) error {
	return i.runStack(fn, i.stack[:max(args, 1)])
}

// runStack is run with a stack of the caller's.
func (i *instance) runStack(fn api.Function, stack []uint64) error {
	err := fn.CallWithStack(i.ctx, stack)
	switch {
	case err == nil:
		return nil
	case int64(i.fuel.Get()) < 0:
		return errOutOfFuel
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
