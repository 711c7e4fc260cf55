package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// To know which clause of a set a member is from, clauses are copied into a package
// where each says its number too, which is that of the rule:
//
//	package labels.required          package system.plimsoll.labels.required
//	deny contains "a" if { ... }     deny contains [0, "a"] if { ... }
//	deny contains "b" if { ... }     deny contains [1, "b"] if { ... }
//
// Clauses of one set that are asked about different mutations (see match) become sets of
// their own, so that only those which match are evaluated.
//
// Only the copies are evaluated, unless other rules refer to the set. OPA hides
// data.system from rules that iterate over data, so nobody sees them. They are made
// after names were resolved, so they mean what the originals mean, and keep their
// locations, so errors in them point at the originals.

// hiddenPackage is the path under which the copies are; nothing else may be there.
var hiddenPackage = []string{"data", "system", "plimsoll"}

// hiddenPath is the path of the package for copies from pkg.
func hiddenPath(pkg ast.Ref) ast.Ref {
	path := ast.Ref{ast.DefaultRootDocument}
	for _, element := range hiddenPackage[1:] {
		path = append(path, ast.StringTerm(element))
	}
	return append(path, pkg[1:]...)
}

func isHidden(path ast.Ref) bool {
	return path.HasPrefix(hiddenPath(ast.Ref{ast.DefaultRootDocument}))
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
		numbers := matchNumbers(rules)
		copies := map[string]*ast.Module{}
		for name, original := range resolved {
			copies[strings.Join(hiddenPackage, ".")+":"+name] = copyModule(name, original, rules, numbers)
		}
		return copies, nil
	}
}

// copyModule copies the clauses of a module, with all annotations, which are what
// rego.metadata tells them.
func copyModule(name string, original *ast.Module, rules []rule, numbers map[string]int) *ast.Module {
	m := original.Copy()
	m.Package.Path = hiddenPath(m.Package.Path)
	m.Imports, m.Comments = nil, nil
	all := m.Rules
	m.Rules = nil
	for n := range rules {
		r := &rules[n]
		if r.shape != clause || r.module != name {
			continue
		}
		copied := all[r.index]
		key := copied.Head.Key
		copied.Head.Key = ast.ArrayTerm(ast.IntNumberTerm(n), key).SetLocation(key.Location)
		renameForMatch(copied.Head, numbers[r.match.String()])
		m.Rules = append(m.Rules, copied)
		r.ref = copied.Ref()
	}
	return m
}

// matchNumbers numbers the different matches of rules: 0 is that which matches everything.
func matchNumbers(rules []rule) map[string]int {
	numbers := map[string]int{(*match)(nil).String(): 0}
	for _, r := range rules {
		if _, known := numbers[r.match.String()]; !known {
			numbers[r.match.String()] = len(numbers)
		}
	}
	return numbers
}

// renameForMatch tells copies of clauses with different matches apart, by a name that no
// rule can have.
func renameForMatch(head *ast.Head, number int) {
	if number == 0 {
		return
	}
	ref := head.Ref().Copy()
	last := len(ref) - 1
	switch v := ref[last].Value.(type) {
	case ast.Var:
		ref[last].Value = ast.Var(fmt.Sprintf("%s (match %d)", string(v), number))
	case ast.String:
		ref[last].Value = ast.String(fmt.Sprintf("%s (match %d)", string(v), number))
	}
	head.SetRef(ref)
	if v, ok := ref[0].Value.(ast.Var); ok {
		head.Name = v
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
