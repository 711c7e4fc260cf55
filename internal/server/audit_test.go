package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
)

// audited waits until the continuous audit knows how the latest revision stands with the
// rules of now.
func (s *running) audited() *plimsollv1.AuditStatus {
	s.Helper()
	for {
		res, err := s.rollouts().GetAuditStatus(s.ctx(), &plimsollv1.GetAuditStatusRequest{})
		if err != nil {
			s.Fatal(err)
		}
		status := res.GetStatus()
		if status.GetSummary() != nil && status.GetSummary().GetRevision() == status.GetRevision() && status.GetSummary().GetRuleset() == status.GetRuleset() {
			return status
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-s.ctx().Done():
			s.Fatal(s.ctx().Err())
		}
	}
}

// results lists what the continuous audit has found, page by page.
func (s *running) results(req *plimsollv1.ListAuditResultsRequest) map[string]string {
	s.Helper()
	all := map[string]string{}
	for {
		res, err := s.rollouts().ListAuditResults(s.ctx(), req)
		if err != nil {
			s.Fatal(err)
		}
		for _, f := range res.GetResults() {
			key := f.GetContainer().GetNamespace() + "/" + f.GetContainer().GetId()
			if all[key] != "" {
				s.Errorf("%s is listed twice", key)
			}
			all[key] = strings.TrimPrefix(f.GetOpinion().GetStanding().String(), "STANDING_")
			for _, v := range f.GetOpinion().GetVerdict().GetViolations() {
				all[key] += " -" + v.GetMessage()
			}
			for _, v := range f.GetOpinion().GetVerdict().GetWarnings() {
				all[key] += " ~" + v.GetMessage()
			}
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return all
		}
	}
}

// The continuous audit follows what is written and how rules change, judges only what that
// may make a difference to, and comes to the same as an audit.
func TestContinuousAudit(t *testing.T) {
	dir := policyDir(t, "package a\n\ndeny contains \"a\" if input.object.labels.a == \"1\"\n")
	write := func(name, content string) { writeFile(t, filepath.Join(dir, name), content) }
	write("peers.rego", "package peers\n\nwarn contains sprintf(\"%d peers\", [n]) if {\n\tn := plimsoll.count({\"labels\": {\"team\": input.object.labels.team}})\n\tn > 1\n}\n")
	config := quickConfig(t, None)
	config.AuditInterval = 10 * time.Millisecond
	s := run(t, config)
	s.fill("one", map[string]map[string]string{"fine": {}, "bad": {"a": "1"}, "x": {"team": "core"}, "y": {"team": "core"}})
	s.fill("two", map[string]map[string]string{"z": {"team": "core", "a": "1"}})
	s.stop()
	config.Policies = []string{dir}
	s = run(t, config)
	s.audited()
	list := func(want map[string]string) {
		t.Helper()
		s.audited()
		if d := cmp.Diff(want, s.results(&plimsollv1.ListAuditResultsRequest{PageSize: 1})); d != "" {
			t.Errorf("results (-want +got):\n%s", d)
		}
		if d := cmp.Diff(s.audit(), want); d != "" {
			t.Errorf("results (-audit +want):\n%s", d)
		}
	}
	list(map[string]string{"one/bad": "DENIED -a", "two/z": "DENIED -a"})

	// A container more changes how its peers stand, and nothing else.
	before := s.audited()
	s.fill("one", map[string]map[string]string{"w": {"team": "core"}})
	list(map[string]string{"one/bad": "DENIED -a", "two/z": "DENIED -a", "one/w": "ADMITTED ~2 peers", "one/x": "ADMITTED ~2 peers", "one/y": "ADMITTED ~2 peers"})
	status := s.audited()
	if got := status.GetJudged() - before.GetJudged(); got != 3 {
		t.Errorf("%d were judged, want the new one and its peers", got)
	}

	// So does a rule less.
	write("peers.rego", "package peers\n\nwarn contains \"core\" if input.object.labels.team == \"core\"\n")
	if _, err := s.policies.Reload(t.Context(), &plimsollv1.ReloadRequest{}); err != nil {
		t.Fatal(err)
	}
	before = status
	list(map[string]string{"one/bad": "DENIED -a", "two/z": "DENIED -a ~core", "one/w": "ADMITTED ~core", "one/x": "ADMITTED ~core", "one/y": "ADMITTED ~core"})
	status = s.audited()
	if judged, inPart := status.GetJudged()-before.GetJudged(), status.GetJudgedInPart()-before.GetJudgedInPart(); judged != 0 || inPart != 6 {
		t.Errorf("%d were judged and %d in part, want 6 in part", judged, inPart)
	}
	if got := status.GetPartsKept() - before.GetPartsKept(); got != 6 {
		t.Errorf("the other rule was not asked %d times, want 6", got)
	}
	rules := map[string][2]int64{}
	for _, r := range status.GetSummary().GetRules() {
		rules[r.GetSource().GetName()] = [2]int64{r.GetDenied(), r.GetWarned()}
	}
	if d := cmp.Diff(map[string][2]int64{"a": {2, 0}, "peers": {0, 4}}, rules); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}

	for name, test := range map[string]struct {
		req  *plimsollv1.ListAuditResultsRequest
		want []string
	}{
		"denied":          {&plimsollv1.ListAuditResultsRequest{Standings: []plimsollv1.Standing{plimsollv1.Standing_STANDING_DENIED}}, []string{"one/bad", "two/z"}},
		"admitted":        {&plimsollv1.ListAuditResultsRequest{Standings: []plimsollv1.Standing{plimsollv1.Standing_STANDING_ADMITTED}}, []string{"one/fine", "one/w", "one/x", "one/y"}},
		"of a rule":       {&plimsollv1.ListAuditResultsRequest{Rule: "peers.warn"}, []string{"one/w", "one/x", "one/y", "two/z"}},
		"of no rule":      {&plimsollv1.ListAuditResultsRequest{Rule: "nobody"}, nil},
		"in a namespace":  {&plimsollv1.ListAuditResultsRequest{Namespaces: []string{"t*"}}, []string{"two/z"}},
		"failed: nothing": {&plimsollv1.ListAuditResultsRequest{Standings: []plimsollv1.Standing{plimsollv1.Standing_STANDING_FAILED}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.results(test.req)
			for _, key := range test.want {
				if got[key] == "" {
					t.Errorf("%s is not listed", key)
				}
			}
			if len(got) != len(test.want) {
				t.Errorf("listed are %v", got)
			}
		})
	}
	metrics := s.metrics(t)
	for _, want := range []string{
		`plimsoll_audit_containers{standing="admitted"} 4`, `plimsoll_audit_containers{standing="denied"} 2`, `plimsoll_audit_containers{standing="warned"} 3`,
		`plimsoll_audit_rule_containers{finding="warned",rule="peers.warn"} 4`, `plimsoll_audit_judged_total{how="part"} 6`,
		fmt.Sprintf(`plimsoll_audit_revision %d`, status.GetRevision()), `plimsoll_audit_age_seconds `,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics have no %s", want)
		}
	}
}

