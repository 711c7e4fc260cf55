package server

import (
	"context"
	"errors"
)

// Promote implements [service.RulesetControl].
func (k *rulekeeper) Promote(ctx context.Context, digest, by string) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	entry, err := find(k.history.all(), digest)
	if err != nil {
		return err
	}
	return k.pin(ctx, *entry, by)
}

// Rollback implements [service.RulesetControl].
func (k *rulekeeper) Rollback(ctx context.Context, digest, by string) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	var entry *historyEntry
	var err error
	if digest == "" {
		entry, err = k.history.previous(k.active)
	} else {
		entry, err = find(k.history.index.Entries, digest)
	}
	if err != nil {
		return err
	}
	return k.pin(ctx, *entry, by)
}

// pin makes rules judge that are kept, until they are reloaded. k.changing is held.
func (k *rulekeeper) pin(ctx context.Context, entry historyEntry, by string) error {
	rules, err := k.loadKept(ctx, entry)
	if err != nil {
		return refused(err)
	}
	// First it is made sure that a restart will not undo it.
	if err := k.history.add(rules, true, by, k.now()); err != nil {
		return errors.Join(err, rules.close())
	}
	k.log.Warn("other rules judge, as somebody wanted; they are pinned until plimsoll ruleset reload", "ruleset", rules.Digest,
		"policies", rules.policies.digest, "validators", rules.validatorsDigest(), "before", k.active.Digest, "by", by)
	k.activate(rules, true, by)
	return nil
}
