package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// ErrorDomain is the domain of the google.rpc.ErrorInfo of every error.
const ErrorDomain = "plimsoll"

// The reasons in google.rpc.ErrorInfo.
const (
	ReasonRequestInvalid   = "REQUEST_INVALID"
	ReasonValidationFailed = "VALIDATION_FAILED"
	ReasonPolicyDenied     = "POLICY_DENIED"
	ReasonQuotaExceeded    = "QUOTA_EXCEEDED"
	ReasonNotFound         = "NOT_FOUND"
	ReasonAlreadyExists    = "ALREADY_EXISTS"
	ReasonConflict         = "CONFLICT"
	ReasonValidatorFault   = "VALIDATOR_FAULT"
	ReasonPolicyFault      = "POLICY_FAULT"
	ReasonValidatorTimeout = "VALIDATOR_TIMEOUT"
	ReasonPolicyTimeout    = "POLICY_TIMEOUT"
	ReasonPolicyNotReady   = "POLICY_NOT_READY"
	ReasonOverloaded       = "OVERLOADED"
	ReasonNoSpace          = "STORAGE_FULL"
	ReasonStoreClosed      = "STORAGE_CLOSED"
	ReasonDeadline         = "DEADLINE_EXCEEDED"
	ReasonCanceled         = "CANCELED"
	ReasonInternal         = "INTERNAL"
)

// status is how an error is told to callers.
type status struct {
	code   connect.Code
	reason string
	// message replaces the error's own text where that is for operators only.
	message string
	// retryAfter, if set, tells callers that the same request may succeed later.
	retryAfter time.Duration
}

// statusOf is the one table from errors to codes. Codes are containerd's where
// containerd has one.
func statusOf(err error) status {
	is := func(target error) bool { return errors.Is(err, target) }
	var (
		denied  *plimsoll.DeniedError
		fault   *plimsoll.FaultError
		timeout *plimsoll.TimeoutError
	)
	switch {
	case errors.As(err, &denied):
		return statusOfDenial(denied.Verdict)
	case errors.As(err, &fault):
		// Never blames the caller, and never shows what a rule printed.
		s := status{code: connect.CodeInternal, reason: ReasonPolicyFault}
		if fault.Source.Kind == plimsoll.SourceValidator {
			s.reason = ReasonValidatorFault
		}
		s.message = fmt.Sprintf("%s %s failed and came to no verdict; nothing was stored", fault.Source.Kind, fault.Source)
		return s
	case errors.As(err, &timeout):
		s := status{code: connect.CodeUnavailable, reason: ReasonPolicyTimeout, retryAfter: time.Second}
		if timeout.Source.Kind == plimsoll.SourceValidator {
			s.reason = ReasonValidatorTimeout
		}
		s.message = err.Error() + "; nothing was stored"
		return s
	case is(plimsoll.ErrInvalidRequest):
		return status{code: connect.CodeInvalidArgument, reason: ReasonRequestInvalid}
	case is(plimsoll.ErrNotFound):
		return status{code: connect.CodeNotFound, reason: ReasonNotFound}
	case is(plimsoll.ErrExists):
		return status{code: connect.CodeAlreadyExists, reason: ReasonAlreadyExists}
	case is(plimsoll.ErrStaleRevision):
		return status{code: connect.CodeAborted, reason: ReasonConflict}
	case is(plimsoll.ErrConflict):
		return status{code: connect.CodeAborted, reason: ReasonConflict, retryAfter: 100 * time.Millisecond}
	case is(plimsoll.ErrNotReady):
		return status{
			code: connect.CodeUnavailable, reason: ReasonPolicyNotReady, retryAfter: time.Second,
			message: "no ruleset is active, so no mutation can be judged; nothing was stored",
		}
	case is(plimsoll.ErrOverloaded):
		return status{
			code: connect.CodeResourceExhausted, reason: ReasonOverloaded, retryAfter: time.Second,
			message: "too many mutations in flight; nothing was stored",
		}
	case is(plimsoll.ErrNoSpace):
		return status{
			code: connect.CodeResourceExhausted, reason: ReasonNoSpace, retryAfter: time.Minute,
			message: "not enough free disk space to store anything; reads still work",
		}
	case is(plimsoll.ErrClosed):
		return status{
			code: connect.CodeUnavailable, reason: ReasonStoreClosed, retryAfter: time.Second,
			message: "the store is shutting down; look again later whether the change was made",
		}
	case is(context.DeadlineExceeded):
		return status{code: connect.CodeDeadlineExceeded, reason: ReasonDeadline, message: "out of time; nothing was stored"}
	case is(context.Canceled):
		return status{code: connect.CodeCanceled, reason: ReasonCanceled, message: "canceled by the caller"}
	}
	return status{code: connect.CodeInternal, reason: ReasonInternal, message: "internal error; the server's log has the details"}
}

