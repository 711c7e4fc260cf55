package service_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/plimsoll-project/plimsoll"
	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
)

// shadowed is a control that knows what runs in shadow, and no more.
type shadowed struct{ service.RulesetControl }

func (shadowed) InShadow() (service.ShadowedRuleset, bool) {
	return service.ShadowedRuleset{Percent: 100}, true
}

// operatorURL serves f for somebody who may do anything.
func (f *fixture) operatorURL(t *testing.T) string {
	t.Helper()
	user := plimsoll.User{Name: fmt.Sprintf("uid:%d", os.Geteuid()), Via: "unix"}
	handler := f.Handler()
	return f.serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(service.WithUser(r.Context(), user)))
	})).URL
}

// shadowStatus waits until as many mutations are judged in shadow or dropped.
func shadowStatus(t *testing.T, url string, all int64) *plimsollv1.ShadowStatus {
	t.Helper()
	client := plimsollv1connect.NewRulesetServiceClient(http.DefaultClient, url)
	deadline := time.Now().Add(time.Minute)
	for {
		res, err := client.GetShadow(t.Context(), &plimsollv1.GetShadowRequest{})
		if err != nil {
			t.Fatal(err)
		}
		n := res.GetStatus().GetCounts()
		sum := n.GetSame() + n.GetWouldDeny() + n.GetWouldAdmit() + n.GetWouldPatch() + n.GetFailed() + res.GetStatus().GetDropped()
		if sum == all {
			return res.GetStatus()
		}
		if sum > all || time.Now().After(deadline) {
			t.Fatalf("%d are judged or dropped, want %d: %v", sum, all, res.GetStatus())
		}
	}
}

// traffic has callers create, change and delete containers all at the same time, and
// returns what each was answered.
func traffic(t *testing.T, url string, callers, each int) map[string]string {
	t.Helper()
	client := containerdv1connect.NewContainersClient(http.DefaultClient, url)
	answers := map[string]string{}
	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)
	for caller := range callers {
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("c%d-%d", caller, i)
				note := func(what string, c *containerdv1.Container, err error) {
					mu.Lock()
					defer mu.Unlock()
					answers[id+" "+what] = fmt.Sprint(c.GetLabels(), c.GetImage(), err)
				}
				created, err := client.Create(context.Background(), &containerdv1.CreateContainerRequest{
					Container: container(id, "policy", fmt.Sprint(i%2), "validator", fmt.Sprint(i%3%2)),
				})
				note("create", created.GetContainer(), err)
				updated, err := client.Update(context.Background(), &containerdv1.UpdateContainerRequest{
					Container: &containerdv1.Container{Id: id, Image: "other"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"image"}},
				})
				note("update", updated.GetContainer(), err)
				if i%4 == 0 {
					_, err = client.Delete(context.Background(), &containerdv1.DeleteContainerRequest{Id: id})
					note("delete", nil, err)
				}
			}
		})
	}
	all.Wait()
	return answers
}

// patcherFunc is a patcher made of a function.
type patcherFunc func(in *plimsoll.Input) *plimsoll.Container

func (f patcherFunc) Patch(_ context.Context, in *plimsoll.Input) (*plimsoll.Container, []plimsoll.Patch, error) {
	return f(in), nil, nil
}

