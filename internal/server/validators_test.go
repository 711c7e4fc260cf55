package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aead.dev/minisign"
	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/internal/bundles"
)

// wasm reads a module: one of package plugins' fixtures, or an example.
func wasm(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join("../../plugins/testdata", name+".wasm")
	if name == "runc-spec" {
		path = "../../examples/validators/runc-spec/runc-spec.wasm"
	}
	module, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(module)
}

func hexDigest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// bindingOf binds a module, in a file of that name or at a reference, with more to it.
func bindingOf(name, at, module, more string) string {
	return fmt.Sprintf("- {name: %s, module: %q, sha256: %s, limits: {timeout: 1m}%s}\n", name, at, hexDigest(module), more)
}

// found is a verdict in short: who says so, and which code.
func found(v plimsoll.Verdict) []string {
	seen := map[string]bool{}
	for kind, list := range map[string][]plimsoll.Violation{"denied": v.Violations, "warned": v.Warnings} {
		for _, violation := range list {
			seen[kind+" by "+violation.Source.Name+" "+violation.Code] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Changing a module, a binding or a setting under load changes verdicts at once and as a
// whole: each decision names one ruleset, and its verdict is what that ruleset says. What
// is broken changes nothing and says why.
func TestValidatorsChangeUnderLoad(t *testing.T) {
	valid, denies, runc := wasm(t, "valid"), wasm(t, "violations"), wasm(t, "runc-spec")
	broken := []byte(valid)
	broken[len(broken)-1] ^= 1
	forbidding := func(trait string) string {
		return bindingOf("v", "m.wasm", runc, ", enforcement: warn, settings: {forbid: ["+trait+"]}")
	}
	steps := []struct {
		name, binding, module string
		says                  []string // of a creation, at the least
		silent                []string // what it does not say
		refused               string   // why it is broken; empty if it is not
	}{
		{name: "at first", binding: bindingOf("v", "m.wasm", valid, ""), module: valid},
		{name: "another module", binding: bindingOf("v", "m.wasm", denies, ", enforcement: warn"), module: denies, says: []string{"warned by v "}},
		{name: "a bit flipped", binding: bindingOf("v", "m.wasm", valid, ""), module: string(broken), refused: "the module is not the one that is pinned"},
		{name: "another name", binding: bindingOf("w", "m.wasm", denies, ", enforcement: warn"), module: denies, says: []string{"warned by w "}},
		{name: "it enforces", binding: bindingOf("w", "m.wasm", denies, ""), module: denies, says: []string{"denied by w "}},
		{name: "misspelt", binding: bindingOf("w", "m.wasm", denies, ", enforcment: warn"), module: denies, refused: `unknown key "enforcment"; did you mean "enforcement"?`},
		{name: "a setting", binding: forbidding("host-network"), module: runc, says: []string{"warned by v forbidden.host-network"}, silent: []string{"warned by v forbidden.host-pid"}},
		{name: "another setting", binding: forbidding("host-pid"), module: runc, says: []string{"warned by v forbidden.host-pid"}, silent: []string{"warned by v forbidden.host-network"}},
		{name: "a setting that is none", binding: forbidding("host-everything"), module: runc, refused: "validators[0].settings.forbid"},
		{name: "for others", binding: bindingOf("v", "m.wasm", denies, ", match: {namespaces: [other]}"), module: denies},
		{name: "no module", binding: bindingOf("v", "absent.wasm", denies, ""), module: denies, refused: "validators[0].module: "},
		{name: "in shadow", binding: bindingOf("v", "m.wasm", denies, ", enforcement: shadow"), module: denies},
	}
	m := &mounted{TB: t, dir: t.TempDir()}
	publish := func(i int) {
		m.publish(map[string]string{"validators.yaml": "validators:\n" + steps[i].binding, "m.wasm": steps[i].module})
	}
	publish(0)
	config := quickConfig(t, None)
	config.Validators = []string{filepath.Join(m.dir, "validators.yaml")}
	s := run(t, config)

	ctx, finish := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := s.create(fmt.Sprintf("c%d-%d", i, n)); err != nil && !strings.Contains(err.Error(), "denied: ") {
					t.Errorf("Create: %v", err)
					return
				}
			}
		})
	}
	rulesets, active := map[string]int{s.status().GetRuleset(): 0}, s.status().GetRuleset()
	for i := 1; i < len(steps); i++ {
		publish(i)
		status := s.wait(steps[i].name, func(st *plimsollv1.RulesetStatus) bool {
			if steps[i].refused != "" {
				return strings.Contains(st.GetError(), steps[i].refused)
			}
			return st.GetError() == "" && st.GetRuleset() != active
		})
		if steps[i].refused != "" {
			if status.GetRuleset() != active {
				t.Errorf("%s: ruleset %s took the place of %s", steps[i].name, status.GetRuleset(), active)
			}
			continue
		}
		active = status.GetRuleset()
		if before, ok := rulesets[active]; ok {
			t.Errorf("%s: it has the ruleset of %s", steps[i].name, steps[before].name)
		}
		rulesets[active] = i
		if err := s.create(fmt.Sprintf("last-%d", i)); err != nil && !strings.Contains(err.Error(), "denied: ") { // so that each judges something
			t.Error(err)
		}
	}
	finish()
	clients.Wait()

	s.mu.Lock()
	defer s.mu.Unlock()
	judged := map[int]int{}
	for _, d := range s.decisions {
		i, ok := rulesets[d.Ruleset]
		if !ok {
			t.Fatalf("decision %s is by ruleset %s, which was never active", d.ID, d.Ruleset)
		}
		judged[i]++
		said, step := found(d.Verdict), steps[i]
		for _, want := range step.says {
			if !slices.Contains(said, want) {
				t.Fatalf("%s: it says %q, want %q", step.name, said, want)
			}
		}
		if len(step.says) == 0 && len(said) > 0 {
			t.Fatalf("%s: it says %q, want nothing", step.name, said)
		}
		for _, silent := range step.silent {
			if slices.Contains(said, silent) {
				t.Fatalf("%s: it says %q, and not %q", step.name, said, silent)
			}
		}
		if shadows := len(d.Verdict.Shadows); (shadows > 0) != (step.name == "in shadow") {
			t.Fatalf("%s: %d shadows", step.name, shadows)
		}
	}
	if len(judged) != len(rulesets) {
		t.Errorf("of %d rulesets, %d judged: %v", len(rulesets), len(judged), judged)
	}
}