// audit is what an audit on request finds.
func (s *running) audit() map[string]string {
	s.Helper()
	stream, err := s.rollouts().Audit(s.ctx(), &plimsollv1.AuditRequest{})
	if err != nil {
		s.Fatal(err)
	}
	all := map[string]string{}
	for stream.Receive() {
		f := stream.Msg().GetFinding()
		if f == nil {
			continue
		}
		text := strings.TrimPrefix(f.GetOpinion().GetStanding().String(), "STANDING_")
		for _, v := range f.GetOpinion().GetVerdict().GetViolations() {
			text += " -" + v.GetMessage()
		}
		for _, v := range f.GetOpinion().GetVerdict().GetWarnings() {
			text += " ~" + v.GetMessage()
		}
		all[f.GetContainer().GetNamespace()+"/"+f.GetContainer().GetId()] = text
	}
	if err := stream.Err(); err != nil {
		s.Fatal(err)
	}
	return all
}

// What is not the caller's, wrong, or switched off is refused.
func TestContinuousAuditIsRefused(t *testing.T) {
	config := quickConfig(t, policyDir(t, denying("x")))
	s := run(t, config)
	anonymous := plimsollv1connect.NewRolloutServiceClient(http.DefaultClient, s.web)
	ctx := t.Context()
	_, err := anonymous.GetAuditStatus(ctx, &plimsollv1.GetAuditStatusRequest{})
	if connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("status on TCP: %v", err)
	}
	_, err = anonymous.ListAuditResults(ctx, &plimsollv1.ListAuditResultsRequest{})
	if connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("results on TCP: %v", err)
	}
	for want, req := range map[string]*plimsollv1.ListAuditResultsRequest{
		"namespaces[0]": {Namespaces: []string{"["}}, "standings": {Standings: []plimsollv1.Standing{9}}, "page_size": {PageSize: -1}, "page_token": {PageToken: "x"},
	} {
		if _, err := s.rollouts().ListAuditResults(ctx, req); connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	s.stop()
	config.AuditInterval = 0
	s = run(t, config)
	if _, err := s.rollouts().GetAuditStatus(ctx, &plimsollv1.GetAuditStatusRequest{}); connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), "--audit-interval 0") {
		t.Errorf("switched off: %v", err)
	}
	if _, err := s.rollouts().ListAuditResults(ctx, &plimsollv1.ListAuditResultsRequest{}); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("switched off: %v", err)
	}
}

