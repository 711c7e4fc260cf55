package service_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// secret must not appear in logs.
const secret = "hunter2"

// store overrides some of a store's methods.
type store struct {
	storage.Store
	view   func(ctx context.Context) (storage.View, error)
	commit func(ctx context.Context, v storage.View, change storage.Change) (plimsoll.Revision, error)
}

func (s *store) View(ctx context.Context) (storage.View, error) {
	if s.view != nil {
		return s.view(ctx)
	}
	return s.Store.View(ctx)
}

func (s *store) Commit(ctx context.Context, v storage.View, change storage.Change) (plimsoll.Revision, error) {
	if s.commit != nil {
		return s.commit(ctx, v, change)
	}
	return s.Store.Commit(ctx, v, change)
}

// What a store says of its failures is for operators; the caller is told what to do.
func TestStoreThatFails(t *testing.T) {
	tests := map[string]struct {
		err    error
		code   connect.Code
		reason string
		retry  bool
	}{
		"closed":        {fmt.Errorf("write /var/lib/private/000001.vlog: %w", plimsoll.ErrClosed), connect.CodeUnavailable, "STORAGE_CLOSED", true},
		"no space":      {fmt.Errorf("/var/lib/private: %w", plimsoll.ErrNoSpace), connect.CodeResourceExhausted, "STORAGE_FULL", true},
		"unknown error": {errors.New("/var/lib/private: input/output error"), connect.CodeInternal, "INTERNAL", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inner := memstore.New()
			f := newFixture(t, &store{Store: inner, commit: func(context.Context, storage.View, storage.Change) (plimsoll.Revision, error) {
				return 0, test.err
			}}, service.Options{})
			c := clientsOf(t, f.serve(t))["grpc"]
			check := f.unchanged(t)
			web := container("web", "password", secret)
			web.Spec.Value = []byte(`{"env":"` + secret + `"}`)
			_, _, err := c.create(t.Context(), nil, web)
			e := failed(t, err, test.code)
			check()
			if got := detail[*errdetails.ErrorInfo](t, e).GetReason(); got != test.reason || hasRetry(e) != test.retry {
				t.Errorf("reason %q with details %v, want %s", got, e.details, test.reason)
			}
			if strings.Contains(e.message, "private") {
				t.Errorf("the caller is told %q", e.message)
			}
			if !strings.Contains(f.log.String(), test.err.Error()) {
				t.Errorf("the log lacks %q:\n%s", test.err, f.log.String())
			}
			if strings.Contains(f.log.String(), secret) {
				t.Errorf("the log has label values or specs:\n%s", f.log.String())
			}
			decision, _ := f.lastDecision(t)
			if decision.Outcome != plimsoll.OutcomeFailed || !errors.Is(decision.Err, test.err) {
				t.Errorf("decision %+v, want failed with %v", decision, test.err)
			}
		})
	}
}

func TestReadsOfAStoreThatFails(t *testing.T) {
	f := newFixture(t, &store{Store: memstore.New(), view: func(context.Context) (storage.View, error) {
		return nil, errors.New("/var/lib/private: input/output error")
	}}, service.Options{})
	c := clientsOf(t, f.serve(t))["connect/http1"]
	_, _, getErr := c.get(t.Context(), nil, "web")
	_, listErr := c.list(t.Context(), nil, "")
	for _, err := range []error{getErr, listErr} {
		if e := failed(t, err, connect.CodeInternal); strings.Contains(e.message, "private") {
			t.Errorf("the caller is told %q", e.message)
		}
	}
	if !strings.Contains(f.log.String(), "input/output error") {
		t.Errorf("the log lacks the error:\n%s", f.log.String())
	}
}
