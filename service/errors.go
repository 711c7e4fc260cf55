package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll"
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
	ReasonRequestReused    = "REQUEST_ID_REUSED"
	ReasonPrecondition     = "FAILED_PRECONDITION"
	ReasonCompacted        = "COMPACTED"
	ReasonBatchRefused     = "BATCH_REFUSED"
	ReasonValidatorFault   = "VALIDATOR_FAULT"
	ReasonPolicyFault      = "POLICY_FAULT"
	ReasonValidatorTimeout = "VALIDATOR_TIMEOUT"
	ReasonQuarantined      = "VALIDATOR_QUARANTINED"
	ReasonPolicyTimeout    = "POLICY_TIMEOUT"
	ReasonMutationTimeout  = "MUTATION_TIMEOUT"
	ReasonPolicyNotReady   = "POLICY_NOT_READY"
	ReasonOverloaded       = "OVERLOADED"
	ReasonSlowReader       = "SLOW_READER"
	ReasonResponseTooLarge = "RESPONSE_TOO_LARGE"
	ReasonRulesRefused     = "RULES_REFUSED"
	ReasonAuthzDenied      = "AUTHZ_DENIED"
	ReasonNoSpace          = "STORAGE_FULL"
	ReasonStoreClosed      = "STORAGE_CLOSED"
	ReasonDraining         = "DRAINING"
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
	// log says that operators should look: the log gets the error's own text.
	log bool
	// retryAfter, if set, tells callers that the same request may succeed later.
	retryAfter time.Duration
}

// isDenial reports whether rules said no.
func (s status) isDenial() bool {
	return s.reason == ReasonPolicyDenied || s.reason == ReasonValidationFailed || s.reason == ReasonQuotaExceeded
}

