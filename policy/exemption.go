package policy

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/plimsoll-project/plimsoll"
)

// ExemptionSchema is the JSON Schema (draft 7) of what rules about exemptions see. See
// [plimsoll.ExemptionRequest].
//
//go:embed exemption.schema.json
var ExemptionSchema []byte

// JudgeExemption evaluates the rules about exemptions, which are those with
//
//	# METADATA
//	# custom:
//	#   match: {kinds: [exemption]}
//
// They judge nothing else, and always enforce. It reports whether there are any: without,
// there is no verdict. The errors are those of [plimsoll.Judge].
func (p *Policies) JudgeExemption(ctx context.Context, r *plimsoll.ExemptionRequest) (verdict plimsoll.Verdict, ruled bool, err error) {
	if p.exemptions == nil {
		return plimsoll.Verdict{}, false, nil
	}
	onGrownStack(func() {
		defer func() { // as in judge
			if r := recover(); r != nil {
				verdict, err = plimsoll.Verdict{}, fault(evaluationSource, fmt.Errorf("panic: %s\n%s", ofPanic(r), debug.Stack()))
			}
		}()
		verdict, err = p.judgeExemption(ctx, r)
	})
	return verdict, true, err
}

func (p *Policies) judgeExemption(ctx context.Context, r *plimsoll.ExemptionRequest) (plimsoll.Verdict, error) {
	in := &plimsoll.Input{Operation: r.Operation, User: r.User, DryRun: r.DryRun, Object: &plimsoll.Container{}}
	q, err := p.exemptions.matching(in, nil)
	if q == nil || err != nil {
		return plimsoll.Verdict{}, err
	}
	doc, err := r.JSON()
	if err != nil {
		return plimsoll.Verdict{}, fmt.Errorf("encoding an exemption request: %w", err)
	}
	input, err := decode(doc, &q.footprint, false)
	if err != nil {
		return plimsoll.Verdict{}, err
	}
	ctx, done := p.limit(ctx)
	defer done()
	results, err := p.evaluate(ctx, q, in, input)
	if err != nil {
		return plimsoll.Verdict{}, err
	}
	verdict, err := p.read(q, results)
	slices.SortFunc(verdict.Violations, compare)
	slices.SortFunc(verdict.Warnings, compare)
	return verdict, err
}

// checkExemptionRules refuses rules about exemptions that would let in what somebody means
// to keep out.
func checkExemptionRules(t text, rules []rule) []Problem {
	var problems []Problem
	problem := func(r *rule, message, hint string) {
		problems = append(problems, t.at(r.location, message, hint))
	}
	var about []*rule
	denies := false
	for n := range rules {
		r := &rules[n]
		if !r.match.isAboutExemptions() {
			continue
		}
		about = append(about, r)
		switch {
		case r.patches():
			problem(r, "exemptions cannot be patched", "deny what they should not be")
		case r.enforcement != Enforce:
			problem(r, fmt.Sprintf("custom.enforcement is %q, but rules about exemptions always enforce", string(r.enforcement)), "leave it out, or call the rule warn")
		case !r.warns:
			denies = true
		}
	}
	if len(about) > 0 && !denies && len(problems) == 0 {
		problem(about[0], "the rules about exemptions only warn, so they would admit every exemption", "write one that denies")
	}
	return problems
}

// withExemptions adds to the schema of the input document what rules about exemptions see
// besides.
func withExemptions(input, exemption map[string]any) error {
	properties, ok := input["properties"].(map[string]any)
	more, also := exemption["properties"].(map[string]any)
	if !ok || !also {
		return fmt.Errorf("the schemas of the input have no properties")
	}
	for name, schema := range maps.All(more) {
		if _, known := properties[name]; !known {
			properties[name] = schema
		}
	}
	return nil
}
