package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/plimsoll-project/plimsoll"
)

// match says which mutations rules are asked about, as custom.match in METADATA has it:
//
//	# METADATA
//	# custom:
//	#   match:
//	#     operations: [CREATE, UPDATE]
//	#     namespaces: ["prod-*"]
//	#     runtimes: ["io.containerd.runc.*"]
//
// With kinds: [exemption] they are asked about exemptions and nothing else.
//
// Those that fit every list are matched; a list that is left out fits everything.
// Patterns are those of [plimsoll.MatchesName].
type match struct {
	operations []string
	namespaces []string
	runtimes   []string
	// kinds is what rules judge, one of them; nil means containers.
	kinds []string
}

// The kinds of what rules judge.
const (
	kindContainer = "container"
	kindExemption = string(plimsoll.KindExemption)
)

// isAboutExemptions reports whether rules judge exemptions, and not containers.
func (m *match) isAboutExemptions() bool { return m != nil && slices.Contains(m.kinds, kindExemption) }

// misfit is what is wrong with a match. It goes after "custom.match".
type misfit struct{ message, hint string }

const wantMatch = `want {"operations": ["CREATE", …], "namespaces": ["prod-*", …], "runtimes": ["io.containerd.runc.*", …]}, or some of it`

var matchKeys = []string{"operations", "namespaces", "runtimes", "kinds"}

func readMatch(v any) (*match, *misfit) {
	object, ok := v.(map[string]any)
	if !ok || len(object) == 0 {
		return nil, &misfit{" is no object with something in it", wantMatch}
	}
	m := &match{}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		var wrong *misfit
		switch key {
		case "operations":
			m.operations, wrong = readList(object[key], checkOperation)
		case "namespaces":
			m.namespaces, wrong = readList(object[key], checkPattern)
		case "runtimes":
			m.runtimes, wrong = readList(object[key], checkPattern)
		case "kinds":
			m.kinds, wrong = readList(object[key], checkKind)
		default:
			return nil, &misfit{fmt.Sprintf(" has an unknown key %q", key), wrongField(ast.String(key), asStrings(matchKeys))}
		}
		if wrong != nil {
			return nil, &misfit{"." + key + wrong.message, wrong.hint}
		}
	}
	switch {
	case len(m.kinds) > 1:
		return nil, &misfit{".kinds are more than one, which do not look alike", "write rules of their own for each"}
	case m.isAboutExemptions() && (m.namespaces != nil || m.runtimes != nil):
		return nil, &misfit{" is about exemptions, which have no runtime and are in no namespace", "look at input.exemption.namespaces"}
	}
	return m, nil
}

func checkKind(name string) *misfit {
	kinds := []string{kindContainer, kindExemption}
	if slices.Contains(kinds, name) {
		return nil
	}
	return &misfit{fmt.Sprintf(" is %q", name), wrongField(ast.String(name), asStrings(kinds))}
}

func readList(v any, check func(string) *misfit) ([]string, *misfit) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, &misfit{" is no list with something in it", "leave it out to match everything"}
	}
	all := make([]string, len(list))
	for i, element := range list {
		if all[i], ok = element.(string); !ok {
			return nil, &misfit{fmt.Sprintf("[%d] is %v", i, element), "want a string"}
		}
		if wrong := check(all[i]); wrong != nil {
			return nil, &misfit{fmt.Sprintf("[%d]%s", i, wrong.message), wrong.hint}
		}
	}
	return all, nil
}

var operations = []string{string(plimsoll.OperationCreate), string(plimsoll.OperationUpdate), string(plimsoll.OperationDelete)}

func checkOperation(name string) *misfit {
	if slices.Contains(operations, name) {
		return nil
	}
	return &misfit{fmt.Sprintf(" is %q", name), wrongField(ast.String(name), asStrings(operations))}
}

func checkPattern(pattern string) *misfit {
	if !plimsoll.BadPattern(pattern) {
		return nil
	}
	return &misfit{fmt.Sprintf(" is %q, which is no pattern", pattern), `write it like "prod-*"`}
}

func asStrings(names []string) []ast.Value {
	values := make([]ast.Value, len(names))
	for i, name := range names {
		values[i] = ast.String(name)
	}
	return values
}

// covers reports whether rules are asked about this mutation.
func (m *match) covers(in *plimsoll.Input) bool {
	return m == nil || fits(m.operations, string(in.Operation)) && fits(m.namespaces, in.Namespace) && fits(m.runtimes, in.Object.Runtime.Name)
}

func fits(patterns []string, name string) bool {
	return patterns == nil || slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := plimsoll.MatchesName(pattern, name)
		return ok || err != nil // checked when it was loaded
	})
}

func (m *match) equal(other *match) bool {
	return m == other || m != nil && other != nil && m.String() == other.String()
}

// String is the same for matches that are the same.
func (m *match) String() string {
	if m == nil {
		return ""
	}
	return strings.Join([]string{fmt.Sprintf("%q", m.operations), fmt.Sprintf("%q", m.namespaces), fmt.Sprintf("%q", m.runtimes), fmt.Sprintf("%q", m.kinds)}, " ")
}

// describe says in words what m has, in the order of its keys in METADATA.
func (m *match) describe() string {
	if m == nil {
		return "all"
	}
	var said []string
	for _, list := range []struct {
		key   string
		names []string
	}{{"operations", m.operations}, {"namespaces", m.namespaces}, {"runtimes", m.runtimes}, {"kinds", m.kinds}} {
		if list.names != nil {
			said = append(said, list.key+" "+strings.Join(list.names, ", "))
		}
	}
	return strings.Join(said, "; ")
}
