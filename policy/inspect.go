package policy

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Inspection is what is in a set of policies.
type Inspection struct {
	// Digest is that of [Policies.Digest].
	Digest   string             `json:"digest"`
	Packages []InspectedPackage `json:"packages"`
	// Data are the names of the data document's outermost values, sorted.
	Data []string `json:"data"`
	// Tests are the files with tests, sorted.
	Tests []string `json:"tests"`
}

// InspectedPackage is a package with rules that decide, and what they have to do with
// the world.
type InspectedPackage struct {
	Package
	// Sees are the parts of the input that its rules can see, such as
	// input.object.labels, sorted. What they cannot see makes no difference to them.
	Sees []string `json:"sees"`
	// Asks says that its rules ask for other containers.
	Asks bool `json:"asks_for_containers"`
	// Matches are what its rules say of the mutations that they are asked about, each once,
	// such as "operations CREATE; namespaces prod-*". There are none if all rules are asked
	// about every mutation, and "all" stands for rules of which that is so.
	Matches []string `json:"matches"`
	// Builtins are the functions of Rego that it calls itself, sorted, but for operators.
	Builtins []string `json:"builtins"`
}

// Inspect loads the policies and says what is in them.
func (w *Workspace) Inspect(ctx context.Context) (*Inspection, error) {
	policies, err := w.Load(ctx)
	if err != nil {
		return nil, err
	}
	modules := w.Modules()
	maps.DeleteFunc(modules, func(name string, _ *ast.Module) bool { return IsTest(name) })
	modules = judgingModules(modules)
	compiler, err := newCompiler(w.data, modules)
	if err != nil {
		return nil, err
	}
	if compiler.Compile(modules); compiler.Failed() {
		return nil, w.Explain(compiler.Errors)
	}
	result := &Inspection{Digest: policies.Digest(), Data: slices.Sorted(maps.Keys(w.data)), Packages: []InspectedPackage{}, Tests: []string{}}
	visible := visibleTo(compiler.Modules)
	for _, p := range policies.Packages() {
		sees := visible(compiler.Modules[p.Files[0]])
		result.Packages = append(result.Packages, InspectedPackage{
			Package: p, Sees: sees.pathsBelow("input"), Asks: sees.asks, Matches: policies.matchesOf(p.Name),
			Builtins: builtinsOf(compiler.Modules, p.Name),
		})
	}
	for _, f := range w.files {
		if f.isTest() {
			result.Tests = append(result.Tests, f.name)
		}
	}
	return result, nil
}

// matchesOf says which mutations the rules of a package are asked about.
func (p *Policies) matchesOf(pkg string) []string {
	matches, selective := []string{}, false
	for _, r := range p.rules {
		if r.source.Name == pkg {
			matches, selective = append(matches, r.match.describe()), selective || r.match != nil
		}
	}
	if !selective {
		return []string{}
	}
	slices.Sort(matches)
	return slices.Compact(matches)
}

// pathsBelow lists what is in f, which is at a path.
func (f *footprint) pathsBelow(at string) []string {
	if f.whole {
		return []string{at}
	}
	paths := []string{}
	for _, key := range slices.Sorted(maps.Keys(f.keys)) {
		paths = append(paths, f.keys[key].pathsBelow(at+"."+key)...)
	}
	return paths
}

// builtinsOf lists the builtins that modules of a package call.
func builtinsOf(modules map[string]*ast.Module, pkg string) []string {
	operators := map[string]bool{}
	for _, b := range capabilities().Builtins {
		operators[b.Name] = b.Infix != "" || strings.HasPrefix(b.Name, "internal.")
	}
	found := map[string]bool{}
	add := func(operator ast.Ref) {
		if isOperator, known := operators[operator.String()]; known && !isOperator {
			found[operator.String()] = true
		}
	}
	for _, m := range modules {
		if packageName(m.Package.Path) != pkg {
			continue
		}
		ast.WalkExprs(m, func(e *ast.Expr) bool {
			if e.IsCall() {
				add(e.Operator())
			}
			return false
		})
	}
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(found))))
}
