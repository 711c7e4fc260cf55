package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"time"

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
	if slices.Equal(config.Validators, []string{None}) {
		log.Warn("no validators: specs are not checked (--validators none)")
		rules.Validators = admitAll{}
	} else {
		if rules.validators, err = plugins.Load(ctx, plugins.Options{Logger: log}, validatorSources(config.Validators)...); err != nil {
			return nil, err
		}
		rules.Validators = rules.validators
	}
	digest := sha256.New()
	fmt.Fprintf(digest, "policies %s\n", policyDigest)
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
	grants, err := config.grants()
	if err != nil {
		return nil, "", err
	}
	policies, err := policy.Load(ctx, policyOptions(config.PolicyTimeout, grants), policySources(config.Policies)...)
	if err != nil {
		return nil, "", err
	}
	return policies, policies.Digest(), nil
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
