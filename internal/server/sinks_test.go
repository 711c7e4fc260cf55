package server

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/internal/decisionlog"
)

// collector receives decision logs as OPA's users have them: JSON arrays in gzip.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	events []decisionlog.Event
	raw    strings.Builder
	status int           // of the answers; 0: 200
	more   chan struct{} // closed when something has come, and made anew
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{more: make(chan struct{})}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		close(c.more)
		c.more = make(chan struct{})
		if c.status != 0 {
			w.WriteHeader(c.status)
			return
		}
		var events []decisionlog.Event
		if err := json.Unmarshal(text, &events); err != nil {
			t.Error(err)
		}
		c.events = append(c.events, events...)
		_, _ = c.raw.Write(text)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// wait waits until what was received is as wanted.
func (c *collector) wait(t *testing.T, wanted func([]decisionlog.Event) bool) []decisionlog.Event {
	t.Helper()
	for {
		c.mu.Lock()
		events, more := slices.Clone(c.events), c.more
		c.mu.Unlock()
		if wanted(events) {
			return events
		}
		select {
		case <-more:
		case <-t.Context().Done():
			t.Fatalf("it never came: %d events", len(events))
		}
	}
}

func containersOf(events []decisionlog.Event) []string {
	var ids []string
	for _, e := range events {
		ids = append(ids, e.Plimsoll.Container)
	}
	return ids
}

// What a server has recorded is sent on, also what could not be sent before it was stopped,
// each decision with the sequence and the link that the API shows.
func TestDecisionsAreSentOn(t *testing.T) {
	web := newCollector(t)
	config := quickConfig(t, policyDir(t, denying("never")))
	config.DecisionLog = []string{web.URL, "stdout", filepath.Join(t.TempDir(), "decisions.jsonl")}
	config.DecisionLogLabels = []string{"site=here"}
	s := run(t, config)
	if err := s.create("one"); err == nil {
		t.Fatal("it was admitted")
	}
	web.wait(t, func(events []decisionlog.Event) bool { return len(events) == 1 })

	// While nobody takes them nobody waits for that, and a stop is no loss.
	web.answer(http.StatusServiceUnavailable)
	for _, id := range []string{"two", "three"} {
		if err := s.create(id); err == nil {
			t.Fatal("it was admitted")
		}
	}
	client := plimsollv1connect.NewDecisionServiceClient(s.client, "http://unix")
	list, err := client.ListDecisions(t.Context(), &plimsollv1.ListDecisionsRequest{AllNamespaces: true})
	if err != nil || len(list.GetDecisions()) != 3 {
		t.Fatal(list, err)
	}
	s.stop()
	web.answer(0)
	if stdout := strings.Count(s.stdout.String(), "\n"); stdout != 3 {
		t.Errorf("there were %d on standard output", stdout)
	}
	s = run(t, config)
	events := web.wait(t, func(events []decisionlog.Event) bool { return len(events) >= 3 })
	if got := strings.Join(containersOf(events), " "); got != "one two three" {
		t.Errorf("sent was %s", got)
	}
	for i, d := range slices.Backward(list.GetDecisions()) {
		e := events[2-i]
		if e.DecisionID != d.GetId() || e.Plimsoll.Sequence != d.GetSequence() || e.Plimsoll.Link != d.GetLink() || e.Plimsoll.Link == "" || e.Labels["site"] != "here" {
			t.Errorf("%+v was sent of %v", e, d)
		}
	}
	s.stop()
	file, err := os.ReadFile(config.DecisionLog[2])
	if err != nil || strings.Count(string(file), "\n") != 3 || s.stdout.String() != "" {
		t.Errorf("%v, the file is %s, and standard output %s", err, file, s.stdout)
	}
}

// A sink that nobody reads holds up no mutation, and no stop for long.
func TestSinksHoldUpNobody(t *testing.T) {
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer hung.Close()
	config := quickConfig(t, policyDir(t, denying("never")))
	config.DecisionLog = []string{hung.URL}
	s := run(t, config)
	for i := range 1000 {
		if err := s.create(fmt.Sprint("c", i)); err == nil || !strings.Contains(err.Error(), "never") {
			t.Fatal(err)
		}
	}
	s.stop()
	if !strings.Contains(s.log.String(), "decisions were not sent on to http yet; they will be after the next start") {
		t.Error(s.log)
	}
}

