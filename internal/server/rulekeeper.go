package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	log     *slog.Logger
	now     func() time.Time
	remotes map[string]*remote // by path in the configuration
	// install makes rules the ones that judge.
	install func(*service.Ruleset)

	changing sync.Mutex // one change at a time; guards what follows
	active   *loadedRules
	history  *history
	failed   candidate // the last that was refused
	failure  error     // why

	mu      sync.Mutex
	status  service.RulesetStatus
	judging *plugins.Validators // nil: none
	past    []service.PastRuleset
}

// The errors of rollbacks.
var (
	errNoPrevious      = fmt.Errorf("there are no earlier policies to go back to: %w", plimsoll.ErrFailedPrecondition)
	errNotKept         = fmt.Errorf("no policies of that digest are kept: plimsoll policy history shows those that are: %w", plimsoll.ErrNotFound)
	errAmbiguousDigest = &plimsoll.RequestError{Field: "digest", Problem: "several that are kept begin like this: give more of it"}
)

// newRulekeeper loads the rules that are to judge first. Nothing is written yet.
func newRulekeeper(ctx context.Context, config Config, log *slog.Logger) (*rulekeeper, error) {
	options, err := config.policyOptions()
	if err != nil {
		return nil, err
	}
	k := &rulekeeper{config: config, options: options, log: log, now: time.Now, remotes: map[string]*remote{}}
	for _, path := range config.Policies {
		if !bundles.IsRemote(path) {
			continue
		}
		source, err := bundles.Parse(path, bundles.Options{PlainHTTP: config.PolicyPlainHTTP})
		if err != nil {
			return nil, fmt.Errorf("policies %w", err)
		}
		k.remotes[path] = &remote{source: source, now: k.now}
	}
	if k.history, err = openHistory(config.Data); err != nil {
		return nil, err
	}
	if k.hasNoPolicies() {
		log.Warn("no policies: whatever is well-formed is admitted (--policies none)")
	}
	if slices.Equal(config.Validators, []string{None}) {
		log.Warn("no validators: specs are not checked (--validators none)")
	}
	k.active, err = k.loadFirst(ctx)
	return k, err
}

// checkPolicySources says what is wrong with where policies come from, as far as that
// can be told without looking there.
func (c Config) checkPolicySources() []error {
	var problems []error
	for _, path := range c.Policies {
		if !bundles.IsRemote(path) {
			continue
		}
		if _, err := bundles.Parse(path, bundles.Options{PlainHTTP: c.PolicyPlainHTTP}); err != nil {
			problems = append(problems, fmt.Errorf("policies: %w", err))
		}
	}
	if c.PolicyScope != "" && len(c.PolicyKeys) == 0 {
		problems = append(problems, errors.New("policy-scope: without policy-keys no signature is looked at"))
	}
	return problems
}

func (k *rulekeeper) hasNoPolicies() bool { return slices.Equal(k.config.Policies, []string{None}) }

// loadFirst loads the rules to begin with: those that a rollback has pinned, or those
// that are configured.
func (k *rulekeeper) loadFirst(ctx context.Context) (*loadedRules, error) {
	if last := k.history.last(); last != nil && k.history.index.Pinned {
		k.log.Warn("the policies are pinned by a rollback; plimsoll policy reload ends that", "policies", last.Policies)
		policies, err := k.loadKept(ctx, last.Policies)
		if err != nil {
			return nil, fmt.Errorf("%w; to have them loaded from where they come from, remove %s", err, k.history.indexPath())
		}
		return loadRuleset(ctx, k.config, k.log, policies, nil)
	}
	k.fetch(ctx)
	c, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	return k.load(ctx, c)
}

// fetch asks all other machines for policies. What fails is kept with the remote.
func (k *rulekeeper) fetch(ctx context.Context) {
	var all sync.WaitGroup
	for _, r := range k.remotes {
		all.Go(func() { _, _ = r.refresh(ctx) })
	}
	all.Wait()
}

// candidate is rules that were read and not yet loaded.
type candidate struct {
	policies loadedPolicies
	files    string // digest of the validators'; empty if they could not be read
}

// is reports whether loading c would make what loading other does.
func (c candidate) is(other candidate) bool {
	return c.policies.fingerprint == other.policies.fingerprint && c.files == other.files && c.files != "" && c.policies.fingerprint != ""
}

// read reads all rules from where they come from.
func (k *rulekeeper) read(ctx context.Context) (candidate, error) {
	c := candidate{policies: noPolicies, files: None}
	if !slices.Equal(k.config.Validators, []string{None}) {
		// Loading them has more to say about what is wrong.
		c.files, _ = plugins.FilesDigest(validatorSources(k.config.Validators)...)
	}
	if k.hasNoPolicies() {
		return c, nil
	}
	sources, err := k.sources()
	if err != nil {
		return c, err
	}
	c.policies, err = readPolicies(ctx, k.options, sources)
	return c, err
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
		source, ok := r.fetched()
		if !ok {
			var err error
			if source, err = k.keptSource(r); err != nil {
				return nil, err
			}
		}
		sources = append(sources, source)
	}
	return sources, nil
}

