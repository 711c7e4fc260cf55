package service_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// direct calls a handler without a network in between.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

// callers are the clients of one user.
type callers struct {
	containers plimsollv1connect.ContainerServiceClient
	exemptions plimsollv1connect.ExemptionServiceClient
	decisions  plimsollv1connect.DecisionServiceClient
}

func (f *fixture) callersAs(user plimsoll.User) callers {
	client := &http.Client{Transport: direct{asUser(f.Handler(), user)}}
	return callers{
		plimsollv1connect.NewContainerServiceClient(client, "http://x"), plimsollv1connect.NewExemptionServiceClient(client, "http://x"),
		plimsollv1connect.NewDecisionServiceClient(client, "http://x"),
	}
}

var (
	operator = plimsoll.User{Name: "uid:0", Via: "unix"} // root
	somebody = plimsoll.User{Name: "uid:4242", Via: "unix"}
	nobody   = plimsoll.User{Via: "anonymous"}
)

// saying is a rule and what it makes of the container that is created.
type saying struct {
	source      plimsoll.Source
	enforcement plimsoll.Enforcement
	// says is nothing, violation, warning, fault or timeout.
	says string
}

func (s saying) finding() plimsoll.Violation {
	v := plimsoll.Violation{Message: s.source.Name + " says no", Source: s.source}
	if s.enforcement.IsCanary() {
		v.Enforcement = s.enforcement
	}
	return v
}

func (s saying) failure() error {
	switch s.says {
	case "fault":
		return &plimsoll.FaultError{Source: s.source, Err: errors.New("broke")}
	case "timeout":
		return &plimsoll.TimeoutError{Source: s.source}
	}
	return nil
}

// sayings is a judge as policies and validators are: of policies one that fails fails them
// all, of validators only those that enforce.
type sayings []saying

func (all sayings) Judge(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
	var verdict plimsoll.Verdict
	key := plimsoll.Key{Namespace: in.Namespace, ID: in.Object.ID}
	for _, s := range all {
		denies := s.enforcement.Denies(key)
		err := s.failure()
		switch {
		case err != nil && (denies || s.source.Kind == plimsoll.SourcePolicy):
			return plimsoll.Verdict{}, err
		case err != nil, s.says == "warning", s.says == "violation" && !denies:
			verdict.Warnings = append(verdict.Warnings, s.finding())
		case s.says == "violation":
			verdict.Violations = append(verdict.Violations, s.finding())
		}
	}
	return verdict, nil
}

// attemptCase is a creation, the rules it meets, the exemptions there are, and whether the
// glass is broken.
type attemptCase struct {
	namespace, id       string
	label               string
	policies, validates sayings
	exemptions          []*plimsollv1.Exemption
	lives               []time.Duration // of the exemptions
	breaks              bool
	user                plimsoll.User
	may                 []string
	records             bool
}

