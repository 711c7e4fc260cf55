package service_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/plimsoll-project/plimsoll"
	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

const racers = 64

// race calls f from many goroutines at once and returns their errors.
func race(f func(i int) error) []error {
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errs
}

// Updates of one hot key all succeed, one after the other.
func TestHotKey(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	if _, _, err := c.create(t.Context(), nil, container("web", "kept", "1")); err != nil {
		t.Fatal(err)
	}
	for i, err := range race(func(i int) error {
		key := "k" + strconv.Itoa(i)
		_, _, err := c.update(t.Context(), nil, container("web", key, "v"), "labels."+key)
		return err
	}) {
		if err != nil {
			t.Errorf("update %d: %v", i, err)
		}
	}
	want := map[string]string{"kept": "1"}
	for i := range racers {
		want["k"+strconv.Itoa(i)] = "v"
	}
	got, header, err := c.get(t.Context(), nil, "web")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.GetLabels()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if got := header.Get("plimsoll-revision"); got != strconv.Itoa(1+racers) {
		t.Errorf("revision %s, want %d: one for each update", got, 1+racers)
	}
}

// Of many creators of one id one succeeds, and the others are told why they did not.
func TestRacingCreators(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	winners := 0
	for i, err := range race(func(i int) error {
		_, _, err := c.create(t.Context(), nil, container("web", "by", strconv.Itoa(i)))
		return err
	}) {
		if err == nil {
			winners++
			got, _, err := c.get(t.Context(), nil, "web")
			if err != nil || got.GetLabels()["by"] != strconv.Itoa(i) {
				t.Errorf("stored is %v (%v), but %d was told that it won", got, err, i)
			}
			continue
		}
		failed(t, err, connect.CodeAlreadyExists)
	}
	if winners != 1 {
		t.Errorf("%d creators were told that they won", winners)
	}
}

// Of many conditional updates on one revision one succeeds.
func TestRacingConditions(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
		t.Fatal(err)
	}
	winners := 0
	for _, err := range race(func(i int) error {
		_, _, err := c.update(t.Context(), http.Header{"plimsoll-if-revision": {"1"}}, container("web", "by", strconv.Itoa(i)), "labels.by")
		return err
	}) {
		if err == nil {
			winners++
			continue
		}
		failed(t, err, connect.CodeAborted)
	}
	if revision, _ := f.contents(t); winners != 1 || revision != 2 {
		t.Errorf("%d updates succeeded, and the store is at revision %d; want 1 and 2", winners, revision)
	}
}

// meddler is a store in which another writer commits between judging and commit.
func meddler(inner storage.Store, meddle func(ctx context.Context, attempt int) error) *store {
	var attempts atomic.Int64
	return &store{Store: inner, commit: func(ctx context.Context, v storage.View, change storage.Change) (plimsoll.Revision, error) {
		if err := meddle(ctx, int(attempts.Add(1))); err != nil {
			return 0, err
		}
		return inner.Commit(ctx, v, change)
	}}
}

// A mutation whose state changed while it was judged is judged again, on the new
// state, by the rules it began with; and if the rules now refuse it, it is refused.
func TestStaleStateIsJudgedAgain(t *testing.T) {
	const conflicts = 5
	inner := memstore.New()
	f := newFixture(t, meddler(inner, func(ctx context.Context, attempt int) error {
		if attempt > conflicts+1 || attempt == 1 { // the first is the test's own Create
			return nil
		}
		return setLabel(ctx, inner, "web", "meddled", strconv.Itoa(attempt))
	}), service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
		t.Fatal(err)
	}
	var seen []string
	judge := judgeFunc(func(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
		seen = append(seen, in.Old.Labels["meddled"]+"/"+in.Object.Labels["meddled"])
		return plimsoll.Verdict{Warnings: []plimsoll.Violation{{Message: "judged"}}}, nil
	})
	f.SetRuleset(rules(judge, admit))
	got, header, err := c.update(t.Context(), nil, container("web", "tier", "1"), "labels.tier")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/", "2/2", "3/3", "4/4", "5/5", "6/6"}, seen); diff != "" {
		t.Errorf("judged states (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"meddled": "6", "tier": "1"}, got.GetLabels()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if n := len(header.Values("plimsoll-warning")); n != 1 {
		t.Errorf("%d warnings, want the last verdict's one", n)
	}
	if d, _ := f.lastDecision(t); d.Attempts != conflicts+1 || d.Outcome != plimsoll.OutcomeAdmitted {
		t.Errorf("decision %+v, want admitted after %d attempts", d, conflicts+1)
	}
}

