package service_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// However many and long the violations, the error fits into what proxies and
// clients let through, and says how many there are.
func TestDetailsAreBounded(t *testing.T) {
	for _, name := range []string{"grpc", "grpc-web/http1", "json/http1"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{})
			c := clientsOf(t, f.serve(t))[name]
			_, header, err := c.create(t.Context(), nil, container("web", "policy", "200", "validator", "200", "warn", "200"))
			e := failed(t, err, connect.CodePermissionDenied)
			checkBounded(t, name, e, 400)
			if n := len(detail[*errdetails.PreconditionFailure](t, e).GetViolations()); n < 5 {
				t.Errorf("only %d violations in the PreconditionFailure", n)
			}
			if n := len(detail[*plimsollv1.Verdict](t, e).GetViolations()); n < 5 {
				t.Errorf("only %d violations in the verdict", n)
			}
			if n := len(header.Values("plimsoll-warning")); n == 0 || n > 16 {
				t.Errorf("%d warning headers", n)
			}
			if d, _ := f.lastDecision(t); len(d.Verdict.Violations) != 400 || len(d.Verdict.Warnings) != 200 {
				t.Errorf("the decision has %d violations and %d warnings, want all 400 and 200", len(d.Verdict.Violations), len(d.Verdict.Warnings))
			}
		})
	}
}

func checkBounded(t *testing.T, protocol string, e *failure, violations int) {
	t.Helper()
	size := 0
	for _, d := range e.details {
		packed, err := anypb.New(d)
		if err != nil {
			t.Fatal(err)
		}
		size += proto.Size(packed)
	}
	limit := 4 << 10
	if strings.HasPrefix(protocol, "json") {
		limit = 64 << 10
	}
	if size > limit {
		t.Errorf("details have %d bytes, want at most %d", size, limit)
	}
	if e.trailer > 8<<10 {
		t.Errorf("the error takes %d bytes of trailers, want at most 8 KiB", e.trailer)
	}
	if len(e.message) > 1<<10 {
		t.Errorf("the message has %d bytes", len(e.message))
	}
	if got := int(detail[*plimsollv1.Verdict](t, e).GetViolationCount()); got != violations {
		t.Errorf("the verdict counts %d violations, want %d", got, violations)
	}
}

// What callers or rules wrote never makes an error too large to be sent, nor one
// that cannot be encoded.
func TestErrorsOfAnySizeArrive(t *testing.T) {
	long := strings.Repeat("a", 100<<10)
	tests := map[string]struct {
		call   func(t *testing.T, c client) error
		code   connect.Code
		reason string
	}{
		"long id": {func(t *testing.T, c client) error {
			_, _, err := c.get(t.Context(), nil, long)
			return err
		}, connect.CodeNotFound, "NOT_FOUND"},
		"long new id": {func(t *testing.T, c client) error {
			_, _, err := c.create(t.Context(), nil, container(long))
			return err
		}, connect.CodeInvalidArgument, "REQUEST_INVALID"},
		"long mask path": {func(t *testing.T, c client) error {
			_, _, err := c.update(t.Context(), nil, container("web"), long)
			return err
		}, connect.CodeInvalidArgument, "REQUEST_INVALID"},
		"long filter": {func(t *testing.T, c client) error {
			_, err := c.list(t.Context(), nil, "id=="+long[:16000]+" >")
			return err
		}, connect.CodeInvalidArgument, "REQUEST_INVALID"},
		"filter wrong inside of a character": {func(t *testing.T, c client) error {
			_, err := c.list(t.Context(), nil, "id==a é")
			return err
		}, connect.CodeInvalidArgument, "REQUEST_INVALID"},
		"long namespace": {func(t *testing.T, c client) error {
			_, _, err := c.get(t.Context(), http.Header{"Containerd-Namespace": {long[:4000]}}, "web")
			return err
		}, connect.CodeInvalidArgument, "REQUEST_INVALID"},
		"long violation": {func(t *testing.T, c client) error {
			_, _, err := c.create(t.Context(), nil, container("long"))
			return err
		}, connect.CodeInvalidArgument, "VALIDATION_FAILED"},
		"violation of invalid UTF-8": {func(t *testing.T, c client) error {
			_, _, err := c.create(t.Context(), nil, container("invalid"))
			return err
		}, connect.CodeInvalidArgument, "VALIDATION_FAILED"},
	}
	f := newFixture(t, nil, service.Options{})
	f.SetRuleset(rules(admit, judgeFunc(func(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
		v := validatorViolation(0)
		v.Message = map[string]string{"long": long, "invalid": "bad \xff byte"}[in.Object.ID]
		return plimsoll.Verdict{Violations: []plimsoll.Violation{v}}, nil
	})))
	for name, c := range clientsOf(t, f.serve(t)) {
		if !slices.Contains([]string{"grpc", "json/http1", "grpc-web/http2"}, name) {
			continue
		}
		for what, test := range tests {
			t.Run(name+"/"+what, func(t *testing.T) {
				e := failed(t, test.call(t, c), test.code)
				if got := detail[*errdetails.ErrorInfo](t, e).GetReason(); got != test.reason {
					t.Errorf("reason %q, want %q", got, test.reason)
				}
				if test.code == connect.CodeInvalidArgument {
					if n := len(detail[*errdetails.BadRequest](t, e).GetFieldViolations()); n != 1 {
						t.Errorf("%d field violations, want 1", n)
					}
				}
				if len(e.message) > 1<<10 || e.trailer > 8<<10 {
					t.Errorf("message of %d bytes, trailers of %d", len(e.message), e.trailer)
				}
			})
		}
	}
}