func drawCase(t *rapid.T) attemptCase {
	draw := func(kind plimsoll.SourceKind, most int) (all sayings) {
		for i := range rapid.IntRange(0, most).Draw(t, "rules") {
			s := saying{
				source:      plimsoll.Source{Kind: kind, Name: fmt.Sprintf("%s.r%d", kind, i)},
				enforcement: rapid.SampledFrom([]plimsoll.Enforcement{"enforce", "enforce", "warn", "canary:50%", "canary:0%", "canary:100%", "nonsense"}).Draw(t, "enforcement"),
				says:        rapid.SampledFrom([]string{"nothing", "violation", "violation", "violation", "warning", "fault", "timeout"}).Draw(t, "says"),
			}
			if kind == plimsoll.SourcePolicy {
				s.source.Rule = "deny"
			}
			all = append(all, s)
		}
		return all
	}
	c := attemptCase{
		namespace: rapid.SampledFrom([]string{"default", "dev-1", "prod"}).Draw(t, "namespace"), id: rapid.StringMatching(`[ab][0-9]`).Draw(t, "id"),
		label:    rapid.SampledFrom([]string{"", "yes", "no"}).Draw(t, "label"),
		policies: draw(plimsoll.SourcePolicy, 3), validates: draw(plimsoll.SourceValidator, 2),
		breaks: rapid.IntRange(0, 2).Draw(t, "breaks") == 0, user: rapid.SampledFrom([]plimsoll.User{operator, somebody, nobody}).Draw(t, "user"),
		may:     rapid.SampledFrom([][]string{nil, {"uid:4242"}, {"uid:0", "uid:4242"}, {""}}).Draw(t, "may"),
		records: rapid.IntRange(0, 3).Draw(t, "records") > 0,
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "exemptions") {
		e := &plimsollv1.Exemption{
			Id: fmt.Sprintf("e%d", i), Reason: "r", Owner: "o",
			Rule:       rapid.SampledFrom([]string{"policy.r0", "policy.r1.deny", "policy.*", "validator.r0", "validator.?1", "validator.*", "r0", "other"}).Draw(t, "rule"),
			Namespaces: rapid.SampledFrom([][]string{{"*"}, {"default"}, {"dev-*", "prod"}}).Draw(t, "namespaces"),
			Containers: rapid.SampledFrom([][]string{nil, {"a*"}, {"b1", "a?"}}).Draw(t, "containers"),
		}
		if rapid.Bool().Draw(t, "labelled") {
			e.Labels = map[string]string{"old": "yes"}
		}
		c.exemptions = append(c.exemptions, e)
		c.lives = append(c.lives, rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 48 * time.Hour}).Draw(t, "life"))
	}
	return c
}

// exempted says what the model has: whether an exemption that is still there an hour later
// names the rule and the container.
func (c attemptCase) exempted(s saying) bool {
	names := map[string][]string{ // what each pattern of drawCase is of
		"policy.r0": {"policy.r0"}, "policy.r1.deny": {"policy.r1"}, "policy.*": {"policy.r0", "policy.r1", "policy.r2"},
		"validator.r0": {"validator.r0"}, "validator.?1": {"validator.r1"}, "validator.*": {"validator.r0", "validator.r1"},
	}
	for i, e := range c.exemptions {
		rule := false
		for _, name := range names[e.GetRule()] {
			rule = rule || name == s.source.Name
		}
		namespace := e.GetNamespaces()[0] == "*" || e.GetNamespaces()[0] == c.namespace || len(e.GetNamespaces()) == 2 && c.namespace != "default"
		container := len(e.GetContainers()) == 0 || c.id[0] == 'a' || len(e.GetContainers()) == 2 && c.id == "b1"
		if rule && namespace && container && (len(e.GetLabels()) == 0 || c.label == "yes") && c.lives[i] > time.Hour {
			return true
		}
	}
	return false
}

// want is what the model says of a case: whether it is committed, and, if no rule failed,
// how many findings are exempted and overridden.
func (c attemptCase) want() (committed bool, exempted, overridden int, failed bool) {
	key := plimsoll.Key{Namespace: c.namespace, ID: c.id}
	glass := c.breaks && c.records && c.user.Name != "" && (len(c.may) == 2 || len(c.may) == 1 && c.may[0] == "uid:4242" && c.user.Name == "uid:4242")
	committed = !c.breaks || glass
	for _, s := range append(append(sayings{}, c.policies...), c.validates...) {
		denies := s.enforcement == "enforce" || s.enforcement == "canary:100%" || s.enforcement == "nonsense" ||
			s.enforcement == "canary:50%" && plimsoll.CanaryPlace(key) < 5000
		switch {
		case s.failure() != nil && (denies || s.source.Kind == plimsoll.SourcePolicy):
			failed = true
			committed = committed && glass
		case s.says == "violation" && denies && c.exempted(s):
			exempted++
		case s.says == "violation" && denies:
			overridden++
			committed = committed && glass
		}
	}
	return committed, exempted, overridden, failed
}

