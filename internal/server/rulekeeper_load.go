package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
)

func (k *rulekeeper) hasNoPolicies() bool { return slices.Equal(k.config.Policies, []string{None}) }

// loadFirst loads the rules to begin with: those that are pinned, or those that are
// configured.
func (k *rulekeeper) loadFirst(ctx context.Context) (*loadedRules, error) {
	if last := k.history.last(); last != nil && k.history.index.Pinned {
		k.log.Warn("the rules are pinned: they were promoted or gone back to; plimsoll ruleset reload ends that", "policies", last.Policies, "validators", last.Validators)
		rules, err := k.loadKept(ctx, *last)
		if err != nil {
			return nil, fmt.Errorf("%w; to have them loaded from where they come from, remove %s", err, k.history.indexPath())
		}
		return rules, nil
	}
	k.fetch(ctx)
	rules, err := k.loadConfigured(ctx)
	if err == nil || ctx.Err() != nil || !k.forgetPolicies(err) {
		return rules, err
	}
	// Whoever can write to where policies come from, without a key to sign them, must not
	// keep servers from starting.
	kept, keptErr := k.loadConfigured(ctx)
	if keptErr != nil {
		return nil, err // which is the one to be seen to
	}
	return kept, nil
}

// loadConfigured loads the rules that are configured, as they were fetched last.
func (k *rulekeeper) loadConfigured(ctx context.Context) (*loadedRules, error) {
	c, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	return k.load(ctx, c)
}

// forgetPolicies drops the policies that were fetched, because of what is wrong with the
// rules, so that those that judged last count. It reports whether there are any.
func (k *rulekeeper) forgetPolicies(err error) bool {
	fetched := false
	for _, r := range k.remotes {
		if _, ok := r.fetched(); ok {
			r.forget(fmt.Errorf("the rules with what is served there now are refused: %w", err))
			fetched = true
		}
	}
	return fetched
}

// fetch asks all other machines for policies and validators. What fails is kept with the
// remote.
func (k *rulekeeper) fetch(ctx context.Context) {
	var all sync.WaitGroup
	for _, r := range k.remotes {
		all.Go(func() { _, _ = r.refresh(ctx) })
	}
	all.Go(func() { k.fetchModules(ctx, true) })
	all.Wait()
}

// fetchFailure is why the last fetch of anything failed; nil if none did.
func (k *rulekeeper) fetchFailure() error {
	var errs []error
	for _, r := range k.remotes {
		errs = append(errs, r.failure())
	}
	for _, r := range k.modules.all() {
		errs = append(errs, r.failure())
	}
	return errors.Join(errs...)
}

// candidate is rules that were read and not yet loaded.
type candidate struct {
	policies   loadedPolicies
	validators readValidators
}

// is reports whether loading c would make what loading other does.
func (c candidate) is(other candidate) bool {
	return c.policies.fingerprint == other.policies.fingerprint && c.validators.fingerprint == other.validators.fingerprint &&
		c.validators.fingerprint != "" && c.policies.fingerprint != ""
}

// read reads all rules from where they come from.
func (k *rulekeeper) read(ctx context.Context) (c candidate, err error) {
	if c.policies, err = k.readPolicies(ctx); err != nil {
		return c, err
	}
	c.validators, err = k.readValidators(ctx)
	return c, err
}

func (k *rulekeeper) readPolicies(ctx context.Context) (loadedPolicies, error) {
	if k.hasNoPolicies() {
		return noPolicies, nil
	}
	sources, err := k.sources()
	if err != nil {
		return loadedPolicies{}, err
	}
	return readPolicies(ctx, k.options, sources)
}

func (k *rulekeeper) readValidators(ctx context.Context) (readValidators, error) {
	sources := k.config.validatorSources()
	if sources == nil {
		return noValidators, nil
	}
	return readModules(ctx, k.plugins, sources)
}

