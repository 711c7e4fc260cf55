package plugins

import (
	"encoding/binary"
	"math/rand/v2"
)

// wasiModule is the module that most validators import from, if they import anything.
const wasiModule = "wasi_snapshot_preview1"

// A sealed WASI: everything that standard libraries expect to link to, with nothing
// behind it but, for a WASI command, its arguments, its input and its output. wazero's own is not used because it keeps state that a guest can
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

// bytes is memory[ptr:ptr+n]; nil if that is not inside memory.
func (c hostCall) bytes(ptr uint32, n uint64) []byte {
	if uint64(ptr)+n > uint64(len(c.memory.buf)) {
		return nil
	}
	return c.memory.buf[ptr : uint64(ptr)+n]
}

func (c hostCall) put32(ptr, v uint32) uint32 {
	b := c.bytes(ptr, 4)
	if b == nil {
		return wasiFault
	}
	binary.LittleEndian.PutUint32(b, v)
	return wasiSuccess
}

func (c hostCall) put64(ptr uint32, v uint64) uint32 {
	b := c.bytes(ptr, 8)
	if b == nil {
		return wasiFault
	}
	binary.LittleEndian.PutUint64(b, v)
	return wasiSuccess
}

// wasiCallCost is the fuel that any call of a WASI function takes.
const wasiCallCost = 100

// wasiFunction is the implementation of a function and the types of its parameters. Its
// result is an errno.
type wasiFunction struct {
	params string
	call   func(hostCall) uint32
}

// wasiImports are the functions of WASI as guests may import them.
var wasiImports = func() hostFunctions {
	functions := hostFunctions{}
	for name, f := range wasiFunctions {
		results := "i"
		if name == "proc_exit" {
			results = ""
		}
		functions[name] = hostFunction{params: f.params, results: results, cost: wasiCallCost, call: func(c hostCall) uint64 {
			return uint64(f.call(c))
		}}
	}
	return functions
}()