// Whatever rules say, exemptions cover, shares of canaries are and the glass does: what is
// committed is what a simple model says, and the decision tells why.
func TestWaivers(t *testing.T) {
	commits, refusals, waived := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		c := drawCase(rt)
		now := time.Now()
		options := service.Options{BreakGlass: c.may, Now: func() time.Time { return now }}
		if !c.records {
			options.DecisionRetention = -1
		}
		f := newFixture(t, memstore.New(), options)
		defer f.store.Close()
		for i, e := range c.exemptions {
			e.ExpiresAt = timestamppb.New(now.Add(c.lives[i]))
			if _, err := f.callersAs(operator).exemptions.CreateExemption(t.Context(), &plimsollv1.CreateExemptionRequest{Exemption: e}); err != nil {
				rt.Fatal(err)
			}
		}
		now = now.Add(time.Hour)
		f.SetRuleset(rules(c.policies, c.validates))

		ctx, call := connect.NewClientContext(t.Context())
		call.RequestHeader().Set(service.HeaderNamespace, c.namespace)
		if c.breaks {
			call.RequestHeader().Set(service.HeaderBreakGlass, "the site is down")
		}
		container := &plimsollv1.Container{
			Id: c.id, Image: "i", Runtime: &plimsollv1.Runtime{Name: runc}, Spec: &anypb.Any{TypeUrl: specType, Value: []byte(`{}`)},
		}
		if c.label != "" {
			container.Labels = map[string]string{"old": c.label}
		}
		res, err := f.callersAs(c.user).containers.BatchCreate(ctx, &plimsollv1.BatchCreateRequest{
			Operations: []*plimsollv1.CreateOperation{{Container: container}},
		})
		view, viewErr := f.store.View(t.Context())
		if viewErr != nil {
			rt.Fatal(viewErr)
		}
		defer view.Close()
		_, getErr := view.Get(t.Context(), plimsoll.Key{Namespace: c.namespace, ID: c.id})
		stored := getErr == nil
		committed, exempted, overridden, failed := c.want()
		if stored != committed || (err == nil && res.GetCommitted()) != committed {
			rt.Fatalf("stored: %v, answered: %v, %v, want %v of %+v", stored, res, err, committed, c)
		}
		d, _ := f.lastDecision(t)
		if (d.Outcome == plimsoll.OutcomeAdmitted) != committed || (d.BreakGlass != "") != c.breaks {
			rt.Fatalf("decision is %+v", d)
		}
		if committed {
			commits++
			gotExempted, gotOverridden := 0, 0
			for _, w := range d.Verdict.Warnings {
				switch {
				case w.Waiver == nil:
				case w.Waiver.Kind == plimsoll.WaiverExemption:
					gotExempted++
				default:
					gotOverridden++
				}
			}
			if len(d.Verdict.Violations) > 0 || !failed && (gotExempted != exempted || gotOverridden != overridden) || failed && gotOverridden == 0 {
				rt.Fatalf("exempted %d and overridden %d, want %d and %d (failed: %v): %+v", gotExempted, gotOverridden, exempted, overridden, failed, d.Verdict)
			}
			waived += gotExempted + gotOverridden
		} else {
			refusals++
		}
	})
	if commits == 0 || refusals == 0 || waived == 0 {
		t.Errorf("%d commits, %d refusals, %d waivers: the cases are too much alike", commits, refusals, waived)
	}
}

// one is a request for an exemption that is in order.
func one(id, rule string) *plimsollv1.CreateExemptionRequest {
	return &plimsollv1.CreateExemptionRequest{Exemption: &plimsollv1.Exemption{
		Id: id, Rule: rule, Namespaces: []string{"*"}, Reason: "r", Owner: "o", ExpiresAt: timestamppb.New(time.Now().Add(time.Hour)),
	}}
}

// deleting ends an exemption whenever a commit is about to begin.
type deleting struct {
	storage.Store
	before func()
}

func (d *deleting) Commit(ctx context.Context, view storage.View, change storage.Change) (plimsoll.Revision, error) {
	if before := d.before; before != nil {
		d.before = nil
		before()
	}
	return d.Store.Commit(ctx, view, change)
}

