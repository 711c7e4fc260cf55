package plugins

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/plimsoll-project/plimsoll/plugins/internal/wasm"
)

// Inspection is what there is to know about a module without running it.
type Inspection struct {
	SHA256 string `json:"sha256"`
	// Size is that of the module in bytes.
	Size int `json:"size"`
	// ABI is the contract that it fulfils, such as native or opa; empty if none.
	ABI string `json:"abi,omitempty"`
	// Metadata is nil if it has none.
	Metadata *Metadata `json:"metadata,omitempty"`
	// Imports and Exports are written as name and type.
	Imports []string `json:"imports"`
	Exports []string `json:"exports"`
	// Memory is its linear memory; nil if it has none.
	Memory *MemorySize `json:"memory,omitempty"`
	// ChecksSettings tells whether it checks settings itself, beyond their schema.
	ChecksSettings bool `json:"checks_settings"`
	// Unrestorable is the state that cannot be put back after a call, so that each call
	// takes an instance of its own; nil if there is none.
	Unrestorable []string `json:"unrestorable,omitempty"`
	// Usage is how much of each limit on modules it uses; nil if it cannot be read.
	Usage []CapUsage `json:"usage,omitempty"`
	// Problems are why it would not be loaded.
	Problems []string `json:"problems,omitempty"`
}

// CapUsage is how much of a limit on modules a module uses. Of limits on each function, type
// and the like, it is the most that any uses.
type CapUsage struct {
	// Cap is the limit's name, as in docs/reference/validator-limits.md.
	Cap   string `json:"cap"`
	Value uint64 `json:"value"`
	Limit uint64 `json:"limit"`
}

// MemorySize is the size of a linear memory in bytes.
type MemorySize struct {
	// Initial is what it starts with, Maximum what it may grow to: the module's own
	// maximum, or the default limit of a binding if that is less.
	Initial uint64 `json:"initial"`
	Maximum uint64 `json:"maximum"`
}

// Inspect reads a module as Load would with default limits, but compiles neither it nor the
// schema of its settings. It always returns what it could find out.
func Inspect(module []byte) *Inspection {
	sum := sha256.Sum256(module)
	result := &Inspection{SHA256: hex.EncodeToString(sum[:]), Size: len(module), Imports: []string{}, Exports: []string{}}
	switch meta, err := ReadMetadata(module); {
	case err == nil:
		result.Metadata = &meta
	case !errors.Is(err, ErrNoMetadata):
		result.Problems = append(result.Problems, err.Error())
	}
	caps := wasm.Caps{MemoryPages: defaultMemory / pageSize}
	m, err := wasm.Instrument(module, caps)
	if err != nil {
		result.Problems = append(result.Problems, err.Error())
		return result
	}
	result.describe(m)
	for _, u := range m.Usage {
		result.Usage = append(result.Usage, CapUsage(u))
	}
	p := &program{memoryLimit: defaultMemory}
	if err := p.check(m); err != nil {
		result.Problems = append(result.Problems, err.Error())
		return result
	}
	result.ABI, result.ChecksSettings = p.guest.kind().String(), p.settings
	if meta := result.Metadata; meta != nil && meta.ABI != p.guest.kind() {
		result.Problems = append(result.Problems, otherABI(meta.ABI, p.guest.kind()).Error())
	}
	p.noteState(m)
	result.Unrestorable = p.unrestorable
	return result
}

func (i *Inspection) describe(m *wasm.Module) {
	for _, imp := range m.Imports {
		i.Imports = append(i.Imports, imp.Module+"."+imp.Name+typeOf(imp.Kind, imp.Func, imp.Global))
	}
	for _, e := range m.Exports {
		i.Exports = append(i.Exports, e.Name+typeOf(e.Kind, e.Func, e.Global))
	}
	if m.Memory != nil {
		i.Memory = &MemorySize{Initial: uint64(m.Memory.Min) * pageSize, Maximum: uint64(m.Memory.Max) * pageSize}
	}
}

// typeOf is the type of an import or export, to be written after its name.
func typeOf(kind wasm.Kind, f wasm.FuncType, g wasm.GlobalType) string {
	switch kind {
	case wasm.KindFunc:
		return f.String()
	case wasm.KindGlobal:
		return ": " + g.Type.String()
	case wasm.KindTable, wasm.KindMemory:
	}
	return ": " + kind.String()
}
