package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/service"
)

func (s *running) rollouts() plimsollv1connect.RolloutServiceClient {
	return plimsollv1connect.NewRolloutServiceClient(s.client, "http://unix")
}

// fill creates containers with labels, by namespace and id.
func (s *running) fill(namespace string, containers map[string]map[string]string) {
	s.Helper()
	client := plimsollv1connect.NewContainerServiceClient(s.client, "http://unix")
	req := &plimsollv1.BatchCreateRequest{}
	send := func() {
		ctx, call := connect.NewClientContext(s.ctx())
		call.RequestHeader().Set(service.HeaderNamespace, namespace)
		if _, err := client.BatchCreate(ctx, req); err != nil {
			s.Fatal(err)
		}
		req.Operations = nil
	}
	for id, labels := range containers {
		req.Operations = append(req.Operations, &plimsollv1.CreateOperation{Container: &plimsollv1.Container{
			Id: id, Labels: labels, Image: "nginx", Runtime: &plimsollv1.Runtime{Name: "io.containerd.runc.v2"},
			Spec: &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: []byte(`{"process": {"env": ["PASSWORD=hunter2hunter2"]}}`)},
		}})
		if len(req.GetOperations()) == 50 {
			send()
		}
	}
	if len(req.GetOperations()) > 0 {
		send()
	}
}

// bundle is a candidate of one module.
func bundle(t testing.TB, rego string) *plimsollv1.Candidate {
	t.Helper()
	archive, err := policy.Pack(policy.Options{}, policy.Path(policyDir(t, rego)))
	if err != nil {
		t.Fatal(err)
	}
	return &plimsollv1.Candidate{Policies: []*plimsollv1.PolicyBundle{{Name: "candidate", Archive: archive}}}
}

// impact returns what an assessment tells.
func (s *running) impact(req *plimsollv1.ImpactRequest) (affected []*plimsollv1.AffectedContainer, summary *plimsollv1.ImpactSummary, last *plimsollv1.Progress) {
	s.Helper()
	stream, err := s.rollouts().Impact(s.ctx(), req)
	if err != nil {
		s.Fatal(err)
	}
	for stream.Receive() {
		if p := stream.Msg().GetProgress(); p != nil {
			last = p
		}
		if a := stream.Msg().GetAffected(); a != nil {
			affected = append(affected, a)
		}
		summary = stream.Msg().GetSummary()
	}
	if err := stream.Err(); err != nil || summary == nil {
		s.Fatal(err, "no summary")
	}
	return affected, summary, last
}

