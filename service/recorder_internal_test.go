package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

func recordBy(user, namespace string, shown int) *record {
	return &record{shown: make([]byte, shown), decision: &plimsollv1.Decision{
		Id: "01JDF3Q8ZK4M2N6P8R0S2T4V6X", User: &plimsollv1.User{Name: user, Via: "unix"}, Namespace: namespace, Time: timestamppb.New(time.Unix(1e9, 0)),
	}}
}

// Whoever has most in the queue gives way, be it many records or large ones.
func TestQueueGivesWay(t *testing.T) {
	var q recordQueue
	dropped := 0
	for range maxQueuedRecords + 500 {
		dropped += q.push(recordBy("mallory", "n", 0))
	}
	if dropped != 500 {
		t.Errorf("%d were dropped", dropped)
	}
	busy := q.first(recordBatch)
	dropped = 0
	for range 100 {
		dropped += q.push(recordBy("ann", "n", 0))
		dropped += q.push(recordBy("mallory", "other", 0))
	}
	if held := q.held[caller{"unix mallory", "n"}]; dropped != 200 || len(q.records) != maxQueuedRecords || held != (maxQueuedRecords-200)*recordBy("mallory", "n", 0).size() {
		t.Errorf("%d were dropped, %d are queued, of mallory %d bytes", dropped, len(q.records), held)
	}
	for i, r := range busy {
		if q.records[i] != r {
			t.Fatal("a record that is being written has given way")
		}
	}
	for _, r := range q.records[len(q.records)-200:] {
		if r.caller() == (caller{"unix mallory", "n"}) {
			t.Fatal("an older record has given way to a newer one of the same caller")
		}
	}
	q.written()
	for len(q.records) > 0 {
		q.first(recordBatch)
		q.written()
	}
	if q.bytes != 0 || len(q.held) != 0 {
		t.Errorf("an empty queue has %d bytes, of %v", q.bytes, q.held)
	}
	if n := q.push(recordBy("ann", "n", maxQueuedBytes)); n != 1 || len(q.records) != 0 {
		t.Errorf("a record that is larger than the queue: %d were dropped", n)
	}
}

// A flood of one user, in one namespace or in any number of them, leaves room for others.
func TestBudgetIsShared(t *testing.T) {
	now := time.Unix(1e9, 0)
	b := newBudget(1000, time.Hour)
	takeAll := func(user string, namespaces int) (taken int, last dropReason) {
		for i := range namespaces {
			for {
				why := b.take(caller{user, fmt.Sprint("n", i)}, 1, now)
				if why != "" {
					last = why
					break
				}
				taken++
			}
		}
		return taken, last
	}
	for _, step := range []struct {
		user       string
		namespaces int
		want       int
		why        dropReason
	}{
		{"mallory", 1, 250, dropCaller}, {"mallory", 9, 250, dropCaller}, {"ann", 1, 250, dropCaller}, {"bob", 3, 250, dropTotal}, {"carl", 1, 0, dropTotal},
	} {
		if got, why := takeAll(step.user, step.namespaces); got != step.want || why != step.why {
			t.Errorf("%s took %d bytes in %d namespaces (%s), want %d (%s)", step.user, got, step.namespaces, why, step.want, step.why)
		}
	}
	now = now.Add(30 * time.Minute)
	if got, _ := takeAll("mallory", 1); got != 125 {
		t.Errorf("after half of the time, %d bytes can be taken", got)
	}
}

// faultyLog is a store whose log can be full.
type faultyLog struct {
	storage.Store
	err error
}

func (s *faultyLog) Append(ctx context.Context, records []storage.Record) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.Append(ctx, records)
}

// What was dropped is counted, in a metric and in the log itself.
func TestDropsAreRecorded(t *testing.T) {
	now := time.Unix(1e9, 0)
	store := &faultyLog{Store: memstore.New()}
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	r := newRecorder(store, Options{
		DecisionRetention: time.Hour, DecisionLimit: 16 << 10, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
	}, m)
	write := func(n int) {
		t.Helper()
		for range n {
			r.queue.push(recordBy("ann", "n", 1<<10))
		}
		r.write(r.queue.first(n))
	}
	logged := func() (decisions int, counts []map[string]uint64) {
		t.Helper()
		view, err := store.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		if err := view.VerifyLog(t.Context(), func(e *storage.Logged) error {
			if e.Kind == plimsoll.KindDecision {
				decisions++
				return nil
			}
			var m storagev1.DroppedDecisions
			if err := proto.Unmarshal(e.Value, &m); err != nil {
				return err
			}
			if !m.GetSince().AsTime().Equal(time.Unix(1e9, 0)) && len(counts) == 0 {
				t.Errorf("drops are since %s", m.GetSince().AsTime())
			}
			counts = append(counts, m.GetCounts())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return decisions, counts
	}

	write(5) // of which one has room: a quarter of half of 16 KiB is 2 KiB
	store.err = errors.New("no room")
	now = now.Add(time.Second)
	write(2)
	store.err = nil
	now = now.Add(2 * dropInterval)
	write(1)
	now = now.Add(time.Hour)
	write(1)
	if err := r.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	decisions, counts := logged()
	want := []map[string]uint64{{"caller": 6}, {"caller": 1}}
	if diff := cmp.Diff(want, counts); diff != "" || decisions != 2 {
		t.Errorf("%d decisions, and drops (-want +got):\n%s", decisions, diff)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	metric := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "plimsoll_decisions_dropped_total" {
				metric[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	if diff := cmp.Diff(map[string]float64{"caller": 7, "failed": 0, "queue": 0, "total": 0}, metric); diff != "" {
		t.Errorf("the metric (-want +got):\n%s", diff)
	}
}
