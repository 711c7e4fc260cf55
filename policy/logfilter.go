package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/internal/masking"
)

// Rules of the package system.log judge nothing: they say what of a decision is recorded and
// sent on, as they do for OPA. Their input is the event of the decision, whose own input
// is input.input.
const (
	maskName = "mask"
	dropName = "drop"
)

// logPackage is the path of the package.
var logPackage = ast.Ref{ast.DefaultRootDocument, ast.StringTerm("system"), ast.StringTerm("log")}

// isLog reports whether a module is of the package system.log, or one below it.
func isLog(m *ast.Module) bool { return m.Package.Path.HasPrefix(logPackage) }

// judgingModules are those that are not about the log.
func judgingModules(modules map[string]*ast.Module) map[string]*ast.Module {
	judging := maps.Clone(modules)
	maps.DeleteFunc(judging, func(_ string, m *ast.Module) bool { return isLog(m) })
	return judging
}

// checkLog refuses what rules about the log must not be: rules that somebody takes for
// ones that judge, and a package that says nothing.
func checkLog(t text, modules map[string]*ast.Module) []Problem {
	var problems []Problem
	var first *ast.Module
	says := false
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		m := modules[name]
		if !isLog(m) {
			continue
		}
		if first == nil {
			first = m
		}
		if sightOf(m).asks {
			problems = append(problems, t.at(m.Package.Location, "rules about the decision log cannot ask for other containers", "leave plimsoll.… out: what was judged is in input.input"))
		}
		for _, r := range m.Rules {
			name, _ := r.Head.Ref()[0].Value.(ast.Var)
			if slices.Contains(decisionNames, kindOf(string(name))) {
				problems = append(problems, t.at(r.Location, string(name)+" in package system.log judges nothing: rules there are about the decision log", "move it to another package"))
			}
			says = says || m.Package.Path.Equal(logPackage) && (name == maskName || name == dropName)
		}
	}
	if first != nil && !says {
		problems = append(problems, t.at(first.Package.Location, "package system.log has no rule called mask or drop", `did you mean mask contains "/input/object/…"?`))
	}
	return problems
}

// logFilter is what the package system.log says.
type logFilter struct {
	mask, drop *query // nil if there is no such rule
}

// newLogFilter prepares the rules about the log; nil if there are none. They are compiled on
// their own, together with all that they may refer to, since their input is another.
func newLogFilter(ctx context.Context, t text, modules map[string]*ast.Module, data map[string]any) (*logFilter, error) {
	names := map[string]bool{}
	for _, m := range modules {
		if m.Package.Path.Equal(logPackage) {
			for _, r := range m.Rules {
				names[r.Head.Ref()[0].Value.String()] = true
			}
		}
	}
	for _, name := range []string{maskName, dropName} { // a mask may be a list in data, too
		names[name] = names[name] || exists(data, []string{"system", "log", name})
	}
	if !names[maskName] && !names[dropName] {
		return nil, nil //nolint:nilnil // nil is the answer
	}
	compiler, err := newCompiler(data, modules)
	if err != nil {
		return nil, err
	}
	if compiler.Compile(copiesOf(modules)); compiler.Failed() {
		return nil, asError(t.explainAll("", compiler.Errors))
	}
	prepare := func(name string) (*query, error) {
		if !names[name] {
			return nil, nil //nolint:nilnil // nil is the answer
		}
		q := &query{asked: []int{0}}
		q.prepared, err = rego.New(
			rego.Query(fmt.Sprintf("[[x | x := %s]]", logPackage.Append(ast.StringTerm(name)))),
			rego.SetRegoVersion(ast.RegoV1), rego.Compiler(compiler), rego.Capabilities(compiler.Capabilities()), rego.Store(newStore(data)),
			rego.StrictBuiltinErrors(true), withContext,
			rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t, nil }),
		).PrepareForEval(ctx)
		return q, err
	}
	f := &logFilter{}
	if f.mask, err = prepare(maskName); err != nil {
		return nil, fmt.Errorf("preparing policies: %w", err)
	}
	if f.drop, err = prepare(dropName); err != nil {
		return nil, fmt.Errorf("preparing policies: %w", err)
	}
	return f, nil
}

func copiesOf(modules map[string]*ast.Module) map[string]*ast.Module {
	copies := make(map[string]*ast.Module, len(modules))
	for name, m := range modules {
		copies[name] = m.Copy()
	}
	return copies
}

// Masks reports whether there is a rule data.system.log.mask.
func (p *Policies) Masks() bool { return p.log != nil && p.log.mask != nil }

// Mask returns what data.system.log.mask would have hidden of an event of the decision log,
// given as JSON. Errors quote nothing of it. The timeout of all policies bounds it, and ctx.
func (p *Policies) Mask(ctx context.Context, event []byte) ([]masking.Edit, error) {
	if !p.Masks() {
		return nil, nil
	}
	value, err := p.askAboutLog(ctx, p.log.mask, event)
	if err != nil || value == nil {
		return nil, err
	}
	switch value.(type) {
	case ast.Set, *ast.Array:
	default:
		return nil, maskFault(fmt.Errorf("gave %s, but a mask is a set", kind(value)))
	}
	said, err := ast.JSONWithOpt(value, ast.JSONOpt{SortSets: true, CopyMaps: true})
	if err != nil {
		return nil, maskFault(errors.New("gave what is no JSON")) // its text may quote values
	}
	edits, err := masking.ReadEdits(said)
	if err != nil {
		return nil, maskFault(err)
	}
	return edits, nil
}

// Drops reports whether there is a rule data.system.log.drop.
func (p *Policies) Drops() bool { return p.log != nil && p.log.drop != nil }

// Drop reports whether data.system.log.drop wants an event of the decision log not to be
// sent on. Errors are as of [Policies.Mask].
func (p *Policies) Drop(ctx context.Context, event []byte) (bool, error) {
	if !p.Drops() {
		return false, nil
	}
	value, err := p.askAboutLog(ctx, p.log.drop, event)
	if err != nil || value == nil {
		return false, err
	}
	drop, ok := value.(ast.Boolean)
	if !ok {
		return false, fault(logSource(dropName), fmt.Errorf("gave %s, but drop is true or false", kind(value)))
	}
	return bool(drop), nil
}

func logSource(rule string) plimsoll.Source {
	return plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: packageName(logPackage), Rule: rule}
}

func maskFault(err error) error { return fault(logSource(maskName), err) }

// askAboutLog evaluates a rule about the log; nil if it has no value.
func (p *Policies) askAboutLog(ctx context.Context, q *query, event []byte) (value ast.Value, err error) {
	onGrownStack(func() {
		defer func() { // as in judge
			if r := recover(); r != nil {
				value, err = nil, fault(evaluationSource, fmt.Errorf("panic: %s\n%s", ofPanic(r), debug.Stack()))
			}
		}()
		var input ast.Value
		if input, err = decode(event, &footprint{whole: true}, true); err != nil {
			return
		}
		ctx, done := p.limit(ctx)
		defer done()
		var results *ast.Array
		if results, err = p.evaluate(ctx, q, &plimsoll.Input{}, input); err != nil {
			return
		}
		if one, ok := results.Elem(0).Value.(*ast.Array); ok && one.Len() == 1 {
			value = one.Elem(0).Value
		}
	})
	return value, err
}