// statusOfDenial tells who said no: a policy, only quotas, or only validators.
func statusOfDenial(verdict plimsoll.Verdict) status {
	policy, quotas := false, 0
	for _, v := range verdict.Violations {
		if v.Code == plimsoll.CodeQuotaExceeded {
			quotas++
		} else if v.Source.Kind == plimsoll.SourcePolicy {
			policy = true
		}
	}
	switch {
	case quotas > 0 && quotas == len(verdict.Violations):
		return status{code: connect.CodeResourceExhausted, reason: ReasonQuotaExceeded}
	case policy || quotas > 0:
		return status{code: connect.CodePermissionDenied, reason: ReasonPolicyDenied}
	}
	return status{code: connect.CodeInvalidArgument, reason: ReasonValidationFailed}
}

// connectError turns err into what callers get, and logs what they must not.
// decision is nil for requests that were refused before they were judged.
func (s *Service) connectError(ctx context.Context, err error, decision *plimsoll.Decision) *connect.Error {
	st := statusOf(err)
	message := st.message
	if message == "" {
		message = err.Error()
	}
	if st.code == connect.CodeInternal {
		log := s.options.Logger.With("reason", st.reason, "error", err.Error())
		if decision != nil {
			log = log.With("decision", decision.ID, "namespace", decision.Key.Namespace, "id", decision.Key.ID)
		}
		log.ErrorContext(ctx, "request failed")
	}
	out := connect.NewError(st.code, errors.New(message))
	for _, detail := range details(err, st, decision, detailBudget(ctx)) {
		if d, err := connect.NewErrorDetail(detail); err == nil {
			out.AddDetail(d)
		}
	}
	return out
}

// Error details of gRPC travel in trailers, which many clients and proxies limit to
// 8 KiB after base64. In the Connect protocol they are part of the body.
const (
	trailerDetailBytes = 4 << 10
	bodyDetailBytes    = 64 << 10
)

func detailBudget(ctx context.Context) int {
	if call, ok := connect.CallInfoForHandlerContext(ctx); ok && call.Peer().Protocol == connect.ProtocolConnect {
		return bodyDetailBytes
	}
	return trailerDetailBytes
}

// details are the google.rpc details of an error, at most budget bytes of them.
func details(err error, st status, decision *plimsoll.Decision, budget int) []proto.Message {
	info := &errdetails.ErrorInfo{Reason: st.reason, Domain: ErrorDomain, Metadata: map[string]string{}}
	out := []proto.Message{info}
	if decision != nil {
		info.Metadata["decision_id"] = decision.ID
		if decision.Ruleset != "" {
			info.Metadata["ruleset"] = decision.Ruleset
		}
	}
	if st.retryAfter > 0 {
		out = append(out, &errdetails.RetryInfo{RetryDelay: durationpb.New(st.retryAfter)})
	}
	var (
		denied  *plimsoll.DeniedError
		fault   *plimsoll.FaultError
		timeout *plimsoll.TimeoutError
		request *plimsoll.RequestError
	)
	switch {
	case errors.As(err, &denied):
		first := denied.Verdict.Violations[0]
		describeSource(info.Metadata, first.Source)
		info.Metadata["violations"] = strconv.Itoa(len(denied.Verdict.Violations))
		for _, detail := range out {
			budget -= proto.Size(detail)
		}
		out = append(out, denialDetails(denied.Verdict.Violations, st, info.Metadata["decision_id"], budget)...)
	case errors.As(err, &fault):
		describeSource(info.Metadata, fault.Source)
	case errors.As(err, &timeout):
		describeSource(info.Metadata, timeout.Source)
	case errors.As(err, &request):
		out = append(out, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: request.Field, Description: request.Problem, Reason: st.reason},
		}})
	}
	return out
}

