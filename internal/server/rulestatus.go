package server

import (
	"slices"
	"strings"

	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/service"
)

// report updates what Status and History answer.
func (k *rulekeeper) report(rules *loadedRules) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Ruleset, k.status.Policies, k.status.Pinned = rules.Digest, rules.policies.digest, k.history.index.Pinned
	k.judging = rules.validators
	k.status.Since = k.now()
	if last := k.history.last(); last != nil && last.Policies == rules.policies.digest {
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
		past := service.PastRuleset{Ruleset: e.Ruleset, Policies: e.Policies, Since: e.Since, Active: e.Policies == rules.policies.digest}
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
		r.mu.Lock()
		status.Sources = append(status.Sources, service.SourceStatus{
			Name: r.source.Name(), Version: strings.Trim(r.version, `W/"`), Checked: r.checked, Err: r.err, Remote: true,
		})
		r.mu.Unlock()
	}
	return status
}

// History implements [service.RulesetControl].
func (k *rulekeeper) History() []service.PastRuleset {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.past)
}
