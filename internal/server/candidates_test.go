package server

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/policy"
)

// tarball makes a .tar.gz of names and contents, in turn.
func tarball(t testing.TB, namesAndContents ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	archive := tar.NewWriter(zipped)
	for pair := range slices.Chunk(namesAndContents, 2) {
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: pair[0], Size: int64(len(pair[1])), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// newKey makes a key to sign with, and a file with the public one.
func newKey(t testing.TB) (private *policy.SigningKey, public string) {
	t.Helper()
	var key crypto.Signer
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if private, err = policy.NewSigningKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), ""); err != nil {
		t.Fatal(err)
	}
	if encoded, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		t.Fatal(err)
	}
	public = filepath.Join(t.TempDir(), "key.pem")
	writeFile(t, public, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded})))
	return private, public
}

// sign signs an archive.
func sign(t testing.TB, key *policy.SigningKey, archive []byte) []byte {
	t.Helper()
	signed, err := policy.SignArchive(policy.Options{}, policy.Archive("bundle", archive), key, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// nested is comprehensions in one another, as deep as they may be.
func nested() string {
	x := "1"
	for range 8 {
		x = "[" + x + " | true]"
	}
	return x
}

// Bombs: each is within the limits that are checked before compiling.
var (
	wideBomb = func() string {
		var b strings.Builder
		b.WriteString("package a\n")
		for i := range 9000 {
			fmt.Fprintf(&b, "\ndeny contains \"%d\" if count(%s) > 0\n", i, nested())
		}
		return b.String()
	}()
	chainBomb = func() string {
		var b strings.Builder
		b.WriteString("package a\n\nr0 := input.object.id\n")
		for i := range 9990 {
			fmt.Fprintf(&b, "\nr%d := r%d\n", i+1, i)
		}
		return b.String() + "\ndeny contains r9990\n"
	}()
	dataBomb = `{"a": [` + strings.Repeat("[[[[]]]],", 1_600_000) + "1]}"
)

// Whatever is wrong with rules that are to take the place of others, they do not, and it
// is said what is wrong.
func TestCandidatesAreRefused(t *testing.T) {
	good := tarball(t, "b/b.rego", "package b\n\nwarn contains \"x\"\n")
	dir, bundle := filepath.Join(t.TempDir(), "policies"), filepath.Join(t.TempDir(), "bundle.tar.gz")
	reset := func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "a.rego"), denying("the first policies"))
		writeFile(t, bundle, string(good))
	}
	reset()
	config := quickConfig(t, dir, bundle)
	s := run(t, config)
	before := s.status().GetRuleset()
	for name, test := range map[string]struct {
		rego string            // of a.rego
		data map[string]string // more files, beside it
		tar  []byte            // instead of the bundle
		want string
	}{
		"syntax error":             {rego: "package a\n\ndeny contains if\n", want: "a.rego:3:"},
		"misspelt field":           {rego: "package a\n\ndeny contains \"x\" if input.object.lables.team\n", want: `did you mean "labels"?`},
		"forbidden builtin":        {rego: "package a\n\ndeny contains \"x\" if http.send({}).status\n", want: "http.send is not available to policies"},
		"the clock":                {rego: "package a\n\ndeny contains \"x\" if time.now_ns() > 0\n", want: "time.now_ns is not available to policies"},
		"the environment":          {rego: "package a\n\ndeny contains \"x\" if opa.runtime().env.A\n", want: "opa.runtime is not available to policies"},
		"types":                    {rego: "package a\n\ndeny contains \"x\" if count(input.dry_run) > 1\n", want: "count: invalid argument(s)"},
		"recursion":                {rego: "package a\n\nx if y\n\ny if x\n\ndeny contains \"x\" if x\n", want: "is recursive"},
		"undefined function":       {rego: "package a\n\ndeny contains \"x\" if data.lib.check(input)\n", want: "undefined function data.lib.check"},
		"enforcement that is none": {rego: "# METADATA\n# custom:\n#   enforcement: perhaps\npackage a\n\ndeny contains \"x\"\n", want: "custom.enforcement is \"perhaps\""},
		"function":                 {rego: "package a\n\ndeny(x) := x\n", want: "deny is a function"},
		"data twice":               {data: map[string]string{"x.json": `{"k": 1, "k": 2}`}, want: `duplicate object member name "k"`},
		"data in conflict":         {data: map[string]string{"x.json": `{"k": 1}`, "y.json": `{"k": 2}`}, want: "data.k conflicts with the one in"},
		"data that is none":        {data: map[string]string{"x.json": `[1]`}, want: "a data file must hold an object"},
		"data in place of a rule":  {data: map[string]string{"x.json": `{"a": {"deny": []}}`}, want: "conflicting rule for data path a/deny"},
		"reserved":                 {rego: "package system.plimsoll\n\ndeny contains \"x\"\n", want: "data.system.plimsoll is reserved"},
		"YAML bomb":                {data: map[string]string{"x.yaml": "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n"}, want: "excessive aliasing"},
		"too many rules":           {rego: "package a\n" + strings.Repeat("\ndeny contains \"x\"\n", 20_000), want: "policies have 20001 rules, which is more than 10000"},
		"nested too deep":          {rego: "package a\n\ndeny contains \"x\" if count([1 | count([1 | " + nested() + "]) > 0]) > 0\n", want: "comprehensions are nested more than 8 deep"},
		"comprehension bomb":       {rego: wideBomb, want: "policies take more than 5s of CPU to compile"},
		"chain bomb":               {rego: chainBomb, want: "policies take more than 5s of CPU to compile"},
		"data bomb":                {data: map[string]string{"x.json": dataBomb}, want: "policies take more than "},
		"too large":                {data: map[string]string{"x.json": `{"x": "` + strings.Repeat("x", 17<<20) + `"}`}, want: "policies are larger than 16777216 bytes in all"},
		"empty bundle":             {tar: tarball(t), want: "bundle.tar.gz are empty"},
		"only a manifest":          {tar: tarball(t, ".manifest", `{"revision": "1"}`), want: "bundle.tar.gz are empty"},
		"no archive":               {tar: []byte("<html>login</html>"), want: "not a gzipped tar file"},
		"cut short":                {tar: good[:len(good)-20], want: "unexpected EOF"},
		"gzip bomb":                {tar: tarball(t, "README", strings.Repeat("x", 17<<20)), want: "policies are larger than 16777216 bytes in all"},
		"path traversal":           {tar: tarball(t, "../a.rego", denying("x")), want: "../a.rego is outside of the archive"},
		"file twice":               {tar: tarball(t, "b.rego", "package b\n", "/b.rego", "package b\n"), want: "b.rego is in the archive twice"},
		"delta bundle":             {tar: tarball(t, "patch.json", `{"data": []}`), want: "this is a delta bundle"},
		"outside of its roots":     {tar: tarball(t, ".manifest", `{"roots": ["c"]}`, "b.rego", "package b\n\nwarn contains \"x\"\n"), want: "data.b is not under the roots"},
		"old Rego":                 {tar: tarball(t, ".manifest", `{"rego_version": 0}`, "b.rego", "package b\n"), want: "only version 1 is understood"},
		"compiled":                 {tar: tarball(t, ".manifest", `{"wasm": [{"entrypoint": "b", "module": "policy.wasm"}]}`, "b.json", "{}"), want: "rules compiled to WebAssembly cannot be checked"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.rego != "" {
				writeFile(t, filepath.Join(dir, "a.rego"), test.rego)
			}
			for name, content := range test.data {
				writeFile(t, filepath.Join(dir, name), content)
			}
			if test.tar != nil {
				writeFile(t, bundle, string(test.tar))
			}
			status := s.wait("the refusal "+test.want, func(st *plimsollv1.RulesetStatus) bool { return strings.Contains(st.GetError(), test.want) })
			if status.GetRuleset() != before {
				t.Errorf("ruleset %s took the place of %s", status.GetRuleset(), before)
			}
			s.denies("the first policies")
			// A server does not start with them. (Of the bombs, which take long, one is enough.)
			if name != "comprehension bomb" && name != "data bomb" {
				_, err := newRulekeeper(t.Context(), quickConfig(t, dir, bundle), slog.New(slog.DiscardHandler))
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("a server that starts says %v", err)
				}
			}
			reset()
			s.wait("the good ones again", func(st *plimsollv1.RulesetStatus) bool { return st.GetError() == "" })
		})
	}
	if status := s.status(); status.GetRuleset() != before {
		t.Errorf("in the end ruleset %s is in the place of %s", status.GetRuleset(), before)
	}
	if log := s.log.String(); !strings.Contains(log, "the rules have changed, but cannot be loaded; those that judge stay") {
		t.Errorf("the log does not say so:\n%s", log)
	}
}