// sources are the policies as they are configured. Of those on other machines it is what
// was fetched last, in this process or before.
func (k *rulekeeper) sources() ([]policy.Source, error) {
	if len(k.remotes) == 0 {
		return policySources(k.config.Policies), nil
	}
	var sources []policy.Source
	for _, path := range k.config.Policies {
		r := k.remotes[path]
		if r == nil {
			sources = append(sources, policy.Path(path))
			continue
		}
		if archive, ok := r.fetched(); ok {
			sources = append(sources, policy.Archive(r.source.Name(), archive))
			continue
		}
		source, err := k.keptSource(r)
		if err != nil {
			return nil, err
		}
		sources = append(sources, source)
	}
	return sources, nil
}

// keptSource is what judged last of a source that cannot be fetched.
func (k *rulekeeper) keptSource(r *remotePolicies) (policy.Source, error) {
	source, since, err := k.history.source(r.source.Name())
	if err != nil {
		return policy.Source{}, fmt.Errorf("%w, and %w", r.failure(), err)
	}
	k.log.Error("there are no new policies; what judged last of them does so again", "error", fmt.Sprint(r.failure()), "since", since)
	return source, nil
}

// load makes a ruleset of a candidate, with what has not changed of the active one.
func (k *rulekeeper) load(ctx context.Context, c candidate) (*loadedRules, error) {
	switch {
	case c.policies.judge != nil: // they are loaded, or there are none
	case k.active != nil && k.active.policies.fingerprint == c.policies.fingerprint:
		c.policies = k.active.policies
	default:
		if err := c.policies.compile(ctx, k.config, k.options); err != nil {
			return nil, err
		}
	}
	return loadRuleset(ctx, k.config, k.plugins, c, k.active)
}

// loadKept loads rules of the history. What they had none of stays what it is: a rollback
// never leaves something unjudged that is judged now.
func (k *rulekeeper) loadKept(ctx context.Context, e historyEntry) (_ *loadedRules, err error) {
	var c candidate
	switch {
	case k.active != nil && (e.Policies == None || e.Policies == k.active.policies.digest):
		c.policies = k.active.policies
	case e.Policies != None:
		c.policies, err = k.loadKeptPolicies(ctx, e.Policies)
	default:
		c.policies, err = k.readPolicies(ctx)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case k.active != nil && (e.Set == "" || e.Set == k.active.set()):
		c.validators = k.active.read
	case e.Set != "":
		c.validators, err = k.readKeptValidators(ctx, e.Set)
	default:
		k.fetchModules(ctx, true)
		c.validators, err = k.readValidators(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("the copy of validators %s: %w", e.Validators, err)
	}
	rules, err := k.load(ctx, c)
	if err != nil && e.Set != "" {
		return nil, fmt.Errorf("the copy of validators %s: %w", e.Validators, err)
	}
	return rules, err
}

// readKeptValidators reads validators of the history. Those that are part of the program
// still are, and need no signature.
func (k *rulekeeper) readKeptValidators(ctx context.Context, fingerprint string) (readValidators, error) {
	if builtIn := plugins.Read(ctx, k.plugins, validatorSources(nil)...); builtIn.Fingerprint() == fingerprint {
		return readValidators{builtIn, fingerprint}, nil
	}
	set, err := k.history.validators(fingerprint)
	if err != nil {
		return readValidators{}, err
	}
	return readValidators{set, set.Fingerprint()}, nil
}

// loadKeptPolicies loads policies of the history.
func (k *rulekeeper) loadKeptPolicies(ctx context.Context, digest string) (loadedPolicies, error) {
	set, err := k.history.load(ctx, k.options, digest)
	if err != nil {
		return loadedPolicies{}, fmt.Errorf("the copy of policies %s: %w", digest, err)
	}
	policies := loadedPolicies{set: set}
	if policies.fingerprint, err = set.Fingerprint(); err != nil {
		return loadedPolicies{}, err
	}
	if err := policies.compile(ctx, k.config, k.options); err != nil {
		return loadedPolicies{}, fmt.Errorf("the copy of policies %s: %w", digest, err)
	}
	if policies.digest != digest {
		return loadedPolicies{}, fmt.Errorf("the copy of policies %s is not what it was", digest)
	}
	return policies, nil
}
