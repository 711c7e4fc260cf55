package plugins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
	"github.com/plimsoll-project/plimsoll/plugins/internal/rego"
	"github.com/plimsoll-project/plimsoll/plugins/internal/wasm"
)

// opaGuest is a Rego policy compiled by opa build -t wasm. See
// https://www.openpolicyagent.org/docs/wasm.
type opaGuest struct{}

var _ guest = opaGuest{}

// The names that OPA modules export and the host uses.
const (
	opaVersion      = "opa_wasm_abi_version"
	opaMinorVersion = "opa_wasm_abi_minor_version"
	opaEval         = "opa_eval"
	opaMalloc       = "opa_malloc"
	opaHeapPtrGet   = "opa_heap_ptr_get"
	opaJSONDump     = "opa_json_dump"
	opaJSONParse    = "opa_json_parse"
	opaValueDump    = "opa_value_dump"
	opaValueParse   = "opa_value_parse"
	opaBuiltins     = "builtins"
	opaEntrypoints  = "entrypoints"
)

// Versions of OPA's ABI: opa_eval came with minor version 2.
const (
	opaMajor, opaLeastMinor = 1, 2
	// maxOPATable is the size of the table of builtins, or of entrypoints, as JSON.
	maxOPATable = 64 << 10
	// maxEntrypoints bounds how often a request is evaluated.
	maxEntrypoints = 16
)

// opaPolicy is what a prepared module is known to be.
type opaPolicy struct {
	data        uint32 // the address of its data document, which is empty
	entrypoints []opaEntrypoint
	builtins    map[uint32]rego.Builtin
}

type opaEntrypoint struct {
	name string
	id   uint32
}

func (opaGuest) kind() abi.Kind { return abi.OPA }

func (opaGuest) imports() map[string]hostFunctions {
	return map[string]hostFunctions{opaModule: opaFunctions}
}

func (opaGuest) check(_ *program, m *wasm.Module) []error {
	if m.Memory != nil && m.Memory.Imported && slices.ContainsFunc(m.Imports, func(i wasm.Import) bool {
		return i.Kind == wasm.KindMemory && i.Module == opaModule && i.Name == abi.ExportMemory
	}) {
		m.OwnMemory(abi.ExportMemory)
	}
	var errs []error
	for name, letters := range map[string]string{
		opaEval: "iiiiiii", opaMalloc: "i", opaHeapPtrGet: "", opaJSONDump: "i", opaJSONParse: "ii",
		opaValueDump: "i", opaValueParse: "ii", opaBuiltins: "", opaEntrypoints: "",
	} {
		errs = append(errs, checkFunc(m, name, hostFunction{params: letters, results: "i"}.typ()))
	}
	for _, name := range []string{opaVersion, opaMinorVersion} {
		if e, ok := m.Export(name); !ok || e.Kind != wasm.KindGlobal || e.Global.Type != wasm.I32 {
			errs = append(errs, fmt.Errorf("it does not export the global %s of type i32", name))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return bytes.Compare(errorText(a), errorText(b)) })
	return errs
}

// errorText orders errors that were found in no order.
func errorText(err error) []byte {
	if err == nil {
		return nil
	}
	return []byte(err.Error())
}

// prepare runs the start function, parses an empty data document, and reads what
// entrypoints the policy has and what builtins it wants of the host.
func (opaGuest) prepare(i *instance) error {
	major, minor := i.module.ExportedGlobal(opaVersion).Get(), i.module.ExportedGlobal(opaMinorVersion).Get()
	if uint32(major) != opaMajor || uint32(minor) < opaLeastMinor {
		return fmt.Errorf("it speaks version %d.%d of OPA's ABI; want %d.%d or a later minor one; build it with a newer OPA",
			int32(major), int32(minor), opaMajor, opaLeastMinor)
	}
	if err := i.runIfExported(wasm.StartExport); err != nil {
		return err
	}
	policy := &opaPolicy{builtins: map[uint32]rego.Builtin{}}
	entrypoints, err := i.opaTable(opaEntrypoints)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(entrypoints)) {
		policy.entrypoints = append(policy.entrypoints, opaEntrypoint{name, entrypoints[name]})
	}
	if n := len(policy.entrypoints); n == 0 || n > maxEntrypoints {
		return fmt.Errorf("it has %d entrypoints; want 1 to %d", n, maxEntrypoints)
	}
	builtins, err := i.opaTable(opaBuiltins)
	if err != nil {
		return err
	}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(builtins)) {
		b, ok := rego.Lookup(name)
		if !ok {
			unknown = append(unknown, brief(name))
		}
		policy.builtins[builtins[name]] = b
	}
	if len(unknown) > 0 {
		return fmt.Errorf("it uses the builtin %s, which validators are not given; besides those that OPA compiles there are %s",
			firstOf(unknown), rego.Names())
	}
	if policy.data, err = i.opaParse(opaJSONParse, []byte("{}")); err != nil {
		return fmt.Errorf("parsing its data: %w", err)
	}
	i.policy = policy
	return nil
}

