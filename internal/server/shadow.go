package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/plimsoll-project/plimsoll/service"
)

// errJudges is the error of a candidate that is no other.
var errJudges = preconditionError("this ruleset judges already: there is nothing to compare it with")

// Shadow implements [service.RulesetControl].
func (k *rulekeeper) Shadow(ctx context.Context, c service.Candidate, percent float64, by string) error {
	rules, err := k.loadCandidate(ctx, c)
	if err != nil {
		return err
	}
	k.changing.Lock()
	defer k.changing.Unlock()
	err = errJudges
	if rules.Digest != k.active.Digest {
		err = k.history.addShadow(rules, percent, by, k.now())
	}
	if err != nil {
		rules.Release()
		return err
	}
	k.log.Info("a ruleset runs in shadow", "ruleset", rules.Digest, "percent", percent, "by", by)
	k.runShadow(rules)
	return nil
}

// errLoading is why rules do not run in shadow yet.
var errLoading = errors.New("it is still being loaded")

// runShadow has rules run in shadow as the history says. k.changing is held.
func (k *rulekeeper) runShadow(rules *loadedRules) {
	shadow := k.history.index.Shadow
	k.judging.SetShadow(&rules.Ruleset, shadow.Percent)
	k.reportShadow(&service.ShadowedRuleset{KeptRuleset: shadow.kept(rules.Digest), Percent: shadow.Percent})
}

// resumeShadow has the rules run in shadow that did so before the server was started.
func (k *rulekeeper) resumeShadow(ctx context.Context) {
	k.changing.Lock()
	shadow := k.history.index.Shadow
	k.changing.Unlock()
	if shadow == nil {
		return
	}
	rules, err := k.loadShadow(ctx, shadow)
	k.changing.Lock()
	defer k.changing.Unlock()
	switch {
	case k.history.index.Shadow != shadow || ctx.Err() != nil: // it was stopped or replaced meanwhile
		if err == nil {
			rules.Release()
		}
	case err != nil:
		k.log.Error("the ruleset in shadow cannot be loaded any more, and does not run", "ruleset", shadow.Ruleset, "error", err.Error())
		k.reportShadow(shadow.failed(err))
	default:
		k.log.Info("a ruleset runs in shadow", "ruleset", rules.Digest, "percent", shadow.Percent)
		k.runShadow(rules)
	}
}

// failed says why rules do not run in shadow.
func (s *historyShadow) failed(err error) *service.ShadowedRuleset {
	return &service.ShadowedRuleset{KeptRuleset: s.kept(s.Ruleset), Percent: s.Percent, Err: err}
}

func (k *rulekeeper) loadShadow(ctx context.Context, shadow *historyShadow) (*loadedRules, error) {
	c, err := k.readEntry(ctx, shadow.historyEntry)
	if err != nil {
		return nil, fmt.Errorf("the copy of it: %w", err)
	}
	return k.loadOnTrial(ctx, c)
}

// StopShadow implements [service.RulesetControl].
func (k *rulekeeper) StopShadow(context.Context) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	if k.history.index.Shadow == nil {
		return service.ErrNoShadow
	}
	if err := k.history.endShadow(); err != nil {
		return err
	}
	k.log.Info("no ruleset runs in shadow any more")
	k.endShadow()
	return nil
}

// endShadow ends what runs in shadow, if anything does. k.changing is held.
func (k *rulekeeper) endShadow() {
	if _, runs := k.InShadow(); runs {
		k.judging.SetShadow(nil, 0)
		k.reportShadow(nil)
	}
}

// InShadow implements [service.RulesetControl].
func (k *rulekeeper) InShadow() (service.ShadowedRuleset, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shadowed == nil {
		return service.ShadowedRuleset{}, false
	}
	return *k.shadowed, true
}