// What policies want dropped is recorded, and not sent on.
func TestDroppedDecisions(t *testing.T) {
	web := newCollector(t)
	config := quickConfig(t, policiesDir(t, denying("never"), "package system.log\n\ndrop if input.plimsoll.container == \"quiet\""))
	config.DecisionLog = []string{web.URL}
	s := run(t, config)
	for _, id := range []string{"one", "quiet", "two"} {
		if err := s.create(id); err == nil {
			t.Fatal("it was admitted")
		}
	}
	events := web.wait(t, func(events []decisionlog.Event) bool { return len(events) >= 2 })
	if got := strings.Join(containersOf(events), " "); got != "one two" {
		t.Errorf("sent was %s", got)
	}
	list, err := plimsollv1connect.NewDecisionServiceClient(s.client, "http://unix").ListDecisions(t.Context(), &plimsollv1.ListDecisionsRequest{})
	if err != nil || len(list.GetDecisions()) != 3 {
		t.Error(list, err)
	}
	counted := func(metrics string) bool {
		return strings.Contains(metrics, `plimsoll_decision_log_left_out_total{sink="http",why="rule"} 1`) &&
			strings.Contains(metrics, `plimsoll_decision_log_sent_total{sink="http"} 2`) && strings.Contains(metrics, `plimsoll_decision_log_unsent{sink="http"} 0`)
	}
	// What was sent is counted once the answer is there, which is after it arrived.
	for began := time.Now(); !counted(s.metrics(t)); {
		if time.Since(began) > time.Minute {
			t.Fatal(s.metrics(t))
		}
	}
}

