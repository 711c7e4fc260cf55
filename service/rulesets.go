package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// RulesetControl shows and changes by which rules mutations are judged. It is safe for
// concurrent use.
type RulesetControl interface {
	// Status says which rules judge, and how it stands with where they come from.
	Status() RulesetStatus
	// Kept lists the rulesets that are kept, in the order of the API.
	Kept() []KeptRuleset
	// Diff says what differs between two rulesets that are kept; empty stands for the one
	// that judges, and the one in shadow.
	Diff(ctx context.Context, from, to string) (*RulesetDiff, error)
	// Shadow keeps a candidate and has it run in shadow, by SetShadow. What is wrong with
	// it is a RefusedCandidateError, and then nothing changes.
	Shadow(ctx context.Context, c Candidate, percent float64, by string) error
	// InShadow says what runs in shadow; false if nothing is to.
	InShadow() (ShadowedRuleset, bool)
	// StopShadow ends what Shadow began.
	StopShadow(ctx context.Context) error
	// Promote makes a ruleset judge that is kept; digest is its own, or the beginning. What
	// is wrong with it is a RefusedRulesError.
	Promote(ctx context.Context, digest, by string) error
	// Rollback makes earlier rules judge; digest is theirs, its beginning, or empty for
	// the latest others. What is wrong with them is a RefusedRulesError.
	Rollback(ctx context.Context, digest, by string) error
	// Reload loads the rules anew from where they come from, and ends what Promote or
	// Rollback began. What is wrong with them is a RefusedRulesError, and then nothing
	// changes.
	Reload(ctx context.Context, by string) error
	// Candidate loads rules that are to judge nothing. They share nothing with those that
	// judge. The caller releases them. What is wrong with them is a RefusedCandidateError.
	Candidate(ctx context.Context, c Candidate) (*Ruleset, error)
}

// RulesetStatus says how it stands with the rules.
type RulesetStatus struct {
	// Ruleset, Policies and Validators are the digests of all rules and of those of either
	// kind; none if there are none.
	Ruleset, Policies, Validators string
	// Bound are the validators, in the order in which they judge.
	Bound []BoundValidator
	// Since is when the rules began to judge.
	Since time.Time
	// Pinned says that they were promoted or gone back to.
	Pinned    bool
	Revisions []SourceRevision
	Sources   []SourceStatus
	// Checked is when the rules were last looked at, Err why they were not loaded then.
	Checked time.Time
	Err     error
	// Quarantines are the validators that are not asked on behalf of some callers.
	Quarantines []Quarantine
}

// Quarantine says that a validator is not asked on behalf of a caller.
type Quarantine struct {
	Validator, Namespace, User string
	Since, Until               time.Time
}

// BoundValidator is a validator that judges.
type BoundValidator struct {
	Name, Version string
	// Module is where it comes from, as configured.
	Module, SHA256 string
	Enforcement    string
	// KeyID and Comment are the key and the trusted comment of its signature; empty if
	// signatures are not looked at.
	KeyID, Comment string
}

// SourceRevision is what policies were made of.
type SourceRevision struct {
	Name string
	// Revision is what the manifest says, or empty.
	Revision string
}

// SourceStatus says how it stands with a source of policies, or a module in a registry.
type SourceStatus struct {
	Name    string
	Remote  bool
	Version string
	Checked time.Time
	Err     error
}

// RulesetState says what becomes of a ruleset that is kept.
type RulesetState = plimsollv1.RulesetState

// KeptRuleset is a ruleset that is kept.
type KeptRuleset struct {
	Ruleset, Policies, Validators string
	State                         RulesetState
	Since                         time.Time
	By                            string // empty: the configuration
	Revisions                     []SourceRevision
}

// ShadowedRuleset is a ruleset that is to run in shadow.
type ShadowedRuleset struct {
	KeptRuleset

	Percent float64
	Err     error // why it does not run
}

// RulesetDiff is what differs between two rulesets.
type RulesetDiff struct {
	From, To    string
	Differences []*plimsollv1.RulesetDifference
}

// RefusedRulesError says why rules were not made to judge.
type RefusedRulesError struct{ Err error }

func (e *RefusedRulesError) Error() string {
	return fmt.Sprintf("the rules cannot be loaded, and nothing has changed: %v", e.Err)
}

// Unwrap gives the cause.
func (e *RefusedRulesError) Unwrap() error { return e.Err }

// RefusedCandidateError says what is wrong with rules that are not to judge.
type RefusedCandidateError struct{ Err error }

func (e *RefusedCandidateError) Error() string {
	return fmt.Sprintf("the candidate cannot be loaded: %v", e.Err)
}

// Unwrap gives the cause.
func (e *RefusedCandidateError) Unwrap() error { return e.Err }

// errNotOperator says who may.
var errNotOperator = errors.New("only root and the user that the server runs as may do this, and on its unix socket: --address unix://PATH")

// requireOperator refuses callers who are not known to be allowed to administer the
// server. Only on the unix socket is it known who calls; on loopback it may be anybody
// on this machine, containers among them.
func requireOperator(ctx context.Context) error {
	user := userOf(ctx)
	if user.Via == "unix" && (user.Name == "uid:0" || user.Name == fmt.Sprintf("uid:%d", os.Geteuid())) {
		return nil
	}
	return errNotOperator
}

