package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// publish replaces the policies and waits until they judge.
func (s *running) publish(dir, message string) {
	s.Helper()
	before := s.status().GetPolicies()
	writeFile(s, filepath.Join(dir, "a.rego"), denying(message))
	s.wait(message, func(st *plimsollv1.RulesetStatus) bool { return st.GetPolicies() != before })
	s.denies(message)
}

func (s *running) rollback(digest string) (*plimsollv1.RulesetStatus, error) {
	res, err := s.policies.Rollback(s.ctx(), &plimsollv1.RollbackRequest{Digest: digest})
	return res.GetStatus(), err
}

func (s *running) reload() (*plimsollv1.RulesetStatus, error) {
	res, err := s.policies.Reload(s.ctx(), &plimsollv1.ReloadRequest{})
	return res.GetStatus(), err
}

func (s *running) history() []*plimsollv1.KeptRuleset {
	s.Helper()
	res, err := s.policies.ListRulesets(s.ctx(), &plimsollv1.ListRulesetsRequest{})
	if err != nil {
		s.Fatal(err)
	}
	return res.GetRulesets()
}

// wantCode fails the test unless err is of code and says want.
func wantCode(t testing.TB, err error, code connect.Code, want string) {
	t.Helper()
	var failure *connect.Error
	if !errors.As(err, &failure) || failure.Code() != code || !strings.Contains(failure.Message(), want) {
		t.Errorf("error is %v, want %v …%s…", err, code, want)
	}
}

// A rollback takes the place of what is configured, until somebody reloads: whatever
// happens to the files meanwhile, and to the server.
func TestRollback(t *testing.T) {
	dir := policyDir(t, denying("policies 0"))
	config := quickConfig(t, dir)
	s := run(t, config)
	_, err := s.rollback("")
	wantCode(t, err, connect.CodeFailedPrecondition, "there are no earlier rules to go back to")

	digests := []string{s.status().GetPolicies()}
	for i := 1; i < 7; i++ {
		s.publish(dir, fmt.Sprintf("policies %d", i))
		digests = append(digests, s.status().GetPolicies())
	}
	kept := s.history()
	if len(kept) != maxHistory || kept[0].GetPolicies() != digests[6] || kept[0].GetState() != plimsollv1.RulesetState_RULESET_STATE_ACTIVE || kept[4].GetPolicies() != digests[2] || kept[4].GetState() == plimsollv1.RulesetState_RULESET_STATE_ACTIVE {
		t.Errorf("history is %v", kept)
	}
	if entries, err := os.ReadDir(filepath.Join(config.Data, historyDir)); err != nil || len(entries) != maxHistory+1 {
		t.Errorf("kept are %v, %v", entries, err)
	}

	status, err := s.rollback("")
	if err != nil || !status.GetPinned() || status.GetPolicies() != digests[5] {
		t.Fatalf("rollback: %v, %v", status, err)
	}
	s.denies("policies 5")
	if status, err = s.rollback(strings.TrimPrefix(digests[3], "sha256:")[:8]); err != nil || status.GetPolicies() != digests[3] {
		t.Fatalf("rollback to %s: %v, %v", digests[3], status, err)
	}
	s.denies("policies 3")
	for digest, code := range map[string]connect.Code{
		digests[0]: connect.CodeNotFound, digests[3][7:12]: connect.CodeNotFound, "../../etc/passwd": connect.CodeNotFound, "sha256:": connect.CodeNotFound,
	} {
		_, err := s.rollback(digest)
		wantCode(t, err, code, "no rules of that digest are kept")
	}

	// It stays.
	writeFile(t, filepath.Join(dir, "a.rego"), denying("policies 7"))
	s.hangup <- os.Interrupt
	s.hangup <- os.Interrupt // the first has been dealt with
	s.denies("policies 3")
	s.stop()
	s = run(t, config)
	s.denies("policies 3")
	if !s.status().GetPinned() || !strings.Contains(s.log.String(), "the rules are pinned") {
		t.Errorf("after a restart: %v\n%s", s.status(), s.log)
	}

	// Until it is undone, by what can be loaded.
	writeFile(t, filepath.Join(dir, "a.rego"), "package a\n\ndeny contains if\n")
	_, err = s.reload()
	wantCode(t, err, connect.CodeFailedPrecondition, "the rules cannot be loaded, and nothing has changed")
	s.denies("policies 3")
	writeFile(t, filepath.Join(dir, "a.rego"), denying("policies 7"))
	if status, err = s.reload(); err != nil || status.GetPinned() {
		t.Fatalf("reload: %v, %v", status, err)
	}
	s.denies("policies 7")
	s.stop()
	s = run(t, config)
	s.denies("policies 7")
	// Reloading what was gone back to only ends the pin.
	if _, err = s.rollback(digests[3]); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "a.rego"), denying("policies 3"))
	if status, err = s.reload(); err != nil || status.GetPinned() || status.GetPolicies() != digests[3] {
		t.Fatalf("reload of the same: %v, %v", status, err)
	}
}

