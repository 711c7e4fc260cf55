package service

import (
	"cmp"
	"slices"
	"strings"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// Bounds on what an impact tells of groups.
const (
	maxGroups  = 1000 // of each kind
	maxSamples = 5    // of each group
)

// auditTally counts what an audit finds.
type auditTally struct {
	total *plimsollv1.AuditSummary
	rules map[string]*plimsollv1.RuleCount
}

func newAuditTally(ruleset string, revision plimsoll.Revision) *auditTally {
	return &auditTally{
		total: &plimsollv1.AuditSummary{Ruleset: ruleset, Revision: uint64(revision)},
		rules: map[string]*plimsollv1.RuleCount{},
	}
}

// add counts an opinion, and reports whether it is worth telling.
func (t *auditTally) add(o *plimsollv1.Opinion) (found bool) {
	warnings := o.GetVerdict().GetWarnings()
	switch o.GetStanding() {
	case plimsollv1.Standing_STANDING_DENIED:
		t.total.Denied++
	case plimsollv1.Standing_STANDING_FAILED:
		t.total.Failed++
		if o.GetFailed() != nil {
			t.rule(o.GetFailed()).Failed++
		}
	default:
		t.total.Admitted++
		if len(warnings) > 0 {
			t.total.Warned++
		}
		if slices.ContainsFunc(warnings, isExempted) {
			t.total.Exempted++
		}
	}
	for _, source := range sourcesOf(o.GetVerdict().GetViolations()) {
		t.rule(source).Denied++
	}
	for _, source := range sourcesOf(warnings) {
		t.rule(source).Warned++
	}
	for _, source := range sourcesOf(slices.DeleteFunc(slices.Clone(warnings), func(w *plimsollv1.Violation) bool { return !isExempted(w) })) {
		t.rule(source).Exempted++
	}
	return o.GetStanding() != plimsollv1.Standing_STANDING_ADMITTED || len(warnings) > 0
}

func isExempted(w *plimsollv1.Violation) bool {
	return w.GetWaiver().GetKind() == plimsollv1.Waiver_KIND_EXEMPTION
}

func (t *auditTally) rule(source *plimsollv1.Source) *plimsollv1.RuleCount {
	name := ruleName(source)
	if t.rules[name] == nil {
		t.rules[name] = &plimsollv1.RuleCount{Source: &plimsollv1.Source{
			Kind: source.GetKind(), Name: source.GetName(), Version: source.GetVersion(), Rule: source.GetRule(),
		}}
	}
	return t.rules[name]
}

func (t *auditTally) summary() *plimsollv1.AuditSummary {
	for _, rule := range t.rules {
		t.total.Rules = append(t.total.Rules, rule)
	}
	slices.SortFunc(t.total.GetRules(), func(a, b *plimsollv1.RuleCount) int {
		return strings.Compare(ruleName(a.GetSource()), ruleName(b.GetSource()))
	})
	return t.total
}

// ruleName is what a rule is called wherever it stands: the package and the rule, or the
// validator.
func ruleName(source *plimsollv1.Source) string {
	if source.GetKind() == plimsollv1.Source_KIND_POLICY && source.GetRule() != "" {
		return source.GetName() + "." + source.GetRule()
	}
	return source.GetName()
}

// sourcesOf are the rules that found something, each once.
func sourcesOf(found []*plimsollv1.Violation) []*plimsollv1.Source {
	var sources []*plimsollv1.Source
	seen := map[string]bool{}
	for _, v := range found {
		if name := ruleName(v.GetSource()); !seen[name] {
			seen[name] = true
			sources = append(sources, v.GetSource())
		}
	}
	return sources
}

// impactTally counts what other rules would change.
type impactTally struct {
	total   *plimsollv1.ImpactSummary
	byLabel string
	groups  map[groupKey]*plimsollv1.EffectGroup
}

// groupKey is what containers of a group have in common.
type groupKey struct{ by, name string }

// groupKinds are the kinds of groups, in order.
var groupKinds = []string{"rule", "namespace", "label"}

func newImpactTally(active, candidate string, revision plimsoll.Revision, byLabel string) *impactTally {
	return &impactTally{
		total: &plimsollv1.ImpactSummary{
			ActiveRuleset: active, CandidateRuleset: candidate, Revision: uint64(revision), All: &plimsollv1.EffectCounts{},
		},
		byLabel: byLabel,
		groups:  map[groupKey]*plimsollv1.EffectGroup{},
	}
}

// compared is a container or an attempt that two rulesets have judged.
type compared struct {
	container         *plimsollv1.ContainerRef
	labels            map[string]string
	decision          string // of an attempt
	active, candidate *plimsollv1.Opinion
}

// add says what the effect is, counts it, and reports whether it is worth telling.
func (t *impactTally) add(c compared) (effect plimsollv1.Effect, affected bool) {
	effect = effectOf(c.active.GetStanding(), c.candidate.GetStanding())
	count(t.total.GetAll(), effect)
	keys := []groupKey{{"namespace", c.container.GetNamespace()}}
	if value, labelled := c.labels[t.byLabel]; labelled && t.byLabel != "" {
		keys = append(keys, groupKey{"label", value})
	}
	for _, source := range c.concerned(effect) {
		keys = append(keys, groupKey{"rule", ruleName(source)})
	}
	affected = effect > plimsollv1.Effect_EFFECT_STILL_DENIED
	for _, key := range keys {
		group := t.groups[key]
		if group == nil {
			group = &plimsollv1.EffectGroup{By: key.by, Name: key.name, Counts: &plimsollv1.EffectCounts{}}
			t.groups[key] = group
		}
		count(group.GetCounts(), effect)
		if affected && len(group.GetSamples()) < maxSamples {
			group.Samples = append(group.Samples, c.container)
			if c.decision != "" {
				group.Decisions = append(group.Decisions, c.decision)
			}
		}
	}
	return effect, affected
}

// concerned are the rules that an effect is of: those of the candidate that deny or fail,
// or those of now that deny and would not any more.
func (c compared) concerned(effect plimsollv1.Effect) []*plimsollv1.Source {
	opinion := c.candidate
	if effect == plimsollv1.Effect_EFFECT_NEWLY_ADMITTED {
		opinion = c.active
	}
	if opinion.GetFailed() != nil {
		return []*plimsollv1.Source{opinion.GetFailed()}
	}
	return sourcesOf(opinion.GetVerdict().GetViolations())
}

func effectOf(active, candidate plimsollv1.Standing) plimsollv1.Effect {
	const admitted = plimsollv1.Standing_STANDING_ADMITTED
	switch {
	case candidate == plimsollv1.Standing_STANDING_FAILED:
		return plimsollv1.Effect_EFFECT_FAILED
	case active == admitted && candidate == admitted:
		return plimsollv1.Effect_EFFECT_STILL_ADMITTED
	case active == admitted:
		return plimsollv1.Effect_EFFECT_NEWLY_DENIED
	case candidate == admitted:
		return plimsollv1.Effect_EFFECT_NEWLY_ADMITTED
	}
	return plimsollv1.Effect_EFFECT_STILL_DENIED
}

func count(counts *plimsollv1.EffectCounts, effect plimsollv1.Effect) {
	switch effect {
	case plimsollv1.Effect_EFFECT_STILL_ADMITTED:
		counts.StillAdmitted++
	case plimsollv1.Effect_EFFECT_STILL_DENIED:
		counts.StillDenied++
	case plimsollv1.Effect_EFFECT_NEWLY_DENIED:
		counts.NewlyDenied++
	case plimsollv1.Effect_EFFECT_NEWLY_ADMITTED:
		counts.NewlyAdmitted++
	default:
		counts.Failed++
	}
}

// summary has the groups of each kind, those with the most effects first.
func (t *impactTally) summary() *plimsollv1.ImpactSummary {
	byKind := map[string][]*plimsollv1.EffectGroup{}
	for key, group := range t.groups {
		byKind[key.by] = append(byKind[key.by], group)
	}
	effects := func(g *plimsollv1.EffectGroup) int64 {
		return g.GetCounts().GetNewlyDenied() + g.GetCounts().GetNewlyAdmitted() + g.GetCounts().GetFailed()
	}
	for _, kind := range groupKinds {
		groups := byKind[kind]
		slices.SortFunc(groups, func(a, b *plimsollv1.EffectGroup) int {
			return cmp.Or(cmp.Compare(effects(b), effects(a)), strings.Compare(a.GetName(), b.GetName()))
		})
		t.total.Groups = append(t.total.Groups, groups[:min(len(groups), maxGroups)]...)
	}
	return t.total
}
