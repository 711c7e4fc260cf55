package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/plimsoll-project/plimsoll"
	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
)

// running is a server that runs in this process.
type running struct {
	testing.TB
	// containers and policies call it on its unix socket, anonymous on TCP.
	containers containerdv1connect.ContainersClient
	policies   plimsollv1connect.RulesetServiceClient
	anonymous  plimsollv1connect.RulesetServiceClient
	client     *http.Client // on its unix socket
	web        string       // the URL on TCP
	log        *lockedLog
	stdout     *lockedLog
	hangup     chan os.Signal
	stop       func()

	mu        sync.Mutex
	decisions []plimsoll.Decision
}

type lockedLog struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

// quickConfig is of a server on a free port and a socket that looks at files by itself
// soon.
func quickConfig(t testing.TB, policies ...string) Config {
	t.Helper()
	config := DefaultConfig()
	dir, err := os.MkdirTemp("", "plimsoll") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config.Listen, config.Socket, config.Data = "127.0.0.1:0", filepath.Join(dir, "s"), filepath.Join(dir, "data")
	config.Policies, config.Validators, config.PolicyTimeout = policies, []string{None}, time.Minute
	config.MutationTimeout = time.Minute
	return config
}

// run starts a server and waits until it is ready. It is stopped with the test.
func run(t testing.TB, config Config) *running {
	t.Helper()
	s, err := tryRun(t, config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tryRun returns the error of a server that does not start.
func tryRun(t testing.TB, config Config) (*running, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &running{TB: t, log: &lockedLog{}, stdout: &lockedLog{}, hangup: make(chan os.Signal)}
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, config, Options{
			Log: s.log, Stdout: s.stdout, Hangup: s.hangup, OnReady: func(a net.Addr) { ready <- a },
			OnDecision: func(d plimsoll.Decision) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.decisions = append(s.decisions, d)
				if log, err := newLogger(s.log, config.LogFormat, config.LogLevel); err == nil {
					logDecision(log, d)
				}
			},
		})
	}()
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("the server ended with %v\n%s", err, s.log)
			}
		})
	}
	select {
	case err := <-ended:
		cancel()
		return nil, err
	case address := <-ready:
		t.Cleanup(s.stop)
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", config.Socket)
		}}
		t.Cleanup(transport.CloseIdleConnections)
		client := &http.Client{Transport: transport}
		s.client, s.web = client, "http://"+address.String()
		s.containers = containerdv1connect.NewContainersClient(client, "http://unix")
		s.policies = plimsollv1connect.NewRulesetServiceClient(client, "http://unix")
		s.anonymous = plimsollv1connect.NewRulesetServiceClient(http.DefaultClient, s.web)
		return s, nil
	}
}

func (s *running) status() *plimsollv1.RulesetStatus {
	s.Helper()
	res, err := s.policies.GetStatus(s.ctx(), &plimsollv1.GetStatusRequest{})
	if err != nil {
		s.Fatal(err)
	}
	return res.GetStatus()
}

func (s *running) ctx() context.Context {
	return s.TB.(interface{ Context() context.Context }).Context()
}

// wait waits until the status is as wanted.
func (s *running) wait(what string, wanted func(*plimsollv1.RulesetStatus) bool) *plimsollv1.RulesetStatus {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		status := s.status()
		if wanted(status) {
			return status
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.Fatalf("%s never came; the status is %v and the log\n%s", what, status, s.log)
		}
	}
}

// create creates a container and says what the policies say of it.
func (s *running) create(id string) error {
	_, err := s.containers.Create(s.ctx(), &containerdv1.CreateContainerRequest{Container: &containerdv1.Container{
		Id: id, Image: "nginx", Runtime: "io.containerd.runc.v2",
		Spec: &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: []byte(`{}`)},
	}})
	return err
}

// denies fails the test unless creations are denied with message.
func (s *running) denies(message string) {
	s.Helper()
	if err := s.create("any"); err == nil || !strings.Contains(err.Error(), message) {
		s.Errorf("Create: %v, want a denial with %q", err, message)
	}
}

// denying is a policy that denies all creations with message.
func denying(message string) string {
	return fmt.Sprintf("package a\n\ndeny contains %q if input.operation == \"CREATE\"\n", message)
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	// As editors do it: the file is never half there.
	if err := os.WriteFile(path+"~", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}

// policyDir is a directory with one policy.
func policyDir(t testing.TB, content string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "policies")
	writeFile(t, filepath.Join(dir, "a.rego"), content)
	return dir
}

