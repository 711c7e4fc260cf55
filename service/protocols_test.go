package service_test

import (
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// onEachProtocol runs test with a fresh service and one client for each protocol,
// over plain text and TLS.
func onEachProtocol(t *testing.T, test func(t *testing.T, f *fixture, c client)) {
	servers := map[string]func(t *testing.T, f *fixture) *httptest.Server{
		"plain": func(t *testing.T, f *fixture) *httptest.Server { return f.serve(t) },
		"tls": func(t *testing.T, f *fixture) *httptest.Server {
			srv := httptest.NewUnstartedServer(f.Handler())
			srv.EnableHTTP2 = true
			srv.StartTLS()
			t.Cleanup(srv.Close)
			return srv
		},
	}
	for transport, start := range servers {
		names := []string{"connect/http1", "connect/http2", "json/http1", "json/http2", "grpc-web/http1", "grpc-web/http2", "grpc"}
		for _, name := range names {
			t.Run(transport+"/"+name, func(t *testing.T) {
				f := newFixture(t, nil, service.Options{})
				test(t, f, clientsOf(t, start(t, f))[name])
			})
		}
	}
}

func TestStory(t *testing.T) {
	onEachProtocol(t, func(t *testing.T, f *fixture, c client) {
		ctx := t.Context()
		web, db := container("web", "team", "core", "empty", ""), container("db", "team", "data")
		want := proto.CloneOf(web)
		want.Labels = map[string]string{"team": "core"}

		created, header, err := c.create(ctx, nil, web)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, created, protocmp.Transform()); diff != "" {
			t.Errorf("Create (-want +got):\n%s", diff)
		}
		decision, _ := f.lastDecision(t)
		if got := header.Get("plimsoll-decision"); got != decision.ID {
			t.Errorf("Create: decision %q in the header, %q recorded", got, decision.ID)
		}
		if got := header.Get("plimsoll-revision"); got != "1" {
			t.Errorf("Create: revision %q, want 1", got)
		}
		if _, _, err := c.create(ctx, nil, db); err != nil {
			t.Fatal(err)
		}
		if _, _, err = c.create(ctx, nil, web); err == nil {
			t.Fatal("a second Create of one id succeeded")
		}
		if got := detail[*errdetails.ErrorInfo](t, failed(t, err, connect.CodeAlreadyExists)).GetReason(); got != "ALREADY_EXISTS" {
			t.Errorf("reason %q, want ALREADY_EXISTS", got)
		}

		got, header, err := c.get(ctx, nil, "web")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("Get (-want +got):\n%s", diff)
		}
		if got := header.Get("plimsoll-revision"); got != "1" {
			t.Errorf("Get: revision %q, want 1", got)
		}

		for filter, ids := range map[string][]string{
			"": {"db", "web"}, "labels.team==core": {"web"}, "id==db": {"db"}, "image~=^registry": {"db", "web"}, "labels.none": nil,
		} {
			all, err := c.list(ctx, nil, filter)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ids, idsOf(all)); diff != "" {
				t.Errorf("List %q (-want +got):\n%s", filter, diff)
			}
		}

		change := &containerdv1.Container{Id: "web", Image: "registry.example/web:2", Labels: map[string]string{"team": "ignored", "tier": "1"}}
		want.Image, want.Labels["tier"] = change.GetImage(), "1"
		updated, header, err := c.update(ctx, nil, change, "image", "labels.tier")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, updated, protocmp.Transform()); diff != "" {
			t.Errorf("Update (-want +got):\n%s", diff)
		}
		if got := header.Get("plimsoll-revision"); got != "3" {
			t.Errorf("Update: revision %q, want 3", got)
		}
		if got, _, err := c.get(ctx, nil, "web"); err != nil {
			t.Fatal(err)
		} else if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("Get after Update (-want +got):\n%s", diff)
		}

		if _, err := c.delete(ctx, nil, "web"); err != nil {
			t.Fatal(err)
		}
		_, _, err = c.get(ctx, nil, "web")
		if got := detail[*errdetails.ErrorInfo](t, failed(t, err, connect.CodeNotFound)).GetReason(); got != "NOT_FOUND" {
			t.Errorf("reason %q, want NOT_FOUND", got)
		}
		_, err = c.delete(ctx, nil, "web")
		failed(t, err, connect.CodeNotFound)
	})
}

func idsOf(containers []*containerdv1.Container) []string {
	var ids []string
	for _, c := range containers {
		ids = append(ids, c.GetId())
	}
	return ids
}