// An impact that is interrupted is taken up as of the same revision and by the same rules,
// and tells all that it has found.
func TestInterruptedJobIsTakenUp(t *testing.T) {
	const size = 200
	config := quickConfig(t, None)
	config.BackgroundInFlight, config.BackgroundShare = 2, 4
	s := run(t, config)
	labels := map[string]map[string]string{}
	for i := range size {
		labels[fmt.Sprintf("c%03d", i)] = map[string]string{"bad": fmt.Sprint(i % 2)}
	}
	s.fill("one", labels)
	// Each judgement takes long enough that there is time to interrupt it.
	req := &plimsollv1.ImpactRequest{Candidate: bundle(t, `package next

deny contains "bad" if {
	count([1 | some i in numbers.range(1, 2000); i > count(input.object.id) + 1900]) > 0
	input.object.labels.bad == "1"
}
`)}
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := s.rollouts().Impact(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	token, done, revision := "", int64(0), uint64(0)
	for stream.Receive() {
		if p := stream.Msg().GetProgress(); p.GetDone() > 0 {
			token, done, revision = p.GetResume(), p.GetDone(), p.GetRevision()
			break
		}
	}
	cancel()
	for stream.Receive() {
		if stream.Msg().GetSummary() != nil {
			t.Fatal("it was done before it was interrupted")
		}
	}
	if err := stream.Err(); !errors.Is(err, context.Canceled) && connect.CodeOf(err) != connect.CodeCanceled {
		t.Fatal(err)
	}
	s.fill("one", map[string]map[string]string{"new": {"bad": "1"}}) // not seen as of the revision of then

	var affected []*plimsollv1.AffectedContainer
	var summary *plimsollv1.ImpactSummary
	var first *plimsollv1.Progress
	for { // until the server has noticed
		resumed, err := s.rollouts().Impact(t.Context(), &plimsollv1.ImpactRequest{Resume: token})
		if err != nil {
			t.Fatal(err)
		}
		for resumed.Receive() {
			if p := resumed.Msg().GetProgress(); p != nil && first == nil {
				first = p
			}
			if a := resumed.Msg().GetAffected(); a != nil {
				affected = append(affected, a)
			}
			summary = resumed.Msg().GetSummary()
		}
		if err := resumed.Err(); connect.CodeOf(err) == connect.CodeNotFound {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		break
	}
	if first.GetDone() < done || first.GetRevision() != revision {
		t.Errorf("it goes on at %v, want %d or more of revision %d", first, done, revision)
	}
	want := &plimsollv1.EffectCounts{StillAdmitted: size / 2, NewlyDenied: size / 2}
	if all := summary.GetAll(); all.GetStillAdmitted() != want.GetStillAdmitted() || all.GetNewlyDenied() != want.GetNewlyDenied() || summary.GetRevision() != revision {
		t.Errorf("summary is %v", summary)
	}
	seen := map[string]bool{}
	for _, a := range affected {
		seen[a.GetContainer().GetId()] = true
	}
	if len(affected) != size/2 || len(seen) != size/2 {
		t.Errorf("%d of %d containers were told of", len(affected), len(seen))
	}

	// It is done now, and never was another's.
	for name, test := range map[string]struct {
		req  *plimsollv1.ImpactRequest
		code connect.Code
	}{
		"done":      {&plimsollv1.ImpactRequest{Resume: token}, connect.CodeNotFound},
		"unknown":   {&plimsollv1.ImpactRequest{Resume: "x"}, connect.CodeNotFound},
		"with more": {&plimsollv1.ImpactRequest{Resume: token, GroupByLabel: "team"}, connect.CodeInvalidArgument},
	} {
		stream, err := s.rollouts().Impact(t.Context(), test.req)
		if err != nil {
			t.Fatal(err)
		}
		if stream.Receive(); connect.CodeOf(stream.Err()) != test.code {
			t.Errorf("%s: %v", name, stream.Err())
		}
	}
}
