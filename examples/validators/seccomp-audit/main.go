// Command seccomp-audit is a validator made with Extism's kit for Go. It reads the seccomp
// profile of a container and refuses one that lets system calls through that lead out of
// containers.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/extism/go-pdk"
)

// request is what this validator reads of Plimsoll's.
type request struct {
	Operation string `json:"operation"`
	Object    struct {
		Spec spec `json:"spec"`
	} `json:"object"`
}

// spec is what it reads of an OCI spec.
type spec struct {
	Version *string `json:"ociVersion"`
	Process struct {
		Capabilities struct {
			Bounding []string `json:"bounding"`
		} `json:"capabilities"`
	} `json:"process"`
	Linux struct {
		Seccomp *profile `json:"seccomp"`
	} `json:"linux"`
}

type profile struct {
	DefaultAction string `json:"defaultAction"`
	Syscalls      []rule `json:"syscalls"`
}

type rule struct {
	Names  []string          `json:"names"`
	Action string            `json:"action"`
	Args   []json.RawMessage `json:"args"`
}

type verdict struct {
	Violations []finding `json:"violations"`
	Warnings   []finding `json:"warnings,omitempty"`
}

type finding struct {
	Code  string `json:"code"`
	Field string `json:"field"`
	Msg   string `json:"msg"`
	Fix   string `json:"fix"`
}

// settings are those of the binding, which the host gives as configuration.
type settings struct {
	forbid  []string
	require bool // a container without a profile is refused
}

const field = "spec.linux.seccomp"

//go:wasmexport validate
func validate() int32 {
	var r request
	v := verdict{Violations: []finding{}}  // [], not null: the verdict must be explicit
	err := json.Unmarshal(pdk.Input(), &r) // types that do not fit do not keep it from the rest
	if r.Operation != "DELETE" {
		if err != nil || r.Object.Spec.Version == nil {
			v.Violations = append(v.Violations, finding{"spec", "spec", "the spec is not an OCI runtime spec", "use a spec that is a JSON object"})
		} else {
			v = judge(&r.Object.Spec, configured())
		}
	}
	if err := pdk.OutputJSON(v); err != nil {
		pdk.SetError(err)
		return 1
	}
	return 0
}

// configured reads the settings, of which the schema in the metadata says what they are.
func configured() settings {
	s := settings{forbid: slices.Sorted(maps.Keys(dangerous))}
	if text, ok := pdk.GetConfig("forbid"); ok {
		s.forbid = nil
		if json.Unmarshal([]byte(text), &s.forbid) != nil {
			s.forbid = slices.Sorted(maps.Keys(dangerous))
		}
	}
	text, _ := pdk.GetConfig("require")
	s.require = text == "true"
	return s
}

func judge(s *spec, set settings) verdict {
	v := verdict{Violations: []finding{}}
	p := s.Linux.Seccomp
	if p == nil {
		f := finding{"no-profile", field, "it has no seccomp profile, so every system call is let through", "use the runtime's default profile"}
		if set.require {
			v.Violations = append(v.Violations, f)
		} else {
			v.Warnings = append(v.Warnings, f)
		}
		return v
	}
	for _, name := range set.forbid {
		d, known := dangerous[name]
		if known && slices.ContainsFunc(d.with, func(c string) bool { return slices.Contains(s.Process.Capabilities.Bounding, c) }) {
			continue // the capability is what has to be argued about
		}
		if at, ok := p.admits(name); ok {
			v.Violations = append(v.Violations, finding{
				"syscall." + name, at, fmt.Sprintf("system call %s is let through%s", name, d.reason()),
				"take it out of the profile, or let only certain arguments through",
			})
		}
	}
	return v
}

// admits tells whether a system call is let through whatever its arguments, and which
// part of the profile says so. runc lets the most specific rule win; a rule without
// arguments that refuses is taken to win over others here only if none allows.
func (p *profile) admits(name string) (string, bool) {
	refused := false
	for i, r := range p.Syscalls {
		if !slices.Contains(r.Names, name) || len(r.Args) > 0 {
			continue
		}
		if passes(r.Action) {
			return fmt.Sprintf("%s.syscalls[%d]", field, i), true
		}
		refused = true
	}
	return field + ".defaultAction", !refused && passes(p.DefaultAction)
}

// passes tells whether an action lets a system call through.
func passes(action string) bool {
	return slices.Contains([]string{"SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY"}, strings.TrimSpace(action))
}

func main() {}
