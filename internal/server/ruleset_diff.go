package server

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/aymanbagabas/go-udiff"
	"sigs.k8s.io/yaml"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/service"
)

// Diff implements [service.RulesetControl].
func (k *rulekeeper) Diff(ctx context.Context, from, to string) (*service.RulesetDiff, error) {
	a, err := k.contents(ctx, from, plimsollv1.RulesetState_RULESET_STATE_ACTIVE)
	if err != nil {
		return nil, err
	}
	b, err := k.contents(ctx, to, plimsollv1.RulesetState_RULESET_STATE_SHADOW)
	if err != nil {
		return nil, err
	}
	diff := &service.RulesetDiff{From: a.digest, To: b.digest}
	for _, part := range []struct {
		kind string
		a, b map[string]string
	}{
		{"package", a.packages, b.packages}, {"rule", a.rules, b.rules}, {"policy", a.files, b.files}, {"validator", a.validators, b.validators},
	} {
		diff.Differences = append(diff.Differences, differences(part.kind, part.a, part.b)...)
	}
	return diff, nil
}

// rulesetContents are what is in a ruleset, by name. The text of packages and rules says
// nothing but that they are there, and what becomes of their denials.
type rulesetContents struct {
	digest                             string
	packages, rules, files, validators map[string]string
}

// contents loads rules that are kept and says what is in them. Without a digest it is
// those of a state.
func (k *rulekeeper) contents(ctx context.Context, digest string, otherwise service.RulesetState) (*rulesetContents, error) {
	k.changing.Lock()
	active, shadow := k.active, k.history.index.Shadow
	k.changing.Unlock()
	if digest == "" && otherwise == plimsollv1.RulesetState_RULESET_STATE_ACTIVE {
		return contentsOf(active)
	}
	var entry historyEntry
	switch {
	case digest == "" && shadow == nil:
		return nil, service.ErrNoShadow
	case digest == "":
		entry = shadow.historyEntry
	default:
		found, err := k.findKept(digest)
		if err != nil {
			return nil, err
		}
		entry = *found
	}
	c, err := k.readEntry(ctx, entry)
	if err != nil {
		return nil, refusedCandidate(ctx, err)
	}
	rules, err := k.loadOnTrial(ctx, c)
	if err != nil {
		return nil, err
	}
	defer rules.Release()
	return contentsOf(rules)
}

func contentsOf(rules *loadedRules) (*rulesetContents, error) {
	c := &rulesetContents{
		digest: rules.Digest, packages: map[string]string{}, rules: map[string]string{}, files: map[string]string{}, validators: map[string]string{},
	}
	if p, ok := rules.policies.judge.(*policy.Policies); ok {
		for _, pkg := range p.Packages() {
			c.packages[pkg.Name] = string(pkg.Enforcement)
			for _, rule := range pkg.Rules {
				c.rules[pkg.Name+"."+rule] = ""
			}
		}
		c.files = rules.policies.set.Texts()
	}
	if rules.validators == nil {
		return c, nil
	}
	for _, info := range rules.validators.List() {
		text, err := json.Marshal(info)
		if err != nil {
			return nil, err
		}
		var bound map[string]any
		if err := json.Unmarshal(text, &bound); err != nil {
			return nil, err
		}
		delete(bound, "module") // where it lies, and who signed it, decide nothing
		delete(bound, "signature")
		if text, err = yaml.Marshal(bound); err != nil {
			return nil, err
		}
		c.validators[info.Name] = string(text)
	}
	return c, nil
}

// differences are what a and b of a kind do not have in common, by name.
func differences(kind string, a, b map[string]string) []*plimsollv1.RulesetDifference {
	names := maps.Clone(a)
	maps.Copy(names, b)
	var all []*plimsollv1.RulesetDifference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, was := a[name]
		after, is := b[name]
		d := &plimsollv1.RulesetDifference{Kind: kind, Name: name, Change: "changed"}
		switch {
		case was && is && before == after:
			continue
		case !was:
			d.Change = "added"
		case !is:
			d.Change = "removed"
		}
		switch kind {
		case "policy", "validator":
			d.Diff = udiff.Unified("a/"+name, "b/"+name, before, after)
		case "package":
			if d.GetChange() == "changed" {
				d.Diff = fmt.Sprintf("-%s\n+%s\n", before, after)
			}
		}
		all = append(all, d)
	}
	return all
}

// findKept finds rules that are kept by their digest.
func (k *rulekeeper) findKept(digest string) (*historyEntry, error) {
	k.changing.Lock()
	defer k.changing.Unlock()
	return find(k.history.all(), digest)
}
