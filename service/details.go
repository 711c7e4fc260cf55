package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// Error details of gRPC travel in trailers, which many clients and proxies limit to
// 8 KiB after base64. In the Connect protocol they are part of the body.
// Everything that is told twice or that callers chose is clipped.
const (
	trailerDetailBytes = 4 << 10
	bodyDetailBytes    = 64 << 10
	maxMessageBytes    = 512
	maxTextBytes       = 1 << 10
	maxMetadataBytes   = 256
)

// clip makes s valid UTF-8, as protobuf strings must be, of at most limit bytes.
func clip(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit-len("...")], "") + "..." // a character cut in two goes
}

func detailBudget(ctx context.Context) int {
	if call, ok := connect.CallInfoForHandlerContext(ctx); ok && call.Peer().Protocol == connect.ProtocolConnect {
		return bodyDetailBytes
	}
	return trailerDetailBytes
}

// readsDetails reports whether the caller can be sent details. containerd's clients take
// them for further errors (errdefs/pkg/errgrpc, ToNative): ctr would print a line such as
// "proto: not found" for each.
func readsDetails(ctx context.Context) bool {
	call, ok := connect.CallInfoForHandlerContext(ctx)
	return !ok || call.Peer().Protocol != connect.ProtocolGRPC || !strings.HasPrefix(call.Spec().Procedure, "/containerd.services.")
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
		apart   *plimsoll.QuarantinedError
		request *plimsoll.RequestError
		old     *plimsoll.CompactedError
	)
	switch {
	case errors.As(err, &old):
		info.Metadata["oldest_revision"] = strconv.FormatUint(uint64(old.Oldest), 10)
	case errors.As(err, &denied):
		if len(denied.Verdict.Violations) > 0 {
			describeSource(info.Metadata, denied.Verdict.Violations[0].Source)
		}
		info.Metadata["violations"] = strconv.Itoa(len(denied.Verdict.Violations))
		for _, detail := range out {
			budget -= proto.Size(detail) + detailOverhead
		}
		out = append(out, denialDetails(denied.Verdict.Violations, st, info.Metadata["decision_id"], budget)...)
	case errors.As(err, &fault):
		describeSource(info.Metadata, fault.Source)
	case errors.As(err, &timeout):
		describeSource(info.Metadata, timeout.Source)
	case errors.As(err, &apart):
		describeSource(info.Metadata, apart.Source)
	case errors.As(err, &request):
		out = append(out, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: clip(request.Field, maxTextBytes), Description: clip(request.Problem, maxTextBytes), Reason: st.reason},
		}})
	}
	return out
}

func describeSource(metadata map[string]string, source plimsoll.Source) {
	switch source.Kind {
	case plimsoll.SourceValidator:
		metadata["validator"] = clip(source.Name, maxMetadataBytes)
	case plimsoll.SourcePolicy:
		metadata["policy"] = clip(source.Name, maxMetadataBytes)
		if source.File != "" {
			metadata["rule"] = clip(fmt.Sprintf("%s %s:%d", source.Rule, source.File, source.Line), maxMetadataBytes)
		}
	}
}

// What a message costs beside itself: tag and length in another message, or that and
// its type URL as a detail, generously.
const (
	nestedOverhead = 8
	detailOverhead = 80
)

