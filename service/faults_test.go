package service_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/service"
)

// failing makes a judge that has no verdict.
func failing(err error) judgeFunc {
	return func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
		// A verdict beside an error counts for nothing.
		return plimsoll.Verdict{Warnings: []plimsoll.Violation{{Message: "careful"}}}, err
	}
}

// Whatever goes wrong with rules, nothing is stored, and the caller is told that it
// is not to blame.
func TestRulesThatFailStoreNothing(t *testing.T) {
	source := func(kind plimsoll.SourceKind) plimsoll.Source {
		return plimsoll.Source{Kind: kind, Name: "culprit", Rule: "deny", File: "culprit.rego", Line: 3}
	}
	var (
		policyFault      = failing(&plimsoll.FaultError{Source: source(plimsoll.SourcePolicy), Err: errors.New("eval_type_error: details")})
		validatorFault   = failing(fmt.Errorf("judging: %w", &plimsoll.FaultError{Source: source(plimsoll.SourceValidator), Err: errors.New("trapped: details")}))
		policyTimeout    = failing(&plimsoll.TimeoutError{Source: source(plimsoll.SourcePolicy)})
		validatorTimeout = failing(&plimsoll.TimeoutError{Source: source(plimsoll.SourceValidator)})
		panics           = judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) { panic("details") })
		nilPanic         = judgeFunc(func(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
			var none *plimsoll.Verdict
			return *none, nil
		})
		deniesThenFails = judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
			return plimsoll.Verdict{Violations: []plimsoll.Violation{policyViolation(0)}}, errors.New("details")
		})
		speechless = judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
			return plimsoll.Verdict{Violations: []plimsoll.Violation{{}}}, nil
		})
	)
	tests := []struct {
		name   string
		rules  *service.Ruleset
		code   connect.Code
		reason string
		retry  bool
		logged bool // with the details
	}{
		{"no ruleset", nil, connect.CodeUnavailable, "POLICY_NOT_READY", true, false},
		{"no judges", rules(nil, nil), connect.CodeInternal, "INTERNAL", false, false},
		{"no validators", rules(admit, nil), connect.CodeInternal, "INTERNAL", false, false},
		{"policy fault", rules(policyFault, admit), connect.CodeInternal, "POLICY_FAULT", false, true},
		{"validator fault", rules(admit, validatorFault), connect.CodeInternal, "VALIDATOR_FAULT", false, true},
		{"denial and validator fault", rules(labelRules().Policies, validatorFault), connect.CodeInternal, "VALIDATOR_FAULT", false, true},
		{"policy timeout", rules(policyTimeout, admit), connect.CodeUnavailable, "POLICY_TIMEOUT", true, false},
		{"validator timeout", rules(admit, validatorTimeout), connect.CodeUnavailable, "VALIDATOR_TIMEOUT", true, false},
		{"bare fault", rules(failing(fmt.Errorf("%w: details", plimsoll.ErrFault)), admit), connect.CodeInternal, "INTERNAL", false, true},
		{"bare timeout", rules(failing(fmt.Errorf("%w: details", plimsoll.ErrOutOfTime)), admit), connect.CodeUnavailable, "MUTATION_TIMEOUT", true, true},
		{"unknown error", rules(failing(errors.New("details")), admit), connect.CodeInternal, "INTERNAL", false, true},
		{"error beside a denial", rules(deniesThenFails, admit), connect.CodeInternal, "INTERNAL", false, true},
		{"panic", rules(panics, admit), connect.CodeInternal, "INTERNAL", false, true},
		{"panic of a validator", rules(admit, panics), connect.CodeInternal, "INTERNAL", false, true},
		{"nil dereference", rules(nilPanic, admit), connect.CodeInternal, "INTERNAL", false, false},
		{"denial without a reason", rules(admit, speechless), connect.CodeInvalidArgument, "VALIDATION_FAILED", false, false},
		{"context of the judge ended", rules(failing(context.Canceled), admit), connect.CodeCanceled, "CANCELED", false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{})
			c := clientsOf(t, f.serve(t))["grpc"]
			if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
				t.Fatal(err)
			}
			check := f.unchanged(t)
			f.SetRuleset(test.rules)
			for name, mutate := range mutations {
				_, header, err := mutate(t.Context(), c, nil)
				check()
				e := failed(t, err, test.code)
				info := detail[*errdetails.ErrorInfo](t, e)
				decision, _ := f.lastDecision(t)
				if info.GetReason() != test.reason || info.GetMetadata()["decision_id"] != decision.ID {
					t.Errorf("%s: ErrorInfo %v, want reason %s and decision %s", name, info, test.reason, decision.ID)
				}
				if header.Get("plimsoll-decision") != decision.ID || header.Get("plimsoll-revision") != "" {
					t.Errorf("%s: headers %v, want decision %s and no revision", name, header, decision.ID)
				}
				if decision.Outcome == plimsoll.OutcomeAdmitted || decision.Revision != 0 || decision.Err == nil {
					t.Errorf("%s: decision %+v, want none that admits", name, decision)
				}
				if test.retry != hasRetry(e) {
					t.Errorf("%s: %v, want RetryInfo: %v", name, e.details, test.retry)
				}
				if strings.Contains(e.message, "details") && test.code == connect.CodeInternal && test.reason != "INTERNAL" {
					t.Errorf("%s: the caller is told %q", name, e.message)
				}
				if (test.reason == "POLICY_FAULT" || test.reason == "VALIDATOR_FAULT") && !strings.Contains(e.message, "culprit") {
					t.Errorf("%s: message %q does not name the culprit", name, e.message)
				}
			}
			if logged := strings.Contains(f.log.String(), "details"); test.logged && !logged {
				t.Errorf("the log lacks the details:\n%s", f.log.String())
			}
			// Reads need no rules, and nothing is left behind.
			if _, _, err := c.get(t.Context(), nil, "web"); err != nil {
				t.Errorf("Get: %v", err)
			}
			f.SetRuleset(labelRules())
			if _, _, err := c.create(t.Context(), nil, container("after")); err != nil {
				t.Errorf("Create with rules that work again: %v", err)
			}
		})
	}
}