// Rules are not in the directory that the server keeps its own files in, nor around it; and
// of those it removes its own only.
func TestRulesAreApartFromData(t *testing.T) {
	config := quickConfig(t, None)
	inside := filepath.Join(config.Data, "policies")
	for name, test := range map[string]struct {
		change func(c *Config)
		want   string
	}{
		"policies inside":   {func(c *Config) { c.Policies = []string{inside} }, "policies: " + inside + " is in the data directory"},
		"validators inside": {func(c *Config) { c.Validators = []string{inside + "/v.yaml"} }, "validators: " + inside + "/v.yaml is in the data directory"},
		"policies around":   {func(c *Config) { c.Policies = []string{filepath.Dir(config.Data)} }, "policies: the data directory " + config.Data + " is in " + filepath.Dir(config.Data)},
	} {
		t.Run(name, func(t *testing.T) {
			c := config
			test.change(&c)
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v", err)
			}
		})
	}

	config.Policies = []string{policyDir(t, denying("x"))}
	run(t, config).stop()
	strange := []string{filepath.Join(config.Data, historyDir, "team.rego"), filepath.Join(config.Data, historyDir, "notes.json.gz")}
	own := filepath.Join(config.Data, historyDir, strings.Repeat("0", 64)+".json.gz")
	for _, path := range append(strange, own) {
		writeFile(t, path, "x")
	}
	config.Policies = []string{policyDir(t, denying("y"))}
	run(t, config).stop()
	for _, path := range strange {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(own); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what the index does not name is still there: %v", err)
	}
}

// mounted is a directory as Kubernetes mounts a ConfigMap: all changes come with one
// rename of a link.
type mounted struct {
	testing.TB
	dir     string
	version int
}

func (m *mounted) publish(files map[string]string) {
	m.Helper()
	m.version++
	version := fmt.Sprintf("..%d", m.version)
	for name, content := range files {
		writeFile(m, filepath.Join(m.dir, version, name), content)
	}
	if err := os.Symlink(version, filepath.Join(m.dir, "..next")); err != nil {
		m.Fatal(err)
	}
	if err := os.Rename(filepath.Join(m.dir, "..next"), filepath.Join(m.dir, "..data")); err != nil {
		m.Fatal(err)
	}
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(m.dir, name)); err != nil && !errors.Is(err, os.ErrExist) {
			m.Fatal(err)
		}
	}
}

// While rules are swapped under load, every decision is by one ruleset, and no request
// fails for it. Policies and validators are both replaced, so that all that belongs to a
// ruleset is released while requests end that began with it.
func TestReloadUnderLoad(t *testing.T) {
	const swaps = 8
	module, err := os.ReadFile("../../plugins/testdata/valid.wasm")
	if err != nil {
		t.Fatal(err)
	}
	m := &mounted{TB: t, dir: t.TempDir()}
	publish := func(version int) {
		m.publish(map[string]string{
			"a.rego": fmt.Sprintf("package a\n\nwarn contains \"by version %d\"\n", version),
			"validators.yaml": fmt.Sprintf("validators:\n- {name: v%d, module: valid.wasm, sha256: %x, limits: {timeout: 1m}}\n",
				version, sha256.Sum256(module)),
			"valid.wasm": string(module),
		})
	}
	publish(0)
	config := quickConfig(t, filepath.Join(m.dir, "a.rego"))
	config.Validators = []string{filepath.Join(m.dir, "validators.yaml")}
	s := run(t, config)

	ctx, finish := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i := range 6 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := s.create(fmt.Sprintf("c%d-%d", i, n)); err != nil {
					t.Errorf("Create: %v", err)
					return
				}
			}
		})
	}
	rulesets := map[string]bool{s.status().GetRuleset(): true}
	for version := 1; version <= swaps; version++ {
		publish(version)
		status := s.wait("another ruleset", func(st *plimsollv1.RulesetStatus) bool {
			// The two files may come one after the other.
			return st.GetError() == "" && !rulesets[st.GetRuleset()]
		})
		rulesets[status.GetRuleset()] = true
	}
	finish()
	clients.Wait()

	s.mu.Lock()
	defer s.mu.Unlock()
	versions := map[string]map[string]bool{} // by ruleset
	for _, d := range s.decisions {
		if len(d.Verdict.Warnings) != 1 {
			t.Fatalf("decision %s has the warnings %v", d.ID, d.Verdict.Warnings)
		}
		if versions[d.Ruleset] == nil {
			versions[d.Ruleset] = map[string]bool{}
		}
		versions[d.Ruleset][d.Verdict.Warnings[0].Message] = true
	}
	for ruleset, said := range versions {
		if len(said) != 1 {
			t.Errorf("ruleset %s says %v", ruleset, said)
		}
	}
	if len(versions) < 2 {
		t.Errorf("%d decisions by %d rulesets: nothing was swapped under load", len(s.decisions), len(versions))
	}
}