// With keys, what is not signed with one of them is refused, wherever it comes from.
func TestUnsignedCandidatesAreRefused(t *testing.T) {
	key, public := newKey(t)
	other, _ := newKey(t)
	good := tarball(t, "a.rego", denying("the signed policies"))
	worse := tarball(t, "a.rego", "package a\n\nwarn contains \"x\"\n")
	for name, test := range map[string]struct {
		tar  []byte
		want string
	}{
		"unsigned":     {worse, "it is not signed"},
		"another key":  {sign(t, other, worse), "failed to verify JWT signature"},
		"tampered":     {tampered(t, sign(t, key, good), "a.rego", "package a\n\nwarn contains \"x\"\n"), "a.rego: digest mismatch"},
		"a file more":  {tampered(t, sign(t, key, good), "b.rego", "package b\n"), "file b.rego not included in bundle signature"},
		"delta bundle": {tampered(t, sign(t, key, good), "patch.json", `{"data": []}`), "this is a delta bundle"},
	} {
		t.Run(name, func(t *testing.T) {
			bundle := filepath.Join(t.TempDir(), "bundle.tar.gz")
			writeFile(t, bundle, string(sign(t, key, good)))
			config := quickConfig(t, bundle)
			config.PolicyKeys = []string{public}
			s := run(t, config)
			s.denies("the signed policies")
			writeFile(t, bundle, string(test.tar))
			s.wait("the refusal "+test.want, func(st *plimsollv1.RulesetStatus) bool { return strings.Contains(st.GetError(), test.want) })
			s.denies("the signed policies")
			s.stop()
			if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("a server that starts says %v", err)
			}
		})
	}
}

