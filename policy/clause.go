package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// To know which clause of a set a member is from, each clause is copied into a
// package of its own, where the set has no other clause:
//
//	package labels.required          package system.plimsoll.c0.labels.required
//	deny contains "a" if { ... }     deny contains "a" if { ... }
//	deny contains "b" if { ... }     package system.plimsoll.c1.labels.required
//	                                 deny contains "b" if { ... }
//
// Only the copies are evaluated, unless other rules refer to the set. OPA hides
// data.system from rules that iterate over data, so nobody sees them. They are made
// after names were resolved, so they mean what the originals mean, and keep their
// locations, so errors in them point at the originals.

// hiddenPackage is the path under which the copies are; nothing else may be there.
var hiddenPackage = []string{"data", "system", "plimsoll"}

// hiddenPath is the path of the package for copies from pkg of rule number n.
func hiddenPath(n int, pkg ast.Ref) ast.Ref {
	path := ast.Ref{ast.DefaultRootDocument}
	for _, element := range append(hiddenPackage[1:], "c"+strconv.Itoa(n)) {
		path = append(path, ast.StringTerm(element))
	}
	return append(path, pkg[1:]...)
}

func isHidden(path ast.Ref) bool {
	return path.HasPrefix(hiddenPath(0, ast.Ref{ast.DefaultRootDocument})[:len(hiddenPackage)])
}

// copyClauses makes the modules that hold the copies, and points the rules at them.
// It has the form of an OPA module loader: OPA calls it with resolved modules, adds
// what it returns, and calls it again until it returns nothing.
func copyClauses(rules []rule) ast.ModuleLoader {
	done := false
	return func(resolved map[string]*ast.Module) (map[string]*ast.Module, error) {
		if done {
			return nil, nil
		}
		done = true
		copies := map[string]*ast.Module{}
		for n := range rules {
			if r := &rules[n]; r.shape == clause {
				r.copyTo(copies, n, resolved[r.module].Rules[r.index])
			}
		}
		return copies, nil
	}
}

// withoutCopies leaves out errors that name copies: the same are there for the
// originals. (Equal ones are left out later.)
func withoutCopies(errs ast.Errors) ast.Errors {
	prefix := strings.Join(hiddenPackage, ".") + "."
	originals := slices.DeleteFunc(slices.Clone(errs), func(e *ast.Error) bool { return strings.Contains(e.Message, prefix) })
	if len(originals) == 0 {
		return errs
	}
	return originals
}

// copyTo adds to modules a copy of original, with its annotations, which are what
// rego.metadata tells it.
func (r *rule) copyTo(modules map[string]*ast.Module, n int, original *ast.Rule) {
	module := func(pkg ast.Ref) *ast.Module {
		path := hiddenPath(n, pkg)
		name := path.String()
		if modules[name] == nil {
			modules[name] = &ast.Module{Package: &ast.Package{Path: path, Location: original.Module.Package.Location}}
			modules[name].SetRegoVersionSpan(ast.RegoVersionSpanOf(ast.RegoV1))
		}
		return modules[name]
	}
	home := module(original.Module.Package.Path)
	cloned := original.Copy()
	cloned.Module = home
	cloned.Annotations = nil
	home.Rules = append(home.Rules, cloned)
	for _, a := range r.annotations {
		switch a.Scope {
		case "package", "subpackages":
			m := module(a.GetTargetPath())
			m.Annotations = append(m.Annotations, a.Copy(m.Package))
		default:
			home.Annotations = append(home.Annotations, a.Copy(cloned))
		}
	}
	r.ref = cloned.Ref()
}
