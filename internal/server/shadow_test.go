package server

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/internal/hostile"
	"github.com/plimsoll-project/plimsoll/policy"
)

func (s *running) shadow(c *plimsollv1.Candidate) (*plimsollv1.ShadowStatus, error) {
	res, err := s.policies.Shadow(s.ctx(), &plimsollv1.ShadowRequest{Candidate: c})
	return res.GetStatus(), err
}

func (s *running) promote(digest string) (*plimsollv1.RulesetStatus, error) {
	res, err := s.policies.Promote(s.ctx(), &plimsollv1.PromoteRequest{Digest: digest})
	return res.GetStatus(), err
}

// shadowOf waits until as many mutations are judged in shadow or dropped.
func (s *running) shadowOf(all int64) *plimsollv1.ShadowStatus {
	s.Helper()
	var status *plimsollv1.ShadowStatus
	s.wait("the end of trials", func(*plimsollv1.RulesetStatus) bool {
		res, err := s.policies.GetShadow(s.ctx(), &plimsollv1.GetShadowRequest{})
		if err != nil {
			s.Fatal(err)
		}
		status = res.GetStatus()
		n := status.GetCounts()
		return n.GetSame()+n.GetWouldDeny()+n.GetWouldAdmit()+n.GetWouldPatch()+n.GetFailed()+status.GetDropped() == all
	})
	return status
}

