package policy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/internal/masking"
)

// Bounds on an explanation.
const (
	maxFiredRules = 64
	maxFirings    = 3 // shown of each
	maxVariables  = 24
	maxValueBytes = 240
	maxRuleBytes  = 4 << 10
)

// Explain evaluates all rules on an input document, and tells which of them fired and what
// their variables were then. It takes longer than Judge, which it changes nothing of: it
// remembers nothing, and fails as Judge does, a [plimsoll.TimeoutError] included.
//
// Of in, only Operation, Namespace and Others are looked at. What is to be kept secret
// must be hidden in doc, and in what Others gives, before: values are shown as they are,
// but for what [masking.Document] recognises.
func (p *Policies) Explain(ctx context.Context, in *plimsoll.Input, doc []byte) (explanation *plimsoll.Explanation, err error) {
	onGrownStack(func() {
		defer func() { // as in judge
			if r := recover(); r != nil {
				explanation, err = nil, fault(evaluationSource, fmt.Errorf("panic: %s\n%s", ofPanic(r), debug.Stack()))
			}
		}()
		explanation, err = p.explain(ctx, in, doc)
	})
	return explanation, err
}

func (p *Policies) explain(ctx context.Context, in *plimsoll.Input, doc []byte) (*plimsoll.Explanation, error) {
	whole, err := decode(doc, &footprint{whole: true}, true)
	if err != nil {
		return nil, err
	}
	ctx, done := p.limit(ctx)
	defer done()
	explanation := &plimsoll.Explanation{}
	fired := p.newTracer()
	in = inputOf(in, whole)
	for _, g := range p.groups {
		q, err := g.matching(in, nil)
		if err != nil {
			return nil, err
		}
		if q == nil {
			continue
		}
		input, err := decode(doc, &q.footprint, true)
		if err != nil {
			return nil, err
		}
		results, err := p.evaluate(ctx, q, in, input, rego.EvalQueryTracer(fired))
		if err != nil {
			return nil, err
		}
		verdict, err := p.read(q, results)
		if err != nil {
			return nil, err
		}
		explanation.Verdict.Add(verdict)
		explanation.AsksOthers = explanation.AsksOthers || g.verdicts == nil
	}
	explanation.Verdict = p.reclassify(explanation.Verdict, plimsoll.Key{Namespace: in.Namespace, ID: in.Object.ID})
	slices.SortFunc(explanation.Verdict.Violations, compare)
	slices.SortFunc(explanation.Verdict.Warnings, compare)
	explanation.Rules = p.firedRules(explanation.Verdict, fired.firings, whole)
	return explanation, nil
}

// ExplainPatches tells which of the rules called patch fire on an input document, as
// [Policies.Explain] does for those that judge. The document is that of the object before
// anything was patched: what fires only on what others made of it is not told.
func (p *Policies) ExplainPatches(ctx context.Context, in *plimsoll.Input, doc []byte) (rules []plimsoll.FiredRule, err error) {
	if p.patches == nil || in.Operation == plimsoll.OperationDelete {
		return nil, nil
	}
	onGrownStack(func() {
		defer func() { // as in judge
			if r := recover(); r != nil {
				rules, err = nil, fault(evaluationSource, fmt.Errorf("panic: %s\n%s", ofPanic(r), debug.Stack()))
			}
		}()
		rules, err = p.explainPatches(ctx, in, doc)
	})
	return rules, err
}

