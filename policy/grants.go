package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/plimsoll-project/plimsoll"
)

// A package that asks for containers of other namespaces says so in METADATA of its
// package (or of the packages above it, with scope subpackages):
//
//	# METADATA
//	# custom:
//	#   context:
//	#     namespaces: ["shared"]
//
// and the operator grants it: see [Options.Grants].

// grants are the namespaces that packages may read, by name of the package.
type grants map[string][]string

// readGrants returns what packages ask for, and what of it is not granted as problems.
func readGrants(t text, modules map[string]*ast.Module, notes *ast.AnnotationSet, granted map[string][]string) (grants, []Problem) {
	all := grants{}
	var problems []Problem
	for _, file := range slices.Sorted(maps.Keys(modules)) {
		m := modules[file]
		if len(m.Rules) == 0 {
			continue
		}
		name := packageName(m.Package.Path)
		for _, a := range notes.Chain(m.Rules[0]) { // the nearest first
			if a.Annotations == nil || a.Annotations.Custom["context"] == nil {
				continue
			}
			asked, _ := contextNamespaces(a.Annotations.Custom["context"]) // what is wrong with it is known
			for _, namespace := range asked {
				if !slices.Contains(granted[name], namespace) && !slices.Contains(granted[name], plimsoll.AllNamespaces) {
					problems = append(problems, t.at(a.Annotations.Location,
						fmt.Sprintf("package %s asks to read containers of %s, which it is not granted", name, inNamespace(namespace)),
						fmt.Sprintf("grant it with --policy-grants %s=%s, if that is what you want", name, namespace)))
				}
			}
			all[name] = append(all[name], asked...)
			break
		}
	}
	return all, problems
}

func inNamespace(name string) string {
	if name == plimsoll.AllNamespaces {
		return "all namespaces"
	}
	return "namespace " + name
}

// checkContext says what is wrong with custom.context of an annotation.
func checkContext(t text, a *ast.Annotations) []Problem {
	v, ok := a.Custom["context"]
	if !ok {
		return nil
	}
	if a.Scope != "package" && a.Scope != "subpackages" {
		return []Problem{t.at(a.Location, "custom.context is that of a package, and not of a "+a.Scope, "put it into the METADATA of the package, with scope: package")}
	}
	if _, problem := contextNamespaces(v); problem != "" {
		return []Problem{t.at(a.Location, "custom.context "+problem, `want {"namespaces": ["shared", "…"]}, or ["*"] for all`)}
	}
	return nil
}

func contextNamespaces(v any) (namespaces []string, problem string) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, "is no object"
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if key != "namespaces" {
			return nil, fmt.Sprintf("has an unknown key %q", key)
		}
	}
	list, ok := object["namespaces"].([]any)
	if !ok || len(list) == 0 {
		return nil, "names no namespaces"
	}
	for _, element := range list {
		s, ok := element.(string)
		if !ok || s == "" || strings.Contains(s, "*") && s != plimsoll.AllNamespaces {
			return nil, fmt.Sprintf("has namespace %v", quoted(element))
		}
		namespaces = append(namespaces, s)
	}
	return namespaces, ""
}

// checkCalls reports calls of the context builtins whose constant arguments can only fail.
func checkCalls(t text, m *ast.Module, checkFilter func(string) error) []Problem {
	var problems []Problem
	check := func(terms []*ast.Term) {
		name := terms[0].String()
		if len(terms) < 2 || !strings.HasPrefix(name, contextPrefix+".") {
			return
		}
		if err := checkArgument(name, terms[1].Value, checkFilter); err != nil {
			text := err.Error()
			if unknown, ok := errors.AsType[unknownFieldError](err); ok {
				text = unknown.hint
			}
			problems = append(problems, t.at(terms[1].Location, name+": "+text, "see docs/context.md"))
		}
	}
	ast.NewGenericVisitor(func(x any) bool {
		switch v := x.(type) {
		case *ast.Expr:
			if terms, ok := v.Terms.([]*ast.Term); ok && v.IsCall() {
				check(terms)
			}
		case ast.Call:
			check(v)
		}
		return false
	}).Walk(m)
	return problems
}

func checkArgument(name string, v ast.Value, checkFilter func(string) error) error {
	switch v := v.(type) {
	case ast.String:
		if name == containerBuiltin.Name || checkFilter == nil {
			return nil
		}
		return checkFilter(string(v))
	case ast.Object:
		return v.Iter(func(key, value *ast.Term) error { return checkFilterField(name, key.Value, value.Value, checkFilter) })
	}
	return nil // computed, or a matter of types
}

// checkFilterField looks at keys, and at values where they are constant.
func checkFilterField(name string, key, value ast.Value, checkFilter func(string) error) error {
	if !ast.IsConstant(key) {
		return nil
	}
	if name == containerBuiltin.Name {
		value = ast.String("") // any string will do
		_, err := readKey(ast.NewObject([2]*ast.Term{ast.NewTerm(key), ast.NewTerm(value)}), "")
		return err
	}
	field, err := filterKey(key)
	if err != nil || !ast.IsConstant(value) {
		return err
	}
	if text, ok := value.(ast.String); ok && field == "filter" && checkFilter != nil {
		return checkFilter(string(text))
	}
	return readField(&plimsoll.Selection{Equal: map[string]string{}}, key, value)
}