// module is a candidate that binds a module to everything.
func module(t testing.TB, m hostile.Module) *plimsollv1.Candidate {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range map[string][]byte{
		"validators.yaml": fmt.Appendf(nil, "validators: [{name: trial, module: m.wasm, sha256: %x, limits: {%s}}]", sha256.Sum256(m.Wasm), m.Limits),
		"m.wasm":          m.Wasm,
	} {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &plimsollv1.Candidate{Validators: []*plimsollv1.ValidatorBundle{{Name: "trial", Archive: b.Bytes()}}}
}

// crowd creates containers, many at the same time, and returns what each was answered.
func (s *running) crowd() map[string]string {
	answers := map[string]string{}
	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)
	for caller := range 6 {
		all.Go(func() {
			for i := range 10 {
				c := newContainer(fmt.Sprintf("c%d-%d", caller, i))
				c.Container.Labels = map[string]string{"old": fmt.Sprint(i % 2)}
				_, err := s.containers.Create(context.Background(), c)
				mu.Lock()
				answers[c.GetContainer().GetId()] = fmt.Sprint(err)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return answers
}

// A ruleset in shadow on a real server, policies and validators that do their worst, changes
// no answer and loses none, and what it does is counted for what it is.
func TestHostileShadows(t *testing.T) {
	corpus := map[string]hostile.Module{}
	for _, m := range hostile.Modules() {
		corpus[m.Name] = m
	}
	now := "package now\n\ndeny contains \"is old\" if input.object.labels.old == \"1\"\n"
	const all = 60
	config := quickConfig(t, policyDir(t, now))
	want := run(t, config).crowd()

	type check func(*plimsollv1.ShadowStatus) bool
	failing := func(kind func(*plimsollv1.ShadowFailures) int64) check {
		return func(s *plimsollv1.ShadowStatus) bool {
			return kind(s.GetFailures()) > 0 && kind(s.GetFailures())+s.GetDropped() == all
		}
	}
	faults, timeouts := (*plimsollv1.ShadowFailures).GetFaults, (*plimsollv1.ShadowFailures).GetTimeouts
	tests := map[string]struct {
		candidate *plimsollv1.Candidate
		check     check
	}{
		"denies": {bundle(t, denying("x")), func(s *plimsollv1.ShadowStatus) bool {
			return s.GetCounts().GetWouldDeny() == all/2 && s.GetCounts().GetSame() == all/2 && s.GetLatency() != nil
		}},
		"admits": {bundle(t, "package next\n\nwarn contains \"x\"\n"), func(s *plimsollv1.ShadowStatus) bool {
			return s.GetCounts().GetWouldAdmit() == all/2 && s.GetRules()[0].GetSource().GetName() == "now"
		}},
		"fails":     {bundle(t, "package next\n\ndeny contains 5\n"), failing(faults)},
		"takes all": {bundle(t, "package next\n\ndeny contains \"x\" if count([1 | some i in numbers.range(1, 3000); some j in numbers.range(1, 30000); i > j + 40000]) > 0\n"), failing(timeouts)},
	}
	found := map[hostile.Outcome]int{}
	for _, name := range slices.Sorted(maps.Keys(corpus)) {
		m := corpus[name]
		if m.Slow || (m.Want != hostile.Fault && m.Want != hostile.Timeout) || !strings.HasPrefix(name, "trap-") && !strings.HasPrefix(name, "endless-") && !strings.HasPrefix(name, "grow-") {
			continue
		}
		kind := faults
		if m.Want == hostile.Timeout {
			kind = timeouts
		}
		if found[m.Want]++; found[m.Want] > 4 && !strings.HasPrefix(name, "grow-") {
			continue
		}
		tests[name] = struct {
			candidate *plimsollv1.Candidate
			check     check
		}{module(t, m), failing(kind)}
	}
	if found[hostile.Fault] == 0 || found[hostile.Timeout] == 0 {
		t.Fatalf("the corpus has %v", found)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := quickConfig(t, policyDir(t, now))
			config.MutationTimeout = 10 * time.Second // a trial may take half of it
			s := run(t, config)
			status, err := s.shadow(test.candidate)
			if err != nil || status.GetPercent() != 100 || !strings.HasPrefix(status.GetBy(), "uid:") {
				t.Fatal(status, err)
			}
			if diff := cmp.Diff(want, s.crowd()); diff != "" {
				t.Errorf("the answers are others (-without shadow +with):\n%s", diff)
			}
			if status := s.shadowOf(all); !test.check(status) {
				t.Errorf("of %d: %v", all, status)
			}
			for _, d := range s.decisions {
				if d.Ruleset != s.status().GetRuleset() {
					t.Errorf("decided by %s", d.Ruleset)
				}
			}
			res, err := s.policies.ListRulesets(s.ctx(), &plimsollv1.ListRulesetsRequest{})
			if n := res.GetRulesets()[0].GetCounts(); err != nil || n.GetAdmitted() != all/2 || n.GetDenied() != all/2 || n.GetFailed() != 0 {
				t.Errorf("the rules that judge: %v, %v", n, err)
			}
		})
	}
}

// While rules are promoted and taken back again and again, each decision names one ruleset,
// and is what that ruleset says.
func TestPromoteUnderLoad(t *testing.T) {
	dir := policyDir(t, denying("ruleset 0"))
	s := run(t, quickConfig(t, dir))
	message := map[string]string{s.status().GetRuleset(): "ruleset 0"}
	digests := []string{s.status().GetRuleset()}
	for i := 1; i < 4; i++ {
		text := fmt.Sprintf("ruleset %d", i)
		status, err := s.shadow(bundle(t, denying(text)))
		if err != nil {
			t.Fatal(err)
		}
		message[status.GetRuleset()] = text
		digests = append(digests, status.GetRuleset())
	}
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for caller := range 6 {
		load.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				_, err := s.containers.Create(t.Context(), newContainer(fmt.Sprintf("c%d-%d", caller, i)))
				if connect.CodeOf(err) != connect.CodePermissionDenied {
					t.Errorf("the answer is %v", err)
				}
			}
		})
	}
	for i := range 12 {
		if status, err := s.promote(digests[(i+1)%len(digests)]); err != nil || status.GetRuleset() != digests[(i+1)%len(digests)] || !status.GetPinned() {
			t.Fatal(status, err)
		}
		if i%3 == 2 {
			if status, err := s.rollback(""); err != nil || status.GetRuleset() != digests[i%len(digests)] {
				t.Fatal(status, err)
			}
		}
	}
	stop()
	load.Wait()
	s.stop()
	seen := map[string]int{}
	for _, d := range s.decisions {
		seen[d.Ruleset]++
		if len(d.Verdict.Violations) != 1 || d.Verdict.Violations[0].Message != message[d.Ruleset] {
			t.Fatalf("by %s, which says %q: %v", d.Ruleset, message[d.Ruleset], d.Verdict)
		}
	}
	if len(seen) < 3 {
		t.Errorf("decisions are by %v", seen)
	}
}

