package plugins

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll-project/plimsoll/plugins/abi"
)

// The guests' side of each ABI is whatever a guest does. These targets do what no guest
// of the tests does: they call host functions in any order with any arguments, and
// answer with any bytes. Nothing but an error may come of it, nothing may be for free,
// and no limit may be passed.

// script is a fuzzer's input read as numbers.
type script []byte

func (s *script) next() uint64 {
	var b [8]byte
	*s = (*s)[copy(b[:], *s):]
	n := binary.LittleEndian.Uint64(b[:])
	if n>>60 == 0 { // small numbers are the interesting ones
		return n & 0xffff
	}
	return n
}

// play calls functions of a host module as the script says, on an instance of a fixture.
func play(t *testing.T, trial *Trial, functions hostFunctions, prepare func(*instance), s script) {
	t.Helper()
	res, err := trial.binding.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := res.Value()
	defer func() {
		if !i.restore(trial.binding.origin) {
			t.Error("the instance cannot be put back")
		}
		res.Release()
	}()
	const fuel = 1_000_000
	i.arm(fuel)
	prepare(i)
	names := slices.Sorted(maps.Keys(functions))
	for calls := 0; len(s) > 0 && calls < 200; calls++ {
		f := functions[names[s.next()%uint64(len(names))]]
		args := make([]uint64, max(len(f.params), 1))
		for n, letter := range f.params {
			if args[n] = s.next(); letter == 'i' {
				args[n] = uint64(uint32(args[n]))
			}
		}
		before := i.fuel.Get()
		if failed := attempt(t, i, f, args); failed {
			return
		}
		if i.fuel.Get() >= before {
			t.Fatal("a call of a host function was for free")
		}
	}
}

// attempt calls a host function. It reports whether that failed, which must be with an
// error of the host's own.
func attempt(t *testing.T, i *instance, f hostFunction, args []uint64) (failed bool) {
	t.Helper()
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		failed = true
		err, ok := p.(error)
		if !ok || strings.Contains(err.Error(), "runtime error") {
			t.Fatalf("the host panicked: %v", p)
		}
	}()
	i.charge(f.cost)
	f.call(hostCall{instance: i, args: args[:len(f.params)]})
	return false
}

func FuzzWASI(f *testing.F) {
	trial := try(f, "command-mirror", TrialOptions{Limits: Limits{Output: 100}})
	f.Add([]byte{})
	for n := range len(wasiImports) {
		f.Add(append([]byte{byte(n), 0, 0, 0, 0, 0, 0, 0}, make([]byte, 80)...))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		var io stdio
		play(t, trial, wasiImports, func(i *instance) {
			io = stdio{in: []byte(`{"version":1}`), limit: trial.binding.info.Limits.Output}
			i.stdio = &io
			copy(i.memory.buf, s) // lists of buffers, among other things
		}, s)
		if uint32(len(io.out)) > io.limit {
			t.Errorf("its output has %d bytes", len(io.out))
		}
	})
}

func FuzzExtismKernel(f *testing.F) {
	trial := try(f, "extism-mirror", TrialOptions{Limits: Limits{Output: 100, Memory: 1 << 20}})
	f.Add([]byte{})
	for n := range len(extismFunctions) {
		f.Add([]byte{byte(n), 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0})
	}
	req, err := abi.NewRequest([]byte(`{"version":1}`), []byte(`{"a":"b","c":{}}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		k := newKernel(req, 1<<20, 100)
		play(t, trial, extismFunctions, func(i *instance) {
			i.kernel = k
			k.store([]byte("a"))
		}, s)
		if len(k.output) > 100 || uint64(len(k.heap)) > k.limit || k.most > k.limit || k.variableLen > maxVariable {
			t.Errorf("kernel has %d bytes of output, %d of memory (%d at most), %d of variables", len(k.output), len(k.heap), k.most, k.variableLen)
		}
		for address, n := range k.blocks {
			k.bytes(address, n) // panics if it is not inside
		}
	})
}

// FuzzOPAMemory has the parts of a policy's answers lie anywhere and be anything.
func FuzzOPAMemory(f *testing.F) {
	trial := try(f, "opa-crafted", TrialOptions{Limits: Limits{Output: 100}})
	f.Add([]byte("[{\"result\":[]}]\x00"), uint32(512))
	f.Add([]byte("[{\"result\":[\"x\"]}]\x00"), uint32(1<<17-3))
	f.Add([]byte{}, ^uint32(0))
	f.Fuzz(func(t *testing.T, memory []byte, at uint32) {
		res, err := trial.binding.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer res.Release()
		i := res.Value()
		if uint64(at) < uint64(len(i.memory.buf)) {
			copy(i.memory.buf[at:], memory)
		}
		out, err := i.text(at, 100)
		if err == nil {
			if len(out) > 100 {
				t.Fatalf("%d bytes of text", len(out))
			}
			if _, err = trial.binding.program.guest.decode(i, [][]byte{out}); err == nil && !strings.Contains(string(out), "result") {
				t.Errorf("%q is a verdict", out)
			}
		}
		if !i.restore(trial.binding.origin) {
			t.Error("the instance cannot be put back")
		}
	})
}

// FuzzNativeResult has a native guest return any number, with any memory.
func FuzzNativeResult(f *testing.F) {
	f.Add([]byte(`{"violations":[]}`), uint64(17))
	f.Add([]byte(`{"violations":[]}`), ^uint64(0))
	f.Fuzz(func(t *testing.T, memory []byte, result uint64) {
		out, err := abi.Output(memory, result, 100)
		if err != nil {
			return
		}
		if len(out) == 0 || len(out) > 100 {
			t.Fatalf("%d bytes of output", len(out))
		}
		verdict, err := nativeGuest{}.decode(nil, [][]byte{out})
		if err != nil && len(verdict.Violations)+len(verdict.Warnings) > 0 {
			t.Error("a verdict beside an error")
		}
	})
}
