package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// attemptError is the error of a mutation, with what its report needs to know.
type attemptError struct {
	// about says which of several containers it concerns; empty for an only one.
	about  string
	dryRun bool
	err    error
}

func (e *attemptError) Error() string { return e.lead() + e.err.Error() }
func (e *attemptError) Unwrap() error { return e.err }

func (e *attemptError) lead() string {
	if e.about == "" {
		return ""
	}
	return e.about + ": "
}

// reportedError is the exit code of a command that has already said what went wrong.
type reportedError int

func (reportedError) Error() string { return "already reported" }

// report tells a person what went wrong, if anything, and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	var code reportedError
	if errors.As(err, &code) {
		return int(code)
	}
	var remote *connect.Error
	if !errors.As(err, &remote) {
		_, _ = fmt.Fprintf(w, "plimsoll: %v\n", err)
		return exitError
	}
	attempt := &attemptError{}
	errors.As(err, &attempt)
	if connect.IsWireError(err) {
		return reportRemote(w, attempt, remote)
	}
	_, _ = fmt.Fprintf(w, "plimsoll: %s%s%s\n", printable(attempt.lead()), printable(explain(remote)), printable(howToRepeat(err)))
	return exitError
}

// explain says why there was no answer, and what to do about it.
func explain(err *connect.Error) string {
	var (
		untrusted x509.UnknownAuthorityError
		verify    *tls.CertificateVerificationError
		network   *net.OpError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted before there was an answer"
	case errors.Is(err, context.DeadlineExceeded), err.Code() == connect.CodeDeadlineExceeded:
		return "no answer in the time that --timeout gives"
	case errors.As(err, &untrusted):
		return "nobody known here vouches for the server's certificate: name its authority with --ca-cert"
	case errors.As(err, &verify):
		return fmt.Sprintf("the server's certificate is refused: %v", verify.Err)
	case errors.As(err, &network) && network.Op == "dial":
		return fmt.Sprintf("no server: %v; start one with: plimsoll serve, or say where it is with --address", network)
	}
	if isBroken(err) {
		return fmt.Sprintf("the connection broke before there was an answer: %s", err.Message())
	}
	return fmt.Sprintf("no proper answer: %s; is --address that of a Plimsoll server, with https if it speaks TLS?", err.Message())
}

// howToRepeat says what is to be done about a mutation that had no answer. It may have
// been made all the same.
func howToRepeat(err error) string {
	var lost *undeliveredError
	if !errors.As(err, &lost) || isDial(err) && !lost.sent {
		return ""
	}
	return "; it may have been done all the same: repeat it safely with --request-id " + lost.requestID
}

// reportRemote reports an error that the server answered with.
func reportRemote(w io.Writer, attempt *attemptError, remote *connect.Error) int {
	printWarnings(w, remote.Meta())
	verdict, reason := detailsOf(remote)
	switch reason {
	case service.ReasonPolicyDenied, service.ReasonValidationFailed, service.ReasonQuotaExceeded:
		printDenial(w, attempt, remote, verdict)
		return exitDenied
	}
	if reason == service.ReasonRulesRefused {
		printLines(w, "plimsoll: ", remote.Message())
		return exitError
	}
	message := strings.TrimPrefix(remote.Message(), "operation 0: ") // of a batch of one
	if !strings.Contains(message, strconv.Quote(attempt.about)) {    // most name the container themselves
		message = attempt.lead() + message
	}
	_, _ = fmt.Fprintf(w, "plimsoll: %s%s\n", printable(message), decisionOf(remote.Meta()))
	switch remote.Code() {
	case connect.CodeNotFound:
		return exitNotFound
	case connect.CodeAlreadyExists, connect.CodeAborted:
		return exitConflict
	}
	return exitError
}

// detailsOf returns the verdict, if there is one, and the reason of an error.
func detailsOf(remote *connect.Error) (verdict *plimsollv1.Verdict, reason string) {
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
	return verdict, reason
}

func decisionOf(header http.Header) string {
	if id := header.Get(service.HeaderDecision); id != "" {
		return "   decision " + printable(id)
	}
	return ""
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