// What a validator in shadow says is recorded, and neither changes nor is in the answer.
func TestShadowIsRecorded(t *testing.T) {
	dir := t.TempDir()
	write := func(enforcement string) {
		for _, name := range []string{"violations", "trap", "valid"} {
			writeFile(t, filepath.Join(dir, name+".wasm"), wasm(t, name))
		}
		more := ", enforcement: " + enforcement
		writeFile(t, filepath.Join(dir, "validators.yaml"), "validators:\n"+bindingOf("new", "violations.wasm", wasm(t, "violations"), more)+
			bindingOf("broken", "trap.wasm", wasm(t, "trap"), more)+bindingOf("fine", "valid.wasm", wasm(t, "valid"), more))
	}
	write("shadow")
	config := quickConfig(t, None)
	config.Validators = []string{filepath.Join(dir, "validators.yaml")}
	s := run(t, config)
	if err := s.create("web"); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	decision := s.decisions[0]
	s.mu.Unlock()
	client := plimsollv1connect.NewDecisionServiceClient(s.client, "http://unix")
	res, err := client.GetDecision(t.Context(), &plimsollv1.GetDecisionRequest{Id: decision.ID})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, shadow := range res.GetDecision().GetShadows() {
		got = append(got, fmt.Sprintf("%s: %d violations, %d warnings, failed %v", shadow.GetSource().GetName(), shadow.GetViolationCount(), len(shadow.GetWarnings()), shadow.GetError() != ""))
	}
	want := []string{"new: 2 violations, 1 warnings, failed false", "broken: 0 violations, 0 warnings, failed true", "fine: 0 violations, 0 warnings, failed false"}
	if diff := cmp.Diff(want, got); diff != "" || res.GetDecision().GetOutcome() != plimsollv1.Outcome_OUTCOME_ADMITTED {
		t.Errorf("outcome %v, shadows (-want +got):\n%s", res.GetDecision().GetOutcome(), diff)
	}
	if n := len(decision.Verdict.Violations) + len(decision.Verdict.Warnings); n > 0 {
		t.Errorf("the verdict has %d findings of what has no say", n)
	}
	var line bytes.Buffer
	log, err := newLogger(&line, "text", "info")
	if err != nil {
		t.Fatal(err)
	}
	logDecision(log, decision)
	if !strings.Contains(line.String(), "new would deny") || !strings.Contains(line.String(), "broken failed") || strings.Contains(line.String(), "fine") {
		t.Errorf("logged is %s", &line)
	}

	write("enforce")
	s.wait("the denial", func(*plimsollv1.RulesetStatus) bool { return s.create("web2") != nil })
}

