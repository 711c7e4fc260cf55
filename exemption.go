package plimsoll

import (
	"encoding/json"
	"slices"
	"time"
)

// Exemption says that what a rule says against some containers does not count, until it
// expires.
type Exemption struct {
	ID string
	// Rule is the name of a policy's package, of a rule of it, or of a validator, or a
	// pattern of such names as of [MatchesName].
	Rule string
	// Namespaces and Containers are names and IDs, or patterns; no containers stand for
	// all of them, and no namespaces for none.
	Namespaces []string
	Containers []string
	// Labels are what containers must have.
	Labels map[string]string
	// Reason says why, and Owner who answers for it.
	Reason    string
	Owner     string
	CreatedAt time.Time
	ExpiresAt time.Time
	CreatedBy User
	// Ruleset is the digest of the rules that admitted it.
	Ruleset  string
	Revision Revision
}

// Expired reports whether e is of no effect any more.
func (e *Exemption) Expired(now time.Time) bool { return !now.Before(e.ExpiresAt) }

// Covers reports whether e is about what a source says of a container at a time. labels are
// those of the container as it is judged.
func (e *Exemption) Covers(now time.Time, source Source, key Key, labels map[string]string) bool {
	if e.Expired(now) || !matchesAny(e.Namespaces, key.Namespace) || len(e.Containers) > 0 && !matchesAny(e.Containers, key.ID) {
		return false
	}
	for label, value := range e.Labels {
		if have, ok := labels[label]; !ok || have != value {
			return false
		}
	}
	return matchesAny([]string{e.Rule}, source.Name) || matchesAny([]string{e.Rule}, source.RuleName())
}

// matchesAny reports whether a name is or matches one of patterns. What is no pattern
// matches nothing.
func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := MatchesName(pattern, name)
		return ok && err == nil
	})
}

// ExemptionRequest is what rules about exemptions judge.
type ExemptionRequest struct {
	// Operation is CREATE or DELETE.
	Operation Operation
	User      User
	// Operator says that the user may administer the server.
	Operator  bool
	DryRun    bool
	Exemption *Exemption
}

// JSON returns the document that rules see, of which policy/exemption.schema.json is the
// schema.
func (r *ExemptionRequest) JSON() ([]byte, error) {
	e := r.Exemption
	user := r.User
	if user.Groups == nil {
		user.Groups = []string{}
	}
	labels := e.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	list := func(names []string) []string { return append([]string{}, names...) }
	return json.Marshal(map[string]any{
		"version": InputVersion, "kind": KindExemption, "operation": r.Operation, "dry_run": r.DryRun, "operator": r.Operator, "user": user,
		"exemption": map[string]any{
			"id": e.ID, "rule": e.Rule, "namespaces": list(e.Namespaces), "containers": list(e.Containers), "labels": labels,
			"reason": e.Reason, "owner": e.Owner, "created_at": e.CreatedAt.UTC().Format(time.RFC3339), "expires_at": e.ExpiresAt.UTC().Format(time.RFC3339),
			"lifetime_seconds": int64(e.ExpiresAt.Sub(e.CreatedAt) / time.Second),
		},
	})
}
