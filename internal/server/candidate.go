package server

import (
	"context"

	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/service"
)

// Candidate implements [service.RulesetControl]. Signatures are not looked at: nothing is
// admitted by a candidate.
func (k *rulekeeper) Candidate(ctx context.Context, bundles []service.PolicyBundle) (*service.Ruleset, error) {
	rules, err := k.loadCandidate(ctx, bundles)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &service.RefusedCandidateError{Err: err}
	}
	rules.Release = func() {
		if err := rules.close(); err != nil {
			k.log.Error("releasing a candidate", "ruleset", rules.Digest, "error", err.Error())
		}
	}
	return &rules.Ruleset, nil
}

func (k *rulekeeper) loadCandidate(ctx context.Context, bundles []service.PolicyBundle) (*loadedRules, error) {
	options := k.options
	options.Verifier = nil
	sources := make([]policy.Source, len(bundles))
	for i, b := range bundles {
		sources[i] = policy.Archive(b.Name, b.Archive)
	}
	set, err := policy.Read(ctx, options, sources...)
	if err != nil {
		return nil, err
	}
	policies := loadedPolicies{set: set}
	if policies.fingerprint, err = set.Fingerprint(); err != nil {
		return nil, err
	}
	if err := policies.compile(ctx, k.config, options); err != nil {
		return nil, err
	}
	k.changing.Lock() // so that the validators are not released meanwhile
	defer k.changing.Unlock()
	return loadRuleset(ctx, k.config, k.plugins, candidate{policies, k.active.read}, k.active)
}
