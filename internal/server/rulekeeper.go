package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/internal/bundles"
	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/service"
)

// rulekeeper loads the rules that judge, keeps them up to date and takes them back. A
// candidate is loaded in full before it takes the place of the rules that judge; if
// anything is wrong with it they stay.
type rulekeeper struct {
	config  Config
	options policy.Options
	plugins plugins.Options
	log     *slog.Logger
	now     func() time.Time
	remotes map[string]*remotePolicies // by path in the configuration
	modules *modules
	metrics *validatorMetrics
	// judging is told which rules judge, and which do so in shadow.
	judging judging

	changing sync.Mutex // one change at a time; guards what follows
	active   *loadedRules
	history  *history
	saidKept map[string]bool // of references, that a copy is in the place of the module
	failed   candidate       // the last that was refused
	failure  error           // why

	mu         sync.Mutex
	status     service.RulesetStatus
	validators *plugins.Validators // of the rules that judge; nil: none
	kept       []service.KeptRuleset
	shadowed   *service.ShadowedRuleset // nil: nothing is to run in shadow
}

// judging is who judges by rules: a [service.Service].
type judging interface {
	SetRuleset(rules *service.Ruleset)
	SetShadow(rules *service.Ruleset, percent float64)
}

type remotePolicies = remote[[]byte]

// The errors of rollbacks.
var (
	errNoPrevious      = preconditionError("there are no earlier rules to go back to")
	errNotKept         = fmt.Errorf("no rules of that digest are kept: plimsoll ruleset list shows those that are: %w", plimsoll.ErrNotFound)
	errAmbiguousDigest = &plimsoll.RequestError{Field: "digest", Problem: "several that are kept begin like this: give more of it"}
)

// preconditionError is an [plimsoll.ErrFailedPrecondition] whose text does not end in that.
type preconditionError string

func (e preconditionError) Error() string { return string(e) }

// Unwrap makes it what it is.
func (e preconditionError) Unwrap() error { return plimsoll.ErrFailedPrecondition }

// newRulekeeper loads the rules that are to judge first. Nothing is written yet.
func newRulekeeper(ctx context.Context, config Config, log *slog.Logger) (*rulekeeper, error) {
	options, err := config.policyOptions()
	if err != nil {
		return nil, err
	}
	k := &rulekeeper{config: config, options: options, log: log, now: time.Now, remotes: map[string]*remotePolicies{}, saidKept: map[string]bool{}}
	k.modules = &modules{options: bundles.Options{PlainHTTP: config.PolicyPlainHTTP}, now: k.now, remotes: map[string]*remoteModule{}}
	if k.plugins, err = config.pluginOptions(log, k.module); err != nil {
		return nil, err
	}
	k.metrics = newValidatorMetrics(func() *plugins.Validators {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.validators
	})
	k.plugins.Observe = k.metrics.observe
	for _, path := range config.Policies {
		if !bundles.IsRemote(path) {
			continue
		}
		source, err := bundles.Parse(path, bundles.Options{PlainHTTP: config.PolicyPlainHTTP})
		if err != nil {
			return nil, fmt.Errorf("policies %w", err)
		}
		k.remotes[path] = &remotePolicies{what: "policies", source: source, now: k.now}
	}
	if k.history, err = openHistory(config.Data, log); err != nil {
		return nil, err
	}
	if k.hasNoPolicies() {
		log.Warn("no policies: whatever is well-formed is admitted (--policies none)")
	}
	if config.validatorSources() == nil {
		log.Warn("no validators: specs are not checked (--validators none)")
	}
	k.active, err = k.loadFirst(ctx)
	return k, err
}

// begin makes the first rules judge.
func (k *rulekeeper) begin(judging judging) {
	k.changing.Lock()
	defer k.changing.Unlock()
	k.judging = judging
	k.activate(k.active, k.history.index.Pinned, "")
	if shadow := k.history.index.Shadow; shadow != nil { // see resumeShadow
		k.reportShadow(shadow.failed(errLoading))
	}
}

// activate makes rules judge and keeps them. If they were in shadow, they are not any
// more.
func (k *rulekeeper) activate(rules *loadedRules, pinned bool, by string) {
	rules.Release = func() {
		if err := rules.close(); err != nil {
			k.log.Error("releasing a ruleset", "ruleset", rules.Digest, "error", err.Error())
		}
	}
	k.judging.SetRuleset(&rules.Ruleset)
	k.active = rules
	k.keep(rules, pinned, by)
	if k.history.index.Shadow == nil {
		k.endShadow()
	}
	k.report(rules)
}

// keep notes in the history that rules judge.
func (k *rulekeeper) keep(rules *loadedRules, pinned bool, by string) {
	last, repinned := k.history.last(), k.history.index.Pinned != pinned
	var err error
	switch {
	case rules.policies.set == nil && rules.read.set == nil && repinned:
		err = k.history.unpin()
	case rules.policies.set == nil && rules.read.set == nil, last != nil && last.isOf(rules) && !repinned:
	default:
		err = k.history.add(rules, pinned, by, k.now())
	}
	if err != nil {
		k.log.Error("these rules cannot be gone back to later", "error", err.Error())
	}
}

// check loads the rules anew if anything of them has changed, and makes them judge. If
// they are no good, those that judge stay.
func (k *rulekeeper) check(ctx context.Context) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	if k.history.index.Pinned {
		return nil
	}
	return k.replace(ctx, false, "")
}

// replace makes the rules judge that are configured. Those that were refused before are
// loaded again only if again says so. by is who wants it, if anybody does. k.changing is
// held.
func (k *rulekeeper) replace(ctx context.Context, again bool, by string) (err error) {
	defer func() { k.reportCheck(err) }()
	c, err := k.read(ctx)
	if err != nil {
		return k.refuse(ctx, candidate{}, err)
	}
	switch {
	case c.is(candidate{k.active.policies, k.active.read}):
		k.failed, k.failure = candidate{}, nil
		if k.history.index.Pinned {
			k.keep(k.active, false, by)
			k.report(k.active)
		}
		return nil
	case k.failure != nil && c.is(k.failed) && !again:
		return k.failure
	}
	rules, err := k.load(ctx, c)
	if err != nil {
		return k.refuse(ctx, c, err)
	}
	k.failed, k.failure = candidate{}, nil
	k.log.Info("the rules have changed", "ruleset", rules.Digest, "policies", rules.policies.digest, "validators", rules.validatorsDigest(), "before", k.active.Digest)
	k.activate(rules, false, by)
	return nil
}

// refuse notes why a candidate was refused, and says so once.
func (k *rulekeeper) refuse(ctx context.Context, c candidate, err error) error {
	if ctx.Err() != nil {
		return err // of the caller, not of the rules
	}
	if k.failure == nil || k.failure.Error() != err.Error() {
		k.log.Error("the rules have changed, but cannot be loaded; those that judge stay", "ruleset", k.active.Digest, "error", err.Error())
	}
	k.failed, k.failure = c, err
	return err
}

// Reload implements [service.RulesetControl].
func (k *rulekeeper) Reload(ctx context.Context, by string) error {
	k.fetch(ctx)
	if err := k.fetchFailure(); err != nil {
		return refused(err)
	}
	k.changing.Lock()
	defer k.changing.Unlock()
	return refused(k.replace(ctx, true, by))
}

// refused makes an error that callers are told.
func refused(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &service.RefusedRulesError{Err: err}
}

// close releases the rules. Nothing judges by them any more.
func (k *rulekeeper) close() error { return k.active.close() }