// What an impact says of each container, rule, namespace and label is what follows from
// the rules, worked out by hand, over several pages of several namespaces.
func TestImpactAgreesWithBruteForce(t *testing.T) {
	const each = 300
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	config := quickConfig(t, None)
	s := run(t, config)
	labels := map[string]map[string]map[string]string{}
	for _, namespace := range []string{"dev-a", "prod-a", "prod-b"} {
		labels[namespace] = map[string]map[string]string{}
		for i := range each {
			labels[namespace][fmt.Sprintf("c%03d", i)] = map[string]string{
				"team": fmt.Sprint(random.IntN(4)), "old": fmt.Sprint(random.IntN(2)), "new": fmt.Sprint(random.IntN(2)), "bad": fmt.Sprint(random.IntN(10)),
			}
		}
		s.fill(namespace, labels[namespace])
	}
	s.stop()

	// The rule of now denies old=1. The candidate denies new=1, and more than 80 others
	// of a team in the namespace, and fails on bad=0.
	config.Policies = []string{policyDir(t, "package now\n\ndeny contains \"old\" if input.object.labels.old == \"1\"\n")}
	s = run(t, config)
	candidate := bundle(t, `package next

deny contains "new" if input.object.labels.new == "1"

deny contains "crowded" if plimsoll.count({"labels": {"team": input.object.labels.team}}) >= 80

deny contains 5 if input.object.labels.bad == "0"
`)
	want := map[string]plimsollv1.Effect{}
	byTeam, all := map[string]*plimsollv1.EffectCounts{}, &plimsollv1.EffectCounts{}
	for namespace, containers := range labels {
		teams := map[string]int{}
		for _, l := range containers {
			teams[l["team"]]++
		}
		for id, l := range containers {
			now := l["old"] != "1"
			next := l["new"] != "1" && teams[l["team"]]-1 < 80
			if byTeam[l["team"]] == nil {
				byTeam[l["team"]] = &plimsollv1.EffectCounts{}
			}
			for _, counts := range []*plimsollv1.EffectCounts{all, byTeam[l["team"]]} {
				switch {
				case l["bad"] == "0":
					counts.Failed++
				case now && next:
					counts.StillAdmitted++
				case now:
					counts.NewlyDenied++
				case next:
					counts.NewlyAdmitted++
				default:
					counts.StillDenied++
				}
			}
			switch {
			case l["bad"] == "0":
				want[namespace+"/"+id] = plimsollv1.Effect_EFFECT_FAILED
			case now && !next:
				want[namespace+"/"+id] = plimsollv1.Effect_EFFECT_NEWLY_DENIED
			case !now && next:
				want[namespace+"/"+id] = plimsollv1.Effect_EFFECT_NEWLY_ADMITTED
			}
		}
	}

	affected, summary, last := s.impact(&plimsollv1.ImpactRequest{Candidate: candidate, GroupByLabel: "team"})
	got := map[string]plimsollv1.Effect{}
	var order []string
	for _, a := range affected {
		key := a.GetContainer().GetNamespace() + "/" + a.GetContainer().GetId()
		got[key] = a.GetEffect()
		order = append(order, key)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("affected (-want +got):\n%s", d)
	}
	if !isSorted(order) {
		t.Errorf("not in order: %v", order)
	}
	if d := cmp.Diff(all, summary.GetAll(), protocmp.Transform()); d != "" {
		t.Errorf("all (-want +got):\n%s", d)
	}
	for _, g := range summary.GetGroups() {
		if g.GetBy() != "label" {
			continue
		}
		if d := cmp.Diff(byTeam[g.GetName()], g.GetCounts(), protocmp.Transform()); d != "" {
			t.Errorf("team %s (-want +got):\n%s", g.GetName(), d)
		}
	}
	if last.GetDone() != 3*each || last.GetTotal() != 3*each || last.GetRevision() != summary.GetRevision() {
		t.Errorf("progress is %v", last)
	}
	if summary.GetActiveRuleset() != s.status().GetRuleset() || summary.GetCandidateRuleset() == summary.GetActiveRuleset() {
		t.Errorf("rulesets are %s and %s", summary.GetActiveRuleset(), summary.GetCandidateRuleset())
	}

	// Of a part of them, with the rule that is to blame.
	affected, summary, _ = s.impact(&plimsollv1.ImpactRequest{
		Candidate: bundle(t, "package next\n\ndeny contains \"new\" if input.object.labels.new == \"1\"\n"),
		Selection: &plimsollv1.Selection{Namespaces: []string{"prod-*"}, Filters: []string{"labels.team==1"}},
	})
	n, denied := int64(0), int64(0)
	for _, namespace := range []string{"prod-a", "prod-b"} {
		for _, l := range labels[namespace] {
			if l["team"] == "1" {
				n++
				if l["new"] == "1" && l["old"] != "1" {
					denied++
				}
			}
		}
	}
	counts := summary.GetAll()
	if sum := counts.GetStillAdmitted() + counts.GetStillDenied() + counts.GetNewlyDenied() + counts.GetNewlyAdmitted(); sum != n || counts.GetNewlyDenied() != denied {
		t.Errorf("counts are %v, want %d in all and %d newly denied", counts, n, denied)
	}
	rules := map[string]int64{}
	for _, g := range summary.GetGroups() {
		if g.GetBy() == "rule" {
			rules[g.GetName()] = g.GetCounts().GetNewlyDenied()
			if len(g.GetSamples()) != 5 {
				t.Errorf("%s has samples %v", g.GetName(), g.GetSamples())
			}
		}
	}
	if d := cmp.Diff(map[string]int64{"next.deny": denied, "now.deny": 0}, rules); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
	for _, a := range affected {
		if text := a.String(); strings.Contains(text, "hunter2") {
			t.Errorf("a secret is shown: %s", text)
		}
	}
}

func isSorted(keys []string) bool {
	for i := 1; i < len(keys); i++ {
		if keys[i-1] >= keys[i] {
			return false
		}
	}
	return true
}

// An audit tells of what is not simply admitted, and what is stored stays as it is.
func TestAudit(t *testing.T) {
	config := quickConfig(t, None)
	s := run(t, config)
	s.fill("one", map[string]map[string]string{"fine": {}, "denied": {"a": "1"}, "warned": {"a": "2"}, "failed": {"a": "3"}, "both": {"a": "4"}})
	s.stop()
	config.Policies = []string{policyDir(t, `package audited

deny contains {"msg": "a", "field": "labels.a"} if input.object.labels.a in {"1", "4"}

warn contains "b" if input.object.labels.a in {"2", "4"}

deny contains 5 if input.object.labels.a == "3"

deny contains "the other one" if plimsoll.container(input.object.id)
`)}
	s = run(t, config)
	before := s.status()
	stream, err := s.rollouts().Audit(t.Context(), &plimsollv1.AuditRequest{})
	if err != nil {
		t.Fatal(err)
	}
	standing := map[string]string{}
	var summary *plimsollv1.AuditSummary
	for stream.Receive() {
		if f := stream.Msg().GetFinding(); f != nil {
			o := f.GetOpinion()
			text := strings.TrimPrefix(o.GetStanding().String(), "STANDING_")
			for _, v := range o.GetVerdict().GetViolations() {
				text += " -" + v.GetMessage() + v.GetField() + v.GetValue()
			}
			for _, v := range o.GetVerdict().GetWarnings() {
				text += " ~" + v.GetMessage()
			}
			standing[f.GetContainer().GetId()] = text + o.GetFailed().GetName()
		}
		summary = stream.Msg().GetSummary()
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"denied": `DENIED -alabels.a"1"`, "warned": "ADMITTED ~b", "failed": "FAILEDaudited", "both": `DENIED -alabels.a"4" ~b`}
	if d := cmp.Diff(want, standing); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	wantSummary := &plimsollv1.AuditSummary{
		Ruleset: before.GetRuleset(), Revision: summary.GetRevision(), Admitted: 2, Denied: 2, Failed: 1, Warned: 1,
		Rules: []*plimsollv1.RuleCount{
			{Source: &plimsollv1.Source{Kind: plimsollv1.Source_KIND_POLICY, Name: "audited", Rule: "deny"}, Denied: 2, Failed: 1},
			{Source: &plimsollv1.Source{Kind: plimsollv1.Source_KIND_POLICY, Name: "audited", Rule: "warn"}, Warned: 2},
		},
	}
	if d := cmp.Diff(wantSummary, summary, protocmp.Transform()); d != "" {
		t.Errorf("summary (-want +got):\n%s", d)
	}
	if len(s.decisions) > 0 {
		t.Errorf("decisions were made: %v", s.decisions)
	}
}

