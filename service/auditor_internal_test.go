package service

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// fakePart is a part of a judge. What it finds depends on its version.
type fakePart struct {
	name    string
	version int
	covers  func(in *plimsoll.Input) bool
	judge   func(ctx context.Context, in *plimsoll.Input, version int) (deny, warn string, err error)
}

// fakeJudge is a judge of parts, in the order of their names.
type fakeJudge struct {
	kind  plimsoll.SourceKind
	parts []fakePart
	calls map[string]int // of parts; nil: not counted
}

func (j *fakeJudge) Parts() []plimsoll.Part {
	var parts []plimsoll.Part
	for _, p := range j.parts {
		parts = append(parts, plimsoll.Part{Name: p.name, Digest: fmt.Sprint(p.version), Covers: func(in *plimsoll.Input) bool { return p.covers == nil || p.covers(in) }})
	}
	return parts
}

func (j *fakeJudge) Judge(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
	return j.JudgeParts(ctx, in, func(string) bool { return true })
}

func (j *fakeJudge) JudgeParts(ctx context.Context, in *plimsoll.Input, chosen func(string) bool) (plimsoll.Verdict, error) {
	var v plimsoll.Verdict
	for _, p := range j.parts {
		if !chosen(p.name) || p.covers != nil && !p.covers(in) {
			continue
		}
		if j.calls != nil {
			j.calls[p.name]++
		}
		deny, warn, err := p.judge(ctx, in, p.version)
		if err != nil {
			return plimsoll.Verdict{}, err
		}
		source := plimsoll.Source{Kind: j.kind, Name: p.name}
		if j.kind == plimsoll.SourcePolicy {
			source.Rule = "deny"
		}
		if deny != "" {
			v.Violations = append(v.Violations, plimsoll.Violation{Message: deny, Source: source})
		}
		if warn != "" {
			v.Warnings = append(v.Warnings, plimsoll.Violation{Message: warn, Source: source})
		}
	}
	return v, nil
}

// fakePatch is a patch rule: it sets the label bad of containers that have the label patch.
type fakePatch struct{ version int }

func (p fakePatch) PatchDigest() string { return fmt.Sprint(p.version) }

func (p fakePatch) Patch(_ context.Context, in *plimsoll.Input) (*plimsoll.Container, []plimsoll.Patch, error) {
	if in.Object.Labels["patch"] == "" {
		return nil, nil, nil
	}
	c := in.Object.Clone()
	c.Labels["bad"] = fmt.Sprint(p.version % 3)
	return c, []plimsoll.Patch{{Field: "labels.bad"}}, nil
}

func says(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}

// fakeParts are rules that look at labels, at other containers by range, by key and
// everywhere, and at the namespace, that apply to some only, and that fail.
func fakeParts() []fakePart {
	return []fakePart{
		{name: "a.labels", judge: func(_ context.Context, in *plimsoll.Input, version int) (string, string, error) {
			return says(in.Object.Labels["bad"] == fmt.Sprint(version%3), fmt.Sprintf("bad %d", version)), "", nil
		}},
		{name: "b.quota", judge: func(ctx context.Context, in *plimsoll.Input, version int) (string, string, error) {
			n, err := in.Others.Count(ctx, plimsoll.Selection{Namespace: in.Namespace, Equal: map[string]string{"labels.team": in.Object.Labels["team"]}})
			return says(n >= 3+version%3, fmt.Sprintf("%d of a team", n)), "", err
		}},
		{name: "c.peer", judge: func(ctx context.Context, in *plimsoll.Input, version int) (string, string, error) {
			if in.Object.Labels["peer"] == "" {
				return "", "", nil
			}
			peer, err := in.Others.Container(ctx, plimsoll.Key{Namespace: in.Namespace, ID: in.Object.Labels["peer"]}, version%2 == 0)
			return says(peer == nil, "no peer"), "", err
		}},
		{
			name: "d.prod", covers: func(in *plimsoll.Input) bool { return strings.HasPrefix(in.Namespace, "prod") },
			judge: func(ctx context.Context, in *plimsoll.Input, version int) (string, string, error) {
				n, err := in.Others.Count(ctx, plimsoll.Selection{Namespace: plimsoll.AllNamespaces, Equal: map[string]string{"image": "rare"}})
				return "", says(n > version%2, fmt.Sprintf("%d rare", n)), err
			},
		},
		{name: "e.namespace", judge: func(_ context.Context, in *plimsoll.Input, version int) (string, string, error) {
			return "", says(in.NamespaceLabels["strict"] != "", fmt.Sprintf("strict %d", version)), nil
		}},
		{name: "f.failing", judge: func(_ context.Context, in *plimsoll.Input, version int) (string, string, error) {
			if in.Object.Labels["fail"] == fmt.Sprint(version%4) {
				return "", "", &plimsoll.FaultError{Source: plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "f.failing"}, Err: errors.New("broken")}
			}
			return "", "", nil
		}},
	}
}

