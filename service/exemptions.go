package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Bounds on exemptions.
const (
	// maxExemptions are read whenever something violates a rule.
	maxExemptions      = 1000
	maxExemptionBytes  = 3 << 10
	maxExemptionReason = 1 << 10
	// exemptionKept is for how long one that has expired is still shown.
	exemptionKept = 30 * 24 * time.Hour
	// DefaultExemptionLimit is how far ahead exemptions may expire.
	DefaultExemptionLimit = 90 * 24 * time.Hour
	// unruledExemptionLimit is how far where no rules are about exemptions.
	unruledExemptionLimit = 30 * 24 * time.Hour
)

// ExemptionJudge is what a ruleset's policies may be, besides a judge: they say who may have
// which exemption. It reports whether there are rules about that. The errors are those of
// [plimsoll.Judge].
type ExemptionJudge interface {
	JudgeExemption(ctx context.Context, r *plimsoll.ExemptionRequest) (verdict plimsoll.Verdict, ruled bool, err error)
}

func exemptionKey(id string) plimsoll.EntryKey {
	return plimsoll.EntryKey{Kind: plimsoll.KindExemption, Key: id}
}

// readExemptions reads all exemptions, in the order of their IDs, those that have expired
// too.
func readExemptions(ctx context.Context, view storage.View) ([]*plimsoll.Exemption, error) {
	var all []*plimsoll.Exemption
	for entry, err := range view.Entries(ctx, plimsoll.KindExemption, "", "") {
		if err != nil {
			return nil, err
		}
		e, err := decodeExemption(entry)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func decodeExemption(entry *plimsoll.Entry) (*plimsoll.Exemption, error) {
	var record storagev1.Exemption
	if err := proto.Unmarshal(entry.Value, &record); err != nil {
		return nil, fmt.Errorf("record of exemption %q: %w", entry.Key, err)
	}
	e := fromExemption(record.GetExemption())
	e.ID, e.Revision = entry.Key, entry.Revision
	return e, nil
}

func encodeExemption(e *plimsoll.Exemption) (*plimsoll.Entry, error) {
	value, err := proto.Marshal(&storagev1.Exemption{Exemption: toExemption(e, e.CreatedAt)})
	if err != nil {
		return nil, fmt.Errorf("record of exemption %q: %w", e.ID, err)
	}
	return &plimsoll.Entry{EntryKey: exemptionKey(e.ID), Value: value, ExpiresAt: e.ExpiresAt.Add(exemptionKept)}, nil
}

func fromExemption(v *plimsollv1.Exemption) *plimsoll.Exemption {
	user := v.GetCreatedBy()
	return &plimsoll.Exemption{
		ID: v.GetId(), Rule: v.GetRule(), Namespaces: v.GetNamespaces(), Containers: v.GetContainers(), Labels: v.GetLabels(),
		Reason: v.GetReason(), Owner: v.GetOwner(), CreatedAt: fromTimestamp(v.GetCreatedAt()), ExpiresAt: fromTimestamp(v.GetExpiresAt()),
		CreatedBy: plimsoll.User{Name: user.GetName(), Groups: user.GetGroups(), Via: user.GetVia()}, Ruleset: v.GetRuleset(),
	}
}

func toExemption(e *plimsoll.Exemption, now time.Time) *plimsollv1.Exemption {
	return &plimsollv1.Exemption{
		Id: e.ID, Rule: e.Rule, Namespaces: e.Namespaces, Containers: e.Containers, Labels: e.Labels, Reason: e.Reason, Owner: e.Owner,
		CreatedAt: toTimestamp(e.CreatedAt), ExpiresAt: toTimestamp(e.ExpiresAt),
		CreatedBy: &plimsollv1.User{Name: e.CreatedBy.Name, Groups: e.CreatedBy.Groups, Via: e.CreatedBy.Via},
		Ruleset:   e.Ruleset, Revision: uint64(e.Revision), Expired: e.Expired(now),
	}
}

// checkExemption checks what no rule has a say in.
func (s *Service) checkExemption(e *plimsoll.Exemption) error {
	wrong := func(field, format string, args ...any) error {
		return &plimsoll.RequestError{Field: "exemption." + field, Problem: fmt.Sprintf(format, args...)}
	}
	if err := checkID("exemption.id", e.ID); err != nil {
		return err
	}
	if plimsoll.BadPattern(e.Rule) {
		return wrong("rule", "%q is no pattern: write it like labels.required or labels.*", clip(e.Rule, maxMetadataBytes))
	}
	if len(e.Namespaces) == 0 {
		return wrong("namespaces", "say which, such as dev-*; * stands for all")
	}
	for _, list := range []struct {
		field    string
		patterns []string
	}{{"namespaces", e.Namespaces}, {"containers", e.Containers}} {
		for i, pattern := range list.patterns {
			if plimsoll.BadPattern(pattern) {
				return wrong(fmt.Sprintf("%s[%d]", list.field, i), "%q is no pattern: write it like dev-*", clip(pattern, maxMetadataBytes))
			}
		}
	}
	if err := checkLabels("exemption.labels", e.Labels); err != nil {
		return err
	}
	switch ahead := e.ExpiresAt.Sub(e.CreatedAt); {
	case e.Reason == "":
		return wrong("reason", "say why")
	case e.Owner == "":
		return wrong("owner", "say who answers for it")
	case e.ExpiresAt.IsZero():
		return wrong("expires_at", "say when it ends")
	case ahead <= 0:
		return wrong("expires_at", "is in the past")
	case ahead > s.options.ExemptionLimit:
		return wrong("expires_at", "is more than %s ahead, which is the server's exemption-limit", s.options.ExemptionLimit)
	}
	if err := checkSize("exemption.reason", len(e.Reason), maxExemptionReason); err != nil {
		return err
	}
	return checkSize("exemption", proto.Size(toExemption(e, e.CreatedAt)), maxExemptionBytes)
}

// unruledExemptions says of exemptions where no rules are about them: operators may, for a
// while, and not for rules in general.
func unruledExemptions(r *plimsoll.ExemptionRequest) plimsoll.Verdict {
	var verdict plimsoll.Verdict
	deny := func(field, message, fix string) {
		verdict.Violations = append(verdict.Violations, plimsoll.Violation{
			Message: message, Field: field, Fix: fix, Source: plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "exemptions (built in)"},
		})
	}
	if !r.Operator {
		deny("", "no rules are about exemptions, so only operators may create or delete them", "write rules with custom.match: {kinds: [exemption]}")
	}
	if r.Operation == plimsoll.OperationDelete {
		return verdict
	}
	if first := r.Exemption.Rule[0]; strings.IndexByte(`*?[\`, first) >= 0 { // never empty
		deny("rule", "without rules about exemptions, a pattern must begin with a part of a name: "+r.Exemption.Rule+" may be every rule", "name the rule")
	}
	if r.Exemption.ExpiresAt.Sub(r.Exemption.CreatedAt) > unruledExemptionLimit {
		deny("expires_at", "without rules about exemptions they are for 30 days at most", "let it expire earlier")
	}
	return verdict
}

// judgeExemption has the rules say whether a change of an exemption may be made, and returns
// what they warn about.
func judgeExemption(ctx context.Context, rules *Ruleset, r *plimsoll.ExemptionRequest) ([]plimsoll.Violation, error) {
	if r.Operator && r.Operation == plimsoll.OperationDelete { // what ends one is never to be waited for
		return nil, nil
	}
	var (
		verdict plimsoll.Verdict
		ruled   bool
		err     error
	)
	if judge, ok := rules.Policies.(ExemptionJudge); ok {
		if verdict, ruled, err = judge.JudgeExemption(ctx, r); err != nil {
			return nil, err
		}
	}
	if !ruled {
		verdict = unruledExemptions(r)
	}
	if len(verdict.Violations) > 0 {
		return nil, &plimsoll.DeniedError{Verdict: verdict}
	}
	return verdict.Warnings, nil
}

// errNotKnown is for callers who cannot be told from others.
var errNotKnown = errors.New("exemptions are not for callers who are not known: only on the unix socket is it known who calls: --address unix://PATH")

// requireKnown refuses callers of whom nothing is known, whatever rules say.
func requireKnown(ctx context.Context) error {
	if user := userOf(ctx); user.Name == "" || user.Via == anonymous {
		return errNotKnown
	}
	return nil
}

// coversNamespace reports whether e can be about containers of a namespace.
func coversNamespace(e *plimsoll.Exemption, namespace string) bool {
	return namespace == "" || slices.ContainsFunc(e.Namespaces, func(pattern string) bool {
		ok, err := plimsoll.MatchesName(pattern, namespace)
		return ok && err == nil
	})
}