// An exemption that ends between judgement and commit lets nothing in, neither a single
// mutation nor a batch; and those who violate nothing are not held up by it.
func TestExemptionEndsMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		labels   []string // policy=1 or nothing, of each operation
		admitted bool
		attempts int
	}{
		"single":         {[]string{"1"}, false, 2},
		"batch":          {[]string{"", "1"}, false, 2},
		"not concerned":  {[]string{""}, true, 1},
		"none concerned": {[]string{"", ""}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			store := &deleting{Store: memstore.New()}
			defer store.Close()
			f := newFixture(t, store, service.Options{})
			c := f.callersAs(operator)
			if _, err := c.exemptions.CreateExemption(t.Context(), one("e", "labels.required")); err != nil {
				t.Fatal(err)
			}
			store.before = func() {
				if _, err := c.exemptions.DeleteExemption(t.Context(), &plimsollv1.DeleteExemptionRequest{Id: "e"}); err != nil {
					t.Error(err)
				}
			}
			req := &plimsollv1.BatchCreateRequest{}
			for i, label := range test.labels {
				container := &plimsollv1.Container{
					Id: fmt.Sprint("c", i), Image: "i", Runtime: &plimsollv1.Runtime{Name: runc}, Spec: &anypb.Any{TypeUrl: specType, Value: []byte(`{}`)},
				}
				if label != "" {
					container.Labels = map[string]string{"policy": label}
				}
				req.Operations = append(req.Operations, &plimsollv1.CreateOperation{Container: container})
			}
			res, err := c.containers.BatchCreate(t.Context(), req)
			if err != nil || res.GetCommitted() != test.admitted {
				t.Errorf("committed: %v, %v", res, err)
			}
			if d, _ := f.lastDecision(t); d.Attempts != test.attempts {
				t.Errorf("it took %d attempts, want %d", d.Attempts, test.attempts)
			}
		})
	}
}

