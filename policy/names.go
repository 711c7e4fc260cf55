package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/open-policy-agent/opa/v1/ast"
)

// prefixed are the names of sets that are collected like deny, violation and warn, as
// conftest does: deny_no_team. What other rules refer to is no decision, but a helper.
var prefixed = regexp.MustCompile(`^(deny|violation|warn)(_[a-zA-Z0-9]+)+$`)

// kindOf is which of the decision names a rule goes by: warn for warn_no_team.
func kindOf(name string) string {
	if parts := prefixed.FindStringSubmatch(name); parts != nil {
		return parts[1]
	}
	return name
}

// near are names that are easily taken for decision names, and are further from them than
// misspellings.
var near = map[string]*regexp.Regexp{
	"deny":      regexp.MustCompile(`^(deny[A-Z0-9_].*|den(ies|ied|ials?))$`),
	"violation": regexp.MustCompile(`^violation[A-Z0-9_].*$`),
	warnName:    regexp.MustCompile(`^(warn[A-Z0-9_].*|warnings?)$`),
	patchName:   regexp.MustCompile(`^patch[A-Z0-9_].*$`),
}

// nearestName is the decision name that somebody may have meant, or empty.
func nearestName(name string) string {
	for _, candidate := range decisionNames {
		if near[candidate].MatchString(name) {
			return candidate
		}
	}
	best, distance := "", 3
	for _, candidate := range decisionNames {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// references are what rules refer to, of modules as they were parsed.
type references struct {
	all      []ast.Ref       // below data
	prefixes map[string]bool // of their constant parts, with data
}

func referencesOf(modules map[string]*ast.Module) *references {
	r := &references{prefixes: map[string]bool{}}
	for _, m := range modules {
		r.addModule(m)
	}
	return r
}

func (r *references) addModule(m *ast.Module) {
	imported := map[ast.Var]ast.Ref{}
	for _, i := range m.Imports {
		if path, ok := i.Path.Value.(ast.Ref); ok {
			imported[i.Name()] = path
		}
	}
	resolve := func(ref ast.Ref) {
		switch v, _ := ref[0].Value.(ast.Var); {
		case v.Equal(ast.DefaultRootDocument.Value):
			r.add(ref)
		case imported[v] != nil:
			r.add(imported[v].Concat(ref[1:]))
		case v != "":
			r.add(m.Package.Path.Extend(ref))
		}
	}
	var visitor *ast.GenericVisitor
	visitor = ast.NewGenericVisitor(func(x any) bool {
		switch v := x.(type) {
		case *ast.Head: // whose name refers to nothing
			for _, term := range append(slices.Clone(v.Args), v.Key, v.Value) {
				if term != nil {
					visitor.Walk(term)
				}
			}
			return true
		case ast.Ref:
			resolve(v)
			for _, term := range v[1:] {
				visitor.Walk(term)
			}
			return true
		case ast.Var:
			resolve(ast.Ref{ast.NewTerm(v)})
		}
		return false
	})
	for _, rule := range m.Rules {
		visitor.Walk(rule)
	}
}

func (r *references) add(ref ast.Ref) {
	if !ref[0].Equal(ast.DefaultRootDocument) { // such as input
		return
	}
	r.all = append(r.all, ref[1:])
	for n := range ref.ConstantPrefix() {
		r.prefixes[ref[:n+1].String()] = true
	}
}

// name reports whether a rule names what is at a path, or something in it.
func (r *references) name(path ast.Ref) bool { return r.prefixes[path.String()] }

// mayMean reports whether a rule may refer to what is at a path, by variables too.
func (r *references) mayMean(path ast.Ref) bool {
	return slices.ContainsFunc(r.all, func(ref ast.Ref) bool { return mayMean(ref, path[1:]) })
}

// nearMiss tells what is wrong with a set that no rule reads, and that is called almost
// like those that are collected: its author takes it for one of them.
func nearMiss(r *ast.Rule, refs *references) (problem, hint string) {
	ref := r.Head.Ref()
	path := r.Module.Package.Path.Extend(ref)
	name, ok := path[len(path)-1].Value.(ast.String)
	if !ok || r.Head.RuleKind() != ast.MultiValue {
		return "", ""
	}
	meant := nearestName(string(name))
	if meant == "" || !path.IsGround() || refs.mayMean(path) {
		return "", ""
	}
	hint = "did you mean " + meant + "?"
	if meant != patchName {
		hint = fmt.Sprintf("did you mean %s, or %s_…?", meant, meant)
	}
	return fmt.Sprintf("no rule refers to %s, and it does not decide: that do %s", string(name), strings.Join(decisionNames, ", ")), hint
}
