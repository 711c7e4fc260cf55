package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/plimsoll-project/plimsoll"
)

// Override says what becomes of denials of some packages in some namespaces, whatever
// their METADATA says. Patterns are those of [plimsoll.MatchesName].
type Override struct {
	Packages    []string
	Namespaces  []string // empty means all
	Enforcement Enforcement
}

// Validate reports every problem.
func (o Override) Validate() error {
	var problems []error
	if len(o.Packages) == 0 {
		problems = append(problems, errors.New("packages: name at least one, or \"*\" for all"))
	}
	for _, list := range []struct {
		name     string
		patterns []string
	}{{"packages", o.Packages}, {"namespaces", o.Namespaces}} {
		for i, pattern := range list.patterns {
			if plimsoll.BadPattern(pattern) {
				problems = append(problems, fmt.Errorf("%s[%d]: %q is no pattern; write it like labels.*", list.name, i, pattern))
			}
		}
	}
	if err := o.Enforcement.Check(Enforce, Warn); err != nil {
		problems = append(problems, fmt.Errorf("enforcement: %w", err))
	}
	return errors.Join(problems...)
}

func (o Override) covers(pkg, namespace string) bool {
	return fits(o.Packages, pkg) && (len(o.Namespaces) == 0 || fits(o.Namespaces, namespace))
}

// Unmatched are the patterns of packages in the overrides that match none of p's, as
// misspelt ones would.
func (p *Policies) Unmatched() []string {
	var unmatched []string
	for _, o := range p.overrides {
		for _, pattern := range o.Packages {
			if !slices.ContainsFunc(p.packages, func(pkg Package) bool { return fits([]string{pattern}, pkg.Name) }) {
				unmatched = append(unmatched, pattern)
			}
		}
	}
	return unmatched
}

// reclassify applies the overrides, and shares of canaries, to what rules said of a
// container. It comes after verdicts were remembered, so that those serve all containers.
// What rules called warn say never denies.
func (p *Policies) reclassify(said plimsoll.Verdict, key plimsoll.Key) plimsoll.Verdict {
	if len(p.overrides) == 0 && !p.canaries {
		return said
	}
	var verdict plimsoll.Verdict
	for _, v := range said.Violations {
		p.classify(&verdict, v, key, cmp.Or(v.Enforcement, Enforce))
	}
	for _, v := range said.Warnings {
		p.classify(&verdict, v, key, Warn)
	}
	return verdict
}

func (p *Policies) classify(verdict *plimsoll.Verdict, v plimsoll.Violation, key plimsoll.Key, enforcement Enforcement) {
	first := slices.IndexFunc(p.overrides, func(o Override) bool { return o.covers(v.Source.Name, key.Namespace) })
	if first >= 0 && kindOf(v.Source.Rule) != warnName {
		enforcement = p.overrides[first].Enforcement
	}
	v.Enforcement = ""
	if enforcement.IsCanary() {
		v.Enforcement = enforcement
	}
	if enforcement.Denies(key) {
		verdict.Violations = append(verdict.Violations, v)
	} else {
		verdict.Warnings = append(verdict.Warnings, v)
	}
}