func (s *running) metrics(t *testing.T) string {
	t.Helper()
	res, err := s.client.Get("http://unix/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// plainCanary is in a label that nothing gives away: only policies know that it is secret.
const plainCanary = "zanzibar cinnamon"

// telling are rules that quote what they judge, patch secrets in, and hide what only they
// know to be one.
const telling = `package telling

deny contains {"msg": sprintf("entry %s of customer %s is bad", [entry, input.object.labels.customer]), "field": "labels.customer", "fix": sprintf("not %s", [input.object.labels.customer])} if {
	input.object.labels.kind == "bad"
	some entry in input.object.spec.process.env
	startswith(entry, "TOKEN=")
}

warn contains {"msg": sprintf("entry %s", [entry]), "field": "labels.customer"} if {
	some entry in input.object.spec.process.env
	startswith(entry, "TOKEN=")
}

warn contains {"msg": "others have customers", "field": "labels.kind"} if {
	some other in plimsoll.containers({"labels": {"kind": "good"}})
	customer := other.labels.customer
	input.object.labels.customer == customer
}

patch contains {"labels": {"auth-token": split(entry, "=")[1]}} if {
	some entry in input.object.spec.process.env
	startswith(entry, "TOKEN=")
}

patch contains {"labels": {"customer": lower(input.object.labels.customer)}}
`

const hiding = `package system.log

mask contains "/input/object/labels/customer" if input.input.object.labels.customer
`

// Secrets are in nothing that leaves a server: not in what is sent on, recorded, logged,
// answered, explained, audited or measured. What policies hide is in nothing that comes of the
// decision log.
func TestCanaries(t *testing.T) {
	web, file := newCollector(t), filepath.Join(t.TempDir(), "decisions.jsonl")
	config := quickConfig(t, policiesDir(t, telling, hiding))
	config.LogLevel = "debug"
	config.DecisionLog = []string{web.URL + "/?sig=" + canary, "stdout", file}
	s := run(t, config)
	containers := plimsollv1connect.NewContainerServiceClient(s.client, "http://unix")
	decisions := plimsollv1connect.NewDecisionServiceClient(s.client, "http://unix")
	customer := strings.ToUpper(plainCanary)
	tailing, stopTail := context.WithCancel(t.Context())
	defer stopTail()
	tail, err := decisions.TailDecisions(tailing, &plimsollv1.TailDecisionsRequest{AfterSequence: proto.Uint64(0), AllNamespaces: true})
	if err != nil {
		t.Fatal(err)
	}

	var answers seen
	reason := func(err error) { answers.failure(t, err) }
	for _, c := range []*plimsollv1.Container{secretive("a", "kind", "good", "customer", customer), secretive("b", "kind", "bad", "customer", customer), secretive("a", "customer", customer), secretive("c", "kind", "good", "customer", customer)} {
		create := &plimsollv1.CreateOperation{Container: c}
		if c.GetId() != "c" { // which is reviewed only
			_, err := containers.BatchCreate(t.Context(), &plimsollv1.BatchCreateRequest{Operations: []*plimsollv1.CreateOperation{create}})
			reason(err)
		}
		reviewed, err := containers.Review(t.Context(), &plimsollv1.ReviewRequest{Explain: true, Operation: &plimsollv1.ReviewRequest_Create{Create: create}})
		reason(err)
		answers.message(t, reviewed.GetExplanation())
	}
	_, err = containers.BatchUpdate(t.Context(), &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{
		{Container: secretive("a", "kind", "bad", "customer", "other "+customer), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}}},
	}})
	reason(err)
	answers.check(t, "answers")

	var told seen
	list, err := decisions.ListDecisions(t.Context(), &plimsollv1.ListDecisionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := decisions.ListDecisions(t.Context(), &plimsollv1.ListDecisionsRequest{AllNamespaces: true})
	if err != nil || len(all.GetDecisions()) != len(list.GetDecisions()) {
		t.Fatalf("%d of all namespaces, %d of one; %v", len(all.GetDecisions()), len(list.GetDecisions()), err)
	}
	told.message(t, list)
	told.message(t, all)
	outcomes := map[plimsollv1.Outcome]int{}
	explained := 0
	for _, d := range all.GetDecisions() {
		outcomes[d.GetOutcome()]++
		got, err := decisions.GetDecision(t.Context(), &plimsollv1.GetDecisionRequest{Id: d.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		told.message(t, got)
		explanation, err := decisions.ExplainDecision(t.Context(), &plimsollv1.ExplainDecisionRequest{Id: d.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		told.message(t, explanation)
		if explanation.GetExplanation().GetReevaluated() {
			explained++
		}
		if len(d.GetErased()) == 0 && d.GetAttempts() > 0 && d.GetRuleset() != "" && d.GetReason() != "ALREADY_EXISTS" {
			t.Errorf("of this nothing was erased: %v", d)
		}
	}
	for _, outcome := range []plimsollv1.Outcome{plimsollv1.Outcome_OUTCOME_ADMITTED, plimsollv1.Outcome_OUTCOME_DENIED, plimsollv1.Outcome_OUTCOME_DRY_RUN, plimsollv1.Outcome_OUTCOME_FAILED} {
		if outcomes[outcome] == 0 {
			t.Errorf("no decision is %s: %v", outcome, outcomes)
		}
	}
	if explained == 0 {
		t.Error("nothing was evaluated again")
	}
	for n := 0; n < len(all.GetDecisions()) && tail.Receive(); {
		if tail.Msg().GetDecision() != nil {
			n++
		}
		told.message(t, tail.Msg())
	}
	stopTail()
	checkPlain(t, &told, "what was told of decisions")
	told.check(t, "what was told of decisions")

	audited := 0
	audit, err := s.rollouts().Audit(t.Context(), &plimsollv1.AuditRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for audit.Receive() {
		if audit.Msg().GetFinding() != nil {
			audited++
		}
		told.message(t, audit.Msg())
	}
	if err := audit.Err(); err != nil || audited == 0 {
		t.Errorf("%d findings, %v", audited, err)
	}
	_, _ = told.WriteString(s.metrics(t))
	told.check(t, "audit and metrics")

	events := web.wait(t, func(events []decisionlog.Event) bool { return len(events) >= len(all.GetDecisions()) })
	inputs := 0
	for _, e := range events {
		if len(e.Input) > 0 {
			inputs++
		}
	}
	if inputs == 0 {
		t.Error("no input was sent on")
	}
	s.stop()
	sent, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"HTTP": web.raw.String(), "the file": string(sent), "standard output": s.stdout.String(), "the log": s.log.String()} {
		_, _ = told.WriteString(text)
		checkPlain(t, &told, what)
		told.check(t, what)
	}
	if strings.Count(string(sent), "\n") != len(events) {
		t.Errorf("%d events were sent over HTTP, and the file has %d", len(events), strings.Count(string(sent), "\n"))
	}
}

// checkPlain looks for what policies hide.
func checkPlain(t *testing.T, s *seen, what string) {
	t.Helper()
	text := strings.ToLower(s.String())
	if at := strings.Index(text, plainCanary); at >= 0 {
		t.Errorf("%s has what policies hide: …%s", what, text[max(0, at-200):min(len(text), at+50)])
	}
}

func TestSinkSettings(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"a password", func(c *Config) { c.DecisionLog = []string{"https://ann:" + canary + "@logs.example/x"} }, "decision-log: https://logs.example/x: a password in a URL"},
		{"plain text", func(c *Config) { c.DecisionLog = []string{"http://logs.example/x?sig=" + canary} }, "decision-log: http://logs.example/x would be sent to in plain text; use https"},
		{"plain text that is allowed", func(c *Config) { c.DecisionLog, c.Insecure = []string{"http://logs.example/x"}, true }, ""},
		{"loopback", func(c *Config) { c.DecisionLog = []string{"http://127.0.0.1:8181"} }, ""},
		{"another scheme", func(c *Config) { c.DecisionLog = []string{"ftp://logs.example/x"} }, "is neither stdout, nor a path"},
		{"no URL", func(c *Config) { c.DecisionLog = []string{"https://%zz/" + canary} }, "decision-log: a URL cannot be read"},
		{"twice", func(c *Config) { c.DecisionLog = []string{"stdout", "stdout"} }, "decision-log: stdout is there twice"},
		{"in the data directory", func(c *Config) { c.Data, c.DecisionLog = dir, []string{dir + "/x.jsonl"} }, "is in the data directory"},
		{"a token for nobody", func(c *Config) { c.DecisionLogTokenFile = "x" }, "decision-log-token-file: there is no decision-log with a URL to use it for"},
		{"nothing is recorded", func(c *Config) { c.DecisionLog, c.DecisionRetention = []string{"stdout"}, 0 }, "with decision-retention 0 nothing is recorded"},
		{"small files", func(c *Config) { c.DecisionLogMaxSize = 1 }, "decision-log-max-size: must be at least 8 megabytes"},
		{"negative", func(c *Config) { c.DecisionLogMaxFiles = -1 }, "cannot be negative"},
		{"a label", func(c *Config) { c.DecisionLogLabels = []string{"x"} }, `decision-log-labels: "x" is not of the form KEY=VALUE`},
		{"all well", func(c *Config) {
			c.DecisionLog, c.DecisionLogTokenFile, c.DecisionLogLabels = []string{"stdout", "x.jsonl", "https://logs.example"}, "x", []string{"a=b=c", "d="}
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := DefaultConfig()
			test.change(&config)
			err := config.Validate()
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), canary)):
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	// What cannot be opened keeps the server from starting.
	config := quickConfig(t, policyDir(t, denying("never")))
	config.DecisionLog = []string{filepath.Join(dir, "none", "x.jsonl")}
	if _, err := tryRun(t, config); err == nil || !strings.Contains(err.Error(), "decision-log "+config.DecisionLog[0]) {
		t.Error(err)
	}
}

// policiesDir is a directory with some modules.
func policiesDir(t *testing.T, modules ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "policies")
	for i, content := range modules {
		writeFile(t, filepath.Join(dir, fmt.Sprint("m", i, ".rego")), content)
	}
	return dir
}
