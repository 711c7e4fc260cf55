package service_test

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/plimsoll-project/plimsoll"
	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// mutations are a call of each kind on the container web.
var mutations = map[string]func(ctx context.Context, c client, h http.Header) (*containerdv1.Container, http.Header, error){
	"Create": func(ctx context.Context, c client, h http.Header) (*containerdv1.Container, http.Header, error) {
		return c.create(ctx, h, container("new"))
	},
	"Update": func(ctx context.Context, c client, h http.Header) (*containerdv1.Container, http.Header, error) {
		return c.update(ctx, h, container("web", "tier", "2"), "labels.tier")
	},
	"Delete": func(ctx context.Context, c client, h http.Header) (*containerdv1.Container, http.Header, error) {
		header, err := c.delete(ctx, h, "web")
		return nil, header, err
	},
}

func TestDryRun(t *testing.T) {
	onEachProtocol(t, func(t *testing.T, f *fixture, c client) {
		if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
			t.Fatal(err)
		}
		answers := map[string]*containerdv1.Container{"Create": container("new"), "Update": container("web", "tier", "2")}
		for name, mutate := range mutations {
			check := f.unchanged(t)
			got, header, err := mutate(t.Context(), c, http.Header{"plimsoll-dry-run": {"true"}})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			check()
			if diff := cmp.Diff(answers[name], got, protocmp.Transform()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			decision, _ := f.lastDecision(t)
			if decision.Outcome != plimsoll.OutcomeDryRun || header.Get("plimsoll-decision") != decision.ID {
				t.Errorf("%s: decision %+v, in the header %q", name, decision, header.Get("plimsoll-decision"))
			}
			if got := header.Get("plimsoll-revision"); got != "" {
				t.Errorf("%s: nothing was committed at revision %q", name, got)
			}
		}
		check := f.unchanged(t)
		_, _, err := c.create(t.Context(), http.Header{"plimsoll-dry-run": {"true"}}, container("denied", "policy", "1"))
		failed(t, err, connect.CodePermissionDenied)
		_, _, err = c.create(t.Context(), http.Header{"plimsoll-dry-run": {"true"}}, container("web"))
		failed(t, err, connect.CodeAlreadyExists)
		check()
		if _, _, err := c.create(t.Context(), http.Header{"plimsoll-dry-run": {"false"}}, container("real")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.get(t.Context(), nil, "real"); err != nil {
			t.Errorf("what was no dry run is not there: %v", err)
		}
	})
}

// A header that asks for caution and cannot be read is not ignored.
func TestUnreadableHeaders(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
		t.Fatal(err)
	}
	tests := map[string][][]string{
		"plimsoll-dry-run":     {{"yes"}, {""}, {"true, true"}, {"false", "true"}, {"", "true"}, {"2"}},
		"plimsoll-if-revision": {{"x"}, {""}, {"-1"}, {"+1"}, {"1.0"}, {"0x1"}, {"18446744073709551616"}, {"1", "2"}, {`"1"`}},
	}
	for name, bad := range tests {
		for _, values := range bad {
			for method, mutate := range mutations {
				t.Run(method+"/"+name+"/"+strings.Join(values, "+"), func(t *testing.T) {
					check := f.unchanged(t)
					_, _, err := mutate(t.Context(), c, http.Header{name: values})
					refused(t, err, "header "+name)
					check()
				})
			}
		}
	}
}

func TestIfRevision(t *testing.T) {
	tests := []struct {
		method, revision string
		ok               bool
	}{
		{"Create", "0", true},
		{"Create", "1", false},
		{"Update", "2", true},
		{"Update", "1", false},
		{"Update", "3", false},
		{"Update", "0", false},
		{"Update", "18446744073709551615", false},
		{"Delete", "2", true},
		{"Delete", "1", false},
	}
	for _, test := range tests {
		t.Run(test.method+" at "+test.revision, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{})
			c := clientsOf(t, f.serve(t))["grpc"]
			for _, id := range []string{"other", "web"} { // web is at revision 2
				if _, _, err := c.create(t.Context(), nil, container(id)); err != nil {
					t.Fatal(err)
				}
			}
			check := f.unchanged(t)
			_, header, err := mutations[test.method](t.Context(), c, http.Header{"plimsoll-if-revision": {test.revision}})
			if !test.ok {
				e := failed(t, err, connect.CodeAborted)
				if got := detail[*errdetails.ErrorInfo](t, e).GetReason(); got != "CONFLICT" {
					t.Errorf("reason %q, want CONFLICT", got)
				}
				check()
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := header.Get("plimsoll-revision"); got != "3" {
				t.Errorf("revision %q, want 3", got)
			}
		})
	}
}