// A server without policies can go back to those of before, and on to none.
func TestRollbackFromNone(t *testing.T) {
	config := quickConfig(t, policyDir(t, denying("the old policies")))
	run(t, config).stop()
	config.Policies = []string{None}
	s := run(t, config)
	if err := s.create("a"); err != nil {
		t.Error(err)
	}
	if _, err := s.rollback(""); err != nil {
		t.Fatal(err)
	}
	s.denies("the old policies")
	if status, err := s.reload(); err != nil || status.GetPinned() || status.GetPolicies() != None {
		t.Errorf("reload: %v, %v", status, err)
	}
	if err := s.create("b"); err != nil {
		t.Error(err)
	}
	s.stop()
	s = run(t, config)
	if err := s.create("c"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// Who calls is only known on the unix socket.
func TestRollbackIsForOperators(t *testing.T) {
	dir := policyDir(t, "package a\n\ndeny contains if\n")
	writeFile(t, filepath.Join(dir, "a.rego"), denying("x"))
	s := run(t, quickConfig(t, dir))
	_, err := s.anonymous.Rollback(t.Context(), &plimsollv1.RollbackRequest{})
	wantCode(t, err, connect.CodePermissionDenied, "only root and the user that the server runs as may do this, and on its unix socket")
	_, err = s.anonymous.Reload(t.Context(), &plimsollv1.ReloadRequest{})
	wantCode(t, err, connect.CodePermissionDenied, "only root")

	// Lines of policies are not for everybody either.
	writeFile(t, filepath.Join(dir, "a.rego"), "package a\n\nhunter2 contains if\n")
	s.wait("the refusal", func(st *plimsollv1.RulesetStatus) bool { return strings.Contains(st.GetError(), "hunter2") })
	res, err := s.anonymous.GetStatus(t.Context(), &plimsollv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if text := res.GetStatus().GetError(); text == "" || strings.Contains(text, "hunter2") {
		t.Errorf("anybody sees %q", text)
	}
}

// Copies that are damaged, or not signed any more, do not judge.
func TestDamagedHistory(t *testing.T) {
	key, public := newKey(t)
	bundle := filepath.Join(t.TempDir(), "bundle.tar.gz")
	config := quickConfig(t, bundle)
	write := func(content []byte) { writeFile(t, bundle, string(content)) }
	write(tarball(t, "a.rego", denying("unsigned")))
	s := run(t, config)
	first := s.status().GetPolicies()
	write(sign(t, key, tarball(t, "a.rego", denying("signed"))))
	second := s.wait("the second", func(st *plimsollv1.RulesetStatus) bool { return st.GetPolicies() != first }).GetPolicies()
	s.stop()

	config.PolicyKeys = []string{public}
	s = run(t, config)
	_, err := s.rollback("")
	wantCode(t, err, connect.CodeFailedPrecondition, "it is not signed")
	s.denies("signed")

	h := history{dir: filepath.Join(config.Data, historyDir)}
	for name, content := range map[string]string{"empty": "", "not zipped": "x", "of others": ""} {
		if name == "of others" {
			other, err := os.ReadFile(h.path(second))
			if err != nil {
				t.Fatal(err)
			}
			content = string(other)
		}
		writeFile(t, h.path(first), content)
		_, err := s.rollback(first)
		wantCode(t, err, connect.CodeFailedPrecondition, "the copy of policies "+first)
		s.denies("signed")
	}
	s.stop()

	writeFile(t, h.indexPath(), `{"version": 99}`)
	if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), "it has version 99") {
		t.Errorf("with an index of the future: %v", err)
	}
	writeFile(t, h.indexPath(), `{"version": 1, "pinned": true, "entries": [{"policies": "`+first+`"}]}`)
	if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), "to have them loaded from where they come from, remove ") {
		t.Errorf("pinned to what is damaged: %v", err)
	}
}

// What cannot be removed from the history keeps no rules from judging.
func TestLeftoversInHistory(t *testing.T) {
	dir := policyDir(t, denying("first"))
	config := quickConfig(t, dir)
	s := run(t, config)
	stuck := filepath.Join(config.Data, historyDir, ".new-stuck", "x") // a directory that is not empty
	if err := os.MkdirAll(stuck, 0o700); err != nil {
		t.Fatal(err)
	}
	s.publish(dir, "second")
	status, err := s.rollback("")
	if err != nil || !status.GetPinned() {
		t.Fatalf("rollback: %v, %v", status, err)
	}
	s.denies("first")
	if !strings.Contains(s.log.String(), "files that are not needed any more") {
		t.Errorf("the log says nothing: %s", s.log)
	}
}
