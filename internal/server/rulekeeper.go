package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
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
	plugins plugins.Options
	log     *slog.Logger
	now     func() time.Time
	remotes map[string]*remotePolicies // by path in the configuration
	modules *modules
	metrics *validatorMetrics
	// install makes rules the ones that judge.
	install func(*service.Ruleset)

	changing sync.Mutex // one change at a time; guards what follows
	active   *loadedRules
	history  *history
	saidKept map[string]bool // of references, that a copy is in the place of the module
	failed   candidate       // the last that was refused
	failure  error           // why

	mu      sync.Mutex
	status  service.RulesetStatus
	judging *plugins.Validators // nil: none
	past    []service.PastRuleset
}

type remotePolicies = remote[[]byte]

// The errors of rollbacks.
var (
	errNoPrevious      = preconditionError("there are no earlier rules to go back to")
	errNotKept         = fmt.Errorf("no rules of that digest are kept: plimsoll policy history shows those that are: %w", plimsoll.ErrNotFound)
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
		return k.judging
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
	if k.history, err = openHistory(config.Data); err != nil {
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

// checkPolicySources says what is wrong with where policies come from, as far as that
// can be told without looking there.
func (c Config) checkPolicySources() []error {
	problems := c.checkApart("policies", c.Policies)
	problems = append(problems, c.checkApart("validators", c.Validators)...)
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

// checkApart refuses rules in the data directory, where the server writes and removes files
// of its own, and around it, where they would change with each write.
func (c Config) checkApart(key string, paths []string) []error {
	data, err := filepath.Abs(c.Data)
	if c.Data == "" || err != nil {
		return nil // what is wrong there is said elsewhere
	}
	var problems []error
	for _, path := range paths {
		at, err := filepath.Abs(path)
		if path == None || bundles.IsRemote(path) || err != nil {
			continue
		}
		if isWithin(at, data) {
			problems = append(problems, fmt.Errorf("%s: %s is in the data directory %s, whose files are the server's own: put it elsewhere", key, path, c.Data))
		} else if isWithin(data, at) {
			problems = append(problems, fmt.Errorf("%s: the data directory %s is in %s, whose files are all taken for rules: put one of them elsewhere", key, c.Data, path))
		}
	}
	return problems
}

// isWithin reports whether a path is a directory or below it.
func isWithin(path, dir string) bool {
	below, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(below)
}

func (k *rulekeeper) hasNoPolicies() bool { return slices.Equal(k.config.Policies, []string{None}) }

// loadFirst loads the rules to begin with: those that a rollback has pinned, or those
// that are configured.
func (k *rulekeeper) loadFirst(ctx context.Context) (*loadedRules, error) {
	if last := k.history.last(); last != nil && k.history.index.Pinned {
		k.log.Warn("the rules are pinned by a rollback; plimsoll policy reload ends that", "policies", last.Policies, "validators", last.Validators)
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
	case e.Policies != None:
		c.policies, err = k.loadKeptPolicies(ctx, e.Policies)
	case k.active != nil:
		c.policies = k.active.policies
	default:
		c.policies, err = k.readPolicies(ctx)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case e.Set != "":
		c.validators, err = k.readKeptValidators(ctx, e.Set)
	case k.active != nil:
		c.validators = k.active.read
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
	case rules.policies.set == nil && rules.read.set == nil && repinned:
		err = k.history.unpin()
	case rules.policies.set == nil && rules.read.set == nil, last != nil && last.isOf(rules) && !repinned:
	default:
		err = k.history.add(rules, pinned, k.now())
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
	case c.is(candidate{k.active.policies, k.active.read}):
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
	k.log.Info("the rules have changed", "ruleset", rules.Digest, "policies", rules.policies.digest, "validators", rules.validatorsDigest(), "before", k.active.Digest)
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
	if err := k.fetchFailure(); err != nil {
		return refused(err)
	}
	k.changing.Lock()
	defer k.changing.Unlock()
	return refused(k.replace(ctx, true))
}

// Rollback implements [service.RulesetControl].
func (k *rulekeeper) Rollback(ctx context.Context, digest string) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	entry, err := k.history.find(digest, k.active)
	if err != nil {
		return err
	}
	rules, err := k.loadKept(ctx, *entry)
	if err != nil {
		return refused(err)
	}
	// First it is made sure that a restart will not undo it.
	if err := k.history.add(rules, true, k.now()); err != nil {
		return errors.Join(err, rules.close())
	}
	k.log.Warn("rolled back; the rules are pinned until plimsoll policy reload", "ruleset", rules.Digest, "policies", rules.policies.digest, "validators", rules.validatorsDigest(), "before", k.active.Digest)
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