// A container that exists is more than a stale revision, and one that does not
// exist cannot be at one.
func TestIfRevisionAndExistence(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.create(t.Context(), http.Header{"plimsoll-if-revision": {"0"}}, container("web"))
	failed(t, err, connect.CodeAlreadyExists)
	_, err = c.delete(t.Context(), http.Header{"plimsoll-if-revision": {"1"}}, "none")
	failed(t, err, connect.CodeNotFound)
}

func TestWarnings(t *testing.T) {
	source := plimsoll.Source{Kind: plimsoll.SourceValidator, Name: "v"}
	warning := func(message string) plimsoll.Violation { return plimsoll.Violation{Message: message, Source: source} }
	many := make([]plimsoll.Violation, 100)
	for i := range many {
		many[i] = warning(strings.Repeat("ü", 10_000))
	}
	tests := map[string]struct {
		warnings []plimsoll.Violation
		want     []string // decoded
	}{
		"none":           {nil, nil},
		"plain":          {[]plimsoll.Violation{warning("mind the gap")}, []string{"mind the gap [v]"}},
		"with a field":   {[]plimsoll.Violation{{Message: "pin it", Field: "image", Source: source}}, []string{"image: pin it [v]"}},
		"with no source": {[]plimsoll.Violation{{Message: "pin it"}}, []string{"pin it"}},
		"two":            {[]plimsoll.Violation{warning("a"), warning("b, c")}, []string{"a [v]", "b, c [v]"}},
		"not ASCII":      {[]plimsoll.Violation{warning("größer als 100 %")}, []string{"größer als 100 % [v]"}},
		"header injection": {
			[]plimsoll.Violation{warning("a\r\nplimsoll-decision: forged\x00")},
			[]string{"a\r\nplimsoll-decision: forged\x00 [v]"},
		},
	}
	f := newFixture(t, nil, service.Options{})
	clients := clientsOf(t, f.serve(t))
	for name, c := range clients {
		for what, test := range tests {
			t.Run(name+"/"+what, func(t *testing.T) {
				f.SetRuleset(rules(admit, warn(test.warnings)))
				_, header, err := c.create(t.Context(), http.Header{"plimsoll-dry-run": {"true"}}, container("web"))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, decoded(t, header)); diff != "" {
					t.Errorf("warnings (-want +got):\n%s", diff)
				}
			})
		}
		t.Run(name+"/many and long", func(t *testing.T) {
			f.SetRuleset(rules(admit, warn(many)))
			_, header, err := c.create(t.Context(), http.Header{"plimsoll-dry-run": {"true"}}, container("web"))
			if err != nil {
				t.Fatal(err)
			}
			got := decoded(t, header)
			if len(got) != 16 || got[15] != "and 85 more warnings" {
				t.Errorf("%d warnings, the last %q; want 16 and how many more there are", len(got), got[len(got)-1])
			}
			for _, w := range got {
				if len(w) > 256 || !utf8.ValidString(w) {
					t.Errorf("warning of %d bytes: %q", len(w), w)
				}
			}
		})
	}
}

func warn(warnings []plimsoll.Violation) judgeFunc {
	return func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
		return plimsoll.Verdict{Warnings: warnings}, nil
	}
}

// decoded returns the warnings in header, which must be printable ASCII.
func decoded(t *testing.T, header http.Header) []string {
	t.Helper()
	var all []string
	for _, encoded := range header.Values("plimsoll-warning") {
		if i := strings.IndexFunc(encoded, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
			t.Errorf("byte %s of a header is not printable ASCII", strconv.Quote(encoded[i:i+1]))
		}
		text, err := url.PathUnescape(encoded)
		if err != nil {
			t.Error(err)
		}
		all = append(all, text)
	}
	return all
}