// Who creates or deletes an exemption leaves an event that says so.
func TestExemptionEvents(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := f.callersAs(operator)
	if _, err := c.exemptions.CreateExemption(t.Context(), one("e", "labels.required")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.exemptions.DeleteExemption(t.Context(), &plimsollv1.DeleteExemptionRequest{Id: "e"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for event, err := range f.store.Watch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s by %s", event.Operation, event.Entry.EntryKey, event.User.Name))
		if event.Revision == 2 {
			break
		}
	}
	if want := `CREATE exemption "e" by uid:0, DELETE exemption "e" by uid:0`; strings.Join(got, ", ") != want {
		t.Errorf("events are %v", got)
	}
	if log := f.log.String(); !strings.Contains(log, `msg="exemption created" exemption=e`) || !strings.Contains(log, `msg="exemption deleted" exemption=e`) {
		t.Errorf("the log is %s", log)
	}
}

// exempting is policies with rules about exemptions.
type exempting struct {
	judgeFunc
	judge func(r *plimsoll.ExemptionRequest) (plimsoll.Verdict, bool, error)
}

func (e exempting) JudgeExemption(_ context.Context, r *plimsoll.ExemptionRequest) (plimsoll.Verdict, bool, error) {
	return e.judge(r)
}

// Who may have which exemption.
func TestExemptionAdmission(t *testing.T) {
	says := func(verdict plimsoll.Verdict, ruled bool, err error) func(*plimsoll.ExemptionRequest) (plimsoll.Verdict, bool, error) {
		return func(*plimsoll.ExemptionRequest) (plimsoll.Verdict, bool, error) { return verdict, ruled, err }
	}
	denied := plimsoll.Verdict{Violations: []plimsoll.Violation{policyViolation(0)}}
	const ok = connect.Code(0)
	for name, test := range map[string]struct {
		rules  func(*plimsoll.ExemptionRequest) (plimsoll.Verdict, bool, error) // nil: policies know of none
		user   plimsoll.User
		change func(*plimsollv1.Exemption)
		create connect.Code
		remove connect.Code
	}{
		"operator":                    {nil, operator, nil, ok, ok},
		"operator, no rules":          {says(plimsoll.Verdict{}, false, nil), operator, nil, ok, ok},
		"operator, all rules":         {nil, operator, func(e *plimsollv1.Exemption) { e.Rule = "*" }, connect.CodePermissionDenied, ok},
		"operator, a class":           {nil, operator, func(e *plimsollv1.Exemption) { e.Rule = "[a-z]*" }, connect.CodePermissionDenied, ok},
		"operator, too long":          {nil, operator, func(e *plimsollv1.Exemption) { e.ExpiresAt = timestamppb.New(time.Now().Add(31 * 24 * time.Hour)) }, connect.CodePermissionDenied, ok},
		"somebody, no rules":          {nil, somebody, nil, connect.CodePermissionDenied, connect.CodePermissionDenied},
		"somebody, none about it":     {says(plimsoll.Verdict{}, false, nil), somebody, nil, connect.CodePermissionDenied, connect.CodePermissionDenied},
		"somebody, admitted":          {says(plimsoll.Verdict{}, true, nil), somebody, func(e *plimsollv1.Exemption) { e.Rule = "*" }, ok, ok},
		"somebody, denied":            {says(denied, true, nil), somebody, nil, connect.CodePermissionDenied, connect.CodePermissionDenied},
		"operator, denied":            {says(denied, true, nil), operator, nil, connect.CodePermissionDenied, ok},
		"operator, rules that fail":   {says(plimsoll.Verdict{}, true, &plimsoll.FaultError{Source: policyViolation(0).Source, Err: errors.New("x")}), operator, nil, connect.CodeInternal, ok},
		"nobody, whatever rules say":  {says(plimsoll.Verdict{}, true, nil), nobody, nil, connect.CodePermissionDenied, connect.CodePermissionDenied},
		"a name without a connection": {says(plimsoll.Verdict{}, true, nil), plimsoll.User{Name: "uid:0", Via: "anonymous"}, nil, connect.CodePermissionDenied, connect.CodePermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{})
			if _, err := f.callersAs(operator).exemptions.CreateExemption(t.Context(), one("old", "labels.required")); err != nil {
				t.Fatal(err)
			}
			set := labelRules()
			if test.rules != nil {
				set.Policies = exempting{admit, test.rules}
			}
			f.SetRuleset(set)
			req := one("new", "labels.required")
			if test.change != nil {
				test.change(req.GetExemption())
			}
			c := f.callersAs(test.user).exemptions
			_, err := c.CreateExemption(t.Context(), req)
			if codeOr(err) != test.create {
				t.Errorf("create: %v", err)
			}
			if _, err := c.DeleteExemption(t.Context(), &plimsollv1.DeleteExemptionRequest{Id: "old"}); codeOr(err) != test.remove {
				t.Errorf("delete: %v", err)
			}
			res, err := f.callersAs(operator).exemptions.ListExemptions(t.Context(), &plimsollv1.ListExemptionsRequest{})
			if err != nil {
				t.Fatal(err)
			}
			left := 0
			for _, want := range []connect.Code{test.create, ^test.remove} {
				if want == ok || want == ^test.remove && test.remove != ok {
					left++
				}
			}
			if len(res.GetExemptions()) != left {
				t.Errorf("there are %v, want %d", res.GetExemptions(), left)
			}
		})
	}
}

// codeOr is the code of an error, 0 for none.
func codeOr(err error) connect.Code {
	if err == nil {
		return 0
	}
	return connect.CodeOf(err)
}

