package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"github.com/oklog/ulid/v2"

	"github.com/plimsoll-project/plimsoll/service"
)

// courier is the interceptor of all calls: it sets their headers, bounds their time,
// and delivers again what may have got lost on a connection that broke.
//
// A mutation carries a request ID, by which the server knows it again. So it is done
// once, whether or not the first delivery arrived.
type courier struct {
	namespace  string
	timeout    time.Duration // of unary calls
	dryRun     bool
	ifRevision string      // empty for any
	breakGlass string      // why rules are to be overridden; empty for not
	requestIDs *requestIDs // nil if the command changes nothing
}

var _ connect.Interceptor = (*courier)(nil)

// WrapUnary implements connect.Interceptor.
func (c *courier) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		if c.namespace != "" {
			req.Header().Set(service.HeaderNamespace, c.namespace)
		}
		if c.ifRevision != "" {
			req.Header().Set(service.HeaderIfRevision, c.ifRevision)
		}
		if c.dryRun {
			req.Header().Set(service.HeaderDryRun, "true")
		}
		if procedure := req.Spec().Procedure; c.breakGlass != "" && (strings.Contains(procedure, "/Batch") || strings.HasSuffix(procedure, "/Review")) {
			req.Header().Set(service.HeaderBreakGlass, url.PathEscape(c.breakGlass))
		}
		requestID := ""
		if c.requestIDs != nil && strings.Contains(req.Spec().Procedure, "/Batch") {
			requestID = c.requestIDs.next()
			req.Header().Set(service.HeaderRequestID, requestID)
		}
		res, err := next(ctx, req)
		sent := !isDial(err)
		if isBroken(err) {
			res, err = next(ctx, req)
		}
		if err != nil && requestID != "" && !connect.IsWireError(err) {
			err = &undeliveredError{requestID: requestID, sent: sent, err: err}
		}
		return res, err
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (c *courier) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		if c.namespace != "" {
			conn.RequestHeader().Set(service.HeaderNamespace, c.namespace)
		}
		return conn
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (c *courier) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// isBroken reports whether err is that of a connection which was there and ended
// before the answer did. Over HTTP/2 only the text of an error says so.
func isBroken(err error) bool {
	if err == nil || connect.IsWireError(err) || isDial(err) {
		return false
	}
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return strings.Contains(err.Error(), "http2: client connection lost") || strings.Contains(err.Error(), "GOAWAY")
}

func isDial(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "dial"
}

// undeliveredError is that of a mutation which had no answer.
type undeliveredError struct {
	requestID string
	sent      bool // it may have arrived
	err       error
}

func (e *undeliveredError) Error() string { return e.err.Error() }
func (e *undeliveredError) Unwrap() error { return e.err }

// requestIDs are the request IDs of a command's mutations: a new one for each, or,
// if the user chose one, that, and with a number for the ones after the first. It is
// safe for concurrent use.
type requestIDs struct {
	chosen string

	mu    sync.Mutex
	count int
}

func (r *requestIDs) next() string {
	if r.chosen == "" {
		return ulid.Make().String()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count++; r.count > 1 {
		return fmt.Sprintf("%s-%d", r.chosen, r.count)
	}
	return r.chosen
}
