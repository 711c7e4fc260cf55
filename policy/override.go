package policy

import (
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
	if o.Enforcement != Enforce && o.Enforcement != Warn {
		problems = append(problems, fmt.Errorf("enforcement: %q is neither %s nor %s", string(o.Enforcement), Enforce, Warn))
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

// reclassify applies the overrides to what rules said in a namespace. It comes after
// verdicts were remembered, so that those serve all namespaces. What rules called warn
// say never denies.
func (p *Policies) reclassify(said plimsoll.Verdict, namespace string) plimsoll.Verdict {
	if len(p.overrides) == 0 {
		return said
	}
	var verdict plimsoll.Verdict
	for _, v := range said.Violations {
		p.classify(&verdict, v, namespace, Enforce)
	}
	for _, v := range said.Warnings {
		p.classify(&verdict, v, namespace, Warn)
	}
	return verdict
}

func (p *Policies) classify(verdict *plimsoll.Verdict, v plimsoll.Violation, namespace string, enforcement Enforcement) {
	first := slices.IndexFunc(p.overrides, func(o Override) bool { return o.covers(v.Source.Name, namespace) })
	if first >= 0 && kindOf(v.Source.Rule) != warnName {
		enforcement = p.overrides[first].Enforcement
	}
	if enforcement == Warn {
		verdict.Warnings = append(verdict.Warnings, v)
	} else {
		verdict.Violations = append(verdict.Violations, v)
	}
}
