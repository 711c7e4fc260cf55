package service

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// scaleRules are rules that are simple enough to be worked out by hand: bad labels are
// denied, and more than quota containers of a team in a namespace, and the label fail makes
// them fail. Version says which labels are bad.
func scaleRules(version, quota int) *Ruleset {
	parts := []fakePart{
		{name: "a.labels", version: version, judge: func(_ context.Context, in *plimsoll.Input, version int) (string, string, error) {
			if in.Object.Labels["fail"] == fmt.Sprint(version) {
				return "", "", &plimsoll.FaultError{Source: plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "a.labels"}, Err: errors.New("broken")}
			}
			return says(in.Object.Labels["bad"] == fmt.Sprint(version), "bad"), "", nil
		}},
		{name: "b.quota", version: quota, judge: func(ctx context.Context, in *plimsoll.Input, quota int) (string, string, error) {
			n, err := in.Others.Count(ctx, plimsoll.Selection{Namespace: in.Namespace, Equal: map[string]string{"labels.team": in.Object.Labels["team"]}})
			return says(n >= quota, "too many"), "", err
		}},
		{name: "c.one", version: version, covers: func(in *plimsoll.Input) bool { return in.Namespace == "n1" }, judge: func(_ context.Context, in *plimsoll.Input, version int) (string, string, error) {
			return "", says(in.Object.Labels["bad"] == fmt.Sprint(version+1), "soon bad"), nil
		}},
	}
	return fakeRules(parts, nil, 0)
}

// scaleCase is a container or an attempt, and how it stands.
type scaleCase struct {
	namespace, id, team, bad, fail string
}

func (c scaleCase) labels() map[string]string {
	return map[string]string{"team": c.team, "bad": c.bad, "fail": c.fail}
}

// standing works out by hand what scaleRules make of a container with n others of its team.
func (c scaleCase) standing(version, quota, others int) plimsollv1.Standing {
	switch {
	case c.fail == fmt.Sprint(version):
		return plimsollv1.Standing_STANDING_FAILED
	case c.bad == fmt.Sprint(version), others >= quota:
		return plimsollv1.Standing_STANDING_DENIED
	}
	return plimsollv1.Standing_STANDING_ADMITTED
}

const scaleNamespaces, scaleTeams, scaleCommits = 10, scaleSize / 160, 100

func randomCase(random *rand.Rand, id string) scaleCase {
	return scaleCase{
		namespace: fmt.Sprint("n", random.IntN(scaleNamespaces)), id: id, team: fmt.Sprint("t", random.IntN(scaleTeams)),
		bad: fmt.Sprint(random.IntN(8)), fail: fmt.Sprint(random.IntN(200)),
	}
}

// scale is a store with scaleSize containers and attempts.
type scale struct {
	*world
	stored   map[string]scaleCase
	attempts map[string]scaleCase // by decision
	states   map[string]plimsoll.Revision
	// teams counts containers by namespace and team as of each revision.
	teams []map[[2]string]int
}

func newScale(t *testing.T) *scale {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // no secret
	w := &scale{world: newWorld(t, Options{}), stored: map[string]scaleCase{}, attempts: map[string]scaleCase{}, states: map[string]plimsoll.Revision{}}
	w.teams = []map[[2]string]int{{}}
	for i := range scaleNamespaces {
		w.namespaces(fmt.Sprint("n", i))
		w.teams = append(w.teams, map[[2]string]int{})
	}
	now := map[[2]string]int{}
	commit := func(writes []storage.Write) {
		w.commit(writes...)
		then := map[[2]string]int{}
		for key, n := range now {
			then[key] = n
		}
		w.teams = append(w.teams, then)
	}
	for k := range scaleCommits {
		var writes []storage.Write
		for i := range scaleSize / scaleCommits {
			c := randomCase(random, fmt.Sprintf("c%d-%d", k, i))
			w.stored[c.namespace+"/"+c.id] = c
			now[[2]string{c.namespace, c.team}]++
			writes = append(writes, storage.Write{Operation: plimsoll.OperationCreate, Namespace: c.namespace, Container: c.container()})
		}
		commit(writes)
	}
	// Some go again, so that the past has more than the present.
	n := 0
	var writes []storage.Write
	for key, c := range w.stored {
		if n++; n > scaleSize/20 {
			break
		}
		delete(w.stored, key)
		now[[2]string{c.namespace, c.team}]--
		writes = append(writes, storage.Write{Operation: plimsoll.OperationDelete, Namespace: c.namespace, Container: c.container()})
	}
	commit(writes)

	var records []storage.Record
	for i := range scaleSize {
		c := randomCase(random, fmt.Sprintf("attempt-%d", i))
		d := w.newDecision(&plimsoll.Mutation{Operation: plimsoll.OperationCreate, Key: plimsoll.Key{Namespace: c.namespace, ID: c.id}})
		in := &plimsoll.Input{Operation: plimsoll.OperationCreate, Namespace: c.namespace, Object: c.container()}
		document, err := in.JSON()
		if err != nil {
			t.Fatal(err)
		}
		w.attempts[d.ID], w.states[d.ID] = c, plimsoll.Revision(random.IntN(len(w.teams)))
		value, err := proto.Marshal(&storagev1.Decision{Input: document, Decision: &plimsollv1.Decision{
			Id: d.ID, Time: timestamp(d.Time), Operation: plimsollv1.Operation_OPERATION_CREATE, Namespace: c.namespace, ContainerId: c.id,
			Outcome: plimsollv1.Outcome_OUTCOME_DENIED, Ruleset: "x", ObjectDigest: "x", StateRevision: uint64(w.states[d.ID]),
		}})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, storage.Record{EntryKey: decisionKey(c.namespace, d.ID), Value: value, Time: d.Time})
	}
	if err := w.store.Append(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	return w
}