// A rollback brings validators back with the policies, and by digest; it holds over a
// restart, and what is kept is bounded.
func TestRollbackOfValidators(t *testing.T) {
	policies, dir := policyDir(t, "package a\n\nwarn contains \"w\" if input.operation == \"DELETE\"\n"), t.TempDir()
	config := quickConfig(t, policies)
	config.Validators = []string{filepath.Join(dir, "validators.yaml")}
	publish := func(name, fixture string) {
		writeFile(t, filepath.Join(dir, fixture+".wasm"), wasm(t, fixture))
		writeFile(t, filepath.Join(dir, "validators.yaml"), "validators:\n"+bindingOf(name, fixture+".wasm", wasm(t, fixture), ""))
	}
	publish("v0", "violations")
	s := run(t, config)
	s.denies("[v0]")
	digests := []*plimsollv1.RulesetStatus{s.status()}
	for i := 1; i <= maxHistory; i++ {
		before := s.status().GetRuleset()
		publish(fmt.Sprintf("v%d", i), []string{"violations", "blank"}[i%2])
		digests = append(digests, s.wait("the next", func(st *plimsollv1.RulesetStatus) bool { return st.GetError() == "" && st.GetRuleset() != before }))
	}
	last := digests[maxHistory]
	if bound := last.GetBoundValidators(); len(bound) != 1 || bound[0].GetName() != "v5" || bound[0].GetSha256() != hexDigest(wasm(t, "blank")) || bound[0].GetModule() != "blank.wasm" {
		t.Errorf("bound are %v", bound)
	}
	kept := s.history()
	if len(kept) != maxHistory || kept[0].GetState() != plimsollv1.RulesetState_RULESET_STATE_ACTIVE || kept[0].GetValidators() != last.GetValidators() || kept[4].GetValidators() != digests[1].GetValidators() {
		t.Errorf("history is %v", kept)
	}
	// Five sets, and the two modules that they share.
	if entries, err := os.ReadDir(filepath.Join(config.Data, modulesDir)); err != nil || len(entries) != maxHistory+2 {
		t.Errorf("kept are %v, %v", entries, err)
	}

	status, err := s.rollback("")
	if err != nil || !status.GetPinned() || status.GetRuleset() != digests[4].GetRuleset() || status.GetPolicies() != last.GetPolicies() {
		t.Fatalf("rollback: %v, %v", status, err)
	}
	s.denies("[v4]")
	for _, digest := range []string{digests[2].GetValidators(), digests[2].GetRuleset()[:20]} {
		if status, err = s.rollback(digest); err != nil || status.GetRuleset() != digests[2].GetRuleset() {
			t.Fatalf("rollback to %s: %v, %v", digest, status, err)
		}
	}
	_, err = s.rollback(digests[0].GetValidators())
	wantCode(t, err, connect.CodeNotFound, "no rules of that digest are kept")
	s.denies("[v2]")
	// Their policies are all the same: the latest with these are those that judge.
	if status, err = s.rollback(last.GetPolicies()); err != nil || status.GetRuleset() != digests[2].GetRuleset() {
		t.Fatalf("rollback to policies: %v, %v", status, err)
	}
	s.stop()

	// Whatever is configured by then, and even if that is nothing.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s = run(t, config)
	s.denies("[v2]")
	_, err = s.reload()
	wantCode(t, err, connect.CodeFailedPrecondition, "nothing has changed")
	s.denies("[v2]")
	s.stop()

	h, err := openHistory(config.Data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	module := h.modulePath(hexDigest(wasm(t, "violations")))
	for name, content := range map[string]string{"another module": wasm(t, "valid"), "nothing": ""} {
		writeFile(t, module, content)
		if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), "the copy of validators "+digests[2].GetValidators()) {
			t.Errorf("with %s in place of the module: %v", name, err)
		}
	}
	writeFile(t, h.setPath(h.last().Set), "x")
	if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), "the copy of validators ") {
		t.Errorf("with a damaged set: %v", err)
	}
}

