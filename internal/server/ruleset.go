package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/examples"
	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/service"
)

// loadedRules is a ruleset with what it needs to be released.
type loadedRules struct {
	service.Ruleset
	validators *plugins.Validators
}

func (r *loadedRules) close() error {
	if r.validators == nil {
		return nil
	}
	return r.validators.Close()
}

// loadRuleset loads all that mutations are judged by. It fails if any part of it
// does: rules that are half there would let through what the rest forbids.
func loadRuleset(ctx context.Context, config Config, log *slog.Logger) (*loadedRules, error) {
	rules := &loadedRules{}
	policies, policyDigest, err := loadPolicies(ctx, config, log)
	if err != nil {
		return nil, err
	}
	rules.Policies = policies
	if patcher, ok := policies.(*policy.Policies); ok && patcher.Patches() {
		rules.Patches = patcher
	}
	if slices.Equal(config.Validators, []string{None}) {
		log.Warn("no validators: specs are not checked (--validators none)")
		rules.Validators = admitAll{}
	} else {
		sources := make([]plugins.Source, 0, len(config.Validators))
		for _, path := range config.Validators {
			sources = append(sources, plugins.File(path))
		}
		if len(sources) == 0 {
			sources = []plugins.Source{plugins.FS(examples.Validators(), examples.ValidatorsFile)}
		}
		if rules.validators, err = plugins.Load(ctx, plugins.Options{Logger: log}, sources...); err != nil {
			return nil, err
		}
		rules.Validators = rules.validators
	}
	digest := sha256.New()
	fmt.Fprintf(digest, "policies %s\n", policyDigest)
	enforcement, err := config.enforcementDigest()
	if err != nil {
		return nil, err
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

func loadPolicies(ctx context.Context, config Config, log *slog.Logger) (judge plimsoll.Judge, digest string, err error) {
	if slices.Equal(config.Policies, []string{None}) {
		log.Warn("no policies: whatever is well-formed is admitted (--policies none)")
		return admitAll{}, None, nil
	}
	sources := make([]policy.Source, 0, len(config.Policies))
	for _, path := range config.Policies {
		sources = append(sources, policy.Path(path))
	}
	if len(sources) == 0 {
		sources = []policy.Source{policy.FS("policies", examples.Policies())}
	}
	grants, err := config.grants()
	if err != nil {
		return nil, "", err
	}
	policies, err := policy.Load(ctx, policy.Options{
		Timeout: config.PolicyTimeout, Grants: grants, Enforcement: config.overrides(), CheckFilter: service.CheckFilter,
	}, sources...)
	if err != nil {
		return nil, "", err
	}
	warnOfUnmatched(log, policies)
	return policies, policies.Digest(), nil
}

// admitAll is what judges when the operator wants nothing judged.
type admitAll struct{}

func (admitAll) Judge(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
	return plimsoll.Verdict{}, nil
}
