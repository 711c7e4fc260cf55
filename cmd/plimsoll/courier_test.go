package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// scripted is a transport on which each request fails as the script says; those after
// its end are answered.
type scripted struct {
	errs []error
	ids  []string // the request IDs that were sent
}

func (s *scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	s.ids = append(s.ids, req.Header.Get(service.HeaderRequestID))
	if n := len(s.ids); n <= len(s.errs) {
		return nil, s.errs[n-1]
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/proto")
	return w.Result(), nil
}

func TestCourier(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	for _, test := range []struct {
		name  string
		errs  []error
		sent  int
		fails bool
		hint  bool // that it may have been done
	}{
		{"an answer", nil, 1, false, false},
		{"a connection that ends", []error{io.EOF}, 2, false, false},
		{"one that is reset", []error{reset}, 2, false, false},
		{"one of HTTP/2", []error{errors.New("http2: client connection lost")}, 2, false, false},
		{"twice", []error{io.ErrUnexpectedEOF, reset}, 2, true, true},
		{"and then there is no server", []error{io.EOF, dial}, 2, true, true},
		{"no server", []error{dial}, 1, true, false},
		{"not the protocol", []error{errors.New("malformed HTTP response")}, 1, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			transport := &scripted{errs: test.errs}
			c := &client{http: &http.Client{Transport: transport}, base: "http://x", courier: courier{timeout: time.Minute, requestIDs: &requestIDs{}}}
			_, err := c.in("").BatchDelete(t.Context(), &plimsollv1.BatchDeleteRequest{})
			if (err != nil) != test.fails {
				t.Errorf("the error is %v", err)
			}
			if len(transport.ids) != test.sent || len(transport.ids[0]) != 26 || transport.ids[0] != transport.ids[len(transport.ids)-1] {
				t.Errorf("sent with the IDs %q, want one ID %d times", transport.ids, test.sent)
			}
			var out bytes.Buffer
			report(&out, err)
			if hint := strings.Contains(out.String(), "repeat it safely with --request-id "+transport.ids[0]); hint != test.hint {
				t.Errorf("said: %s", out.String())
			}
		})
	}
	// A read has no ID, and is repeated all the same. What a server answers is final.
	transport := &scripted{errs: []error{io.EOF}}
	c := &client{http: &http.Client{Transport: transport}, base: "http://x", courier: courier{timeout: time.Minute}}
	if _, err := c.in("").GetContainer(t.Context(), &plimsollv1.GetContainerRequest{}); err != nil || len(transport.ids) != 2 || transport.ids[1] != "" {
		t.Errorf("the error is %v after %q", err, transport.ids)
	}
	if isBroken(connect.NewWireError(connect.CodeUnavailable, io.EOF)) {
		t.Error("an answer is taken for a broken connection")
	}
}
