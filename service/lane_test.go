package service

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// planOf scans a label's value and writes a container that has it.
func planOf(team, id string) plan {
	p := plan{reads: &storage.Footprint{}}
	p.reads.AddScan(storage.Query{Namespace: "default", Where: &storage.Term{Field: "labels.team", Value: team}})
	p.touches = []storage.Touch{{
		Key: plimsoll.Key{Namespace: "default", ID: id}, After: &plimsoll.Container{ID: id, Labels: map[string]string{"team": team}},
	}}
	return p
}

func TestLane(t *testing.T) {
	var l lane
	if l.overtakes(planOf("core", "a"), nil) {
		t.Error("a commit overtakes though nobody waits")
	}
	first, err := l.wait(t.Context(), nil, planOf("core", "a"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		p    plan
		own  *turn
		want bool
	}{
		"what was scanned": {planOf("core", "b"), nil, true},
		"what is written":  {planOf("web", "a"), nil, true},
		"nothing":          {planOf("web", "b"), nil, false},
		"itself":           {planOf("core", "a"), first, false},
	} {
		if have := l.overtakes(test.p, test.own); have != test.want {
			t.Errorf("a commit that disturbs %s overtakes: %v", name, have)
		}
	}

	// What has nothing to do with it does not wait for it.
	apart, err := l.wait(t.Context(), nil, planOf("web", "b"))
	if err != nil {
		t.Fatal(err)
	}
	// What has, does; and stays in the lane until it gives up.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	second, err := l.wait(ctx, nil, planOf("core", "c"))
	if !errors.Is(err, context.Canceled) || second == nil {
		t.Fatalf("it waited for nothing: %v", err)
	}
	l.leave(second)
	waited := make(chan *turn)
	go func() {
		third, _ := l.wait(t.Context(), nil, planOf("core", "d"))
		waited <- third
	}()
	select {
	case <-waited:
		t.Fatal("it did not wait for the first")
	default:
	}
	// A turn that grows waits for those before it only, so none waits for another in a ring.
	if _, err := l.wait(t.Context(), first, planOf("core", "d")); err != nil {
		t.Fatal(err)
	}
	l.leave(first)
	l.leave(<-waited)
	l.leave(apart)
	l.leave(nil)
	if n := l.waits.Load(); n != 0 || len(l.turns) != 0 {
		t.Errorf("%d turns are left", n)
	}
}

type judgeOthers func(ctx context.Context, in *plimsoll.Input) error

func (j judgeOthers) Judge(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
	return plimsoll.Verdict{}, j(ctx, in)
}

// A mutation that takes so long to judge that others always come in between gets its turn:
// then they wait for it.
func TestSlowMutationIsNotOvertakenForEver(t *testing.T) {
	s := New(memstore.New(), Options{MutationTimeout: time.Minute})
	create := func(id string) *result {
		return s.mutate(t.Context(), &plimsoll.Mutation{
			Operation: plimsoll.OperationCreate, Key: plimsoll.Key{Namespace: "default", ID: id},
			Container: &plimsoll.Container{ID: id, Image: "nginx", Runtime: plimsoll.Runtime{Name: "runc"}, Spec: plimsoll.Any{TypeURL: "x", Value: []byte("{}")}},
		})[0]
	}
	judging, committed := make(chan struct{}), make(chan error)
	count := func(ctx context.Context, in *plimsoll.Input) error {
		_, err := in.Others.Count(ctx, plimsoll.Selection{Namespace: "default"})
		if in.Object.ID != "slow" {
			return err
		}
		judging <- struct{}{}
		for { // until a quick one was committed, or has to wait
			select {
			case err := <-committed:
				return err
			default:
				if s.lane.waits.Load() > 1 {
					return nil
				}
			}
		}
	}
	s.SetRuleset(&Ruleset{Digest: "x", Policies: judgeOthers(count), Validators: judgeOthers(func(context.Context, *plimsoll.Input) error { return nil })})
	done := make(chan *result)
	go func() { done <- create("slow") }()
	for n := 0; ; n++ {
		select {
		case <-judging:
			go func() {
				r := create("quick-" + strconv.Itoa(n))
				select {
				case committed <- r.err:
				case <-t.Context().Done():
				}
			}()
		case r := <-done:
			if r.err != nil || r.decision.Attempts != maxOptimistic+2 {
				t.Errorf("it took %d attempts: %v", r.decision.Attempts, r.err)
			}
			return
		case <-time.After(time.Minute):
			t.Fatal("neither judged nor done")
		}
	}
}

// BenchmarkLane takes turns for batches that have nothing to do with one another, while
// others have theirs.
func BenchmarkLane(b *testing.B) {
	batch := func(team string) plan {
		p := planOf(team, team)
		for i := range 1000 {
			id := team + "-" + strconv.Itoa(i)
			p.touches = append(p.touches, storage.Touch{
				Key: plimsoll.Key{Namespace: "default", ID: id}, After: &plimsoll.Container{ID: id, Labels: map[string]string{"team": team, "app": id}},
			})
		}
		return p
	}
	var l lane
	for i := range 64 {
		if _, err := l.wait(b.Context(), nil, batch("t"+strconv.Itoa(i))); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		own, err := l.wait(b.Context(), nil, batch("own"))
		if err != nil {
			b.Fatal(err)
		}
		l.leave(own)
	}
}