// A candidate that is not signed as the server wants it can be tried, and is not made to
// judge. One that is can be, also of a source that is not the configured one.
func TestUnsignedIsNotPromoted(t *testing.T) {
	key, public := newKey(t)
	other, _ := newKey(t)
	configured := filepath.Join(t.TempDir(), "bundle.tar.gz")
	writeFile(t, configured, string(sign(t, key, tarball(t, "a.rego", denying("configured")))))
	config := quickConfig(t, configured)
	config.PolicyKeys = []string{public}
	s := run(t, config)
	before := s.status().GetRuleset()
	plain := tarball(t, "a.rego", denying("tried"), "README.md", "which a signature covers")
	signatures, err := policy.Sign(policy.Options{}, policy.Archive("trial", plain), key, "", "")
	if err != nil {
		t.Fatal(err)
	}
	pushed := func(archive []byte) *plimsollv1.Candidate {
		return &plimsollv1.Candidate{Policies: []*plimsollv1.PolicyBundle{{Name: "trial", Archive: archive}}}
	}
	for name, test := range map[string]struct {
		archive []byte
		says    string
	}{
		"not signed":           {plain, "the signature of policies trial: it is not signed"},
		"signed by who knows":  {sign(t, other, plain), "the signature of policies trial"},
		"changed since signed": {tarball(t, "a.rego", denying("changed"), "README.md", "which a signature covers", ".signatures.json", string(signatures)), "the signature of policies trial"},
	} {
		status, err := s.shadow(pushed(test.archive))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err = s.promote(status.GetRuleset())
		wantCode(t, err, connect.CodeFailedPrecondition, test.says)
		if now := s.status(); now.GetRuleset() != before || now.GetPinned() {
			t.Errorf("%s: %v", name, now)
		}
		s.denies("configured")
	}
	status, err := s.shadow(pushed(sign(t, key, tarball(t, "a.rego", denying("good"), "README.md", "which a signature covers"))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.promote(status.GetRuleset()); err != nil {
		t.Fatal(err)
	}
	s.denies("good")
	s.stop()
	s = run(t, config)
	s.denies("good")
}

// Of those that were sent, the last few are kept, with that in shadow, also if it is an
// older one.
func TestCandidatesAreKept(t *testing.T) {
	config := quickConfig(t, policyDir(t, denying("now")))
	s := run(t, config)
	var digests []string
	for i := range maxCandidates + 2 {
		status, err := s.shadow(bundle(t, denying(fmt.Sprint(i))))
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, status.GetRuleset())
	}
	if _, err := s.shadow(&plimsollv1.Candidate{Digest: digests[0]}); err == nil || connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("the first is still kept: %v", err)
	}
	if _, err := s.shadow(&plimsollv1.Candidate{Digest: digests[2]}); err != nil {
		t.Fatal(err)
	}
	states := map[plimsollv1.RulesetState]int{}
	for _, kept := range s.history() {
		states[kept.GetState()]++
	}
	want := map[plimsollv1.RulesetState]int{
		plimsollv1.RulesetState_RULESET_STATE_ACTIVE: 1, plimsollv1.RulesetState_RULESET_STATE_SHADOW: 1, plimsollv1.RulesetState_RULESET_STATE_CANDIDATE: maxCandidates - 1,
	}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("kept are (-want +got):\n%s", diff)
	}
	// What cannot be loaded any more says so, and the server starts and judges without it.
	s.stop()
	h, err := openHistory(config.Data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, h.path(h.index.Shadow.Policies), "damaged")
	s = run(t, config)
	s.denies("now")
	var status *plimsollv1.ShadowStatus
	s.wait("the failure", func(*plimsollv1.RulesetStatus) bool {
		res, err := s.policies.GetShadow(s.ctx(), &plimsollv1.GetShadowRequest{})
		status = res.GetStatus()
		return err == nil && status.GetError() != errLoading.Error()
	})
	if !strings.Contains(status.GetError(), "the copy of it") {
		t.Errorf("status is %v", status)
	}
}

// Who is not known to be allowed to is refused before the request is read, however large.
func TestCandidatesOfAnybody(t *testing.T) {
	s := run(t, quickConfig(t, policyDir(t, denying("now"))))
	huge := &plimsollv1.Candidate{Policies: []*plimsollv1.PolicyBundle{{Name: "x", Archive: make([]byte, 8<<20)}}}
	_, err := s.anonymous.Shadow(s.ctx(), &plimsollv1.ShadowRequest{Candidate: huge})
	if code := connect.CodeOf(err); code != connect.CodePermissionDenied && code != connect.CodeUnavailable && code != connect.CodeUnknown { // it may still be writing
		t.Errorf("anybody gets %v", err)
	}
	_, err = s.shadow(huge)
	wantCode(t, err, connect.CodeInvalidArgument, "the candidate cannot be loaded")
}