func fakeValidators() []fakePart {
	return []fakePart{
		{name: "z-runc", judge: func(_ context.Context, in *plimsoll.Input, version int) (string, string, error) {
			return says(strings.Contains(string(in.Object.Spec.Value), fmt.Sprint(version%3)), "spec"), "", nil
		}},
		{
			name: "y-labels", covers: func(in *plimsoll.Input) bool { return in.Object.Labels["team"] == "1" },
			judge: func(_ context.Context, _ *plimsoll.Input, version int) (string, string, error) {
				return "", fmt.Sprintf("team 1, %d", version), nil
			},
		},
	}
}

func fakeRules(policies, validators []fakePart, patch int) *Ruleset {
	rules := &Ruleset{
		Policies: &fakeJudge{kind: plimsoll.SourcePolicy, parts: policies}, Validators: &fakeJudge{kind: plimsoll.SourceValidator, parts: validators},
		Digest: fmt.Sprint(patch),
	}
	for _, p := range append(append([]fakePart{}, policies...), validators...) {
		rules.Digest += fmt.Sprintf(" %s=%d", p.name, p.version)
	}
	if patch > 0 {
		rules.Patches = fakePatch{patch}
	}
	return rules
}

// world is a service over a store that tests write to without asking rules.
type world struct {
	*testing.T
	*Service
	store storage.Store
}

func newWorld(t *testing.T, options Options) *world {
	t.Helper()
	store := memstore.New()
	t.Cleanup(func() { _ = store.Close() })
	if options.BackgroundShare == 0 {
		options.BackgroundShare = 256
	}
	options.AuditInterval = time.Hour // rounds are made by hand
	return &world{t, New(store, options), store}
}

// write commits writes, each with a revision of its own.
func (w *world) write(writes ...storage.Write) {
	w.Helper()
	for _, write := range writes {
		w.commit(write)
	}
}

func (w *world) commit(writes ...storage.Write) {
	w.Helper()
	view, err := w.store.View(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = view.Close() }()
	if _, err := w.store.Commit(w.Context(), view, storage.Change{Writes: writes, Time: time.Now()}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) namespaces(names ...string) {
	w.Helper()
	for _, name := range names {
		w.write((&namespaceRecord{name: name}).creation(""))
	}
}

// all are the containers of some namespaces.
func (w *world) all(namespaces ...string) []*surveyed {
	w.Helper()
	view, err := w.store.View(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = view.Close() })
	var all []*surveyed
	for _, name := range namespaces {
		namespace, err := loadNamespace(w.Context(), view, name)
		if err != nil {
			w.Fatal(err)
		}
		for c, err := range view.Scan(w.Context(), storage.Query{Namespace: name, WithPayloads: true}) {
			if err != nil {
				w.Fatal(err)
			}
			all = append(all, &surveyed{container: c, namespace: namespace, view: view})
		}
	}
	return all
}

// audited is what the continuous audit knows, by namespace and ID.
func (w *world) audited() map[string]*plimsollv1.Opinion {
	known := map[string]*plimsollv1.Opinion{}
	w.auditor.results(plimsoll.Key{}, func(c *audited) bool {
		known[c.key.String()] = c.shown()
		return true
	})
	return known
}