// Whatever rules in shadow do, callers are answered what they are answered without them,
// all of what happens is counted, and what was committed stays.
func TestShadowHasNoSay(t *testing.T) {
	const callers, each = 8, 12
	plain := newFixture(t, nil, service.Options{})
	want := traffic(t, plain.operatorURL(t), callers, each)
	_, stored := plain.contents(t)
	var judged int64 // those on which rules had a say
	for _, d := range plain.decisions {
		if d.Err == nil || errors.Is(d.Err, plimsoll.ErrDenied) {
			judged++
		}
	}

	source := plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "trial", Rule: "deny"}
	deny := plimsoll.Verdict{Violations: []plimsoll.Violation{{Message: "never", Source: source}}}
	for name, test := range map[string]struct {
		rules *service.Ruleset
		check func(*plimsollv1.ShadowStatus) bool
	}{
		"the same": {labelRules(), func(s *plimsollv1.ShadowStatus) bool {
			return s.GetCounts().GetSame() == judged && len(s.GetSamples()) == 0
		}},
		"denies": {
			rules(judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) { return deny, nil }), admit),
			func(s *plimsollv1.ShadowStatus) bool {
				return s.GetCounts().GetWouldDeny() > 0 && s.GetCounts().GetWouldDeny()+s.GetCounts().GetSame() == judged &&
					s.GetRules()[0].GetCounts().GetWouldDeny() == s.GetCounts().GetWouldDeny() && s.GetSamples()[0].GetDecisionId() != ""
			},
		},
		"admits": {rules(admit, admit), func(s *plimsollv1.ShadowStatus) bool {
			return s.GetCounts().GetWouldAdmit() > 0 && s.GetCounts().GetWouldAdmit()+s.GetCounts().GetSame() == judged && len(s.GetRules()) == 2
		}},
		"patches": {
			&service.Ruleset{Digest: "sha256:patches", Policies: admit, Validators: admit, Patches: patcherFunc(func(in *plimsoll.Input) *plimsoll.Container {
				c := *in.Object
				c.Labels = maps.Clone(c.Labels)
				c.Labels["patched"] = "yes"
				return &c
			})},
			func(s *plimsollv1.ShadowStatus) bool {
				return s.GetCounts().GetWouldPatch() > 0 && s.GetSamples()[0].GetDivergence() != plimsollv1.Divergence_DIVERGENCE_SAME
			},
		},
		"breaks": {
			rules(judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
				return plimsoll.Verdict{}, &plimsoll.FaultError{Source: source, Err: errors.New("hunter2")}
			}), admit),
			func(s *plimsollv1.ShadowStatus) bool {
				return s.GetCounts().GetFailed() == judged && s.GetFailures().GetFaults() == judged && !strings.Contains(s.String(), "hunter2") &&
					s.GetRules()[0].GetCounts().GetFailed() == judged
			},
		},
		"runs out of time": {
			rules(judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
				return plimsoll.Verdict{}, &plimsoll.TimeoutError{Source: source}
			}), admit),
			func(s *plimsollv1.ShadowStatus) bool { return s.GetFailures().GetTimeouts() == judged },
		},
		"loops": {
			rules(admit, judgeFunc(func(ctx context.Context, _ *plimsoll.Input) (plimsoll.Verdict, error) {
				<-ctx.Done()
				return plimsoll.Verdict{}, ctx.Err()
			})),
			func(s *plimsollv1.ShadowStatus) bool {
				return s.GetFailures().GetTimeouts() > 0 && s.GetFailures().GetTimeouts()+s.GetDropped() == judged
			},
		},
		"panics": {
			rules(judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) { panic("trial") }), admit),
			func(s *plimsollv1.ShadowStatus) bool { return s.GetFailures().GetPanics() == judged },
		},
		"eats memory": {
			rules(judgeFunc(func(ctx context.Context, _ *plimsoll.Input) (plimsoll.Verdict, error) {
				var eaten [][]byte
				for ctx.Err() == nil {
					eaten = append(eaten, make([]byte, 1<<20))
				}
				return plimsoll.Verdict{}, fmt.Errorf("with %d MiB: %w", len(eaten), ctx.Err())
			}), admit),
			func(s *plimsollv1.ShadowStatus) bool {
				f := s.GetFailures() // on a busy machine one may be out of time first
				return f.GetMemory() > 0 && f.GetMemory()+f.GetTimeouts()+s.GetDropped() == judged
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{Rulesets: shadowed{}})
			released := make(chan struct{})
			test.rules.Release = func() { close(released) }
			f.SetShadow(test.rules, 100)
			url := f.operatorURL(t)
			if diff := cmp.Diff(want, traffic(t, url, callers, each)); diff != "" {
				t.Errorf("the answers are others (-without shadow +with):\n%s", diff)
			}
			ids := func(all []*plimsoll.Container) map[string]string {
				out := map[string]string{}
				for _, c := range all {
					out[c.ID] = fmt.Sprint(c.Labels, c.Image)
				}
				return out
			}
			_, now := f.contents(t)
			if diff := cmp.Diff(ids(stored), ids(now)); diff != "" {
				t.Errorf("what is stored is other (-without shadow +with):\n%s", diff)
			}
			if status := shadowStatus(t, url, judged); !test.check(status) {
				t.Errorf("of %d: %v", judged, status)
			}
			f.EndShadow()
			<-released
		})
	}
}