// Of what an earlier ruleset had none, the rules of now stay: a rollback never leaves
// something unjudged. So do validators of entries that say nothing of them.
func TestRollbackKeepsTheRest(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "violations.wasm"), wasm(t, "violations"))
	writeFile(t, filepath.Join(dir, "validators.yaml"), "validators:\n"+bindingOf("v", "violations.wasm", wasm(t, "violations"), ""))
	config := quickConfig(t, policyDir(t, denying("the policies")))
	s := run(t, config) // with policies only
	first := s.status()
	s.stop()
	config.Policies, config.Validators = []string{None}, []string{filepath.Join(dir, "validators.yaml")}
	s = run(t, config) // with validators only
	status, err := s.rollback("")
	if err != nil || status.GetPolicies() != first.GetPolicies() || status.GetValidators() == None {
		t.Fatalf("rollback: %v, %v", status, err)
	}
	s.denies("(and 2 more)") // of both
	s.stop()

	// An index of before validators were kept.
	h, err := openHistory(config.Data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, h.indexPath(), `{"version": 1, "pinned": true, "entries": [{"policies": "`+first.GetPolicies()+`", "ruleset": "`+first.GetRuleset()+`"}]}`)
	s = run(t, config)
	s.denies("(and 2 more)")
}

// newRegistry serves a registry, which can be made to refuse everything.
func newRegistry(t *testing.T) (host string, down *atomic.Bool) {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	down = &atomic.Bool{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			http.Error(w, "down", http.StatusNotFound) // anything else is tried again for a while
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	return web.Listener.Addr().String(), down
}

func pushModule(t testing.TB, reference, module string, signature []byte) (digest string) {
	t.Helper()
	digest, err := bundles.PushModule(t.Context(), reference, "m.wasm", bundles.Module{Content: []byte(module), Signature: signature}, bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// Modules come from a registry, by tag or by digest. A tag that was moved away from what is
// pinned is refused by name; without the registry a restart judges by the copies.
func TestModulesOfRegistries(t *testing.T) {
	host, down := newRegistry(t)
	tag := "oci://" + host + "/org/checker:v1"
	pushModule(t, tag, wasm(t, "violations"), nil)
	byDigest := "oci://" + host + "/org/other@" + pushModule(t, "oci://"+host+"/org/other:v1", wasm(t, "blank"), nil)
	file := filepath.Join(t.TempDir(), "validators.yaml")
	bind := func(more string) {
		writeFile(t, file, "validators:\n"+bindingOf("tagged", tag, wasm(t, "violations"), more)+"- {name: digested, module: '"+byDigest+"', enforcement: shadow}\n")
	}
	bind("")
	config := quickConfig(t, None)
	config.Validators, config.PolicyPoll = []string{file}, 10*time.Millisecond

	down.Store(true)
	if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), "validators[0].module: fetching validator "+host+"/org/checker:v1: the registry has no such repository, tag or digest, and there is no copy of it that has judged before") {
		t.Fatalf("without the registry: %v", err)
	}
	down.Store(false)
	s := run(t, config)
	s.denies("[tagged]")
	status := s.status()
	ruleset := status.GetRuleset()
	if sources := status.GetSources(); len(sources) != 3 || sources[1].GetName() != host+"/org/checker:v1" || !sources[1].GetRemote() || !strings.HasPrefix(sources[1].GetVersion(), "sha256:") {
		t.Errorf("sources are %v", sources)
	}

	// The tag is moved.
	pushModule(t, tag, wasm(t, "valid"), nil)
	moved := "validators[0]: " + tag + ": the tag was moved, or never meant it: the module is not the one that is pinned"
	s.wait("the refusal", func(st *plimsollv1.RulesetStatus) bool { return strings.Contains(st.GetError(), moved) })
	_, err := s.reload()
	wantCode(t, err, connect.CodeFailedPrecondition, moved)
	s.denies("[tagged]")
	s.stop()
	// The copy of what is pinned judges on, and it is still said.
	s = run(t, config)
	if got := s.status().GetRuleset(); got != ruleset {
		t.Errorf("ruleset is %s after a restart, want %s", got, ruleset)
	}
	s.denies("[tagged]")
	s.wait("the refusal", func(st *plimsollv1.RulesetStatus) bool { return strings.Contains(st.GetError(), moved) })
	// It is moved back.
	pushModule(t, tag, wasm(t, "violations"), nil)
	s.wait("the good one", func(st *plimsollv1.RulesetStatus) bool { return st.GetError() == "" })

	// The registry is gone.
	down.Store(true)
	s.wait("the failure", func(st *plimsollv1.RulesetStatus) bool {
		return strings.Contains(st.GetSources()[1].GetError(), "the registry has no such") && st.GetError() == ""
	})
	_, err = s.reload()
	wantCode(t, err, connect.CodeFailedPrecondition, "fetching validator "+host+"/org/checker:v1")
	s.denies("[tagged]")
	s.stop()
	s = run(t, config)
	if status := s.status(); status.GetRuleset() != ruleset || len(status.GetBoundValidators()) != 2 {
		t.Errorf("without the registry: %v, want ruleset %s", status, ruleset)
	}
	if n := strings.Count(s.log.String(), "the copy of it that judged last does so again"); n != 2 {
		t.Errorf("it is said %d times that copies judge:\n%s", n, s.log)
	}
	s.denies("[tagged]")
	bind(", enforcement: warn") // the configuration may change all the same
	s.wait("the warning", func(*plimsollv1.RulesetStatus) bool { return s.create("any") == nil })
}

// minisigner signs as minisign does; public is a file with its key.
type minisigner struct {
	private minisign.PrivateKey
	public  string
}

func newMinisigner(t testing.TB) minisigner {
	t.Helper()
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := public.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "minisign.pub")
	writeFile(t, path, string(text)+"\n")
	return minisigner{private, path}
}

