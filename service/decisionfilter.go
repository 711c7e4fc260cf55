package service

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// decisionRequest is what requests that select decisions have in common.
type decisionRequest interface {
	GetOutcome() plimsollv1.Outcome
	GetOperation() plimsollv1.Operation
	GetContainerId() string
	GetUser() string
	GetSource() string
	GetPolicy() string
	GetValidator() string
	GetRule() string
	GetSince() *timestamppb.Timestamp
	GetUntil() *timestamppb.Timestamp
	GetAllNamespaces() bool
}

// decisionFilter selects decisions.
type decisionFilter struct {
	asked decisionRequest
	// namespace is empty for all of them.
	namespace    string
	since, until time.Time // zero: any
}

// newDecisionFilter reads a request.
func (s *Service) newDecisionFilter(ctx context.Context, req decisionRequest) (f decisionFilter, err error) {
	f.asked = req
	if _, known := plimsollv1.Outcome_name[int32(req.GetOutcome())]; !known {
		return f, &plimsoll.RequestError{Field: "outcome", Problem: fmt.Sprintf("%d is unknown", req.GetOutcome())}
	}
	if _, known := plimsollv1.Operation_name[int32(req.GetOperation())]; !known {
		return f, &plimsoll.RequestError{Field: "operation", Problem: fmt.Sprintf("%d is unknown", req.GetOperation())}
	}
	if f.since, err = timeOf("since", req.GetSince()); err != nil {
		return f, err
	}
	if f.until, err = timeOf("until", req.GetUntil()); err != nil {
		return f, err
	}
	if req.GetAllNamespaces() {
		return f, requireOperator(ctx)
	}
	f.namespace, err = s.namespace(requestHeader(ctx))
	return f, err
}

func timeOf(field string, t *timestamppb.Timestamp) (time.Time, error) {
	if t == nil {
		return time.Time{}, nil
	}
	if err := t.CheckValid(); err != nil {
		return time.Time{}, &plimsoll.RequestError{Field: field, Problem: "is no time"}
	}
	return t.AsTime(), nil
}

// selects reports whether f asks for d.
func (f *decisionFilter) selects(d *plimsollv1.Decision) bool {
	req, at := f.asked, d.GetTime().AsTime()
	return (f.namespace == "" || f.namespace == d.GetNamespace()) &&
		(req.GetOutcome() == plimsollv1.Outcome_OUTCOME_UNSPECIFIED || req.GetOutcome() == d.GetOutcome()) &&
		(req.GetOperation() == plimsollv1.Operation_OPERATION_UNSPECIFIED || req.GetOperation() == d.GetOperation()) &&
		(req.GetContainerId() == "" || req.GetContainerId() == d.GetContainerId()) &&
		(req.GetUser() == "" || req.GetUser() == d.GetUser().GetName()) &&
		(f.since.IsZero() || !at.Before(f.since)) && (f.until.IsZero() || at.Before(f.until)) &&
		f.selectsRules(d)
}

// selectsRules reports whether a rule that f asks for had something to say of d.
func (f *decisionFilter) selectsRules(d *plimsollv1.Decision) bool {
	req := f.asked
	if req.GetSource() == "" && req.GetPolicy() == "" && req.GetValidator() == "" && req.GetRule() == "" {
		return true
	}
	found := false
	look := func(source *plimsollv1.Source, code string) {
		found = found || f.selectsRule(source, code)
	}
	eachFinding(d, func(v *plimsollv1.Violation) { look(v.GetSource(), v.GetCode()) })
	for _, p := range d.GetPatches() {
		look(p.GetSource(), "")
	}
	for _, s := range d.GetShadows() {
		if s.GetError() != "" {
			look(s.GetSource(), "")
		}
	}
	return found
}

func (f *decisionFilter) selectsRule(s *plimsollv1.Source, code string) bool {
	isKind := func(name string, kind plimsollv1.Source_Kind) bool {
		return name == "" || s.GetKind() == kind && s.GetName() == name
	}
	rule := f.asked.GetRule()
	return (f.asked.GetSource() == "" || s.GetName() == f.asked.GetSource()) &&
		isKind(f.asked.GetPolicy(), plimsollv1.Source_KIND_POLICY) && isKind(f.asked.GetValidator(), plimsollv1.Source_KIND_VALIDATOR) &&
		(rule == "" || rule == s.GetRule() || rule == code || rule == strings.Join([]string{s.GetName(), s.GetRule()}, ".") ||
			s.GetFile() != "" && rule == fmt.Sprintf("%s:%d", s.GetFile(), s.GetLine()))
}

// first is the key of a decision after which those begin that f asks for, the newest first;
// empty for the newest of all.
func (f *decisionFilter) first() string {
	if f.until.IsZero() || f.namespace == "" {
		return ""
	}
	ms := f.until.UnixMilli()
	if ms < 0 || uint64(ms) >= ulid.MaxTime() {
		return ""
	}
	var id ulid.ULID
	_ = id.SetTime(uint64(ms) + 1) // in range
	return decisionKey(f.namespace, id.String()).Key
}

// lateness is by how much decisions that are older may be recorded after others.
const lateness = time.Minute

// isBefore reports whether d, and all that were recorded well before it, are older than what
// f asks for.
func (f *decisionFilter) isBefore(d *plimsollv1.Decision) bool {
	return !f.since.IsZero() && d.GetTime().AsTime().Before(f.since.Add(-lateness))
}
