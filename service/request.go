package service

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll"
)

// The headers of Plimsoll. In gRPC they are metadata.
const (
	// HeaderNamespace names the namespace of a request, as in containerd
	// (pkg/namespaces, GRPCHeader).
	HeaderNamespace = "containerd-namespace"
	// HeaderDryRun, when true, asks for judging without committing.
	HeaderDryRun = "plimsoll-dry-run"
	// HeaderIfRevision makes a mutation conditional on the container's revision.
	HeaderIfRevision = "plimsoll-if-revision"
	// HeaderRequestID makes a mutation one that can be repeated without harm: what was
	// committed under an ID is answered again, and not done again.
	HeaderRequestID = "plimsoll-request-id"
	// HeaderBreakGlass, a reason, overrides what rules say, for those who may. Bytes that
	// are not ASCII, and %, are percent-encoded.
	HeaderBreakGlass = "plimsoll-break-glass"
	// HeaderRevision answers with the container's revision.
	HeaderRevision = "plimsoll-revision"
	// HeaderDecision answers with the decision's ID.
	HeaderDecision = "plimsoll-decision"
	// HeaderWarning, repeated, answers with what rules warn about. Header values
	// are ASCII: other bytes, and %, are percent-encoded.
	HeaderWarning = "plimsoll-warning"
	// HeaderPatch, repeated, answers with what rules changed before they judged, and
	// which: "labels.tier by defaults.tier policies/defaults.rego:12". It is encoded as
	// warnings are.
	HeaderPatch = "plimsoll-patch"
)

type userKey struct{}

// anonymous is how callers are known of whom nothing is.
const anonymous = "anonymous"

// WithUser returns a context that says who is calling. The transport sets it for
// each connection; without it the caller is anonymous.
func WithUser(ctx context.Context, user plimsoll.User) context.Context {
	return context.WithValue(ctx, userKey{}, user)
}

func userOf(ctx context.Context) plimsoll.User {
	if user, ok := ctx.Value(userKey{}).(plimsoll.User); ok {
		return user
	}
	return plimsoll.User{Via: anonymous}
}

// requestHeader returns the headers of the call that ctx belongs to.
func requestHeader(ctx context.Context) http.Header {
	if call, ok := connect.CallInfoForHandlerContext(ctx); ok {
		return call.RequestHeader()
	}
	return http.Header{}
}

// namespace returns the namespace of a request. If the header is repeated the
// first value counts, as in containerd.
func (s *Service) namespace(header http.Header) (string, error) {
	ns := header.Get(HeaderNamespace)
	if ns == "" {
		return s.options.DefaultNamespace, nil
	}
	if err := checkID("header "+HeaderNamespace, ns); err != nil {
		return "", err
	}
	return ns, nil
}

// newMutation reads what headers and connection say of a mutation.
func (s *Service) newMutation(ctx context.Context, operation plimsoll.Operation, id string) (*plimsoll.Mutation, error) {
	header := requestHeader(ctx)
	ns, err := s.namespace(header)
	if err != nil {
		return nil, err
	}
	m := &plimsoll.Mutation{
		Operation: operation,
		Key:       plimsoll.Key{Namespace: ns, ID: id},
		User:      userOf(ctx),
	}
	// A condition or a wish not to commit that cannot be read must not be ignored.
	if v := header.Values(HeaderDryRun); len(v) > 0 {
		if m.DryRun, err = strconv.ParseBool(strings.Join(v, ", ")); err != nil {
			return nil, badHeader(HeaderDryRun, v, "neither true nor false")
		}
	}
	if v := header.Values(HeaderIfRevision); len(v) > 0 {
		n, err := strconv.ParseUint(strings.Join(v, ", "), 10, 64)
		if err != nil {
			return nil, badHeader(HeaderIfRevision, v, "not a revision: a whole number, 0 for none")
		}
		m.IfRevision = (*plimsoll.Revision)(&n)
	}
	if v := header.Values(HeaderRequestID); len(v) > 0 {
		m.RequestID = strings.Join(v, ", ")
		if err := checkRequestID(m.RequestID); err != nil {
			return nil, err
		}
	}
	if m.BreakGlass, err = readBreakGlass(header); err != nil {
		return nil, err
	}
	return m, nil
}

// answer takes m through the pipeline and tells the caller about the decision. The
// error is one for callers.
func (s *Service) answer(ctx context.Context, m *plimsoll.Mutation) (*plimsoll.Container, error) {
	r := s.mutate(ctx, m)[0]
	answerHeaders(ctx, r.decision)
	if r.err != nil {
		return nil, s.connectError(ctx, r.err, r.decision)
	}
	return r.object, nil
}

// get reads the container of a request.
func (s *Service) get(ctx context.Context, id string) (*plimsoll.Container, error) {
	ns, err := s.namespace(requestHeader(ctx))
	if err != nil {
		return nil, err
	}
	if err := checkLookup("id", id); err != nil {
		return nil, err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	return view.Get(ctx, plimsoll.Key{Namespace: ns, ID: id})
}

// badHeader is the error for a header that cannot be read. One that is repeated is
// the list of its values (RFC 9110, 5.3), and so cannot be read either.
func badHeader(name string, values []string, problem string) error {
	return &plimsoll.RequestError{
		Field: "header " + name, Problem: fmt.Sprintf("%q is %s", clip(strings.Join(values, ", "), maxMetadataBytes), problem),
	}
}

// Bounds on warning headers before encoding, so that they never crowd out a response.
const (
	maxWarnings     = 16
	maxWarningBytes = 256
)

// answerHeaders tells the caller about the decision. They are sent with errors too.
func answerHeaders(ctx context.Context, d *plimsoll.Decision) {
	call, ok := connect.CallInfoForHandlerContext(ctx)
	if !ok {
		return
	}
	header := call.ResponseHeader()
	header.Set(HeaderDecision, d.ID)
	if d.Revision != 0 {
		header.Set(HeaderRevision, strconv.FormatUint(uint64(d.Revision), 10))
	}
	answerPatches(call, d.Patches)
	if d.BreakGlass != "" && (d.Outcome == plimsoll.OutcomeAdmitted || d.Outcome == plimsoll.OutcomeDryRun) {
		header.Add(HeaderWarning, breakGlassWarning(d))
	}
	for i, w := range d.Verdict.Warnings {
		if i == maxWarnings-1 && len(d.Verdict.Warnings) > maxWarnings {
			header.Add(HeaderWarning, fmt.Sprintf("and %d more warnings", len(d.Verdict.Warnings)-i))
			return
		}
		header.Add(HeaderWarning, encodeWarning(w))
	}
}

func answerRevision(ctx context.Context, revision plimsoll.Revision) {
	if call, ok := connect.CallInfoForHandlerContext(ctx); ok {
		call.ResponseHeader().Set(HeaderRevision, strconv.FormatUint(uint64(revision), 10))
	}
}

// encodeWarning renders a warning as "field: message [rule]", and, of a violation that does
// not count, why, as in "field: message [rule] (would be denied, canary:10%)".
func encodeWarning(w plimsoll.Violation) string {
	text := w.Message
	if w.Field != "" {
		text = w.Field + ": " + text
	}
	if w.Source.Name != "" {
		text += " [" + w.Source.String() + "]"
	}
	if why := w.Leniency(); why != "" {
		text = clip(text, maxWarningBytes-len(why)-len(" ()")) + " (" + why + ")"
	}
	return encodeHeader(clip(text, maxWarningBytes))
}

// encodeHeader makes text one that headers can carry.
func encodeHeader(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c >= 0x20 && c < 0x7f && c != '%' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return strings.TrimSpace(b.String())
}