func (m minisigner) sign(module, comment string) string {
	return string(minisign.SignWithComments(m.private, []byte(module), comment, "signature"))
}

// With keys, what is not signed with one of them is refused by name, wherever it comes
// from, and the last good stays.
func TestUnsignedValidatorsAreRefused(t *testing.T) {
	key, other := newMinisigner(t), newMinisigner(t)
	host, _ := newRegistry(t)
	good, worse := wasm(t, "violations"), wasm(t, "valid")
	flipped := []byte(worse)
	flipped[len(flipped)-1] ^= 1
	for _, test := range []struct {
		name, module, signature string
		want                    string
	}{
		{"no signature", worse, "", "it is not signed"},
		{"wrong key", worse, other.sign(worse, ""), "and only these count"},
		{"flipped bit", string(flipped), key.sign(worse, ""), "does not fit: the module or the trusted comment is not what was signed"},
		{"signature of another module", worse, key.sign(good, ""), "does not fit"},
		{"trusted comment", worse, strings.Replace(key.sign(worse, "v1"), "comment: v1", "comment: v2", 1), "does not fit"},
		{"no signature at all", worse, "none\n", "its signature is not one of minisign's"},
	} {
		for _, from := range []string{"file", "registry"} {
			t.Run(test.name+" in a "+from, func(t *testing.T) {
				dir := t.TempDir()
				at := "m.wasm"
				if from == "registry" {
					at = "oci://" + host + "/" + strings.ReplaceAll(test.name, " ", "-") + ":v1"
				}
				publish := func(module, signature string) {
					switch {
					case from == "registry" && signature == "":
						pushModule(t, at, module, nil)
					case from == "registry":
						pushModule(t, at, module, []byte(signature))
					case signature == "":
						writeFile(t, filepath.Join(dir, "m.wasm"), module)
						if err := os.Remove(filepath.Join(dir, "m.wasm.minisig")); err != nil && !errors.Is(err, os.ErrNotExist) {
							t.Fatal(err)
						}
					default:
						writeFile(t, filepath.Join(dir, "m.wasm"), module)
						writeFile(t, filepath.Join(dir, "m.wasm.minisig"), signature)
					}
					writeFile(t, filepath.Join(dir, "validators.yaml"), "validators:\n"+bindingOf("v", at, module, "")) // whoever can, pins it
				}
				publish(good, key.sign(good, "release 1"))
				config := quickConfig(t, None)
				config.Validators, config.ValidatorKeys = []string{filepath.Join(dir, "validators.yaml")}, []string{other.public, key.public}
				if test.name == "wrong key" {
					config.ValidatorKeys = []string{key.public}
				}
				s := run(t, config)
				before := s.status()
				if bound := before.GetBoundValidators()[0]; bound.GetComment() != "release 1" || len(bound.GetKeyId()) != 16 {
					t.Errorf("bound is %v", bound)
				}
				publish(test.module, test.signature)
				want := "validators[0]: " + at + ": "
				status := s.wait("the refusal", func(st *plimsollv1.RulesetStatus) bool {
					return strings.Contains(st.GetError(), want) && strings.Contains(st.GetError(), test.want)
				})
				if status.GetRuleset() != before.GetRuleset() {
					t.Errorf("ruleset %s took the place of %s", status.GetRuleset(), before.GetRuleset())
				}
				s.denies("[v]")
				_, err := s.reload()
				wantCode(t, err, connect.CodeFailedPrecondition, want)
				s.stop()
				if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("a server that starts says %v", err)
				}
			})
		}
	}
}

