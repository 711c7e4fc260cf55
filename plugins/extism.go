package plugins

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
	"github.com/plimsoll-project/plimsoll/plugins/internal/wasm"
)

// extismGuest is a module made with one of Extism's kits for plug-ins. See
// https://extism.org/docs/concepts/pdk and the kernel in github.com/extism/extism.
type extismGuest struct{}

var _ guest = extismGuest{}

// The names that Extism modules export.
const (
	extismValidate         = "validate"
	extismValidateSettings = "validate_settings"
	// extismConstructors is what wasm-ld makes of a module's constructors, where there
	// is no _initialize that calls them.
	extismConstructors = "__wasm_call_ctors"
)

func (extismGuest) kind() abi.Kind { return abi.Extism }

func (extismGuest) imports() map[string]hostFunctions {
	return map[string]hostFunctions{extismModule: extismFunctions, wasiModule: wasiImports}
}

func (extismGuest) check(p *program, m *wasm.Module) []error {
	errs := []error{checkFunc(m, extismValidate, toI32, noResult)}
	var err error
	p.settings, err = checkOptional(m, extismValidateSettings, toI32, noResult)
	errs = append(errs, err)
	for _, name := range []string{abi.ExportInitialize, extismConstructors} {
		_, err := checkOptional(m, name, noResult)
		errs = append(errs, err)
	}
	return errs
}

// prepare starts the runtime of the module's language. There is no kernel yet: what it
// handed out would be gone when a call begins.
func (extismGuest) prepare(i *instance) error {
	if err := i.runIfExported(wasm.StartExport); err != nil {
		return err
	}
	if i.function(abi.ExportInitialize) != nil {
		return i.runIfExported(abi.ExportInitialize)
	}
	return i.runIfExported(extismConstructors)
}

func (extismGuest) ask(i *instance, req abi.Request, limits Limits) ([][]byte, error) {
	name := extismValidate
	if req.ForSettings() {
		name = extismValidateSettings
	}
	i.kernel = newKernel(req, i.program.memoryLimit, limits.Output)
	i.stack[0] = 0 // the code, of a function without a result
	if err := i.run(i.function(name), 0); err != nil {
		return nil, err
	}
	switch code := uint32(i.stack[0]); {
	case code != 0:
		return nil, fmt.Errorf("it returned code %d", int32(code))
	case i.kernel.failed: // what it says may quote the spec, and so is not told
		return nil, errors.New("it set an error")
	case len(i.kernel.output) == 0:
		return nil, fmt.Errorf("it set no output; an empty list of violations is %s", `{"violations":[]}`)
	}
	return i.answer(i.kernel.output), nil
}

func (extismGuest) decode(_ *instance, answers [][]byte) (plimsoll.Verdict, error) {
	return abi.DecodeVerdict(answers[0])
}

// Bounds on what a call may have the kernel hold, beside the bytes of its blocks.
const (
	maxBlocks   = 65_536
	maxVariable = 1 << 20 // bytes of all variables, names included
)

// kernelBase is the address of the first block: 0 means none.
const kernelBase = 16

// kernel is what Extism's host keeps for a module: blocks of memory of its own, which
// the module reaches through functions only, the input and the output, variables and
// configuration. There is one for each call, and nothing in it outlives the call.
type kernel struct {
	heap   []byte // from kernelBase on
	most   uint64 // the most bytes that heap has had
	limit  uint64 // of heap, in bytes
	blocks map[uint64]uint64

	input       []byte
	settings    []byte
	config      map[string]string // of settings, once they are asked for
	variables   map[string][]byte
	variableLen int

	output      []byte
	outputLimit uint32
	failed      bool // it set an error
}

func newKernel(req abi.Request, memory uint64, output uint32) *kernel {
	k := &kernel{
		limit: memory, outputLimit: output, blocks: map[uint64]uint64{}, input: make([]byte, req.Len()),
		settings: req.Settings(), variables: map[string][]byte{},
	}
	req.Encode(k.input)
	return k
}

// alloc makes a block of n bytes, all zero, and returns its address. It panics when
// there is too much.
func (k *kernel) alloc(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	start := (uint64(len(k.heap)) + 7) &^ 7
	if n > k.limit || start+n > k.limit {
		panic(fmt.Errorf("its Extism memory is more than the limit of %s; raise limits.memory", sized(k.limit)))
	}
	if len(k.blocks) == maxBlocks {
		panic(fmt.Errorf("it has more than %d blocks of Extism memory", maxBlocks))
	}
	for uint64(len(k.heap)) < start {
		k.heap = append(k.heap, 0)
	}
	k.heap = append(k.heap, make([]byte, n)...)
	k.most = max(k.most, start+n)
	address := start + kernelBase
	k.blocks[address] = n
	return address
}

// free gives a block back, and its space if it is the last one.
func (k *kernel) free(address uint64) {
	n, ok := k.blocks[address]
	if !ok {
		return
	}
	delete(k.blocks, address)
	if start := address - kernelBase; start+n == uint64(len(k.heap)) {
		k.heap = k.heap[:start]
	}
}

// bytes is n bytes of memory at address. It panics if they are not inside.
func (k *kernel) bytes(address, n uint64) []byte {
	if n == 0 {
		return nil
	}
	end := address + n
	if address < kernelBase || end < address || end > uint64(len(k.heap))+kernelBase {
		panic(fmt.Errorf("it used Extism memory at %d to %d, which it does not have", address, end))
	}
	return k.heap[address-kernelBase : end-kernelBase]
}

// block is the memory of the block at address; nil for 0.
func (k *kernel) block(address uint64) []byte {
	if address == 0 {
		return nil
	}
	n, ok := k.blocks[address]
	if !ok {
		panic(fmt.Errorf("it used an Extism block at %d, which it does not have", address))
	}
	return k.bytes(address, n)
}

// store makes a block with that content.
func (k *kernel) store(content []byte) uint64 {
	address := k.alloc(uint64(len(content)))
	if address != 0 {
		copy(k.block(address), content)
	}
	return address
}

// configured returns a setting: a string as it is, anything else as JSON.
func (k *kernel) configured(key string) string {
	if k.config == nil {
		k.config = map[string]string{}
		var members map[string]json.RawMessage
		if json.Unmarshal(k.settings, &members) != nil {
			return "" // settings that are not an object have no keys
		}
		for name, raw := range members {
			text := string(raw)
			if raw[0] == '"' && json.Unmarshal(raw, &text) != nil {
				text = ""
			}
			k.config[name] = text
		}
	}
	return k.config[key]
}

// setVariable keeps a value for the rest of the call; nil removes it.
func (k *kernel) setVariable(name string, value []byte) {
	if old, ok := k.variables[name]; ok {
		k.variableLen -= len(name) + len(old)
		delete(k.variables, name)
	}
	if value == nil {
		return
	}
	if k.variableLen += len(name) + len(value); k.variableLen > maxVariable {
		panic(fmt.Errorf("its Extism variables have more than %s", sized(maxVariable)))
	}
	k.variables[name] = append([]byte(nil), value...)
}
