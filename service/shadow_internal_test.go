package service

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll-project/plimsoll"
)

// agingJudge makes a trial old while it is judged.
type agingJudge struct {
	trial *trial
	calls *int
}

func (a agingJudge) Judge(context.Context, *plimsoll.Input) (plimsoll.Verdict, error) {
	*a.calls++
	a.trial.began = a.trial.began.Add(-maxTrialAge)
	return plimsoll.Verdict{}, nil
}

// A batch whose trial gets too old is given up, and with it the view that it keeps.
func TestTrialsGetTooOld(t *testing.T) {
	calls, run := 0, &trial{began: time.Now()}
	for range 10 {
		c := &plimsoll.Container{ID: "web"}
		run.items = append(run.items, trialItem{
			mutation: &plimsoll.Mutation{Operation: plimsoll.OperationCreate, Key: plimsoll.Key{Namespace: "default", ID: "web"}, Container: c},
			time:     time.Now(), input: &plimsoll.Input{Operation: plimsoll.OperationCreate, Namespace: "default", Object: c},
		})
	}
	s := New(nil, Options{})
	judge := agingJudge{run, &calls}
	r := &shadowRun{
		service: s, rules: &Ruleset{Policies: judge, Validators: judge},
		tally: newShadowTally(time.Now(), newShadowMetrics(prometheus.NewRegistry())),
	}
	r.judge(t.Context(), run)
	if calls != 2 || r.tally.dropped != 9 { // by policies and validators, of the first alone
		t.Errorf("%d calls, %d dropped", calls, r.tally.dropped)
	}
}
