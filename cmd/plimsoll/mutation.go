package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// mutationFlags are those of commands that change something.
type mutationFlags struct {
	dryRun     bool
	ifRevision string
	requestID  string
	breakGlass string
}

func (f *mutationFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "judge, and show the result, but store nothing")
	cmd.Flags().StringVar(&f.requestID, "request-id", "",
		"`ID` to know this request by: repeated with the same ID it is done once (default: a new one)")
	cmd.Flags().StringVar(&f.breakGlass, "break-glass", "",
		"override what the rules say, for this `reason`; only for those whom the server's setting break-glass names, recorded and reported")
}

func (f *mutationFlags) addIfRevision(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.ifRevision, "if-revision", "", "only if the container is at this `revision`; 0: only if there is none")
}

func (f *mutationFlags) check() error {
	if _, err := strconv.ParseUint(f.ifRevision, 10, 64); err != nil && f.ifRevision != "" {
		return usagef("--if-revision %q is no revision: a whole number, 0 for none", f.ifRevision)
	}
	if f.breakGlass != strings.TrimSpace(f.breakGlass) {
		return usagef("--break-glass %q has space around it; a reason is needed", f.breakGlass)
	}
	return nil
}

// failed gives the error of a mutation what its report needs to know. about names
// the container if there are several.
func (f *mutationFlags) failed(about string, err error) error {
	return &attemptError{about: about, dryRun: f.dryRun, err: err}
}

// outcome is what became of a change that was admitted.
type outcome struct {
	id string
	// container is as it would be stored; only of a dry run.
	container *plimsollv1.Container
	revision  uint64
	verdict   *plimsollv1.Verdict
	// patches are what rules changed before they judged.
	patches []*plimsollv1.Patch
}

// change is one mutation. A review request is the union of the three.
type change = plimsollv1.ReviewRequest

func creation(c *plimsollv1.Container) *change {
	return &change{Operation: &plimsollv1.ReviewRequest_Create{Create: &plimsollv1.CreateOperation{Container: c}}}
}

func updating(op *plimsollv1.UpdateOperation) *change {
	return &change{Operation: &plimsollv1.ReviewRequest_Update{Update: op}}
}

func deletion(id string) *change {
	return &change{Operation: &plimsollv1.ReviewRequest_Delete{Delete: &plimsollv1.DeleteOperation{Id: id}}}
}

// mutate asks for one change: as a batch of one, because batches take containers in
// full, or, for a dry run, as a review.
func (c *client) mutate(ctx context.Context, change *change) (*outcome, error) {
	if c.courier.dryRun {
		res, err := c.Review(ctx, change)
		if err != nil {
			return nil, err
		}
		if !res.GetAllowed() {
			return nil, remoteError(connect.CodePermissionDenied, "denied", service.ReasonPolicyDenied, res.GetVerdict())
		}
		return &outcome{id: res.GetContainer().GetId(), container: res.GetContainer(), verdict: res.GetVerdict(), patches: res.GetPatches()}, nil
	}
	var (
		results []*plimsollv1.BatchResult
		err     error
	)
	switch op := change.GetOperation().(type) {
	case *plimsollv1.ReviewRequest_Create:
		var res *plimsollv1.BatchCreateResponse
		res, err = c.BatchCreate(ctx, &plimsollv1.BatchCreateRequest{Operations: []*plimsollv1.CreateOperation{op.Create}})
		results = res.GetResults()
	case *plimsollv1.ReviewRequest_Update:
		var res *plimsollv1.BatchUpdateResponse
		res, err = c.BatchUpdate(ctx, &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{op.Update}})
		results = res.GetResults()
	case *plimsollv1.ReviewRequest_Delete:
		var res *plimsollv1.BatchDeleteResponse
		res, err = c.BatchDelete(ctx, &plimsollv1.BatchDeleteRequest{Operations: []*plimsollv1.DeleteOperation{op.Delete}})
		results = res.GetResults()
	}
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("the server answered with %d results to one change", len(results))
	}
	r := results[0]
	if err := resultError(r); err != nil {
		return nil, err
	}
	return &outcome{id: r.GetId(), revision: r.GetRevision(), verdict: r.GetVerdict(), patches: r.GetPatches()}, nil
}