func TestDenials(t *testing.T) {
	tests := []struct {
		name    string
		labels  []string
		code    connect.Code
		message string
		reason  string
		// how many violations are in the details of each type
		precondition, bad, quota int
		metadata                 map[string]string
	}{
		{
			"policy",
			[]string{"policy", "2"},
			connect.CodePermissionDenied, "denied: rule 0 says no [labels.required labels.rego:12] (and 1 more)", "POLICY_DENIED",
			2, 0, 0,
			map[string]string{"policy": "labels.required", "rule": "deny labels.rego:12", "violations": "2"},
		},
		{
			"validator",
			[]string{"validator", "2"},
			connect.CodeInvalidArgument, "denied: mount 0 is not absolute [runc-spec 1.0.0] (and 1 more)", "VALIDATION_FAILED",
			0, 2, 0,
			map[string]string{"validator": "runc-spec", "violations": "2"},
		},
		{
			"policy and validator",
			[]string{"policy", "2", "validator", "3"},
			connect.CodePermissionDenied, "denied: rule 0 says no [labels.required labels.rego:12] (and 4 more)", "POLICY_DENIED",
			2, 3, 0,
			map[string]string{"policy": "labels.required", "rule": "deny labels.rego:12", "violations": "5"},
		},
		{
			"quota",
			[]string{"quota", "1"},
			connect.CodeResourceExhausted, "denied: rule 0 says no [labels.required labels.rego:12]", "QUOTA_EXCEEDED",
			0, 0, 1,
			map[string]string{"policy": "labels.required", "rule": "deny labels.rego:12", "violations": "1"},
		},
		{
			"quota and validator",
			[]string{"quota", "1", "validator", "1"},
			connect.CodePermissionDenied, "denied: rule 0 says no [labels.required labels.rego:12] (and 1 more)", "POLICY_DENIED",
			0, 1, 1,
			map[string]string{"policy": "labels.required", "rule": "deny labels.rego:12", "violations": "2"},
		},
	}
	onEachProtocol(t, func(t *testing.T, f *fixture, c client) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				check := f.unchanged(t)
				_, header, err := c.create(t.Context(), nil, container("web", test.labels...))
				e := failed(t, err, test.code)
				check()
				decision, _ := f.lastDecision(t)
				if got := header.Get("plimsoll-decision"); got != decision.ID {
					t.Errorf("decision %q in the header, %q recorded", got, decision.ID)
				}
				if e.message != test.message {
					t.Errorf("message %q, want %q", e.message, test.message)
				}

				test.metadata["decision_id"], test.metadata["ruleset"] = decision.ID, "sha256:labels"
				info := &errdetails.ErrorInfo{Reason: test.reason, Domain: "plimsoll", Metadata: test.metadata}
				if diff := cmp.Diff(info, detail[*errdetails.ErrorInfo](t, e), protocmp.Transform()); diff != "" {
					t.Errorf("ErrorInfo (-want +got):\n%s", diff)
				}
				if test.precondition > 0 {
					var want []*errdetails.PreconditionFailure_Violation
					for i := range test.precondition {
						v := policyViolation(i)
						want = append(want, &errdetails.PreconditionFailure_Violation{Type: v.Code, Subject: v.Field, Description: v.Message})
					}
					got := detail[*errdetails.PreconditionFailure](t, e).GetViolations()
					if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
						t.Errorf("PreconditionFailure (-want +got):\n%s", diff)
					}
				}
				if test.bad > 0 {
					var want []*errdetails.BadRequest_FieldViolation
					for i := range test.bad {
						v := validatorViolation(i)
						want = append(want, &errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Message, Reason: v.Code})
					}
					got := detail[*errdetails.BadRequest](t, e).GetFieldViolations()
					if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
						t.Errorf("BadRequest (-want +got):\n%s", diff)
					}
				}
				if test.quota > 0 {
					want := []*errdetails.QuotaFailure_Violation{{Subject: "labels.team", Description: "rule 0 says no"}}
					got := detail[*errdetails.QuotaFailure](t, e).GetViolations()
					if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
						t.Errorf("QuotaFailure (-want +got):\n%s", diff)
					}
				}
				if test.precondition+test.quota > 0 {
					want := []*errdetails.Help_Link{{Description: "Teams are named", Url: "https://example.org/labels"}}
					if diff := cmp.Diff(want, detail[*errdetails.Help](t, e).GetLinks(), protocmp.Transform()); diff != "" {
						t.Errorf("Help (-want +got):\n%s", diff)
					}
				}

				verdict := detail[*plimsollv1.Verdict](t, e)
				n := test.precondition + test.bad + test.quota
				if verdict.GetDecisionId() != decision.ID || len(verdict.GetViolations()) != n || int(verdict.GetViolationCount()) != n {
					t.Errorf("verdict %v, want all %d violations of decision %s", verdict, n, decision.ID)
				}
			})
		}
	})
}

// The verdict says everything that rules say.
func TestVerdictInFull(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	_, _, err := c.create(t.Context(), nil, container("web", "policy", "1", "validator", "1"))
	want := []*plimsollv1.Violation{
		{
			Message: "rule 0 says no", Field: "labels.team", Code: "TEAM_REQUIRED", Fix: "add labels.team",
			Link: "https://example.org/labels", Title: "Teams are named", Severity: "high",
			Source: &plimsollv1.Source{Kind: plimsollv1.Source_KIND_POLICY, Name: "labels.required", Rule: "deny", File: "labels.rego", Line: 12},
		},
		{
			Message: "mount 0 is not absolute", Field: "spec.mounts[0].destination", Code: "MOUNT_RELATIVE",
			Source: &plimsollv1.Source{Kind: plimsollv1.Source_KIND_VALIDATOR, Name: "runc-spec", Version: "1.0.0"},
		},
	}
	got := detail[*plimsollv1.Verdict](t, failed(t, err, connect.CodePermissionDenied)).GetViolations()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}