func hasRetry(f *failure) bool {
	for _, d := range f.details {
		if r, ok := d.(*errdetails.RetryInfo); ok && r.GetRetryDelay().AsDuration() > 0 {
			return true
		}
	}
	return false
}

// blocked is a judge that waits for its context to end.
var blocked = judgeFunc(func(ctx context.Context, _ *plimsoll.Input) (plimsoll.Verdict, error) {
	<-ctx.Done()
	return plimsoll.Verdict{}, ctx.Err()
})

func TestMutationTimeout(t *testing.T) {
	f := newFixture(t, nil, service.Options{MutationTimeout: time.Millisecond})
	f.SetRuleset(rules(admit, blocked))
	c := clientsOf(t, f.serve(t))["grpc"]
	check := f.unchanged(t)
	_, _, err := c.create(t.Context(), nil, container("web"))
	e := failed(t, err, connect.CodeUnavailable)
	if got := detail[*errdetails.ErrorInfo](t, e).GetReason(); got != "MUTATION_TIMEOUT" || !hasRetry(e) {
		t.Errorf("reason %q with details %v, want MUTATION_TIMEOUT and RetryInfo", got, e.details)
	}
	check()
}

// A verdict that comes after the time is up is too late.
func TestLateVerdict(t *testing.T) {
	f := newFixture(t, nil, service.Options{MutationTimeout: time.Millisecond})
	f.SetRuleset(rules(admit, judgeFunc(func(ctx context.Context, _ *plimsoll.Input) (plimsoll.Verdict, error) {
		<-ctx.Done()
		return plimsoll.Verdict{}, nil
	})))
	c := clientsOf(t, f.serve(t))["grpc"]
	check := f.unchanged(t)
	_, _, err := c.create(t.Context(), nil, container("web"))
	failed(t, err, connect.CodeUnavailable)
	check()
}

func TestCallersDeadline(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	f.SetRuleset(rules(blocked, admit))
	c := clientsOf(t, f.serve(t))["connect/http2"]
	check := f.unchanged(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err := c.create(ctx, nil, container("web"))
	failed(t, err, connect.CodeDeadlineExceeded)
	check()
}

// A request is judged by the rules that were active when it began, and its decision
// says so.
func TestRulesetReplacedMidRequest(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	deny := judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
		return plimsoll.Verdict{Violations: []plimsoll.Violation{policyViolation(0)}}, nil
	})
	newRules := &service.Ruleset{Digest: "sha256:new", Policies: deny, Validators: deny}
	f.SetRuleset(&service.Ruleset{Digest: "sha256:old", Validators: admit, Policies: judgeFunc(
		func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
			f.SetRuleset(newRules)
			return plimsoll.Verdict{}, nil
		})})
	if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
		t.Fatalf("judged by rules that came later: %v", err)
	}
	if d, _ := f.lastDecision(t); d.Ruleset != "sha256:old" {
		t.Errorf("the decision names ruleset %s, want sha256:old", d.Ruleset)
	}
	_, _, err := c.create(t.Context(), nil, container("db"))
	failed(t, err, connect.CodePermissionDenied)
	if d, _ := f.lastDecision(t); d.Ruleset != "sha256:new" {
		t.Errorf("the decision names ruleset %s, want sha256:new", d.Ruleset)
	}
}

func TestOverload(t *testing.T) {
	f := newFixture(t, nil, service.Options{MaxInFlight: 1, QueueTimeout: time.Millisecond})
	c := clientsOf(t, f.serve(t))["grpc"]
	entered, release := make(chan struct{}), make(chan struct{})
	f.SetRuleset(rules(admit, judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
		entered <- struct{}{}
		<-release
		return plimsoll.Verdict{}, nil
	})))
	first := make(chan error)
	go func() {
		_, _, err := c.create(t.Context(), nil, container("first"))
		first <- err
	}()
	<-entered
	_, _, err := c.create(t.Context(), nil, container("second"))
	e := failed(t, err, connect.CodeResourceExhausted)
	if got := detail[*errdetails.ErrorInfo](t, e).GetReason(); got != "OVERLOADED" || !hasRetry(e) {
		t.Errorf("reason %q with details %v, want OVERLOADED and RetryInfo", got, e.details)
	}
	if _, err := c.list(t.Context(), nil, ""); err != nil {
		t.Errorf("List, which is not judged: %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the mutation that was in flight: %v", err)
	}
	if _, all := f.contents(t); len(all) != 1 || all[0].ID != "first" {
		t.Errorf("the store has %v, want the first alone", all)
	}
}