// resultError is the error that the operation would have failed with on its own, or
// nil. So whatever was asked for, and how, what a person sees is the same.
func resultError(r *plimsollv1.BatchResult) error {
	reason := ""
	switch r.GetOutcome() {
	case plimsollv1.BatchResult_OUTCOME_COMMITTED, plimsollv1.BatchResult_OUTCOME_ADMITTED:
		return nil
	case plimsollv1.BatchResult_OUTCOME_DENIED:
		reason = service.ReasonPolicyDenied
	case plimsollv1.BatchResult_OUTCOME_FAILED, plimsollv1.BatchResult_OUTCOME_UNSPECIFIED:
	}
	return remoteError(codeOf(r.GetCode()), r.GetMessage(), reason, r.GetVerdict())
}

// codeOf is the code with a name such as NOT_FOUND.
func codeOf(name string) connect.Code {
	var code connect.Code
	if err := code.UnmarshalText([]byte(strings.ToLower(name))); err != nil {
		return connect.CodeUnknown
	}
	return code
}

// remoteError makes the error that a server would have answered with.
func remoteError(code connect.Code, message, reason string, verdict *plimsollv1.Verdict) error {
	err := connect.NewWireError(code, errors.New(message))
	if id := verdict.GetDecisionId(); id != "" {
		err.Meta().Set(service.HeaderDecision, id)
	}
	for _, w := range verdict.GetWarnings() {
		err.Meta().Add(service.HeaderWarning, url.PathEscape(warningText(w)))
	}
	for _, m := range []proto.Message{verdict, &errdetails.ErrorInfo{Domain: service.ErrorDomain, Reason: reason}} {
		if detail, detailErr := connect.NewErrorDetail(m); detailErr == nil {
			err.AddDetail(detail)
		}
	}
	return err
}

// warningText is how the server words a warning in a header: "field: message [rule]".
func warningText(w *plimsollv1.Violation) string {
	text := w.GetMessage()
	if w.GetField() != "" {
		text = w.GetField() + ": " + text
	}
	s := w.GetSource()
	rule := s.GetName()
	switch {
	case s.GetFile() != "":
		rule += fmt.Sprintf(" %s:%d", s.GetFile(), s.GetLine())
	case s.GetVersion() != "":
		rule += " " + s.GetVersion()
	}
	text = fmt.Sprintf("%s [%s]", text, rule)
	if why := leniencyOf(w); why != "" {
		text += " (" + why + ")"
	}
	return text
}

// leniencyOf says why a warning is no violation, if it would be one.
func leniencyOf(w *plimsollv1.Violation) string {
	switch waiver := w.GetWaiver(); {
	case waiver.GetKind() == plimsollv1.Waiver_KIND_EXEMPTION:
		return fmt.Sprintf("exempted by %s until %s", waiver.GetExemption(), waiver.GetUntil().AsTime().Local().Format(time.DateTime))
	case waiver.GetFault():
		return "no verdict, overridden by break-glass"
	case waiver != nil:
		return "overridden by break-glass"
	case w.GetEnforcement() != "":
		return "would be denied, " + w.GetEnforcement()
	}
	return ""
}

// printOutcome says what was done, or, in the other formats, shows the container.
func printOutcome(cmd *cobra.Command, c *client, p *printer, done string, o *outcome) error {
	for _, w := range o.verdict.GetWarnings() {
		cmd.PrintErrf("warning: %s\n", printable(warningText(w)))
	}
	id := printable(o.id)
	decision := ""
	if o.verdict.GetDecisionId() != "" {
		decision = "   decision " + printable(o.verdict.GetDecisionId())
	}
	var err error
	switch {
	case !p.isTable():
		return printResult(cmd.Context(), c, p, done, o)
	case c.courier.dryRun:
		_, err = fmt.Fprintf(p.w, "%s would be %s%s\n", id, done, decision)
	default:
		_, err = fmt.Fprintf(p.w, "%s %s   revision %d%s\n", id, done, o.revision, decision)
	}
	if err != nil {
		return err
	}
	return printPatches(p.w, o.patches)
}

// printResult shows the container that a change left behind.
func printResult(ctx context.Context, c *client, p *printer, done string, o *outcome) error {
	switch {
	case p.format == "name" || done == "deleted":
		return p.one(&plimsollv1.Container{Id: o.id})
	case o.container != nil:
		return p.one(o.container)
	}
	res, err := c.GetContainer(ctx, &plimsollv1.GetContainerRequest{Id: o.id})
	if err != nil {
		return fmt.Errorf("it was %s, but it cannot be shown: %w", done, err)
	}
	return p.one(res.GetContainer())
}
