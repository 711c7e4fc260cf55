package service_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/oklog/ulid/v2"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/service"
)

// Each mutation that gets as far as the pipeline leaves one decision, whatever
// becomes of it.
func TestDecisions(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	user := plimsoll.User{Name: "ann", Groups: []string{"ops"}, Via: "mtls"}
	dry := http.Header{"plimsoll-dry-run": {"true"}}
	steps := []struct {
		name string
		call func(ctx context.Context, c client) error
		want *plimsoll.Decision // nil if there is none
		err  error
	}{
		{"admitted create", func(ctx context.Context, c client) error {
			_, _, err := c.create(ctx, nil, container("web"))
			return err
		}, &plimsoll.Decision{Operation: "CREATE", Outcome: "admitted", Revision: 1, Attempts: 1}, nil},
		{"dry create", func(ctx context.Context, c client) error {
			_, _, err := c.create(ctx, dry, container("web2"))
			return err
		}, &plimsoll.Decision{Operation: "CREATE", Key: plimsoll.Key{ID: "web2"}, Outcome: "dry-run", Attempts: 1}, nil},
		{"existing", func(ctx context.Context, c client) error {
			_, _, err := c.create(ctx, nil, container("web"))
			return err
		}, &plimsoll.Decision{Operation: "CREATE", Outcome: "failed", Attempts: 1}, plimsoll.ErrExists},
		{"invalid", func(ctx context.Context, c client) error {
			_, _, err := c.create(ctx, nil, container("web", "", ""))
			return err
		}, &plimsoll.Decision{Operation: "CREATE", Outcome: "failed"}, plimsoll.ErrInvalidRequest},
		{"unreadable", func(ctx context.Context, c client) error {
			_, _, err := c.create(ctx, http.Header{"plimsoll-dry-run": {"x"}}, container("web"))
			return err
		}, nil, nil},
		{"update with a warning", func(ctx context.Context, c client) error {
			_, _, err := c.update(ctx, nil, container("web", "warn", "1"), "labels.warn")
			return err
		}, &plimsoll.Decision{
			Operation: "UPDATE", Outcome: "admitted", Revision: 2, Attempts: 1,
			Verdict: plimsoll.Verdict{Warnings: []plimsoll.Violation{policyViolation(0)}},
		}, nil},
		{"denied update", func(ctx context.Context, c client) error {
			_, _, err := c.update(ctx, nil, container("web", "policy", "1", "validator", "1"), "labels")
			return err
		}, &plimsoll.Decision{
			Operation: "UPDATE", Outcome: "denied", Attempts: 1,
			Verdict: plimsoll.Verdict{Violations: []plimsoll.Violation{policyViolation(0), validatorViolation(0)}},
		}, plimsoll.ErrDenied},
		{"denied dry run", func(ctx context.Context, c client) error {
			_, _, err := c.update(ctx, dry, container("web", "quota", "1"), "labels.quota")
			return err
		}, &plimsoll.Decision{
			Operation: "UPDATE", Outcome: "denied", Attempts: 1,
			Verdict: plimsoll.Verdict{Warnings: []plimsoll.Violation{policyViolation(0)}, Violations: []plimsoll.Violation{quotaViolation()}},
		}, plimsoll.ErrDenied},
		{"stale update", func(ctx context.Context, c client) error {
			_, _, err := c.update(ctx, http.Header{"plimsoll-if-revision": {"1"}}, container("web"), "image")
			return err
		}, &plimsoll.Decision{Operation: "UPDATE", Outcome: "failed", Attempts: 1}, plimsoll.ErrStaleRevision},
		{"reads", func(ctx context.Context, c client) error {
			if _, _, err := c.get(ctx, nil, "web"); err != nil {
				return err
			}
			_, err := c.list(ctx, nil, "")
			return err
		}, nil, nil},
		{"delete", func(ctx context.Context, c client) error {
			_, err := c.delete(ctx, nil, "web")
			return err
		}, &plimsoll.Decision{
			Operation: "DELETE", Outcome: "admitted", Revision: 3, Attempts: 1,
			Verdict: plimsoll.Verdict{Warnings: []plimsoll.Violation{policyViolation(0)}},
		}, nil},
		{"delete again", func(ctx context.Context, c client) error {
			_, err := c.delete(ctx, nil, "web")
			return err
		}, &plimsoll.Decision{Operation: "DELETE", Outcome: "failed", Attempts: 1}, plimsoll.ErrNotFound},
	}

	f := newFixture(t, nil, service.Options{Now: func() time.Time { return now }})
	c := clientsOf(t, f.serveHandler(t, asUser(f.Handler(), user)))["grpc"]
	count := 0
	ids := map[string]bool{}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			callErr := step.call(t.Context(), c)
			f.mu.Lock()
			decisions := f.decisions
			f.mu.Unlock()
			if step.want == nil {
				if len(decisions) != count {
					t.Fatalf("%d decisions, want %d still", len(decisions), count)
				}
				return
			}
			if count++; len(decisions) != count {
				t.Fatalf("%d decisions (%v), want %d", len(decisions), callErr, count)
			}
			got, want := decisions[count-1], *step.want
			if (callErr == nil) != (got.Err == nil) || !errors.Is(got.Err, step.err) {
				t.Errorf("the decision's error is %v, the caller's %v, want %v", got.Err, callErr, step.err)
			}
			want.Time, want.User, want.Ruleset = now.UTC(), user, "sha256:labels"
			if want.Attempts == 0 {
				want.Ruleset = "" // it never got so far
			}
			want.Key.Namespace = "default"
			if want.Key.ID == "" {
				want.Key.ID = "web"
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(plimsoll.Decision{}, "ID", "Err")); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			id, err := ulid.ParseStrict(got.ID)
			if err != nil || ids[got.ID] || id.Time() != ulid.Timestamp(now) {
				t.Errorf("ID %s (%v) is no new ULID of the time", got.ID, err)
			}
			ids[got.ID] = true
		})
	}

	// What was admitted is in the events, with its decision.
	admitted := map[plimsoll.Revision]plimsoll.Decision{}
	for _, d := range f.decisions {
		if d.Revision != 0 {
			admitted[d.Revision] = d
		}
	}
	for e, err := range f.store.Watch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		d := admitted[e.Revision]
		if e.Decision != d.ID || e.Ruleset != d.Ruleset || e.Operation != d.Operation || !e.Time.Equal(d.Time) || !cmp.Equal(e.User, user) {
			t.Errorf("event %+v is not that of decision %+v", e, d)
		}
		if int(e.Revision) == len(admitted) {
			break
		}
	}
}

