package server

import (
	"slices"
	"strings"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// isLike reports whether entries are of the same rules.
func (e historyEntry) isLike(other historyEntry) bool {
	return e.Policies == other.Policies && e.Validators == other.Validators
}

func without(entries []historyEntry, entry historyEntry) []historyEntry {
	return slices.DeleteFunc(slices.Clone(entries), entry.isLike)
}

// all are the entries of all rules, those that have judged last.
func (h *history) all() []historyEntry {
	all := slices.Clone(h.index.Candidates)
	if h.index.Shadow != nil {
		all = append(all, h.index.Shadow.historyEntry)
	}
	return append(all, h.index.Entries...)
}

// set is what an entry of the history calls the validators' set.
func (r *loadedRules) set() string {
	if r.read.set == nil {
		return ""
	}
	return r.read.fingerprint
}

// isOf reports whether an entry is that of rules.
func (e historyEntry) isOf(rules *loadedRules) bool {
	return e.Policies == rules.policies.digest && e.Ruleset == rules.Digest && e.Set == rules.set()
}

// last is the entry that judged last, or nil.
func (h *history) last() *historyEntry {
	if len(h.index.Entries) == 0 {
		return nil
	}
	return &h.index.Entries[len(h.index.Entries)-1]
}

// previous is the latest that going back to would change something of current.
func (h *history) previous(current *loadedRules) (*historyEntry, error) {
	for _, e := range slices.Backward(h.index.Entries) {
		if e.differs(current) {
			return &e, nil
		}
	}
	return nil, errNoPrevious
}

// find returns the entry that a digest means: of a ruleset, of policies or of validators,
// in full or its beginning; the latest of several with the same.
func find(entries []historyEntry, digest string) (*historyEntry, error) {
	const shortest = 6
	wanted := strings.TrimPrefix(strings.ToLower(digest), "sha256:")
	var found *historyEntry
	meant := ""
	for _, e := range slices.Backward(entries) {
		for _, d := range []string{e.Ruleset, e.Policies, e.Validators} {
			if len(wanted) < shortest || !strings.HasPrefix(d, "sha256:"+wanted) || d == meant {
				continue
			}
			if found != nil {
				return nil, errAmbiguousDigest
			}
			found, meant = &e, d
		}
	}
	if found == nil {
		return nil, errNotKept
	}
	return found, nil
}

// kept describes all rules, those of active first: see [service.RulesetControl].
func (h *history) kept(active *loadedRules) []service.KeptRuleset {
	var list []service.KeptRuleset
	add := func(e historyEntry, state service.RulesetState) {
		kept := e.kept(e.Ruleset)
		kept.State = state
		list = append(list, kept)
	}
	isShadow := func(e historyEntry) bool { return h.index.Shadow != nil && h.index.Shadow.isLike(e) }
	for _, e := range slices.Backward(h.index.Entries) {
		if e.isOf(active) {
			add(e, plimsollv1.RulesetState_RULESET_STATE_ACTIVE)
		}
	}
	if h.index.Shadow != nil {
		add(h.index.Shadow.historyEntry, plimsollv1.RulesetState_RULESET_STATE_SHADOW)
	}
	for _, e := range slices.Backward(h.index.Entries) {
		if !e.isOf(active) && !isShadow(e) {
			add(e, plimsollv1.RulesetState_RULESET_STATE_PAST)
		}
	}
	for _, e := range slices.Backward(h.index.Candidates) {
		if !isShadow(e) {
			add(e, plimsollv1.RulesetState_RULESET_STATE_CANDIDATE)
		}
	}
	return list
}

// kept describes an entry; ruleset is its digest with the settings of now.
func (e historyEntry) kept(ruleset string) service.KeptRuleset {
	kept := service.KeptRuleset{Ruleset: ruleset, Policies: e.Policies, Validators: e.Validators, Since: e.Since, By: e.By}
	for _, s := range e.Sources {
		kept.Revisions = append(kept.Revisions, service.SourceRevision(s))
	}
	return kept
}

// differs reports whether going back to an entry would make other rules than current ones
// judge. Of what it does not have the current ones stay.
func (e historyEntry) differs(current *loadedRules) bool {
	return e.Policies != None && e.Policies != current.policies.digest || e.Set != "" && e.Validators != current.validatorsDigest()
}
