package service_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/service"
)

// A ruleset is released once another is in its place and nobody judges by it any more,
// and not before.
func TestRulesetIsReleased(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	client := clientsOf(t, f.serve(t))["grpc"]
	var released atomic.Int32
	judging, goOn := make(chan struct{}), make(chan struct{})
	f.SetRuleset(&service.Ruleset{
		Digest: "slow", Validators: labelRules().Validators, Release: func() { released.Add(1) },
		Policies: judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
			close(judging)
			<-goOn
			if released.Load() > 0 {
				t.Error("released while it judges")
			}
			return plimsoll.Verdict{}, nil
		}),
	})
	created := make(chan error)
	go func() {
		_, _, err := client.create(t.Context(), nil, container("web"))
		created <- err
	}()
	<-judging
	f.SetRuleset(labelRules())
	if n := released.Load(); n != 0 {
		t.Errorf("released %d times while a request judges by it", n)
	}
	close(goOn)
	if err := <-created; err != nil {
		t.Error(err)
	}
	if d, _ := f.lastDecision(t); d.Ruleset != "slow" {
		t.Errorf("decided by %s", d.Ruleset)
	}
	if n := released.Load(); n != 1 {
		t.Errorf("released %d times in the end", n)
	}
}

// However rulesets and requests interleave, each ruleset is released once, and none
// judges afterwards.
func TestRulesetsAreReleasedOnce(t *testing.T) {
	const swaps, clients = 200, 4
	f := newFixture(t, nil, service.Options{})
	srv := f.serve(t)
	var released [swaps]atomic.Int32
	set := func(i int) {
		f.SetRuleset(&service.Ruleset{
			Digest: "x", Validators: labelRules().Validators, Release: func() { released[i].Add(1) },
			Policies: judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
				if released[i].Load() > 0 {
					t.Errorf("ruleset %d judges after it was released", i)
				}
				return plimsoll.Verdict{}, nil
			}),
		})
	}
	set(0)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range clients {
		client := clientsOf(t, srv)["grpc"]
		all.Go(func() {
			for ctx.Err() == nil {
				_, _, _ = client.create(context.WithoutCancel(ctx), http.Header{"plimsoll-dry-run": {"true"}}, container("web"))
			}
		})
	}
	for i := 1; i < swaps; i++ {
		set(i)
	}
	cancel()
	all.Wait()
	f.SetRuleset(nil)
	for i := range released {
		if n := released[i].Load(); n != 1 {
			t.Errorf("ruleset %d was released %d times", i, n)
		}
	}
}
