package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// report tells a person what went wrong, if anything, and returns the exit code.
func report(w io.Writer, err error) int {
	var remote *connect.Error
	switch {
	case err == nil:
		return exitOK
	case isUsage(err):
		_, _ = fmt.Fprintf(w, "plimsoll: %v\n", err)
		return exitUsage
	case errors.As(err, &remote) && connect.IsWireError(err):
		return reportRemote(w, err, remote)
	case errors.As(err, &remote) && remote.Code() == connect.CodeUnavailable:
		_, _ = fmt.Fprintf(w, "plimsoll: no server: %s\nstart one with: plimsoll serve, or say where it is with --address\n", remote.Message())
		return exitError
	}
	_, _ = fmt.Fprintf(w, "plimsoll: %v\n", err)
	return exitError
}

// reportRemote reports an error that the server answered with.
func reportRemote(w io.Writer, err error, remote *connect.Error) int {
	var (
		verdict *plimsollv1.Verdict
		reason  string
		lead    = leadOf(err, remote)
	)
	for _, d := range remote.Details() {
		value, err := d.Value()
		if err != nil {
			continue
		}
		switch v := value.(type) {
		case *plimsollv1.Verdict:
			verdict = v
		case *errdetails.ErrorInfo:
			if v.GetDomain() == service.ErrorDomain {
				reason = v.GetReason()
			}
		}
	}
	switch reason {
	case service.ReasonPolicyDenied, service.ReasonValidationFailed, service.ReasonQuotaExceeded:
		printDenial(w, lead, verdict)
		return exitDenied
	}
	_, _ = fmt.Fprintf(w, "plimsoll: %s%s\n", lead, decisionOf(remote.Meta()))
	switch remote.Code() {
	case connect.CodeNotFound:
		return exitNotFound
	case connect.CodeAlreadyExists, connect.CodeAborted:
		return exitConflict
	}
	return exitError
}

// leadOf is the server's message with what this command says around it, such as
// which container of a file it is about.
func leadOf(err error, remote *connect.Error) string {
	var about *aboutError
	if errors.As(err, &about) {
		return printable(about.what + ": " + remote.Message())
	}
	return printable(remote.Message())
}

// aboutError says what an error is about.
type aboutError struct {
	what string
	err  error
}

func (e *aboutError) Error() string { return e.what + ": " + e.err.Error() }
func (e *aboutError) Unwrap() error { return e.err }

func decisionOf(header http.Header) string {
	if id := header.Get(service.HeaderDecision); id != "" {
		return "   decision " + printable(id)
	}
	return ""
}

// printDenial shows every violation: where, what, which rule, how to fix it, and
// where to read more.
func printDenial(w io.Writer, lead string, verdict *plimsollv1.Verdict) {
	_, _ = fmt.Fprintf(w, "%s   decision %s\n", lead, printable(verdict.GetDecisionId()))
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, v := range verdict.GetViolations() {
		_, _ = fmt.Fprintf(t, "  %s\t%s\t%s\n", orDash(v.GetField()), printable(v.GetMessage()), sourceOf(v.GetSource()))
		if v.GetFix() != "" || v.GetLink() != "" {
			fix := ""
			if v.GetFix() != "" {
				fix = "fix: " + printable(v.GetFix())
			}
			_, _ = fmt.Fprintf(t, "  \t%s\t%s\n", fix, printable(v.GetLink()))
		}
	}
	_ = t.Flush()
	if more := int(verdict.GetViolationCount()) - len(verdict.GetViolations()); more > 0 {
		_, _ = fmt.Fprintf(w, "  and %d more\n", more)
	}
	_, _ = fmt.Fprintln(w, "nothing was stored · try again safely: --dry-run")
}

func orDash(field string) string {
	if field == "" {
		return "-"
	}
	return printable(field)
}

func sourceOf(s *plimsollv1.Source) string {
	switch {
	case s.GetFile() != "":
		return printable(fmt.Sprintf("%s  %s:%d", s.GetName(), s.GetFile(), s.GetLine()))
	case s.GetVersion() != "":
		return printable(s.GetName() + " " + s.GetVersion())
	}
	return printable(s.GetName())
}

// printWarnings shows what rules warned about.
func printWarnings(w io.Writer, header http.Header) {
	for _, encoded := range header.Values(service.HeaderWarning) {
		text, err := url.PathUnescape(encoded)
		if err != nil {
			text = encoded
		}
		_, _ = fmt.Fprintf(w, "warning: %s\n", printable(text))
	}
}

func indentJSON(data []byte) ([]byte, error) {
	var b bytes.Buffer
	err := json.Indent(&b, data, "", "  ")
	return b.Bytes(), err
}