// rulesetsV1 is plimsoll.v1.RulesetService.
type rulesetsV1 struct {
	*Service
}

// GetStatus implements plimsoll.v1.RulesetService.
func (s rulesetsV1) GetStatus(ctx context.Context, _ *plimsollv1.GetStatusRequest) (*plimsollv1.GetStatusResponse, error) {
	return &plimsollv1.GetStatusResponse{Status: s.status(ctx)}, nil
}

// ListRulesets implements plimsoll.v1.RulesetService.
func (s rulesetsV1) ListRulesets(ctx context.Context, _ *plimsollv1.ListRulesetsRequest) (*plimsollv1.ListRulesetsResponse, error) {
	res := &plimsollv1.ListRulesetsResponse{}
	operator := requireOperator(ctx) == nil
	for _, kept := range s.options.Rulesets.Kept() {
		out := &plimsollv1.KeptRuleset{
			Ruleset: kept.Ruleset, Policies: kept.Policies, Validators: kept.Validators, State: kept.State, Since: timestamp(kept.Since), Revisions: revisions(kept.Revisions),
		}
		if operator {
			out.By = kept.By
		}
		switch run := s.shadow.Load(); {
		case kept.State == plimsollv1.RulesetState_RULESET_STATE_ACTIVE:
			out.Counts = s.ruleset.counts()
		case kept.State == plimsollv1.RulesetState_RULESET_STATE_SHADOW && run != nil:
			out.Counts = run.tally.said()
		}
		res.Rulesets = append(res.Rulesets, out)
	}
	return res, nil
}

// Promote implements plimsoll.v1.RulesetService.
func (s rulesetsV1) Promote(ctx context.Context, req *plimsollv1.PromoteRequest) (*plimsollv1.PromoteResponse, error) {
	err := requireOperator(ctx)
	if err == nil && req.GetDigest() == "" {
		err = &plimsoll.RequestError{Field: "digest", Problem: "is missing: say which ruleset is to judge"}
	}
	if err == nil {
		err = s.options.Rulesets.Promote(ctx, req.GetDigest(), userOf(ctx).Name)
	}
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &plimsollv1.PromoteResponse{Status: s.status(ctx)}, nil
}

// Rollback implements plimsoll.v1.RulesetService.
func (s rulesetsV1) Rollback(ctx context.Context, req *plimsollv1.RollbackRequest) (*plimsollv1.RollbackResponse, error) {
	err := requireOperator(ctx)
	if err == nil {
		err = s.options.Rulesets.Rollback(ctx, req.GetDigest(), userOf(ctx).Name)
	}
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &plimsollv1.RollbackResponse{Status: s.status(ctx)}, nil
}

// Reload implements plimsoll.v1.RulesetService.
func (s rulesetsV1) Reload(ctx context.Context, _ *plimsollv1.ReloadRequest) (*plimsollv1.ReloadResponse, error) {
	err := requireOperator(ctx)
	if err == nil {
		err = s.options.Rulesets.Reload(ctx, userOf(ctx).Name)
	}
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &plimsollv1.ReloadResponse{Status: s.status(ctx)}, nil
}

func (s rulesetsV1) status(ctx context.Context) *plimsollv1.RulesetStatus {
	status := s.options.Rulesets.Status()
	out := &plimsollv1.RulesetStatus{
		Ruleset: status.Ruleset, Policies: status.Policies, Since: timestamp(status.Since), Pinned: status.Pinned,
		Revisions: revisions(status.Revisions), CheckTime: timestamp(status.Checked), Error: shownTo(ctx, status.Err), Validators: status.Validators,
	}
	for _, b := range status.Bound {
		out.BoundValidators = append(out.BoundValidators, &plimsollv1.BoundValidator{
			Name: b.Name, Version: b.Version, Module: b.Module, Sha256: b.SHA256, Enforcement: b.Enforcement, KeyId: b.KeyID, Comment: clip(b.Comment, maxMessageBytes),
		})
	}
	for _, source := range status.Sources {
		out.Sources = append(out.Sources, &plimsollv1.PolicySource{
			Name: source.Name, Remote: source.Remote, Version: source.Version, CheckTime: timestamp(source.Checked), Error: shownTo(ctx, source.Err),
		})
	}
	for _, q := range status.Quarantines {
		if requireOperator(ctx) != nil {
			q.User = ""
		}
		out.Quarantines = append(out.Quarantines, &plimsollv1.Quarantine{
			Validator: q.Validator, Namespace: q.Namespace, User: q.User, Since: timestamp(q.Since), Until: timestamp(q.Until),
		})
	}
	return out
}

// shownTo is what callers see of an error: lines of policies are for operators only.
func shownTo(ctx context.Context, err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if requireOperator(ctx) != nil {
		text, _, _ = strings.Cut(text, "\n")
	}
	return clip(text, maxMessageBytes)
}

func revisions(all []SourceRevision) []*plimsollv1.SourceRevision {
	out := make([]*plimsollv1.SourceRevision, len(all))
	for i, r := range all {
		out[i] = &plimsollv1.SourceRevision{Name: r.Name, Revision: r.Revision}
	}
	return out
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