func quotaViolation() plimsoll.Violation {
	v := policyViolation(0)
	v.Code = plimsoll.CodeQuotaExceeded
	return v
}

// asUser is what a transport does that knows its callers.
func asUser(h http.Handler, user plimsoll.User) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(service.WithUser(r.Context(), user)))
	})
}

// Rules see who asks for what, and what it would become.
func TestRulesSeeTheMutation(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	var seen []*plimsoll.Input
	record := judgeFunc(func(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
		seen = append(seen, in)
		return plimsoll.Verdict{}, nil
	})
	f.SetRuleset(rules(record, record))
	house := http.Header{"containerd-namespace": {"house"}}
	if _, _, err := c.create(t.Context(), house, container("web", "team", "core", "none", "")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.update(t.Context(), house, container("web", "tier", "1"), "labels.tier", "image"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.update(t.Context(), house, container("web")); err != nil {
		t.Fatal(err)
	}
	house.Set("plimsoll-dry-run", "true")
	if _, err := c.delete(t.Context(), house, "web"); err != nil {
		t.Fatal(err)
	}

	type view struct {
		Operation   plimsoll.Operation
		DryRun      bool
		Object, Old map[string]string
		Mask        []string
	}
	core, tier := map[string]string{"team": "core"}, map[string]string{"team": "core", "tier": "1"}
	want := []view{
		{"CREATE", false, core, nil, nil},
		{"UPDATE", false, tier, core, []string{"labels.tier", "image"}},
		{"UPDATE", false, nil, tier, []string{"labels", "image", "spec", "rootfs"}},
		{"DELETE", true, nil, nil, nil},
	}
	var got []view
	for i, in := range seen {
		if in.Namespace != "house" || in.User.Via != "anonymous" || in.Object.ID != "web" {
			t.Errorf("input %d is of namespace %q, user %v, id %q", i, in.Namespace, in.User, in.Object.ID)
		}
		if i%2 == 1 { // validators get what policies got
			if in != seen[i-1] {
				t.Errorf("input %d differs from that of the policies", i)
			}
			continue
		}
		v := view{Operation: in.Operation, DryRun: in.DryRun, Object: in.Object.Labels, Mask: in.UpdateMask}
		if in.Old != nil {
			v.Old = in.Old.Labels
		}
		got = append(got, v)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what rules saw (-want +got):\n%s", diff)
	}
	if last := seen[len(seen)-1]; last.Object != last.Old {
		t.Error("on delete the object is not the stored one")
	}
}