// Without rules there is nobody to admit an exemption, and too many there cannot be.
func TestExemptionBounds(t *testing.T) {
	f := newFixture(t, nil, service.Options{ExemptionLimit: 2 * time.Hour})
	c := f.callersAs(operator).exemptions
	for name, change := range map[string]func(*plimsollv1.Exemption){
		"id":        func(e *plimsollv1.Exemption) { e.Id = "a/b" },
		"rule":      func(e *plimsollv1.Exemption) { e.Rule = "" },
		"pattern":   func(e *plimsollv1.Exemption) { e.Namespaces = []string{"a", "[b"} },
		"ids":       func(e *plimsollv1.Exemption) { e.Containers = []string{""} },
		"labels":    func(e *plimsollv1.Exemption) { e.Labels = map[string]string{"": "x"} },
		"reason":    func(e *plimsollv1.Exemption) { e.Reason = strings.Repeat("x", 2000) },
		"no expiry": func(e *plimsollv1.Exemption) { e.ExpiresAt = nil },
		"far":       func(e *plimsollv1.Exemption) { e.ExpiresAt = timestamppb.New(time.Now().Add(3 * time.Hour)) },
		"size":      func(e *plimsollv1.Exemption) { e.Containers = strings.Split(strings.Repeat("abcdefgh,", 500)+"x", ",") },
	} {
		req := one("e", "labels.required")
		change(req.GetExemption())
		if _, err := c.CreateExemption(t.Context(), req); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.SetRuleset(nil)
	if _, err := c.CreateExemption(t.Context(), one("e", "labels.required")); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("without rules: %v", err)
	}
	f.SetRuleset(labelRules())
	for i := range 1000 {
		if _, err := c.CreateExemption(t.Context(), one(fmt.Sprint(i), "labels.required")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.CreateExemption(t.Context(), one("more", "labels.required")); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("one too many: %v", err)
	}
}

// The glass is broken for what rules say, and for nothing else.
func TestBreakGlassOverridesRulesOnly(t *testing.T) {
	f := newFixture(t, nil, service.Options{BreakGlass: []string{somebody.Name}})
	c := f.callersAs(somebody)
	create := func(id, reason string, header ...string) error {
		ctx, call := connect.NewClientContext(t.Context())
		call.RequestHeader().Set(service.HeaderBreakGlass, reason)
		for i := 0; i < len(header); i += 2 {
			call.RequestHeader().Set(header[i], header[i+1])
		}
		res, err := c.containers.BatchCreate(ctx, &plimsollv1.BatchCreateRequest{Operations: []*plimsollv1.CreateOperation{{Container: &plimsollv1.Container{
			Id: id, Image: "i", Runtime: &plimsollv1.Runtime{Name: runc}, Labels: map[string]string{"policy": "2", "validator": "1", "quota": "1"},
			Spec: &anypb.Any{TypeUrl: specType, Value: []byte(`{}`)},
		}}}})
		if err == nil && !res.GetCommitted() {
			err = errors.New(res.GetResults()[0].GetCode())
		}
		return err
	}
	if err := create("web", url.PathEscape("the site is down: grüße, password=hunter2hunter2")); err != nil {
		t.Fatal(err)
	}
	d, _ := f.lastDecision(t)
	if len(d.Verdict.Warnings) != 4 || d.BreakGlass == "" || strings.Contains(d.BreakGlass, "hunter2") || !strings.Contains(d.BreakGlass, "grüße") {
		t.Errorf("decision is %+v", d)
	}
	found, err := c.decisions.GetDecision(t.Context(), &plimsollv1.GetDecisionRequest{Id: d.ID})
	if err != nil || found.GetDecision().GetBreakGlass() != d.BreakGlass || found.GetDecision().GetOverridden() != 4 || found.GetDecision().GetRevision() != 1 {
		t.Errorf("recorded is %v, %v", found, err)
	}
	for _, want := range []string{`level=ERROR msg="break-glass was used" user=uid:4242`, "overridden=4", "outcome=admitted"} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("the log has no %s: %s", want, f.log.String())
		}
	}
	if strings.Contains(f.log.String(), "hunter2") {
		t.Error("the log has a secret")
	}
	check := f.unchanged(t)
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"exists":         {create("web", "x"), "ALREADY_EXISTS"},
		"malformed":      {create("a/b", "x"), "INVALID_ARGUMENT"},
		"stale":          {create("new", "x", service.HeaderIfRevision, "7"), "ABORTED"},
		"no reason":      {create("new", ""), "invalid_argument"},
		"blank":          {create("new", "%20"), "invalid_argument"},
		"control":        {create("new", "%0a"), "invalid_argument"},
		"not escaped":    {create("new", "100%"), "invalid_argument"},
		"no UTF-8":       {create("new", "%ff"), "invalid_argument"},
		"long":           {create("new", strings.Repeat("x", 513)), "invalid_argument"},
		"by who may not": {func() error { c = f.callersAs(operator); return create("new", "x") }(), "permission_denied"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: %v", name, test.err)
		}
	}
	f.SetRuleset(nil)
	c = f.callersAs(somebody)
	if err := create("new", "x"); err == nil || !strings.Contains(err.Error(), "unavailable") {
		t.Errorf("without rules: %v", err)
	}
	// A validator that panics, or time that runs out, is no verdict that could be overridden.
	f.SetRuleset(rules(judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) { panic("x") }), admit))
	if err := create("new", "x"); err == nil || !strings.Contains(err.Error(), "internal") {
		t.Errorf("a panic: %v", err)
	}
	f.SetRuleset(rules(judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
		return plimsoll.Verdict{}, &plimsoll.RequestError{Field: "spec", Problem: "is ambiguous"}
	}), admit))
	if err := create("new", "x"); err == nil || !strings.Contains(err.Error(), "INVALID_ARGUMENT") {
		t.Errorf("an ambiguous document: %v", err)
	}
	check()
}