// Rules in shadow see the state that the rules that judge saw, whatever is committed
// meanwhile, also in the midst of a batch.
func TestShadowSeesTheSameState(t *testing.T) {
	type seen struct {
		mu     sync.Mutex
		counts map[string]int
	}
	counting := func(s *seen) *service.Ruleset {
		return rules(judgeFunc(func(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
			n := 0
			for _, err := range in.Others.Containers(ctx, plimsoll.Selection{Namespace: in.Namespace}) {
				if err != nil {
					return plimsoll.Verdict{}, err
				}
				n++
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.counts[in.Object.ID] = n // of the last attempt
			return plimsoll.Verdict{}, nil
		}), admit)
	}
	live, trial := &seen{counts: map[string]int{}}, &seen{counts: map[string]int{}}
	f := newFixture(t, nil, service.Options{Rulesets: shadowed{}})
	f.SetRuleset(counting(live))
	f.SetShadow(counting(trial), 100)
	url := f.operatorURL(t)
	client := plimsollv1connect.NewContainerServiceClient(http.DefaultClient, url)
	var all sync.WaitGroup
	for caller := range 4 {
		all.Go(func() {
			for i := range 5 {
				req := &plimsollv1.BatchCreateRequest{}
				for j := range 3 {
					c := container(fmt.Sprintf("c%d-%d-%d", caller, i, j))
					req.Operations = append(req.Operations, &plimsollv1.CreateOperation{Container: &plimsollv1.Container{
						Id: c.GetId(), Image: c.GetImage(), Runtime: &plimsollv1.Runtime{Name: runc}, Spec: c.GetSpec(),
					}})
				}
				if _, err := client.BatchCreate(context.Background(), req); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	status := shadowStatus(t, url, 4*5*3)
	f.EndShadow()
	if status.GetDropped() > 0 || status.GetCounts().GetSame() != 4*5*3 {
		t.Errorf("status is %v", status)
	}
	if diff := cmp.Diff(live.counts, trial.counts); diff != "" {
		t.Errorf("what they saw (-judging +in shadow):\n%s", diff)
	}
}

// Who has a part of the traffic judged in shadow gets about that part, and none of it
// after the end. What is in the status is for operators.
func TestShadowSamples(t *testing.T) {
	f := newFixture(t, nil, service.Options{Rulesets: shadowed{}})
	var mu sync.Mutex
	n := 0
	f.SetShadow(rules(judgeFunc(func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
		mu.Lock()
		defer mu.Unlock()
		n++
		return plimsoll.Verdict{}, nil
	}), admit), 25)
	url := f.operatorURL(t)
	client := containerdv1connect.NewContainersClient(http.DefaultClient, url)
	create := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := client.Create(t.Context(), &containerdv1.CreateContainerRequest{Container: container(fmt.Sprintf("c%d", i))}); err != nil {
				t.Fatal(err)
			}
		}
	}
	create(0, 400)
	f.EndShadow()
	mu.Lock()
	after := n
	mu.Unlock()
	if after == 0 || after > 200 {
		t.Errorf("of 400, %d were judged in shadow", after)
	}
	create(400, 420)
	mu.Lock()
	defer mu.Unlock()
	if n != after {
		t.Errorf("after the end %d were judged", n-after)
	}
	_, err := plimsollv1connect.NewRulesetServiceClient(http.DefaultClient, f.serve(t).URL).GetShadow(t.Context(), &plimsollv1.GetShadowRequest{})
	if connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("anybody gets %v", err)
	}
}