// A copy counts only as long as its signature does; what is built in needs none.
func TestRollbackOfUnsignedValidators(t *testing.T) {
	key := newMinisigner(t)
	dir := t.TempDir()
	config := quickConfig(t, policyDir(t, denying("first")))
	config.Validators = []string{filepath.Join(dir, "validators.yaml")}
	publish := func(name string) {
		writeFile(t, filepath.Join(dir, "m.wasm"), wasm(t, name))
		writeFile(t, filepath.Join(dir, "m.wasm.minisig"), key.sign(wasm(t, name), ""))
		writeFile(t, filepath.Join(dir, "validators.yaml"), "validators:\n"+bindingOf(name, "m.wasm", wasm(t, name), ""))
	}
	writeFile(t, filepath.Join(dir, "m.wasm"), wasm(t, "valid"))
	writeFile(t, filepath.Join(dir, "validators.yaml"), "validators:\n"+bindingOf("unsigned", "m.wasm", wasm(t, "valid"), ""))
	run(t, config).stop()
	config.ValidatorKeys = []string{key.public}
	publish("blank")
	s := run(t, config)
	_, err := s.rollback("")
	wantCode(t, err, connect.CodeFailedPrecondition, "it is not signed")
	s.stop()

	config.Validators = nil // those that are built in
	s = run(t, config)
	before := s.status().GetPolicies()
	writeFile(t, filepath.Join(config.Policies[0], "a.rego"), denying("second"))
	s.wait("the second", func(st *plimsollv1.RulesetStatus) bool { return st.GetPolicies() != before })
	if _, err := s.rollback(before); err != nil {
		t.Fatal(err)
	}
	s.denies("first")
	s.stop()
	s = run(t, config)
	s.denies("first")
	if !s.status().GetPinned() {
		t.Error("it is not pinned after a restart")
	}
}

// Keys that cannot be read are found at once.
func TestValidatorKeys(t *testing.T) {
	config := quickConfig(t, None)
	for path, want := range map[string]string{
		filepath.Join(t.TempDir(), "absent"): "validator-keys: open ", writtenTo(t, "key"): "it is not a public key of minisign",
	} {
		config.ValidatorKeys = []string{path}
		if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func writtenTo(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	writeFile(t, path, content)
	return path
}
