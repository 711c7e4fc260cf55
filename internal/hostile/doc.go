// Package hostile makes WebAssembly modules that mean harm, or are broken in a way that
// could do some: the corpus that the sandbox of validators is tested with. Each module
// has a name and the outcome that is promised for it.
//
// It knows the binary format and the contract of validators, and shares no code with what
// reads them. Making all modules takes some milliseconds, and some 30 MB.
package hostile

import (
	"fmt"
	"slices"
)

// Outcome is what must become of a module.
type Outcome string

// The outcomes.
const (
	// Refused: it is not loaded, and the error says why.
	Refused Outcome = "refused"
	// Fault: a call has no verdict, because the module broke.
	Fault Outcome = "fault"
	// Timeout: a call has no verdict, because its fuel was used up.
	Timeout Outcome = "timeout"
	// Valid: a call comes to the verdict that nothing is wrong, the same each time.
	Valid Outcome = "valid"
)

// Module is a hostile module.
type Module struct {
	// Name is unique, and fit to be the name of a validator and of a namespace.
	Name string
	// Does says in a few words what it tries.
	Does string
	Wasm []byte
	Want Outcome
	// Says is part of the error, if there is one.
	Says string
	// Limits are those of its binding, as they are in a validators.yaml; empty for the
	// defaults.
	Limits string
	// Slow says that it takes seconds to refuse, all of them within a limit.
	Slow bool
}

// Family is modules of one kind.
type Family struct {
	Name    string
	Modules []Module
}

// Corpus makes all modules.
func Corpus() []Family {
	return []Family{
		{"Malformed modules", malformed()},
		{"Counts that no module of that size can have", counts()},
		{"Too large, or too costly to compile", bombs()},
		{"Features that are not supported", features()},
		{"Imports, and names of the host's own", imports()},
		{"Breaches of the contract", contract()},
		{"Metadata", metadata()},
		{"Code that runs when it is loaded", starts()},
		{"State that would outlive a call", state()},
		{"Calls without end", endless()},
		{"Recursion", recursion()},
		{"Memory and tables that grow", growth()},
		{"Traps and exits", traps()},
		{"Addresses of the request", allocations()},
		{"Addresses and lengths of the verdict", verdicts()},
		{"Output", outputs()},
		{"WASI commands", commands()},
		{"Extism modules", extisms()},
		{"Rego policies", policies()},
	}
}

// Modules are those of all families.
func Modules() []Module {
	var all []Module
	for _, f := range Corpus() {
		all = append(all, f.Modules...)
	}
	return all
}

// limit is how a refusal by a cap reads.
func limit(name string, value, most uint64) string {
	return fmt.Sprintf("%s is %d, and the limit is %d", name, value, most)
}

// repeat is code, n times.
func repeat(n int, code ...byte) []byte { return slices.Repeat(code, n) }