// Whatever is written and however rules change, a round comes to what judging everything by
// all rules comes to.
func TestContinuousAuditAgreesWithBruteForce(t *testing.T) {
	var judged, inPart, kept, exempted int64
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // no secret
			now := time.Now()
			w := newWorld(t, Options{BackgroundInFlight: 1 + int(seed%3), Now: func() time.Time { return now }})
			namespaces := []string{"dev", "prod-a", "prod-b"}
			w.namespaces(namespaces...)
			policies, validators, patch := fakeParts(), fakeValidators(), int(seed%2)
			exists := map[plimsoll.Key]*plimsoll.Container{}
			some := func() *plimsoll.Container {
				c := &plimsoll.Container{
					ID: fmt.Sprint("c", random.IntN(20)), Image: []string{"common", "rare"}[random.IntN(8)/7], Runtime: plimsoll.Runtime{Name: "runc"},
					Spec: plimsoll.Any{TypeURL: "t", Value: fmt.Appendf(nil, `{"n":%d}`, random.IntN(5))},
					Labels: map[string]string{
						"bad": fmt.Sprint(random.IntN(4)), "team": fmt.Sprint(random.IntN(4)), "fail": fmt.Sprint(random.IntN(12)),
					},
				}
				if random.IntN(3) == 0 {
					c.Labels["peer"] = fmt.Sprint("c", random.IntN(20))
				}
				if random.IntN(3) == 0 {
					c.Labels["patch"] = "1"
				}
				return c
			}
			for step := range 60 {
				for range random.IntN(12) {
					c := some()
					key := plimsoll.Key{Namespace: namespaces[random.IntN(3)], ID: c.ID}
					write := storage.Write{Operation: plimsoll.OperationCreate, Namespace: key.Namespace, Container: c}
					switch before := exists[key]; {
					case before != nil && random.IntN(2) == 0:
						write.Operation, write.Container = plimsoll.OperationDelete, before
						delete(exists, key)
					case before != nil:
						write.Operation = plimsoll.OperationUpdate
						exists[key] = c
					default:
						exists[key] = c
					}
					w.write(write)
				}
				now = now.Add(time.Minute)
				switch random.IntN(7) {
				case 6:
					w.exempt(&plimsoll.Exemption{
						ID: fmt.Sprint("e", step), Rule: []string{"a.*", "b.quota", "z-runc"}[random.IntN(3)], Namespaces: []string{"dev", "prod-*"}[random.IntN(2):][:1],
						Owner: "ada", CreatedAt: now, ExpiresAt: now.Add(time.Duration(random.IntN(10)) * time.Minute),
					})
				case 0:
					i := random.IntN(len(policies))
					policies[i].version++
				case 1:
					validators[random.IntN(len(validators))].version++
				case 2:
					patch = random.IntN(3)
				case 3:
					if policies[0].name == "a.labels" { // it goes, and comes last
						policies = append(slices.Clone(policies[1:]), policies[0])
						policies[len(policies)-1].name = "x.labels"
					} else {
						policies = append(fakeParts()[:1], policies[:len(policies)-1]...)
					}
				case 4:
					w.relabel(namespaces[random.IntN(3)], map[string]string{"strict": []string{"", "1"}[random.IntN(2)]})
				}
				w.SetRuleset(fakeRules(policies, validators, patch))
				if err := w.auditor.round(t.Context()); err != nil {
					t.Fatal(err)
				}
				rules, release := w.ruleset.hold()
				want := map[string]*plimsollv1.Opinion{}
				tally := newAuditTally(rules.Digest, w.revision())
				for _, c := range w.all(namespaces...) {
					judged, err := w.opinion(t.Context(), rules, c)
					if err != nil {
						t.Fatal(err)
					}
					want[c.key().String()] = judged.opinion
					tally.add(judged.opinion)
				}
				release()
				if d := cmp.Diff(want, w.audited(), protocmp.Transform()); d != "" {
					t.Fatalf("step %d (-brute force +audit):\n%s", step, d)
				}
				exempted += w.auditor.status.GetSummary().GetExempted()
				if d := cmp.Diff(tally.summary(), w.auditor.status.GetSummary(), protocmp.Transform()); d != "" {
					t.Fatalf("step %d: summary (-brute force +audit):\n%s", step, d)
				}
			}
			status := w.auditor.status
			judged, inPart, kept = judged+status.GetJudged(), inPart+status.GetJudgedInPart(), kept+status.GetKept()
		})
	}
	if judged == 0 || inPart == 0 || kept == 0 || exempted == 0 {
		t.Errorf("not all ways were gone: %d judged, %d in part, %d kept, %d exempted", judged, inPart, kept, exempted)
	}
}

// An exemption that expires is noticed, however many others are in the verdict before it.
func TestContinuousAuditSeesExemptionsExpire(t *testing.T) {
	now := time.Now()
	w := newWorld(t, Options{Now: func() time.Time { return now }})
	w.namespaces("dev")
	w.write(storage.Write{Operation: plimsoll.OperationCreate, Namespace: "dev", Container: &plimsoll.Container{ID: "web", Runtime: plimsoll.Runtime{Name: "runc"}}})
	var parts []fakePart
	for i := range maxRecordedFindings + 10 {
		parts = append(parts, fakePart{name: fmt.Sprintf("p%03d", i), judge: func(context.Context, *plimsoll.Input, int) (string, string, error) { return "no", "", nil }})
	}
	for rule, lasts := range map[string]time.Duration{"p0*": 24 * time.Hour, "p1*": time.Minute} {
		w.exempt(&plimsoll.Exemption{ID: rule[:2], Rule: rule, Namespaces: []string{"dev"}, Owner: "ada", CreatedAt: now, ExpiresAt: now.Add(lasts)})
	}
	w.SetRuleset(fakeRules(parts, nil, 0))
	for _, want := range []plimsollv1.Standing{plimsollv1.Standing_STANDING_ADMITTED, plimsollv1.Standing_STANDING_DENIED} {
		if err := w.auditor.round(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.audited()[plimsoll.Key{Namespace: "dev", ID: "web"}.String()].GetStanding(); got != want {
			t.Errorf("it is %v, want %v", got, want)
		}
		now = now.Add(2 * time.Minute)
	}
}

func (w *world) revision() plimsoll.Revision {
	w.Helper()
	view, err := w.store.View(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = view.Close() }()
	return view.Revision()
}

func (w *world) exempt(e *plimsoll.Exemption) {
	w.Helper()
	entry, err := encodeExemption(e)
	if err != nil {
		w.Fatal(err)
	}
	view, err := w.store.View(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = view.Close() }()
	writes, err := exemptionWrites(w.Context(), view, plimsoll.OperationCreate, entry)
	if err != nil {
		w.Fatal(err)
	}
	w.commit(writes...)
}

func (w *world) relabel(name string, labels map[string]string) {
	w.Helper()
	record := &namespaceRecord{name: name, labels: labels}
	write := record.creation("")
	write.Operation = plimsoll.OperationUpdate
	w.write(write)
}
