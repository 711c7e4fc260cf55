package plugins

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// extismModule is what modules made with Extism's kits import from.
const extismModule = "extism:host/env"

// Fuel for any call of a function of the kernel. Those that kits call for every byte, or
// eight, are cheap.
const (
	extismLoadCost = 40
	extismCallCost = 100
)

// extismFunctions are the functions of Extism's kernel that guests are given: all of
// them, without those that reach outside (http_request and what goes with it) and those
// that are the host's own (reset, memory_bytes).
var extismFunctions = hostFunctions{
	"alloc":          {"I", "I", extismCallCost, extismAlloc},
	"free":           {"I", "", extismCallCost, func(c hostCall) uint64 { c.heap().free(c.args[0]); return 0 }},
	"length":         {"I", "I", extismCallCost, extismLength},
	"length_unsafe":  {"I", "I", extismCallCost, extismLength},
	"load_u8":        {"I", "i", extismLoadCost, func(c hostCall) uint64 { return uint64(c.heap().bytes(c.args[0], 1)[0]) }},
	"load_u64":       {"I", "I", extismLoadCost, extismLoadU64},
	"store_u8":       {"Ii", "", extismLoadCost, extismStoreU8},
	"store_u64":      {"II", "", extismLoadCost, extismStoreU64},
	"input_length":   {"", "I", extismCallCost, func(c hostCall) uint64 { return uint64(len(c.heap().input)) }},
	"input_offset":   {"", "I", extismCallCost, extismInputOffset},
	"input_load_u8":  {"I", "i", extismLoadCost, func(c hostCall) uint64 { return uint64(c.input(1)[0]) }},
	"input_load_u64": {"I", "I", extismLoadCost, func(c hostCall) uint64 { return binary.LittleEndian.Uint64(c.input(8)) }},
	"output_set":     {"II", "", extismCallCost, extismOutput},
	"error_set":      {"I", "", extismCallCost, func(c hostCall) uint64 { c.heap().failed = c.args[0] != 0; return 0 }},
	"config_get":     {"I", "I", extismCallCost, extismConfig},
	"var_get":        {"I", "I", extismCallCost, extismVarGet},
	"var_set":        {"II", "", extismCallCost, extismVarSet},
	"log_trace":      {"I", "", extismCallCost, forgetLog},
	"log_debug":      {"I", "", extismCallCost, forgetLog},
	"log_info":       {"I", "", extismCallCost, forgetLog},
	"log_warn":       {"I", "", extismCallCost, forgetLog},
	"log_error":      {"I", "", extismCallCost, forgetLog},
	"get_log_level":  {"", "i", extismCallCost, func(hostCall) uint64 { return math.MaxInt32 }}, // off
}

// heap is the kernel of the call. There is none before validate is called.
func (c hostCall) heap() *kernel {
	if c.kernel == nil {
		panic(errors.New("it called Extism's kernel before it was called itself"))
	}
	return c.kernel
}

// input is n bytes of the request, from argument 0 on.
func (c hostCall) input(n uint64) []byte {
	at, in := c.args[0], c.heap().input
	if at > uint64(len(in)) || uint64(len(in))-at < n {
		panic(fmt.Errorf("it read %d bytes at %d of its input of %d", n, at, len(in)))
	}
	return in[at : at+n]
}

func extismAlloc(c hostCall) uint64 {
	c.chargeBytes(min(c.args[0], c.heap().limit))
	return c.heap().alloc(c.args[0])
}

func extismLength(c hostCall) uint64 { return c.heap().blocks[c.args[0]] }

func extismLoadU64(c hostCall) uint64 {
	return binary.LittleEndian.Uint64(c.heap().bytes(c.args[0], 8))
}

func extismStoreU8(c hostCall) uint64 {
	c.heap().bytes(c.args[0], 1)[0] = byte(c.args[1])
	return 0
}

func extismStoreU64(c hostCall) uint64 {
	binary.LittleEndian.PutUint64(c.heap().bytes(c.args[0], 8), c.args[1])
	return 0
}

// extismInputOffset gives the request as a block, for kits that read it as one.
func extismInputOffset(c hostCall) uint64 {
	c.chargeBytes(uint64(len(c.heap().input)))
	return c.heap().store(c.heap().input)
}

func extismOutput(c hostCall) uint64 {
	k, n := c.heap(), c.args[1]
	if n > uint64(k.outputLimit) {
		panic(fmt.Errorf("its output has %d bytes, more than the limit of %d", n, k.outputLimit))
	}
	c.chargeBytes(n)
	k.output = append(k.output[:0], k.bytes(c.args[0], n)...)
	return 0
}

// named is the text of the block at argument 0.
func (c hostCall) named() string {
	name := c.heap().block(c.args[0])
	c.chargeBytes(uint64(len(name)))
	return string(name)
}

// given is a block with the content, or 0 if there is none.
func (c hostCall) given(content []byte) uint64 {
	c.chargeBytes(uint64(len(content)))
	return c.heap().store(content)
}

func extismConfig(c hostCall) uint64 {
	key := c.named()
	if c.heap().config == nil {
		c.charge(uint64(len(c.heap().settings)))
	}
	return c.given([]byte(c.heap().configured(key)))
}

func extismVarGet(c hostCall) uint64 { return c.given(c.heap().variables[c.named()]) }

func extismVarSet(c hostCall) uint64 {
	value := c.heap().block(c.args[1])
	c.chargeBytes(uint64(len(value)))
	c.heap().setVariable(c.named(), value)
	return 0
}

// forgetLog throws a message away: it may be any part of a spec, and does not belong in
// a log.
func forgetLog(c hostCall) uint64 {
	c.heap().block(c.args[0])
	return 0
}