// ask evaluates every entrypoint, in the order of their names, and returns an answer of
// each.
func (opaGuest) ask(i *instance, req abi.Request, limits Limits) ([][]byte, error) {
	input := make([]byte, req.Len())
	req.Encode(input)
	input = rego.Legible(input)
	ptr, err := i.opaReserve(uint32(len(input)))
	if err != nil {
		return nil, err
	}
	copy(i.memory.buf[ptr:], input)
	heap, err := i.invoke(opaHeapPtrGet)
	if err != nil {
		return nil, err
	}
	answers := make([][]byte, len(i.policy.entrypoints))
	left := limits.Output
	for n, entrypoint := range i.policy.entrypoints {
		const reserved, asJSON = 0, 0
		at, err := i.invoke(opaEval, reserved, entrypoint.id, i.policy.data, ptr, uint32(len(input)), heap, asJSON)
		if err != nil {
			return nil, fmt.Errorf("entrypoint %s: %w", entrypoint.name, err)
		}
		out, err := i.text(at, left)
		if err != nil {
			return nil, fmt.Errorf("entrypoint %s: %w", entrypoint.name, err)
		}
		left -= uint32(len(out))
		answers[n] = out
	}
	return answers, nil
}

func (opaGuest) decode(i *instance, answers [][]byte) (plimsoll.Verdict, error) {
	var verdict plimsoll.Verdict
	for n, entrypoint := range i.policy.entrypoints {
		found, err := abi.DecodeEntrypoint(answers[n], abi.EntrypointWarns(entrypoint.name))
		if err != nil {
			return plimsoll.Verdict{}, fmt.Errorf("entrypoint %s: %w", entrypoint.name, err)
		}
		verdict.Add(found)
	}
	if n := len(verdict.Violations) + len(verdict.Warnings); n > abi.MaxFindings {
		return plimsoll.Verdict{}, fmt.Errorf("its entrypoints have %d violations and warnings, more than %d", n, abi.MaxFindings)
	}
	return verdict, nil
}

// invoke calls an exported function of i32s that returns one. It does not touch
// i.stack, so that host functions may call it.
func (i *instance) invoke(name string, args ...uint32) (uint32, error) {
	stack := make([]uint64, max(len(args), 1))
	for n, arg := range args {
		stack[n] = uint64(arg)
	}
	if err := i.runStack(i.function(name), stack); err != nil {
		return 0, err
	}
	return uint32(stack[0]), nil
}

// opaReserve has the guest allocate n bytes, and checks that they are inside memory.
func (i *instance) opaReserve(n uint32) (uint32, error) {
	ptr, err := i.invoke(opaMalloc, n)
	if err != nil {
		return 0, fmt.Errorf("allocating %d bytes: %w", n, err)
	}
	if ptr == 0 || uint64(ptr)+uint64(n) > uint64(len(i.memory.buf)) {
		return 0, fmt.Errorf("its allocator returned %d for %d bytes, which is outside its memory of %d bytes", ptr, n, len(i.memory.buf))
	}
	return ptr, nil
}

// opaParse has the guest parse text, and returns the address of the value.
func (i *instance) opaParse(parser string, text []byte) (uint32, error) {
	n := uint32(len(text))
	ptr, err := i.opaReserve(n)
	if err != nil {
		return 0, err
	}
	copy(i.memory.buf[ptr:][:n], text)
	value, err := i.invoke(parser, ptr, n)
	if err == nil && value == 0 {
		err = errors.New("it cannot parse a value of the host")
	}
	return value, err
}

// opaTable reads a table of ids by name from what a function returns.
func (i *instance) opaTable(function string) (map[string]uint32, error) {
	at := func(err error) error { return fmt.Errorf("%s: %w", function, err) }
	value, err := i.invoke(function)
	if err != nil {
		return nil, at(err)
	}
	text, err := i.invoke(opaJSONDump, value)
	if err != nil {
		return nil, at(err)
	}
	raw, err := i.text(text, maxOPATable)
	if err != nil {
		return nil, at(err)
	}
	var table map[string]uint32
	if err := json.Unmarshal(raw, &table); err != nil {
		return nil, at(fmt.Errorf("it is not a table of numbers by name: %w", err))
	}
	return table, nil
}

// text is a copy of the text at ptr, up to a zero, of at most limit bytes.
func (i *instance) text(ptr, limit uint32) ([]byte, error) {
	if uint64(ptr) >= uint64(len(i.memory.buf)) || ptr == 0 {
		return nil, fmt.Errorf("its result at %d is outside its memory of %d bytes", ptr, len(i.memory.buf))
	}
	rest := i.memory.buf[ptr:]
	rest = rest[:min(uint64(len(rest)), uint64(limit)+1)]
	n := bytes.IndexByte(rest, 0)
	switch {
	case n >= 0:
		return append([]byte(nil), rest[:n]...), nil
	case uint64(len(rest)) > uint64(limit):
		return nil, fmt.Errorf("its result has more than the limit of %d bytes", limit)
	}
	return nil, errors.New("its result goes beyond the end of its memory")
}
