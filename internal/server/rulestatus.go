package server

import (
	"slices"

	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/service"
)

// report updates what Status and History answer.
func (k *rulekeeper) report(rules *loadedRules) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Ruleset, k.status.Policies, k.status.Pinned = rules.Digest, rules.policies.digest, k.history.index.Pinned
	k.judging = rules.validators
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
	k.past = nil
	for _, e := range slices.Backward(k.history.index.Entries) {
		past := service.PastRuleset{Ruleset: e.Ruleset, Policies: e.Policies, Validators: e.Validators, Since: e.Since, Active: e.isOf(rules)}
		for _, s := range e.Sources {
			past.Revisions = append(past.Revisions, service.SourceRevision(s))
		}
		k.past = append(k.past, past)
	}
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
	status, judging := k.status, k.judging
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

// History implements [service.RulesetControl].
func (k *rulekeeper) History() []service.PastRuleset {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.past)
}
