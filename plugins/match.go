package plugins

import (
	"fmt"
	"maps"
	"slices"

	"github.com/plimsoll-project/plimsoll"
)

// Match says which mutations a validator judges: those that fit every list. A list
// that is left out takes its module's metadata, and fits everything if that has
// none either. Only Operations default to less: CREATE and UPDATE.
//
// Labels are keys and patterns of values: a container must have all of these labels, each
// with a value that fits. A mutation fits if the container as it is stored now does, or as
// it would be: what a validator judges cannot leave its sight unseen.
//
// Namespaces, Runtimes and SpecTypes, and the values of Labels, are patterns as in path.Match, but that * and
// ? match slashes too: io.containerd.runc.* and types.containerd.io/* are useful
// ones. A runtime that a client names by the path of its shim is a name like any
// other: it is not matched by io.containerd.runc.*.
type Match struct {
	Namespaces []string             `json:"namespaces,omitempty"`
	Runtimes   []string             `json:"runtimes,omitempty"`
	SpecTypes  []string             `json:"spec_types,omitempty"`
	Labels     map[string]string    `json:"labels,omitempty"`
	Operations []plimsoll.Operation `json:"operations"`
}

var (
	defaultOperations = []plimsoll.Operation{plimsoll.OperationCreate, plimsoll.OperationUpdate}
	operations        = []plimsoll.Operation{
		plimsoll.OperationCreate, plimsoll.OperationUpdate, plimsoll.OperationDelete,
	}
)

func decodeMatch(at string, raw []byte) (Match, []error) {
	var m Match
	errs := decodeObject(at, raw, map[string]any{
		"namespaces": &m.Namespaces, "runtimes": &m.Runtimes, "spec_types": &m.SpecTypes, "labels": &m.Labels, "operations": &m.Operations,
	})
	return m, append(errs, m.check(at)...)
}

// check finds the lists and patterns that can match nothing.
func (m Match) check(at string) []error {
	errs := checkPatterns(join(at, "namespaces"), m.Namespaces)
	errs = append(errs, checkPatterns(join(at, "runtimes"), m.Runtimes)...)
	errs = append(errs, checkPatterns(join(at, "spec_types"), m.SpecTypes)...)
	errs = append(errs, checkLabels(join(at, "labels"), m.Labels)...)
	return append(errs, checkOperations(join(at, "operations"), m.Operations)...)
}

func checkPatterns(at string, patterns []string) []error {
	if patterns != nil && len(patterns) == 0 {
		return []error{emptyList(at)}
	}
	var errs []error
	for i, pattern := range patterns {
		if plimsoll.BadPattern(pattern) {
			errs = append(errs, fmt.Errorf("%s[%d]: %q is not a pattern; write it like io.containerd.runc.*", at, i, pattern))
		}
	}
	return errs
}

func checkLabels(at string, labels map[string]string) []error {
	if labels != nil && len(labels) == 0 {
		return []error{fmt.Errorf("%s: it names no label; leave it out to match everything", at)}
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if key == "" || plimsoll.BadPattern(labels[key]) {
			errs = append(errs, fmt.Errorf("%s: %q: %q is not a key and a pattern of its value; write it like tier: prod-*, or tier: \"*\" for any value", at, key, labels[key]))
		}
	}
	return errs
}

func checkOperations(at string, list []plimsoll.Operation) []error {
	if list != nil && len(list) == 0 {
		return []error{emptyList(at)}
	}
	var errs []error
	for i, op := range list {
		if !slices.Contains(operations, op) {
			errs = append(errs, fmt.Errorf("%s[%d]: unknown operation %q; known are CREATE, UPDATE, DELETE", at, i, op))
		}
	}
	return errs
}

func emptyList(at string) error {
	return fmt.Errorf("%s: an empty list matches nothing; leave it out to match everything", at)
}

// or fills in what m leaves out, from the module's metadata.
func (m Match) or(meta Metadata) Match {
	if m.Runtimes == nil {
		m.Runtimes = meta.Runtimes
	}
	if m.SpecTypes == nil {
		m.SpecTypes = meta.SpecTypes
	}
	if m.Operations == nil {
		m.Operations = meta.Operations
	}
	if m.Operations == nil {
		m.Operations = defaultOperations
	}
	return m
}

// covers tells whether the validator judges this mutation.
func (m Match) covers(in *plimsoll.Input) bool {
	return slices.Contains(m.Operations, in.Operation) && matchesAny(m.Namespaces, in.Namespace) &&
		(m.fits(in.Object) || in.Old != nil && in.Old != in.Object && m.fits(in.Old))
}

// fits tells whether the validator judges this container.
func (m Match) fits(c *plimsoll.Container) bool {
	return matchesAny(m.Runtimes, c.Runtime.Name) && matchesAny(m.SpecTypes, c.Spec.TypeURL) && m.fitsLabels(c.Labels)
}

func (m Match) fitsLabels(labels map[string]string) bool {
	for key, pattern := range m.Labels {
		value, ok := labels[key]
		if !ok || !matchesAny([]string{pattern}, value) {
			return false
		}
	}
	return true
}

func matchesAny(patterns []string, name string) bool {
	if patterns == nil {
		return true
	}
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := plimsoll.MatchesName(pattern, name)
		return ok || err != nil // checked when it was loaded
	})
}