// tampered replaces a file of an archive, or adds it.
func tampered(t testing.TB, archive []byte, name, content string) []byte {
	t.Helper()
	var files []string
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(zipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return tarball(t, append(files, name, content)...)
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if header.Name != name {
			files = append(files, header.Name, string(text))
		}
	}
}

// Without a process to compile in, policies are not compiled at all.
func TestNoCompiler(t *testing.T) {
	before := compileProgram
	defer func() { compileProgram = before }()
	for program, want := range map[string]string{
		"/no/such/program": "that could not be started",
		"/bin/false":       "the process for it failed",
		"/bin/true":        "the process for it gave no answer",
	} {
		compileProgram = program
		if _, err := tryRun(t, quickConfig(t, policyDir(t, denying("x")))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", program, err, want)
		}
	}
	run(t, quickConfig(t)) // what is built in needs none
}

// A process that takes too much memory is ended, and it is said why.
func TestCompileMemory(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec '"+executable+"' allocate\n"), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	before := compileProgram
	defer func() { compileProgram = before }()
	compileProgram = program
	if _, err := tryRun(t, quickConfig(t, policyDir(t, denying("x")))); err == nil || !strings.Contains(err.Error(), "policies take more than 1024 MiB of memory to compile") {
		t.Errorf("error is %v", err)
	}
}

// bundleServer serves a bundle as OPA's bundle API has it. Without content it is down.
type bundleServer struct {
	*httptest.Server
	content atomic.Pointer[[]byte]
	asked   atomic.Int64
}