func TestStaleStateMayBeDenied(t *testing.T) {
	inner := memstore.New()
	f := newFixture(t, meddler(inner, func(ctx context.Context, attempt int) error {
		if attempt == 1 {
			return nil
		}
		return setLabel(ctx, inner, "web", "policy", "1")
	}), service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.update(t.Context(), nil, container("web", "tier", "1"), "labels.tier")
	failed(t, err, connect.CodePermissionDenied)
	_, all := f.contents(t)
	if diff := cmp.Diff(map[string]string{"policy": "1"}, all[0].Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// A state that never holds still ends in ABORTED, after a bounded number of tries.
func TestEndlessConflicts(t *testing.T) {
	f := newFixture(t, meddler(memstore.New(), func(context.Context, int) error {
		return fmt.Errorf("commit: %w", plimsoll.ErrConflict)
	}), service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	check := f.unchanged(t)
	_, header, err := c.create(t.Context(), nil, container("web"))
	e := failed(t, err, connect.CodeAborted)
	check()
	if got := detail[*errdetails.ErrorInfo](t, e).GetReason(); got != "CONFLICT" || !hasRetry(e) {
		t.Errorf("reason %q with details %v, want CONFLICT and RetryInfo", got, e.details)
	}
	d, n := f.lastDecision(t)
	if d.Attempts != 128 || n != 1 || d.Outcome != plimsoll.OutcomeFailed || header.Get("plimsoll-decision") != d.ID {
		t.Errorf("decision %+v, want one that failed after 128 attempts", d)
	}
}

// setLabel updates a container behind the service's back.
func setLabel(ctx context.Context, s storage.Store, id, key, value string) error {
	view, err := s.View(ctx)
	if err != nil {
		return err
	}
	defer view.Close()
	c, err := view.Get(ctx, plimsoll.Key{Namespace: "default", ID: id})
	if err != nil {
		return err
	}
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	c.Labels[key] = value
	_, err = s.Commit(ctx, view, storage.Change{Writes: []storage.Write{
		{Operation: plimsoll.OperationUpdate, Namespace: "default", Container: c},
	}})
	return err
}

// A history of concurrent mutations, replayed from the store's events, gives what
// the store holds: everything reported as done was done, once, in that order.
func TestEventsAreWhatWasAnswered(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	var answered sync.Map // revision to container, nil for a delete
	for i, err := range race(func(i int) error {
		id := "c" + strconv.Itoa(i%4)
		var (
			got    *containerdv1.Container
			header http.Header
			err    error
		)
		switch i / 4 % 4 {
		case 0, 3:
			got, header, err = c.create(t.Context(), nil, container(id, "by", strconv.Itoa(i)))
		case 1:
			got, header, err = c.update(t.Context(), nil, container(id, "tier", strconv.Itoa(i)), "labels.tier")
		case 2:
			header, err = c.delete(t.Context(), nil, id)
		}
		if err == nil {
			_, twice := answered.LoadOrStore(header.Get("plimsoll-revision"), got)
			if twice {
				return fmt.Errorf("two answers have revision %s", header.Get("plimsoll-revision"))
			}
			return nil
		}
		var e *failure
		if errors.As(err, &e) && (e.code == connect.CodeNotFound || e.code == connect.CodeAlreadyExists) {
			return nil
		}
		return err
	}) {
		if err != nil {
			t.Errorf("racer %d: %v", i, err)
		}
	}

	last, all := f.contents(t)
	state := map[string]map[string]string{}
	next := plimsoll.Revision(1)
	for e, err := range f.store.Watch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Entry != nil { // the namespace, in the commit of its first container
			continue
		}
		if e.Revision != next {
			t.Fatalf("event of revision %d, want %d", e.Revision, next)
		}
		answer, ok := answered.Load(strconv.FormatUint(uint64(e.Revision), 10))
		if !ok {
			t.Errorf("revision %d (%s %s) was not reported to anybody", e.Revision, e.Operation, e.Container.ID)
		}
		if e.Operation == plimsoll.OperationDelete {
			delete(state, e.Container.ID)
		} else {
			if diff := cmp.Diff(answer.(*containerdv1.Container).GetLabels(), e.Container.Labels); diff != "" {
				t.Errorf("revision %d: labels (-answered +event):\n%s", e.Revision, diff)
			}
			state[e.Container.ID] = e.Container.Labels
		}
		if next++; next > last {
			break
		}
	}
	got := map[string]map[string]string{}
	for _, c := range all {
		got[c.ID] = c.Labels
	}
	if diff := cmp.Diff(state, got); diff != "" {
		t.Errorf("contents (-events +store):\n%s", diff)
	}
}