// keptSource is what judged last of a source that cannot be fetched.
func (k *rulekeeper) keptSource(r *remote) (policy.Source, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	source, since, err := k.history.source(r.source.Name())
	if err != nil {
		return policy.Source{}, fmt.Errorf("%w, and %w", r.err, err)
	}
	k.log.Error("policies cannot be fetched; what judged last of them does so again", "error", r.err.Error(), "since", since)
	return source, nil
}

// load makes a ruleset of a candidate, with what has not changed of the active one.
func (k *rulekeeper) load(ctx context.Context, c candidate) (*loadedRules, error) {
	switch {
	case c.policies.set == nil: // there are none
	case k.active != nil && k.active.policies.fingerprint == c.policies.fingerprint:
		c.policies = k.active.policies
	default:
		if err := c.policies.compile(ctx, k.config, k.options); err != nil {
			return nil, err
		}
	}
	return loadRuleset(ctx, k.config, k.log, c.policies, k.active)
}

// loadKept loads policies of the history.
func (k *rulekeeper) loadKept(ctx context.Context, digest string) (loadedPolicies, error) {
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

// begin makes the first rules judge, by install.
func (k *rulekeeper) begin(install func(*service.Ruleset)) {
	k.changing.Lock()
	defer k.changing.Unlock()
	k.install = install
	k.activate(k.active, k.history.index.Pinned)
}

// activate makes rules judge and keeps them.
func (k *rulekeeper) activate(rules *loadedRules, pinned bool) {
	rules.Release = func() {
		if err := rules.close(); err != nil {
			k.log.Error("releasing a ruleset", "ruleset", rules.Digest, "error", err.Error())
		}
	}
	k.install(&rules.Ruleset)
	k.active = rules
	k.keep(rules, pinned)
	k.report(rules)
}

// keep notes in the history that rules judge.
func (k *rulekeeper) keep(rules *loadedRules, pinned bool) {
	last, repinned := k.history.last(), k.history.index.Pinned != pinned
	var err error
	switch {
	case rules.policies.set == nil && repinned:
		err = k.history.unpin()
	case rules.policies.set == nil, last != nil && last.Policies == rules.policies.digest && last.Ruleset == rules.Digest && !repinned:
	default:
		err = k.history.add(rules, pinned, k.now())
	}
	if err != nil {
		k.log.Error("these policies cannot be gone back to later", "error", err.Error())
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
	return k.replace(ctx, false)
}

// replace makes the rules judge that are configured. Those that were refused before are
// loaded again only if again says so. k.changing is held.
func (k *rulekeeper) replace(ctx context.Context, again bool) (err error) {
	defer func() { k.reportCheck(err) }()
	c, err := k.read(ctx)
	if err != nil {
		return k.refuse(ctx, candidate{}, err)
	}
	switch {
	case c.is(candidate{k.active.policies, k.active.files}):
		k.failed, k.failure = candidate{}, nil
		if k.history.index.Pinned {
			k.keep(k.active, false)
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
	k.log.Info("the rules have changed", "ruleset", rules.Digest, "policies", rules.policies.digest, "before", k.active.Digest)
	k.activate(rules, false)
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
func (k *rulekeeper) Reload(ctx context.Context) error {
	k.fetch(ctx)
	for _, r := range k.remotes {
		r.mu.Lock()
		err := r.err
		r.mu.Unlock()
		if err != nil {
			return refused(err)
		}
	}
	k.changing.Lock()
	defer k.changing.Unlock()
	return refused(k.replace(ctx, true))
}

// Rollback implements [service.RulesetControl].
func (k *rulekeeper) Rollback(ctx context.Context, digest string) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	entry, err := k.history.find(digest, k.active.policies.digest)
	if err != nil {
		return err
	}
	policies, err := k.loadKept(ctx, entry.Policies)
	if err != nil {
		return refused(err)
	}
	rules, err := loadRuleset(ctx, k.config, k.log, policies, k.active)
	if err != nil {
		return refused(err)
	}
	// First it is made sure that a restart will not undo it.
	if err := k.history.add(rules, true, k.now()); err != nil {
		return errors.Join(err, rules.close())
	}
	k.log.Warn("rolled back; the policies are pinned until plimsoll policy reload", "ruleset", rules.Digest, "policies", rules.policies.digest, "before", k.active.Digest)
	k.activate(rules, true)
	return nil
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
