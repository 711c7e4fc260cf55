package service_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

func TestRequestID(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	srv := f.serve(t)
	for name, c := range clientsOf(t, srv) {
		t.Run(name, func(t *testing.T) {
			id := strings.NewReplacer("/", "-", " ", "-").Replace(name)
			h := http.Header{service.HeaderRequestID: {"r-" + id}}
			first, header, err := c.create(t.Context(), h, container(id, "warn", "1"))
			if err != nil {
				t.Fatal(err)
			}
			check := f.unchanged(t)
			_, decisions := f.lastDecision(t)
			again, header2, err := c.create(t.Context(), h, container(id, "warn", "1"))
			if err != nil {
				t.Fatalf("again: %v", err)
			}
			if diff := cmp.Diff(first, again, protocmp.Transform()); diff != "" {
				t.Errorf("answers differ:\n%s", diff)
			}
			for _, name := range []string{"Plimsoll-Decision", "Plimsoll-Revision", "Plimsoll-Warning"} {
				if diff := cmp.Diff(header.Values(name), header2.Values(name)); diff != "" || header.Get(name) == "" {
					t.Errorf("%s differs: %s", name, diff)
				}
			}
			if _, n := f.lastDecision(t); n != decisions {
				t.Error("it was decided again")
			}
			_, _, err = c.create(t.Context(), h, container(id, "other", "1"))
			codeIsFailure(t, err, connect.CodeAborted, "used for another request")
			_, _, err = c.update(t.Context(), h, container(id), "image")
			codeIsFailure(t, err, connect.CodeAborted, "used for another request")
			check()

			// An update is answered as it was, though the container has changed since.
			h = http.Header{service.HeaderRequestID: {"u-" + id}}
			first, _, err = c.update(t.Context(), h, container(id, "x", "1"), "labels.x")
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err = c.update(t.Context(), nil, container(id, "x", "2"), "labels.x", "spec"); err != nil {
				t.Fatal(err)
			}
			again, _, err = c.update(t.Context(), h, container(id, "x", "1"), "labels.x")
			if diff := cmp.Diff(first, again, protocmp.Transform()); err != nil || diff != "" {
				t.Errorf("update again: %v:\n%s", err, diff)
			}
			h = http.Header{service.HeaderRequestID: {"d-" + id}}
			for range 2 {
				if _, err := c.delete(t.Context(), h, id); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
			// Denials are judged anew: rules may have changed.
			h = http.Header{service.HeaderRequestID: {"n-" + id}}
			_, _, err = c.create(t.Context(), h, container(id, "policy", "1"))
			codeIsFailure(t, err, connect.CodePermissionDenied, "")
			if _, _, err = c.create(t.Context(), h, container(id)); err != nil {
				t.Errorf("after a denial: %v", err)
			}
		})
	}
	c := clientsOf(t, srv)["grpc"]
	for _, bad := range []string{"with space", strings.Repeat("x", 129)} {
		_, _, err := c.create(t.Context(), http.Header{service.HeaderRequestID: {bad}}, container("bad"))
		codeIsFailure(t, err, connect.CodeInvalidArgument, "plimsoll-request-id")
	}
}

func codeIsFailure(t *testing.T, err error, code connect.Code, text string) {
	t.Helper()
	var f *failure
	if !errors.As(err, &f) || f.code != code || !strings.Contains(f.message, text) {
		t.Errorf("error %v, want %v with %q", err, code, text)
	}
}

func TestRequestIDRace(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	var decisions sync.Map
	for i, err := range race(func(int) error {
		_, header, err := c.create(t.Context(), http.Header{service.HeaderRequestID: {"once"}}, container("web"))
		decisions.Store(header.Get(service.HeaderDecision), true)
		return err
	}) {
		if err != nil {
			t.Errorf("racer %d: %v", i, err)
		}
	}
	n := 0
	decisions.Range(func(any, any) bool { n++; return true })
	if revision, _ := f.contents(t); n != 1 || revision != 1 {
		t.Errorf("%d decisions, revision %d", n, revision)
	}
}

func TestRequestIDLifetime(t *testing.T) {
	f := newFixture(t, nil, service.Options{RequestRetention: time.Nanosecond})
	c := clientsOf(t, f.serve(t))["grpc"]
	h := http.Header{service.HeaderRequestID: {"r"}}
	if _, _, err := c.create(t.Context(), h, container("web")); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.create(t.Context(), h, container("web"))
	codeIsFailure(t, err, connect.CodeAlreadyExists, "")

	store := memstore.New()
	for i, name := range []string{"ann", "bob"} {
		f := newFixture(t, store, service.Options{})
		h := f.Handler()
		c := clientsOf(t, f.serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(service.WithUser(r.Context(), plimsoll.User{Name: name, Via: "mtls"})))
		})))["grpc"]
		_, _, err := c.create(t.Context(), http.Header{service.HeaderRequestID: {"r"}}, container("web"))
		if i == 0 && err != nil {
			t.Error(err)
		} else if i == 1 {
			codeIsFailure(t, err, connect.CodeAlreadyExists, "")
		}
	}
}
