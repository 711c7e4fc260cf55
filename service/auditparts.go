package service

import (
	"context"
	"errors"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// auditedRules is what rules are made of, to tell what of them has changed.
type auditedRules struct {
	digest string
	// parts are the digests of the parts by kind and name; nil if a judge has none.
	parts map[partKey]string
	patch string
}

type partKey struct {
	kind plimsollv1.Source_Kind
	name string
}

// rulesUnderAudit are rules that judge in a round.
type rulesUnderAudit struct {
	*auditedRules
	rules *Ruleset
	// order has all parts, in the order of verdicts.
	order []partUnderAudit
	// since is what has changed since others; nil stands for everything.
	since map[*auditedRules]*changedParts
}

type partUnderAudit struct {
	partKey
	plimsoll.Part
}

// changedParts are those that are new or other than they were.
type changedParts map[partKey]bool

func partsOf(rules *Ruleset) *rulesUnderAudit {
	r := &rulesUnderAudit{auditedRules: &auditedRules{digest: rules.Digest}, rules: rules, since: map[*auditedRules]*changedParts{}}
	parts := map[partKey]string{}
	for _, side := range []struct {
		kind  plimsollv1.Source_Kind
		judge plimsoll.Judge
	}{{plimsollv1.Source_KIND_POLICY, rules.Policies}, {plimsollv1.Source_KIND_VALIDATOR, rules.Validators}} {
		judge, ok := side.judge.(plimsoll.PartedJudge)
		if !ok {
			return r
		}
		for _, part := range judge.Parts() {
			key := partKey{side.kind, part.Name}
			parts[key] = part.Digest
			r.order = append(r.order, partUnderAudit{key, part})
		}
	}
	if rules.Patches != nil {
		patches, ok := rules.Patches.(interface{ PatchDigest() string })
		if !ok {
			return r
		}
		r.patch = patches.PatchDigest()
	}
	r.parts = parts
	return r
}

// changed are the parts that are not what they were in other rules; nil if what was found
// by those is of no use.
func (r *rulesUnderAudit) changed(before *auditedRules) *changedParts {
	if found, known := r.since[before]; known {
		return found
	}
	var changed *changedParts
	if r.parts != nil && before.parts != nil && r.patch == before.patch {
		changed = &changedParts{}
		for key, digest := range r.parts {
			if before.parts[key] != digest {
				(*changed)[key] = true
			}
		}
	}
	r.since[before] = changed
	return changed
}

// only are the rules with no other parts than those that are chosen.
func (r *rulesUnderAudit) only(chosen changedParts) *Ruleset {
	some := *r.rules
	some.Policies = partsJudge{r.rules.Policies, plimsollv1.Source_KIND_POLICY, chosen}
	some.Validators = partsJudge{r.rules.Validators, plimsollv1.Source_KIND_VALIDATOR, chosen}
	return &some
}

// partsJudge judges by some parts of a judge.
type partsJudge struct {
	judge  plimsoll.Judge
	kind   plimsollv1.Source_Kind
	chosen changedParts
}

// Judge implements [plimsoll.Judge].
func (j partsJudge) Judge(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
	parted, ok := j.judge.(plimsoll.PartedJudge)
	if !ok {
		return plimsoll.Verdict{}, errors.New("a judge without parts was asked for some") // never
	}
	return parted.JudgeParts(ctx, in, func(name string) bool { return j.chosen[partKey{j.kind, name}] })
}
