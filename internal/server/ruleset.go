package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/examples"
	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/service"
)

// loadedRules is a ruleset with what it was made of and what it needs to be released.
type loadedRules struct {
	service.Ruleset
	policies   loadedPolicies
	validators *plugins.Validators // nil: none
	// read is the set that the validators are of; holders counts the rulesets that share
	// them, nil if it is this one alone.
	read    readValidators
	holders *atomic.Int64
}

// readValidators are validators that were read and not yet loaded.
type readValidators struct {
	set         *plugins.Set // nil: none
	fingerprint string       // of the set
}

// noValidators is what there is to judge by with --validators none.
var noValidators = readValidators{fingerprint: None}

// validatorsDigest is that of the validators; none if there are none.
func (r *loadedRules) validatorsDigest() string {
	if r.validators == nil {
		return None
	}
	return r.validators.Digest()
}

// loadedPolicies are policies, and the set they are of; nil if there are none.
type loadedPolicies struct {
	judge       plimsoll.Judge
	digest      string
	set         *policy.Set
	fingerprint string // of the set
}

func (r *loadedRules) close() error {
	if r.validators == nil || r.holders != nil && r.holders.Add(-1) > 0 {
		return nil
	}
	return r.validators.Close()
}

// loadRuleset loads the validators and makes a ruleset of them and policies. It fails if
// any part of it does: rules that are half there would let through what the rest
// forbids. Validators that are what they were in before, which may be nil, are shared
// with it.
func loadRuleset(ctx context.Context, config Config, options plugins.Options, c candidate, before *loadedRules) (*loadedRules, error) {
	policies := c.policies
	rules := &loadedRules{policies: policies}
	rules.Policies = policies.judge
	if err := rules.loadValidators(ctx, options, c.validators, before); err != nil {
		return nil, err
	}
	if p, ok := policies.judge.(*policy.Policies); ok {
		warnOfUnmatched(options.Logger, p)
		rules.Patches = patcherOf(p)
	}
	digest := sha256.New()
	fmt.Fprintf(digest, "policies %s\n", policies.digest)
	enforcement, err := config.enforcementDigest()
	if err != nil {
		return nil, errors.Join(err, rules.close())
	}
	if enforcement != "" {
		fmt.Fprintf(digest, "enforcement %s\n", enforcement)
	}
	if rules.validators != nil {
		fmt.Fprintf(digest, "validators %s\n", rules.validators.Digest())
	}
	rules.Digest = "sha256:" + hex.EncodeToString(digest.Sum(nil))
	return rules, nil
}

// patcherOf returns policies if they have rules that patch, and otherwise nil, so that
// nothing is spent on that.
func patcherOf(policies *policy.Policies) service.Patcher {
	if policies.Patches() {
		return policies
	}
	return nil
}

func (r *loadedRules) loadValidators(ctx context.Context, options plugins.Options, read readValidators, before *loadedRules) error {
	r.read = read
	switch {
	case read.set == nil:
		r.Validators = admitAll{}
		return nil
	case before != nil && before.validators != nil && before.read.fingerprint == read.fingerprint:
		before.holders.Add(1)
		r.Validators, r.validators, r.holders = before.validators, before.validators, before.holders
		return nil
	}
	loaded, err := read.set.Load(ctx, options)
	if err != nil {
		return err
	}
	r.Validators, r.validators, r.holders = loaded, loaded, &atomic.Int64{}
	r.holders.Store(1)
	return nil
}

// noPolicies is what there is to judge by with --policies none.
var noPolicies = loadedPolicies{judge: admitAll{}, digest: None, fingerprint: None}

// readPolicies reads sources.
func readPolicies(ctx context.Context, options policy.Options, sources []policy.Source) (loadedPolicies, error) {
	return unchanging("policies", func() (p loadedPolicies, fingerprint string, err error) {
		if p.set, err = policy.Read(ctx, options, sources...); err == nil {
			p.fingerprint, err = p.set.Fingerprint()
		}
		return p, p.fingerprint, err
	})
}