func newBundleServer(t testing.TB) *bundleServer {
	b := &bundleServer{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.asked.Add(1)
		content := b.content.Load()
		if content == nil {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(*content)))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(*content)) // which answers If-None-Match
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *bundleServer) serve(content []byte) { b.content.Store(&content) }

// A bundle server's policies are polled. While it is down those of last time judge, also
// after a restart, but not if their signature does not count any more.
func TestBundleServer(t *testing.T) {
	key, public := newKey(t)
	web := newBundleServer(t)
	config := quickConfig(t, web.URL+"/bundles/p.tar.gz?token=secret")
	config.PolicyPoll, config.PolicyKeys = 10*time.Millisecond, []string{public}

	if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), "the server answers 503 Service Unavailable, and there is no copy of it that has judged before") {
		t.Fatalf("without policies: %v", err)
	}
	web.serve(sign(t, key, tarball(t, ".manifest", `{"revision": "r1"}`, "a.rego", denying("first"))))
	s := run(t, config)
	s.denies("first")
	asked := web.asked.Load()
	s.wait("polling", func(*plimsollv1.RulesetStatus) bool { return web.asked.Load() > asked+3 })

	web.serve(sign(t, key, tarball(t, ".manifest", `{"revision": "revision 2"}`, "a.rego", denying("second"))))
	status := s.wait("the second policies", func(st *plimsollv1.RulesetStatus) bool {
		return st.GetRevisions()[0].GetRevision() == "revision 2"
	})
	s.denies("second")
	if source := status.GetSources()[0]; !source.GetRemote() || source.GetVersion() == "" || source.GetError() != "" {
		t.Errorf("source is %v", source)
	}

	// What it serves then is unsigned, and then nothing.
	web.serve(tarball(t, "a.rego", "package a\n\nwarn contains \"x\"\n"))
	s.wait("the refusal", func(st *plimsollv1.RulesetStatus) bool { return strings.Contains(st.GetError(), "it is not signed") })
	s.denies("second")
	web.content.Store(nil)
	s.wait("the failure", func(st *plimsollv1.RulesetStatus) bool {
		return strings.Contains(st.GetSources()[0].GetError(), "the server answers 503")
	})
	s.denies("second")
	s.stop()

	restarted := run(t, config)
	restarted.denies("second")
	if log := restarted.log.String(); !strings.Contains(log, "what judged last of them does so again") || strings.Contains(log, "secret") {
		t.Errorf("log:\n%s", log)
	}
	restarted.stop()

	// It starts as well while something else is served that is refused.
	web.serve(tarball(t, "a.rego", "package a\n\nwarn contains \"x\"\n"))
	restarted = run(t, config)
	restarted.denies("second")
	restarted.wait("the refusal", func(st *plimsollv1.RulesetStatus) bool { return strings.Contains(st.GetError(), "it is not signed") })
	web.serve(sign(t, key, tarball(t, "a.rego", denying("the third policies"))))
	restarted.wait("the third policies", func(*plimsollv1.RulesetStatus) bool {
		err := restarted.create("any")
		return err != nil && strings.Contains(err.Error(), "the third policies")
	})
	restarted.stop()
	web.content.Store(nil)

	_, otherKey := newKey(t)
	config.PolicyKeys = []string{otherKey}
	if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), "failed to verify JWT signature") {
		t.Errorf("with another key: %v", err)
	}
}

// Policies are compiled elsewhere with the same settings as here.
func TestCompilesWithAllSettings(t *testing.T) {
	config := quickConfig(t, policyDir(t, "# METADATA\n# custom:\n#   context: {namespaces: [other]}\npackage a\n\ndeny contains \"x\" if plimsoll.count({\"namespace\": \"other\"}) > 9\n"))
	config.PolicyGrants = []string{"a=other"}
	config.Enforcement = []Enforcement{{Packages: []string{"a"}, Namespaces: []string{"dev-*"}, Enforcement: "warn"}}
	run(t, config).stop()
	config.PolicyGrants = nil
	if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), "policy-grants") {
		t.Errorf("without the grant: %v", err)
	}
}