func (c scaleCase) container() *plimsoll.Container {
	return &plimsoll.Container{
		ID: c.id, Image: "i", Labels: c.labels(), Runtime: plimsoll.Runtime{Name: "runc"},
		Spec: plimsoll.Any{TypeURL: "t", Value: []byte(`{"ociVersion":"1.2.0"}`)},
	}
}

// others counts the others of a container's team, as of now.
func (w *scale) others(c scaleCase) int {
	return w.teams[len(w.teams)-1][[2]string{c.namespace, c.team}] - 1
}

// candidates are rulesets that a candidate may be.
type candidates struct {
	RulesetControl
	rules *Ruleset
}

func (c candidates) Candidate(context.Context, Candidate) (*Ruleset, error) {
	rules := *c.rules
	rules.Release = func() {}
	return &rules, nil
}

var oneCandidate = &plimsollv1.Candidate{Digest: "x"}

// Over a hundred thousand stored containers and as many attempts, audit, impact and replay
// say what follows from the rules by hand; and a change of one rule has the audit judge by
// that rule only, and only those containers that it covers.
func TestScaleAgreesWithBruteForce(t *testing.T) {
	const quota, version = 17, 1
	w := newScale(t)
	w.SetRuleset(scaleRules(version, quota))
	next := scaleRules(version+1, quota+3)
	w.options.Rulesets = candidates{rules: next}
	rollouts := rolloutV1{w.Service}

	t.Run("audit", func(t *testing.T) {
		want := map[string]plimsollv1.Standing{}
		for key, c := range w.stored {
			if standing := c.standing(version, quota, w.others(c)); standing != plimsollv1.Standing_STANDING_ADMITTED {
				want[key] = standing
			}
		}
		got := map[string]plimsollv1.Standing{}
		j := newJob[*surveyed, plimsollv1.AuditResponse](w.Service)
		if err := rollouts.beginAudit(t.Context(), &plimsollv1.AuditRequest{}, j); err != nil {
			t.Fatal(err)
		}
		var summary *plimsollv1.AuditSummary
		if err := j.run(t.Context(), func(m *plimsollv1.AuditResponse) error {
			if f := m.GetFinding(); f != nil && f.GetOpinion().GetStanding() != plimsollv1.Standing_STANDING_ADMITTED {
				got[f.GetContainer().GetNamespace()+"/"+f.GetContainer().GetId()] = f.GetOpinion().GetStanding()
			}
			summary = m.GetSummary()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("findings (-want +got):\n%s", d)
		}
		if int(summary.GetAdmitted()+summary.GetDenied()+summary.GetFailed()) != len(w.stored) || int(summary.GetDenied()+summary.GetFailed()) != len(want) {
			t.Errorf("summary is %v", summary)
		}

		// The continuous one comes to the same.
		if err := w.auditor.round(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(summary, w.auditor.status.GetSummary(), protocmp.Transform()); d != "" {
			t.Errorf("continuous audit (-audit +continuous):\n%s", d)
		}
		w.changeOneRule(version, quota)
	})
	w.SetRuleset(scaleRules(version, quota))

	t.Run("impact", func(t *testing.T) {
		want := map[string]plimsollv1.Effect{}
		all := &plimsollv1.EffectCounts{}
		for key, c := range w.stored {
			effect := effectOf(c.standing(version, quota, w.others(c)), c.standing(version+1, quota+3, w.others(c)))
			if count(all, effect); effect > plimsollv1.Effect_EFFECT_STILL_DENIED {
				want[key] = effect
			}
		}
		got := map[string]plimsollv1.Effect{}
		j := newJob[*surveyed, plimsollv1.ImpactResponse](w.Service)
		if err := rollouts.beginImpact(t.Context(), &plimsollv1.ImpactRequest{Candidate: oneCandidate}, j); err != nil {
			t.Fatal(err)
		}
		var summary *plimsollv1.ImpactSummary
		if err := j.run(t.Context(), func(m *plimsollv1.ImpactResponse) error {
			if a := m.GetAffected(); a != nil {
				got[a.GetContainer().GetNamespace()+"/"+a.GetContainer().GetId()] = a.GetEffect()
			}
			summary = m.GetSummary()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("affected (-want +got):\n%s", d)
		}
		if d := cmp.Diff(all, summary.GetAll(), protocmp.Transform()); d != "" {
			t.Errorf("all (-want +got):\n%s", d)
		}
	})

	t.Run("replay", func(t *testing.T) {
		want := map[string]plimsollv1.Effect{}
		all, differing := &plimsollv1.EffectCounts{}, int64(0)
		for id, c := range w.attempts {
			others := w.teams[w.states[id]][[2]string{c.namespace, c.team}] // then
			now := c.standing(version, quota, others)
			effect := effectOf(now, c.standing(version+1, quota+3, others))
			if count(all, effect); effect > plimsollv1.Effect_EFFECT_STILL_DENIED {
				want[id] = effect
			}
			if now != plimsollv1.Standing_STANDING_ADMITTED { // as what is recorded seems to be, without a violation
				differing++
			}
		}
		got := map[string]plimsollv1.Effect{}
		j := newJob[*storagev1.Decision, plimsollv1.ReplayResponse](w.Service)
		if err := rollouts.beginReplay(t.Context(), &plimsollv1.ReplayRequest{Candidate: oneCandidate}, j); err != nil {
			t.Fatal(err)
		}
		var summary *plimsollv1.ReplaySummary
		if err := j.run(t.Context(), func(m *plimsollv1.ReplayResponse) error {
			if a := m.GetAffected(); a != nil {
				got[a.GetDecisionId()] = a.GetEffect()
			}
			summary = m.GetSummary()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("affected (-want +got):\n%s", d)
		}
		if d := cmp.Diff(all, summary.GetAll(), protocmp.Transform()); d != "" {
			t.Errorf("all (-want +got):\n%s", d)
		}
		if summary.GetDiffering() != differing {
			t.Errorf("%d differ from what is recorded, want %d", summary.GetDiffering(), differing)
		}
		for _, c := range summary.GetContexts() {
			if c.GetContext() != plimsollv1.ReplayContext_REPLAY_CONTEXT_THEN && c.GetContext() != plimsollv1.ReplayContext_REPLAY_CONTEXT_NOT_ASKED {
				t.Errorf("context is %v", c)
			}
		}
	})
}

// changeOneRule changes a rule that covers one namespace, and checks what that costs.
func (w *scale) changeOneRule(version, quota int) {
	w.Helper()
	covered := 0
	for _, c := range w.stored {
		if c.namespace == "n1" && c.fail != fmt.Sprint(version) {
			covered++
		}
	}
	failed := w.auditor.status.GetSummary().GetFailed() // judged anew by all rules
	changed := scaleRules(version, quota)
	policies := changed.Policies.(*fakeJudge) //nolint:forcetypeassert // scaleRules made it
	policies.parts[2].version++
	changed.Digest += "'"
	policies.calls = map[string]int{}
	w.SetRuleset(changed)
	before := proto.CloneOf(w.auditor.status)
	if err := w.auditor.round(w.Context()); err != nil {
		w.Fatal(err)
	}
	status := w.auditor.status
	if got := status.GetJudgedInPart() - before.GetJudgedInPart(); got != int64(covered) {
		w.Errorf("judged %d in part, want %d", got, covered)
	}
	if got, want := status.GetKept()-before.GetKept(), int64(len(w.stored)-covered)-failed; got != want {
		w.Errorf("kept %d, want %d", got, want)
	}
	if got := status.GetJudged() - before.GetJudged(); got != failed {
		w.Errorf("judged %d by all rules, want the %d that had failed", got, failed)
	}
	want := map[string]int{"c.one": covered, "a.labels": int(failed)}
	if d := cmp.Diff(want, policies.calls); d != "" {
		w.Errorf("calls of rules (-want +got):\n%s", d)
	}
	fresh := newAuditor(New(w.store, Options{BackgroundShare: 256}))
	fresh.SetRuleset(changed)
	if err := fresh.round(w.Context()); err != nil {
		w.Fatal(err)
	}
	if d := cmp.Diff(fresh.status.GetSummary(), status.GetSummary(), protocmp.Transform()); d != "" {
		w.Errorf("summary (-anew +incremental):\n%s", d)
	}
}