// readModules reads validators. What is wrong with them is found when they are loaded.
func readModules(ctx context.Context, options plugins.Options, sources []plugins.Source) (readValidators, error) {
	return unchanging("validators", func() (readValidators, string, error) {
		set := plugins.Read(ctx, options, sources...)
		read := readValidators{set, set.Fingerprint()}
		return read, read.fingerprint, ctx.Err()
	})
}

// unchanging reads until what was read is twice the same: somebody may be in the middle
// of writing it.
func unchanging[T any](what string, read func() (content T, fingerprint string, err error)) (content T, err error) {
	const attempts = 10
	last := ""
	for range attempts {
		content, fingerprint, err := read()
		if err != nil || fingerprint == last {
			return content, err
		}
		last = fingerprint
	}
	return content, fmt.Errorf("reading %s: they change all the time", what)
}

// compile completes policies that were read. Those of others than the program itself are
// compiled elsewhere first.
func (p *loadedPolicies) compile(ctx context.Context, config Config, options policy.Options) error {
	if !p.set.IsBuiltIn() {
		if err := compiles(ctx, config, p.set); err != nil {
			return err
		}
	}
	policies, err := p.set.Compile(ctx, options)
	if err != nil {
		return err
	}
	p.judge, p.digest = policies, policies.Digest()
	return nil
}

// policyOptions are the settings in the terms of package policy.
func (c Config) policyOptions() (policy.Options, error) {
	grants, err := c.grants()
	if err != nil {
		return policy.Options{}, err
	}
	options := policyOptions(c.PolicyTimeout, grants)
	options.Enforcement = c.overrides()
	options.Verifier, err = c.verifier()
	return options, err
}

// verifier verifies signatures with the configured keys; nil if there are none.
func (c Config) verifier() (*policy.Verifier, error) {
	if len(c.PolicyKeys) == 0 {
		return nil, nil //nolint:nilnil // no keys, no verifier
	}
	var keys [][]byte
	for _, path := range c.PolicyKeys {
		key, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("policy-keys: %w", err)
		}
		if _, err := policy.NewVerifier("", key); err != nil {
			return nil, fmt.Errorf("policy-keys: %s: %w", path, err)
		}
		keys = append(keys, key)
	}
	return policy.NewVerifier(c.PolicyScope, keys...)
}

func policyOptions(timeout time.Duration, grants map[string][]string) policy.Options {
	return policy.Options{Timeout: timeout, Grants: grants, CheckFilter: service.CheckFilter}
}

// policySources are the policies at paths; those that are built in if there are none.
func policySources(paths []string) []policy.Source {
	if len(paths) == 0 {
		return []policy.Source{policy.FS("policies", examples.Policies())}
	}
	sources := make([]policy.Source, len(paths))
	for i, path := range paths {
		sources[i] = policy.Path(path)
	}
	return sources
}

// validatorSources are the configured validators; nil if there are to be none.
func (c Config) validatorSources() []plugins.Source {
	if slices.Equal(c.Validators, []string{None}) {
		return nil
	}
	return validatorSources(c.Validators)
}

// validatorSources are the validators at paths; those that are built in if there are none.
func validatorSources(paths []string) []plugins.Source {
	if len(paths) == 0 {
		return []plugins.Source{plugins.FS(examples.Validators(), examples.ValidatorsFile)}
	}
	sources := make([]plugins.Source, len(paths))
	for i, path := range paths {
		sources[i] = plugins.File(path)
	}
	return sources
}

// admitAll is what judges when the operator wants nothing judged.
type admitAll struct{}

// Judge implements [plimsoll.Judge].
func (admitAll) Judge(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
	return plimsoll.Verdict{}, nil
}

// Parts implements [plimsoll.PartedJudge]: there are none.
func (admitAll) Parts() []plimsoll.Part { return nil }

// JudgeParts implements [plimsoll.PartedJudge].
func (admitAll) JudgeParts(context.Context, *plimsoll.Input, func(string) bool) (plimsoll.Verdict, error) {
	return plimsoll.Verdict{}, nil
}
