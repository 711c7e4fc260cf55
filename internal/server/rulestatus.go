package server

import (
	"slices"

	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/service"
)

// report updates what Status and Kept answer.
func (k *rulekeeper) report(rules *loadedRules) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Ruleset, k.status.Policies, k.status.Pinned = rules.Digest, rules.policies.digest, k.history.index.Pinned
	k.validators = rules.validators
	k.status.Validators, k.status.Bound = rules.validatorsDigest(), boundValidators(rules)
	k.status.Since = k.now()
	if last := k.history.last(); last != nil && last.isOf(rules) {
		k.status.Since = last.Since
	}
	k.status.Revisions = nil
	if rules.policies.set != nil {
		for _, info := range rules.policies.set.Info() {
			k.status.Revisions = append(k.status.Revisions, service.SourceRevision(info))
		}
	}
	k.kept = k.history.kept(rules)
}

// reportShadow updates what is said of the rules in shadow. k.changing is held.
func (k *rulekeeper) reportShadow(shadowed *service.ShadowedRuleset) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shadowed = shadowed
	k.kept = k.history.kept(k.active)
}

// reportCheck notes when the rules were last looked at and what came of it.
func (k *rulekeeper) reportCheck(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Checked, k.status.Err = k.now(), err
}

// Status implements [service.RulesetControl].
func (k *rulekeeper) Status() service.RulesetStatus {
	k.mu.Lock()
	status, judging := k.status, k.validators
	k.mu.Unlock()
	if judging != nil {
		for _, q := range judging.Quarantines() {
			status.Quarantines = append(status.Quarantines, service.Quarantine{
				Validator: q.Validator, Namespace: q.Namespace, User: q.User, Since: q.Since, Until: q.Until,
			})
		}
	}
	status.Sources = nil
	for _, path := range k.config.Policies {
		r := k.remotes[path]
		if r == nil {
			status.Sources = append(status.Sources, service.SourceStatus{Name: policy.Path(path).Name(), Checked: status.Checked})
			continue
		}
		status.Sources = append(status.Sources, r.status())
	}
	for _, r := range k.modules.all() {
		status.Sources = append(status.Sources, r.status())
	}
	return status
}

// boundValidators describes the validators of rules.
func boundValidators(rules *loadedRules) []service.BoundValidator {
	if rules.validators == nil {
		return nil
	}
	var bound []service.BoundValidator
	for _, info := range rules.validators.List() {
		b := service.BoundValidator{
			Name: info.Name, Version: info.Version, Module: info.Module, SHA256: info.SHA256, Enforcement: string(info.Enforcement),
		}
		if info.Signature != nil {
			b.KeyID, b.Comment = info.Signature.KeyID, info.Signature.Comment
		}
		bound = append(bound, b)
	}
	return bound
}

// Kept implements [service.RulesetControl].
func (k *rulekeeper) Kept() []service.KeptRuleset {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.kept)
}