// Whatever way files are changed, the new rules judge.
func TestReload(t *testing.T) {
	m := &mounted{TB: t, dir: t.TempDir()}
	m.publish(map[string]string{"a.rego": denying("first")})
	link := filepath.Join(t.TempDir(), "link")
	for _, test := range []struct {
		name   string
		path   string // of the policies
		change func(t *testing.T, path string)
	}{
		{"file replaced", policyDir(t, denying("first")), func(t *testing.T, path string) {
			writeFile(t, filepath.Join(path, "a.rego"), denying("second"))
		}},
		{"file written in place", policyDir(t, denying("first")), func(t *testing.T, path string) {
			if err := os.WriteFile(filepath.Join(path, "a.rego"), []byte(denying("second")), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"file in a new directory", policyDir(t, denying("first")), func(t *testing.T, path string) {
			writeFile(t, filepath.Join(path, "new", "b.rego"), strings.Replace(denying("second"), "package a", "package b", 1))
			writeFile(t, filepath.Join(path, "a.rego"), "package a\n\nwarn contains \"x\"\n")
		}},
		{"single file", filepath.Join(policyDir(t, denying("first")), "a.rego"), func(t *testing.T, path string) {
			writeFile(t, path, denying("second"))
		}},
		{"ConfigMap", m.dir, func(t *testing.T, _ string) {
			m.TB = t
			m.publish(map[string]string{"a.rego": denying("second")})
		}},
		{"directory that is a link", link, func(t *testing.T, path string) {
			if err := os.Symlink(policyDir(t, denying("second")), path+"2"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.path == link {
				if err := os.Symlink(policyDir(t, denying("first")), link); err != nil {
					t.Fatal(err)
				}
			}
			s := run(t, quickConfig(t, test.path))
			s.denies("first")
			test.change(t, test.path)
			s.wait("the second policies", func(*plimsollv1.RulesetStatus) bool {
				err := s.create("any")
				return err != nil && strings.Contains(err.Error(), "second")
			})
		})
	}
}

// Changes that nothing tells of are found by looking, on a signal and now and then.
func TestReloadWithoutWatching(t *testing.T) {
	dir := policyDir(t, denying("first"))
	for _, test := range []struct {
		name string
		poll time.Duration
	}{{"signal", time.Hour}, {"poll", 10 * time.Millisecond}} {
		t.Run(test.name, func(t *testing.T) {
			writeFile(t, filepath.Join(dir, "a.rego"), denying("first"))
			config := quickConfig(t, dir)
			config.PolicyPoll = test.poll
			log, err := newLogger(&lockedLog{}, "text", "info")
			if err != nil {
				t.Fatal(err)
			}
			k, err := newRulekeeper(t.Context(), config, log)
			if err != nil {
				t.Fatal(err)
			}
			installed := make(chan string, 10)
			k.begin(installing(installed))
			first := <-installed
			writeFile(t, filepath.Join(dir, "a.rego"), denying("second"))
			ctx, cancel := context.WithCancel(t.Context())
			hangup, done := make(chan os.Signal, 1), make(chan struct{})
			go func() { defer close(done); k.look(ctx, nil, hangup) }()
			if test.name == "signal" {
				hangup <- syscall.SIGHUP
			}
			if second := <-installed; second == first {
				t.Error("the same ruleset again")
			}
			cancel()
			<-done
		})
	}
}

// installing receives the digests of the rulesets that are to judge.
type installing chan string

func (i installing) SetRuleset(rules *service.Ruleset)   { i <- rules.Digest }
func (i installing) SetShadow(*service.Ruleset, float64) {}
