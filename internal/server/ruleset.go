package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
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
	// files are the digest of the validators' files; holders counts the rulesets that
	// share them, nil if it is this one alone.
	files   string
	holders *atomic.Int64
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
func loadRuleset(ctx context.Context, config Config, log *slog.Logger, policies loadedPolicies, before *loadedRules) (*loadedRules, error) {
	rules := &loadedRules{policies: policies}
	rules.Policies = policies.judge
	if err := rules.loadValidators(ctx, config, log, before); err != nil {
		return nil, err
	}
	if p, ok := policies.judge.(*policy.Policies); ok {
		warnOfUnmatched(log, p)
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

func (r *loadedRules) loadValidators(ctx context.Context, config Config, log *slog.Logger, before *loadedRules) error {
	if slices.Equal(config.Validators, []string{None}) {
		r.Validators, r.files = admitAll{}, None
		return nil
	}
	sources := validatorSources(config.Validators)
	files, err := plugins.FilesDigest(sources...) // before they are loaded: what changes meanwhile is seen the next time
	if err == nil && before != nil && before.validators != nil && before.files == files {
		before.holders.Add(1)
		r.Validators, r.validators, r.holders, r.files = before.validators, before.validators, before.holders, files
		return nil
	}
	loaded, loadErr := plugins.Load(ctx, pluginOptions(config.Validators, config.Data, log), sources...)
	if loadErr != nil { // which says more than err does
		return loadErr
	}
	if err != nil {
		return errors.Join(err, loaded.Close())
	}
	r.Validators, r.validators, r.holders, r.files = loaded, loaded, &atomic.Int64{}, files
	r.holders.Store(1)
	return nil
}

// noPolicies is what there is to judge by with --policies none.
var noPolicies = loadedPolicies{judge: admitAll{}, digest: None, fingerprint: None}

// readPolicies reads sources until they are twice the same: somebody may be in the
// middle of writing them.
func readPolicies(ctx context.Context, options policy.Options, sources []policy.Source) (loadedPolicies, error) {
	const attempts = 10
	last := ""
	for range attempts {
		set, err := policy.Read(ctx, options, sources...)
		if err != nil {
			return loadedPolicies{}, err
		}
		fingerprint, err := set.Fingerprint()
		if err != nil {
			return loadedPolicies{}, err
		}
		if fingerprint == last {
			return loadedPolicies{set: set, fingerprint: fingerprint}, nil
		}
		last = fingerprint
	}
	return loadedPolicies{}, errors.New("reading policies: they change all the time")
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

// validatorSources are likewise the validators at paths.
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

func (admitAll) Judge(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
	return plimsoll.Verdict{}, nil
}