// statusOf is the one table from errors to codes. Codes are containerd's where
// containerd has one.
func statusOf(err error) status {
	is := func(target error) bool { return errors.Is(err, target) }
	var (
		denied  *plimsoll.DeniedError
		fault   *plimsoll.FaultError
		timeout *plimsoll.TimeoutError
		refused *RefusedRulesError
		apart   *plimsoll.QuarantinedError
		flawed  *RefusedCandidateError
	)
	switch {
	case errors.As(err, &denied):
		return statusOfDenial(denied.Verdict)
	case errors.As(err, &fault):
		// Never blames the caller, and never shows what a rule printed.
		s := status{code: connect.CodeInternal, reason: ReasonPolicyFault, log: true}
		if fault.Source.Kind == plimsoll.SourceValidator {
			s.reason = ReasonValidatorFault
		}
		s.message = fmt.Sprintf("%s %s failed and came to no verdict; nothing was stored", fault.Source.Kind, fault.Source)
		return s
	case errors.As(err, &timeout):
		s := status{code: connect.CodeUnavailable, reason: ReasonPolicyTimeout, retryAfter: time.Second, log: true}
		if timeout.Source.Kind == plimsoll.SourceValidator {
			s.reason = ReasonValidatorTimeout
		}
		s.message = err.Error() + "; nothing was stored"
		return s
	case errors.As(err, &apart): // the log was told when it began
		return status{
			code: connect.CodeUnavailable, reason: ReasonQuarantined, retryAfter: max(apart.RetryAfter, time.Millisecond),
			message: err.Error() + "; nothing was stored",
		}
	case errors.As(err, &refused):
		return status{code: connect.CodeFailedPrecondition, reason: ReasonRulesRefused}
	case errors.As(err, &flawed):
		return status{code: connect.CodeInvalidArgument, reason: ReasonRulesRefused}
	case is(errNoAudit):
		return status{code: connect.CodeFailedPrecondition, reason: ReasonPrecondition}
	case is(errNotOperator), is(errNoBreakGlass), is(errNotKnown):
		return status{code: connect.CodePermissionDenied, reason: ReasonAuthzDenied}
	case is(errContended) && !is(context.Canceled):
		s := status{code: connect.CodeUnavailable, reason: ReasonMutationTimeout, retryAfter: time.Second}
		if is(context.DeadlineExceeded) { // the caller's
			s = status{code: connect.CodeDeadlineExceeded, reason: ReasonDeadline}
		}
		s.message = "others wrote what this reads or writes all the time, so that its turn did not come in time; nothing was stored"
		return s
	case is(plimsoll.ErrOutOfTime):
		return status{
			code: connect.CodeUnavailable, reason: ReasonMutationTimeout, retryAfter: time.Second, log: true,
			message: "policies and validators came to no verdict in time; nothing was stored",
		}
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
	case is(plimsoll.ErrRequestReused):
		return status{code: connect.CodeAborted, reason: ReasonRequestReused}
	case is(plimsoll.ErrFailedPrecondition):
		return status{code: connect.CodeFailedPrecondition, reason: ReasonPrecondition}
	case is(plimsoll.ErrCompacted), is(plimsoll.ErrTrimmed):
		return status{code: connect.CodeOutOfRange, reason: ReasonCompacted}
	case is(errNotAlone):
		return status{code: connect.CodeAborted, reason: ReasonBatchRefused}
	case is(plimsoll.ErrNotReady):
		return status{
			code: connect.CodeUnavailable, reason: ReasonPolicyNotReady, retryAfter: time.Second,
			message: "no ruleset is active, so no mutation can be judged; nothing was stored",
		}
	case is(errSlowReader):
		return status{code: connect.CodeResourceExhausted, reason: ReasonSlowReader}
	case is(errTooManyWatches):
		return status{code: connect.CodeResourceExhausted, reason: ReasonOverloaded, retryAfter: time.Minute}
	case is(plimsoll.ErrOverloaded):
		return status{
			code: connect.CodeResourceExhausted, reason: ReasonOverloaded, retryAfter: time.Second,
			message: "too many mutations in flight; nothing was stored",
		}
	case is(plimsoll.ErrResponseTooLarge):
		return status{
			code: connect.CodeResourceExhausted, reason: ReasonResponseTooLarge,
			message: fmt.Sprintf("the containers take more than %d bytes; narrow the filter", MaxListBytes),
		}
	case is(plimsoll.ErrNoSpace):
		return status{
			code: connect.CodeResourceExhausted, reason: ReasonNoSpace, retryAfter: time.Minute, log: true,
			message: "not enough free disk space to store anything; reads still work",
		}
	case is(plimsoll.ErrClosed):
		return status{
			code: connect.CodeUnavailable, reason: ReasonStoreClosed, retryAfter: time.Second, log: true,
			message: "the store is shutting down; look again later whether the change was made",
		}
	case is(errDraining):
		return status{code: connect.CodeUnavailable, reason: ReasonDraining}
	case is(context.DeadlineExceeded):
		return status{code: connect.CodeDeadlineExceeded, reason: ReasonDeadline, message: "out of time; nothing was stored"}
	case is(context.Canceled):
		return status{code: connect.CodeCanceled, reason: ReasonCanceled, message: "canceled by the caller"}
	}
	return status{code: connect.CodeInternal, reason: ReasonInternal, log: true, message: "internal error; the server's log has the details"}
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
	if st.log {
		log := s.options.Logger.With("reason", st.reason, "error", err.Error())
		if decision != nil {
			log = log.With("decision", decision.ID, "namespace", decision.Key.Namespace, "id", decision.Key.ID)
		}
		log.ErrorContext(ctx, "request failed")
	}
	out := connect.NewError(st.code, errors.New(clip(message, maxMessageBytes)))
	if !readsDetails(ctx) {
		return out
	}
	for _, detail := range details(err, st, decision, detailBudget(ctx)) {
		if d, err := connect.NewErrorDetail(detail); err == nil {
			out.AddDetail(d)
		}
	}
	return out
}