func (p *Policies) explainPatches(ctx context.Context, in *plimsoll.Input, doc []byte) ([]plimsoll.FiredRule, error) {
	whole, err := decode(doc, &footprint{whole: true}, true)
	if err != nil {
		return nil, err
	}
	in = inputOf(in, whole)
	q, err := p.patches.matching(in, nil)
	if q == nil || err != nil {
		return nil, err
	}
	input, err := decode(doc, &q.footprint, true)
	if err != nil {
		return nil, err
	}
	ctx, done := p.limit(ctx)
	defer done()
	fired := p.newTracer()
	results, err := p.evaluate(ctx, q, in, input, rego.EvalQueryTracer(fired))
	if err != nil {
		return nil, err
	}
	var said plimsoll.Verdict // who patches, each time
	for i, n := range q.asked {
		err := p.readPatch(n, results.Elem(i).Value, func(r *rule, _ ast.Value) error {
			said.Violations = append(said.Violations, plimsoll.Violation{Source: r.source})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(said.Violations, compare)
	return p.firedRules(said, fired.firings, whole), nil
}

// inputOf is as much of an input as is needed to evaluate rules on a document.
func inputOf(in *plimsoll.Input, document ast.Value) *plimsoll.Input {
	return &plimsoll.Input{
		Operation: in.Operation, Namespace: in.Namespace, Others: in.Others,
		Object: &plimsoll.Container{ID: fieldIn(document, "id"), Runtime: plimsoll.Runtime{Name: fieldIn(document, "runtime")}},
	}
}

// fieldIn is a field of the object of an input document: the runtime, by which rules are
// matched, or the ID, by which containers are in the share of a canary.
func fieldIn(document ast.Value, field string) string {
	value, err := document.Find(ast.Ref{ast.StringTerm("object"), ast.StringTerm(field)})
	if name, ok := value.(ast.String); err == nil && ok {
		return string(name)
	}
	return ""
}

// firedRules tells of the rules that a verdict is of.
func (p *Policies) firedRules(verdict plimsoll.Verdict, firings map[int][][]plimsoll.Variable, input ast.Value) []plimsoll.FiredRule {
	var rules []plimsoll.FiredRule
	for _, said := range slices.Concat(verdict.Violations, verdict.Warnings) {
		if i := slices.IndexFunc(rules, func(r plimsoll.FiredRule) bool { return r.Source == said.Source }); i >= 0 {
			rules[i].Count++
			continue
		}
		n := slices.IndexFunc(p.rules, func(r rule) bool { return r.source == said.Source })
		if n < 0 || len(rules) == maxFiredRules {
			continue
		}
		r := &p.rules[n]
		f := plimsoll.FiredRule{Source: r.source, Title: r.title, Warns: r.warns, Text: p.textOf(r), Count: 1, Firings: firings[n]}
		seen := p.inputsOf(r, input)
		if len(f.Firings) == 0 {
			f.Firings = [][]plimsoll.Variable{nil}
		}
		for i, variables := range f.Firings {
			all := slices.Concat(variables, seen)
			f.Firings[i] = all[:min(maxVariables, len(all))]
		}
		rules = append(rules, f)
	}
	return rules
}

func (p *Policies) clauseOf(r *rule) *ast.Rule { return p.modules[r.module].Rules[r.index] }

// textOf is the source text of a rule.
func (p *Policies) textOf(r *rule) string {
	return string(masking.Cut(slices.Clone(p.clauseOf(r).Location.Text), maxRuleBytes))
}

// inputsOf are the fields of the input that a rule names, with their values.
func (p *Policies) inputsOf(r *rule, input ast.Value) []plimsoll.Variable {
	var variables []plimsoll.Variable
	inputRefs(p.clauseOf(r), func(path ast.Ref) {
		known := ast.Ref{ast.InputRootDocument}
		for _, term := range path {
			if _, ok := term.Value.(ast.String); !ok {
				break
			}
			known = append(known, term)
		}
		name := known.String()
		if len(known) == 1 || slices.ContainsFunc(variables, func(v plimsoll.Variable) bool { return v.Name == name }) {
			return
		}
		value, err := input.Find(known[1:])
		if err != nil {
			variables = append(variables, plimsoll.Variable{Name: name, Value: "undefined"})
			return
		}
		variables = append(variables, plimsoll.Variable{Name: name, Value: valueText(value)})
	})
	slices.SortFunc(variables, func(a, b plimsoll.Variable) int { return strings.Compare(a.Name, b.Name) })
	return variables
}

// valueText is a value as JSON, without what is recognised as a secret.
func valueText(v ast.Value) string {
	value, err := ast.JSON(v)
	if err != nil {
		return masking.Mask
	}
	text, err := json.Marshal(value)
	if err == nil {
		text, err = masking.Document(text)
	}
	if err != nil {
		return masking.Mask
	}
	return string(masking.Cut(text, maxValueBytes))
}

// place is where a rule begins.
type place struct {
	file     string
	row, col int
}

func placeOf(l *ast.Location) place { return place{l.File, l.Row, l.Col} }

// places are the numbers of all rules that decide.
func (p *Policies) places() map[place]int {
	places := make(map[place]int, len(p.rules))
	for n := range p.rules {
		places[placeOf(p.clauseOf(&p.rules[n]).Location)] = n
	}
	return places
}

// tracer remembers the variables of the rules that decide, whenever one has come to the
// end of its body.
type tracer struct {
	policies *Policies
	at       map[place]int
	firings  map[int][][]plimsoll.Variable // by number of the rule
}

func (p *Policies) newTracer() *tracer {
	return &tracer{policies: p, at: p.places(), firings: map[int][][]plimsoll.Variable{}}
}

var _ topdown.QueryTracer = (*tracer)(nil)

// Enabled implements topdown.QueryTracer.
func (t *tracer) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (t *tracer) Config() topdown.TraceConfig { return topdown.TraceConfig{PlugLocalVars: true} }

// TraceEvent implements topdown.QueryTracer.
func (t *tracer) TraceEvent(event topdown.Event) {
	r, ok := event.Node.(*ast.Rule)
	if !ok || event.Op != topdown.ExitOp || r.Location == nil {
		return
	}
	n, ok := t.at[placeOf(r.Location)]
	// Of a set, the copies of its clauses are what is asked: see copyClauses.
	if !ok || len(t.firings[n]) == maxFirings || isHidden(r.Module.Package.Path) != (t.policies.rules[n].shape == clause) {
		return
	}
	var variables []plimsoll.Variable
	event.Locals.Iter(func(key, value ast.Value) bool {
		variable, _ := key.(ast.Var)
		name := event.LocalMetadata[variable].Name
		if name != "" && !name.IsGenerated() && !name.IsWildcard() && value.IsGround() {
			variables = append(variables, plimsoll.Variable{Name: string(name), Value: valueText(value)})
		}
		return len(variables) == maxVariables
	})
	slices.SortFunc(variables, func(a, b plimsoll.Variable) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
	t.firings[n] = append(t.firings[n], variables)
}