// Retries of what was overridden are answered with the first decision, and nobody is alarmed
// twice; another reason is another request.
func TestBreakGlassIsRetried(t *testing.T) {
	f := newFixture(t, nil, service.Options{BreakGlass: []string{somebody.Name}})
	c := clientsOf(t, f.serveHandler(t, asUser(f.Handler(), somebody)))["grpc"]
	h := http.Header{service.HeaderBreakGlass: {"x"}, service.HeaderRequestID: {"r"}}
	var decisions [2]string
	for i := range decisions {
		_, header, err := c.create(t.Context(), h, container("web", "policy", "1"))
		if err != nil {
			t.Fatal(err)
		}
		decisions[i] = header.Get("plimsoll-decision")
		warnings := strings.Join(header.Values("plimsoll-warning"), "\n")
		if !strings.Contains(warnings, "break-glass: 1 findings of rules overridden, which is recorded in decision "+decisions[i]) ||
			!strings.Contains(warnings, "(overridden by break-glass)") {
			t.Errorf("warnings are %s", warnings)
		}
	}
	if decisions[0] != decisions[1] || strings.Count(f.log.String(), "break-glass was used") != 1 {
		t.Errorf("decisions are %v, and the log is %s", decisions, f.log.String())
	}
	h.Set(service.HeaderBreakGlass, "another")
	if _, _, err := c.create(t.Context(), h, container("web", "policy", "1")); codeOf(err) != connect.CodeAborted {
		t.Error(err)
	}
}

// Whoever may not break the glass raises no alarm, whatever else is wrong with what he asks for.
func TestBreakGlassIsNotForged(t *testing.T) {
	for name, operations := range map[string][]string{"one": {"no id!"}, "some": {"no id!", "web"}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{BreakGlass: []string{somebody.Name}})
			c := f.callersAs(plimsoll.User{Name: "uid:666", Via: "unix"})
			ctx, call := connect.NewClientContext(t.Context())
			call.RequestHeader().Set(service.HeaderBreakGlass, "let me in")
			var asked []*plimsollv1.CreateOperation
			for _, id := range operations {
				asked = append(asked, &plimsollv1.CreateOperation{Container: &plimsollv1.Container{
					Id: id, Image: "i", Runtime: &plimsollv1.Runtime{Name: runc}, Spec: &anypb.Any{TypeUrl: specType, Value: []byte(`{}`)},
				}})
			}
			res, err := c.containers.BatchCreate(ctx, &plimsollv1.BatchCreateRequest{Operations: asked})
			if err == nil && res.GetCommitted() {
				t.Errorf("it was admitted: %v", res)
			}
			if log := f.log.String(); strings.Contains(log, "break-glass was used") || strings.Contains(log, "level=ERROR") ||
				strings.Count(log, "break-glass was refused") != len(operations) {
				t.Errorf("the log says %s", log)
			}
		})
	}
}