// denialDetails says each violation twice: in google.rpc terms, by kind, and in
// full as a plimsoll.v1.Verdict. Where not all fits, each gets half the room, and
// the verdict's count tells that there are more.
func denialDetails(violations []plimsoll.Violation, st status, decisionID string, budget int) []proto.Message {
	var (
		precondition errdetails.PreconditionFailure
		bad          errdetails.BadRequest
		quota        errdetails.QuotaFailure
		help         errdetails.Help
		links        []string
	)
	verdict := plimsollv1.Verdict{DecisionId: decisionID, ViolationCount: int32(len(violations))} //nolint:gosec // bounded by judges
	budget -= proto.Size(&verdict) + 5*detailOverhead
	half := budget / 2
	spend := func(m proto.Message, reserve int) bool {
		cost := proto.Size(m) + nestedOverhead
		if budget-cost < reserve {
			return false
		}
		budget -= cost
		return true
	}

	for _, v := range violations {
		field, message, code := clip(v.Field, maxTextBytes), clip(v.Message, maxTextBytes), clip(v.Code, maxMetadataBytes)
		switch {
		case v.Code == plimsoll.CodeQuotaExceeded:
			if d := (&errdetails.QuotaFailure_Violation{Subject: field, Description: message}); spend(d, half) {
				quota.Violations = append(quota.Violations, d)
			}
		case v.Source.Kind == plimsoll.SourcePolicy:
			d := &errdetails.PreconditionFailure_Violation{Type: orElse(code, st.reason), Subject: field, Description: message}
			if spend(d, half) {
				precondition.Violations = append(precondition.Violations, d)
			}
		default:
			if d := (&errdetails.BadRequest_FieldViolation{Field: field, Description: message, Reason: code}); spend(d, half) {
				bad.FieldViolations = append(bad.FieldViolations, d)
			}
		}
	}
	for _, v := range violations {
		if v.Link == "" || slices.Contains(links, v.Link) {
			continue
		}
		d := &errdetails.Help_Link{Description: clip(orElse(v.Title, v.Source.Name), maxTextBytes), Url: clip(v.Link, maxTextBytes)}
		if spend(d, half) {
			help.Links = append(help.Links, d)
			links = append(links, v.Link)
		}
	}
	for _, v := range violations {
		d := toProto(v)
		if !spend(d, 0) {
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
	return append(out, &verdict)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func fromViolation(v *plimsollv1.Violation) plimsoll.Violation {
	return plimsoll.Violation{
		Message: v.GetMessage(), Field: v.GetField(), Value: v.GetValue(), Code: v.GetCode(), Fix: v.GetFix(), Link: v.GetLink(),
		Title: v.GetTitle(), Severity: v.GetSeverity(), Source: fromSource(v.GetSource()),
		Enforcement: plimsoll.Enforcement(v.GetEnforcement()), Waiver: fromWaiver(v.GetWaiver()),
	}
}

func fromWaiver(v *plimsollv1.Waiver) *plimsoll.Waiver {
	if v == nil {
		return nil
	}
	w := &plimsoll.Waiver{Kind: plimsoll.WaiverBreakGlass, Exemption: v.GetExemption(), Owner: v.GetOwner(), Until: fromTimestamp(v.GetUntil()), Fault: v.GetFault()}
	if v.GetKind() == plimsollv1.Waiver_KIND_EXEMPTION {
		w.Kind = plimsoll.WaiverExemption
	}
	return w
}

func toWaiver(w *plimsoll.Waiver) *plimsollv1.Waiver {
	if w == nil {
		return nil
	}
	v := &plimsollv1.Waiver{
		Kind: plimsollv1.Waiver_KIND_BREAK_GLASS, Exemption: clip(w.Exemption, maxMetadataBytes), Owner: clip(w.Owner, maxMetadataBytes),
		Until: toTimestamp(w.Until), Fault: w.Fault,
	}
	if w.Kind == plimsoll.WaiverExemption {
		v.Kind = plimsollv1.Waiver_KIND_EXEMPTION
	}
	return v
}

func fromSource(source *plimsollv1.Source) plimsoll.Source {
	kind := plimsoll.SourcePolicy
	if source.GetKind() == plimsollv1.Source_KIND_VALIDATOR {
		kind = plimsoll.SourceValidator
	}
	return plimsoll.Source{
		Kind: kind, Name: source.GetName(), Version: source.GetVersion(), Rule: source.GetRule(),
		File: source.GetFile(), Line: int(source.GetLine()),
	}
}

func toProto(v plimsoll.Violation) *plimsollv1.Violation {
	text := func(s string) string { return clip(s, maxTextBytes) }
	return &plimsollv1.Violation{
		Message: text(v.Message), Field: text(v.Field), Code: text(v.Code), Fix: text(v.Fix), Link: text(v.Link),
		Title: text(v.Title), Severity: text(v.Severity),
		Value: v.Value, Source: toSource(v.Source), Enforcement: text(string(v.Enforcement)), Waiver: toWaiver(v.Waiver),
	}
}

func toSource(s plimsoll.Source) *plimsollv1.Source {
	kind := plimsollv1.Source_KIND_POLICY
	if s.Kind == plimsoll.SourceValidator {
		kind = plimsollv1.Source_KIND_VALIDATOR
	}
	text := func(s string) string { return clip(s, maxTextBytes) }
	return &plimsollv1.Source{
		Kind: kind, Name: text(s.Name), Version: text(s.Version), Rule: text(s.Rule),
		File: text(s.File), Line: int32(s.Line), //nolint:gosec // a line number
	}
}