func describeSource(metadata map[string]string, source plimsoll.Source) {
	switch source.Kind {
	case plimsoll.SourceValidator:
		metadata["validator"] = source.Name
	case plimsoll.SourcePolicy:
		metadata["policy"] = source.Name
		if source.File != "" {
			metadata["rule"] = fmt.Sprintf("%s %s:%d", source.Rule, source.File, source.Line)
		}
	}
}

// denialDetails says each violation twice: in google.rpc terms, by kind, and in
// full as a plimsoll.v1.Verdict. Where not all fits, the google.rpc terms come
// first, and the counts tell that there are more.
func denialDetails(violations []plimsoll.Violation, st status, decisionID string, budget int) []proto.Message {
	var (
		precondition errdetails.PreconditionFailure
		bad          errdetails.BadRequest
		quota        errdetails.QuotaFailure
		help         errdetails.Help
		links        []string
	)
	verdict := plimsollv1.Verdict{DecisionId: decisionID, ViolationCount: int32(len(violations))} //nolint:gosec // bounded by judges
	const overhead = 8 // tag and length of a nested message, generously
	spend := func(m proto.Message) bool {
		cost := proto.Size(m) + overhead
		if cost > budget {
			return false
		}
		budget -= cost
		return true
	}
	budget -= proto.Size(&verdict) + 4*overhead

	for _, v := range violations {
		switch {
		case v.Code == plimsoll.CodeQuotaExceeded:
			if d := (&errdetails.QuotaFailure_Violation{Subject: v.Field, Description: v.Message}); spend(d) {
				quota.Violations = append(quota.Violations, d)
			}
		case v.Source.Kind == plimsoll.SourcePolicy:
			d := &errdetails.PreconditionFailure_Violation{Type: orElse(v.Code, st.reason), Subject: v.Field, Description: v.Message}
			if spend(d) {
				precondition.Violations = append(precondition.Violations, d)
			}
		default:
			if d := (&errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Message, Reason: v.Code}); spend(d) {
				bad.FieldViolations = append(bad.FieldViolations, d)
			}
		}
	}
	for _, v := range violations {
		if v.Link == "" || slices.Contains(links, v.Link) {
			continue
		}
		if d := (&errdetails.Help_Link{Description: orElse(v.Title, v.Source.Name), Url: v.Link}); spend(d) {
			help.Links = append(help.Links, d)
			links = append(links, v.Link)
		}
	}
	for _, v := range violations {
		d := toProto(v)
		if !spend(d) {
			break
		}
		verdict.Violations = append(verdict.Violations, d)
	}

	var out []proto.Message
	if len(precondition.Violations) > 0 {
		out = append(out, &precondition)
	}
	if len(quota.Violations) > 0 {
		out = append(out, &quota)
	}
	if len(bad.FieldViolations) > 0 {
		out = append(out, &bad)
	}
	if len(help.Links) > 0 {
		out = append(out, &help)
	}
	if len(verdict.Violations) > 0 {
		out = append(out, &verdict)
	}
	return out
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func toProto(v plimsoll.Violation) *plimsollv1.Violation {
	kind := plimsollv1.Source_KIND_POLICY
	if v.Source.Kind == plimsoll.SourceValidator {
		kind = plimsollv1.Source_KIND_VALIDATOR
	}
	return &plimsollv1.Violation{
		Message: v.Message, Field: v.Field, Code: v.Code, Fix: v.Fix, Link: v.Link, Title: v.Title, Severity: v.Severity,
		Source: &plimsollv1.Source{
			Kind: kind, Name: v.Source.Name, Version: v.Source.Version, Rule: v.Source.Rule,
			File: v.Source.File, Line: int32(v.Source.Line), //nolint:gosec // a line number
		},
	}
}
