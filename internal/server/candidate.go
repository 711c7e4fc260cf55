package server

import (
	"context"

	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/service"
)

// Candidate implements [service.RulesetControl]. Signatures are not looked at: nothing is
// admitted by a candidate.
func (k *rulekeeper) Candidate(ctx context.Context, c service.Candidate) (*service.Ruleset, error) {
	rules, err := k.loadCandidate(ctx, c)
	if err != nil {
		return nil, err
	}
	return &rules.Ruleset, nil
}

// loadCandidate reads and loads a candidate. What is wrong with it is a
// [service.RefusedCandidateError].
func (k *rulekeeper) loadCandidate(ctx context.Context, c service.Candidate) (*loadedRules, error) {
	read, err := k.readCandidate(ctx, c)
	if err != nil {
		return nil, refusedCandidate(ctx, err)
	}
	return k.loadOnTrial(ctx, read)
}

func refusedCandidate(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == errNotKept || err == errAmbiguousDigest: //nolint:errorlint // as find returns them, about the request
		return err
	}
	return &service.RefusedCandidateError{Err: err}
}

// loadOnTrial loads rules that are to judge nothing. They share nothing with those that
// judge: what befalls the one must not befall the other. The caller releases them.
func (k *rulekeeper) loadOnTrial(ctx context.Context, c candidate) (*loadedRules, error) {
	if c.policies.judge == nil {
		if err := c.policies.compile(ctx, k.config, k.optionsOnTrial()); err != nil {
			return nil, refusedCandidate(ctx, err)
		}
	}
	validators := k.plugins
	// However often a validator fails, it is asked: it is to be seen what it says. And it
	// does not count among those that judge.
	validators.Verifier, validators.AlwaysAsk, validators.Observe = nil, true, nil
	rules, err := loadRuleset(ctx, k.config, validators, c, nil)
	if err != nil {
		return nil, refusedCandidate(ctx, err)
	}
	rules.Release = func() {
		if err := rules.close(); err != nil {
			k.log.Error("releasing a candidate", "ruleset", rules.Digest, "error", err.Error())
		}
	}
	return rules, nil
}

// optionsOnTrial are those of policies whose signature is not looked at.
func (k *rulekeeper) optionsOnTrial() policy.Options {
	options := k.options
	options.Verifier = nil
	return options
}

// readCandidate reads a candidate, with what judges now in the place of what it has none
// of.
func (k *rulekeeper) readCandidate(ctx context.Context, c service.Candidate) (read candidate, err error) {
	if c.Digest != "" {
		return k.readKept(ctx, c.Digest)
	}
	k.changing.Lock()
	read = candidate{k.active.policies, k.active.read}
	k.changing.Unlock()
	if len(c.Policies) > 0 {
		if read.policies, err = k.readPushedPolicies(ctx, c.Policies); err != nil {
			return read, err
		}
	}
	if len(c.Validators) > 0 {
		sources := make([]plugins.Source, len(c.Validators))
		for i, b := range c.Validators {
			sources[i] = plugins.Archive(b.Name, b.Archive)
		}
		set := plugins.Read(ctx, k.plugins, sources...)
		read.validators = readValidators{set, set.Fingerprint()}
	}
	return read, ctx.Err()
}

// readPushedPolicies reads policies of a candidate. If they are signed as the server wants
// it, all that the signature covers is read, so that it can be looked at again.
func (k *rulekeeper) readPushedPolicies(ctx context.Context, bundles []service.PolicyBundle) (p loadedPolicies, err error) {
	sources := make([]policy.Source, len(bundles))
	for i, b := range bundles {
		sources[i] = policy.Archive(b.Name, b.Archive)
	}
	p.set, err = policy.Read(ctx, k.options, sources...)
	if err != nil && k.options.Verifier != nil {
		p.set, err = policy.Read(ctx, k.optionsOnTrial(), sources...)
	}
	if err == nil {
		p.fingerprint, err = p.set.Fingerprint()
	}
	return p, err
}

// readKept reads rules that are kept, or that judge now.
func (k *rulekeeper) readKept(ctx context.Context, digest string) (candidate, error) {
	entry, err := k.findKept(digest)
	if err != nil {
		return candidate{}, err
	}
	return k.readEntry(ctx, *entry)
}

// readEntry reads rules of the history that are to judge nothing.
func (k *rulekeeper) readEntry(ctx context.Context, entry historyEntry) (c candidate, err error) {
	k.changing.Lock()
	defer k.changing.Unlock()
	c = candidate{k.active.policies, k.active.read}
	if entry.Policies != None && entry.Policies != c.policies.digest {
		c.policies = loadedPolicies{}
		if c.policies.set, err = k.history.load(ctx, k.optionsOnTrial(), entry.Policies); err != nil {
			return c, err
		}
		if c.policies.fingerprint, err = c.policies.set.Fingerprint(); err != nil {
			return c, err
		}
	}
	if entry.Set != "" && entry.Set != c.validators.fingerprint {
		c.validators, err = k.readKeptValidators(ctx, entry.Set)
	}
	return c, err
}
