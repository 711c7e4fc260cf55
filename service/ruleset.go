package service

import (
	"sync/atomic"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// Ruleset is everything that mutations are judged by. It is immutable: to change
// the rules, build another and [Service.SetRuleset].
type Ruleset struct {
	// Digest identifies the rules: same digest, same verdicts.
	Digest string
	// Patches, if set, changes what is created or updated before it is judged.
	Patches Patcher
	// Policies and Validators both judge every mutation. Neither is nil.
	Policies   plimsoll.Judge
	Validators plimsoll.Judge
	// Release, if set, is called once when another ruleset is in its place and no
	// request uses it any more.
	Release func()
}

// SetRuleset makes rules the ones that mutations are judged by from now on. Those
// that are being judged finish with the rules they began with. nil means none:
// mutations are refused.
func (s *Service) SetRuleset(rules *Ruleset) { s.ruleset.set(rules) }

// rulesetInUse is the current ruleset, and knows when an earlier one is not used any
// more.
type rulesetInUse struct {
	current atomic.Pointer[heldRuleset]
}

// heldRuleset is a ruleset and how many use it: each request that was given it, and
// rulesetInUse while it is the current one. Once that is 0 it stays so.
type heldRuleset struct {
	rules   *Ruleset
	holders atomic.Int64
	// What it has said of mutations.
	admitted, denied, failed atomic.Int64
}

// count counts a decision of the current ruleset.
func (r *rulesetInUse) count(d *plimsoll.Decision) {
	held := r.current.Load()
	if held == nil || held.rules.Digest != d.Ruleset {
		return
	}
	switch d.Outcome {
	case plimsoll.OutcomeAdmitted, plimsoll.OutcomeDryRun:
		held.admitted.Add(1)
	case plimsoll.OutcomeDenied:
		held.denied.Add(1)
	case plimsoll.OutcomeFailed:
		held.failed.Add(1)
	}
}

// counts are those of the current ruleset; nil if there is none.
func (r *rulesetInUse) counts() *plimsollv1.RulesetCounts {
	held := r.current.Load()
	if held == nil {
		return nil
	}
	return &plimsollv1.RulesetCounts{Admitted: held.admitted.Load(), Denied: held.denied.Load(), Failed: held.failed.Load()}
}

func (r *rulesetInUse) isSet() bool { return r.current.Load() != nil }

func (r *rulesetInUse) set(rules *Ruleset) {
	var next *heldRuleset
	if rules != nil {
		next = &heldRuleset{rules: rules}
		next.holders.Store(1)
	}
	if before := r.current.Swap(next); before != nil {
		before.release()
	}
}

// hold returns the current ruleset, or nil. It is not released before the caller calls
// release.
func (r *rulesetInUse) hold() (rules *Ruleset, release func()) {
	for {
		held := r.current.Load()
		if held == nil {
			return nil, nil
		}
		// None hold it only if another has taken its place since.
		if n := held.holders.Load(); n > 0 && held.holders.CompareAndSwap(n, n+1) {
			return held.rules, held.release
		}
	}
}

func (h *heldRuleset) release() {
	if h.holders.Add(-1) == 0 && h.rules.Release != nil {
		h.rules.Release()
	}
}