// Surveys are for operators, and what is wrong with a request is said.
func TestSurveysAreRefused(t *testing.T) {
	config := quickConfig(t, policyDir(t, denying("x")))
	s := run(t, config)
	ctx := t.Context()
	anonymous := plimsollv1connect.NewRolloutServiceClient(http.DefaultClient, s.web)
	for name, test := range map[string]struct {
		client  plimsollv1connect.RolloutServiceClient
		request *plimsollv1.ImpactRequest
		code    connect.Code
		want    string
	}{
		"on TCP":  {anonymous, &plimsollv1.ImpactRequest{Candidate: bundle(t, denying("y"))}, connect.CodePermissionDenied, "only root and the user"},
		"nothing": {s.rollouts(), &plimsollv1.ImpactRequest{}, connect.CodeInvalidArgument, "candidate: is missing"},
		"not an archive": {
			s.rollouts(), &plimsollv1.ImpactRequest{Candidate: &plimsollv1.Candidate{Policies: []*plimsollv1.PolicyBundle{{Name: "n", Archive: []byte("x")}}}},
			connect.CodeInvalidArgument, "the candidate cannot be loaded",
		},
		"broken": {
			s.rollouts(), &plimsollv1.ImpactRequest{Candidate: bundle(t, "package a\n\ndeny contains \"x\" if input.opration\n")},
			connect.CodeInvalidArgument, "undefined ref: input.opration",
		},
		"pattern": {
			s.rollouts(), &plimsollv1.ImpactRequest{Candidate: bundle(t, denying("y")), Selection: &plimsollv1.Selection{Namespaces: []string{"["}}},
			connect.CodeInvalidArgument, "selection.namespaces[0]",
		},
		"filter": {
			s.rollouts(), &plimsollv1.ImpactRequest{Candidate: bundle(t, denying("y")), Selection: &plimsollv1.Selection{Filters: []string{"=="}}},
			connect.CodeInvalidArgument, "filter",
		},
	} {
		t.Run(name, func(t *testing.T) {
			stream, err := test.client.Impact(ctx, test.request)
			if err != nil {
				t.Fatal(err)
			}
			for stream.Receive() {
				t.Errorf("received %v", stream.Msg())
			}
			if connect.CodeOf(stream.Err()) != test.code || !strings.Contains(stream.Err().Error(), test.want) {
				t.Errorf("error is %v", stream.Err())
			}
		})
	}
	audit, err := anonymous.Audit(ctx, &plimsollv1.AuditRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if audit.Receive(); connect.CodeOf(audit.Err()) != connect.CodePermissionDenied {
		t.Errorf("audit on TCP: %v", audit.Err())
	}
}

// A survey ends when its caller hangs up, and the next can begin.
func TestSurveyIsCancelled(t *testing.T) {
	config := quickConfig(t, None)
	s := run(t, config)
	labels := map[string]map[string]string{}
	for i := range 400 {
		labels[fmt.Sprintf("c%03d", i)] = nil
	}
	s.fill("one", labels)
	// Each judgement of this takes long enough that the whole does not end by itself soon.
	slow := bundle(t, "package a\n\ndeny contains \"x\" if count([1 | some i in numbers.range(1, 20000); i > input.version + 30000]) > 0\n")
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := s.rollouts().Impact(ctx, &plimsollv1.ImpactRequest{Candidate: slow})
	if err != nil {
		t.Fatal(err)
	}
	if !stream.Receive() {
		t.Fatal(stream.Err())
	}
	cancel()
	for stream.Receive() {
		if stream.Msg().GetSummary() != nil {
			t.Error("it was done all the same")
		}
	}
	if !errors.Is(stream.Err(), context.Canceled) && connect.CodeOf(stream.Err()) != connect.CodeCanceled {
		t.Errorf("error is %v", stream.Err())
	}
	if _, summary, _ := s.impact(&plimsollv1.ImpactRequest{Candidate: bundle(t, denying("y"))}); summary.GetAll().GetNewlyDenied() != 400 {
		t.Errorf("the next found %v", summary.GetAll())
	}
}
