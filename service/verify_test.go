package service_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// operatorClient is a client that is known as the server's own user.
func (f *fixture) operatorClient(t *testing.T) plimsollv1connect.DecisionServiceClient {
	t.Helper()
	h := f.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := plimsoll.User{Name: fmt.Sprintf("uid:%d", os.Geteuid()), Via: "unix"}
		h.ServeHTTP(w, r.WithContext(service.WithUser(r.Context(), user)))
	}))
	t.Cleanup(srv.Close)
	return plimsollv1connect.NewDecisionServiceClient(srv.Client(), srv.URL)
}

func verifying(ctx context.Context, c plimsollv1connect.DecisionServiceClient, head *plimsollv1.LogPosition) (*plimsollv1.LogReport, error) {
	stream, err := c.VerifyDecisions(ctx, &plimsollv1.VerifyDecisionsRequest{Head: head})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var report *plimsollv1.LogReport
	for stream.Receive() {
		report = stream.Msg().GetReport()
	}
	return report, stream.Err()
}

// The log is verified, with the changes that are kept, and a head can be noted and compared
// later.
func TestVerifyDecisions(t *testing.T) {
	f := newFixture(t, nil, service.Options{DecisionInputs: service.InputsRefused}) // sequences are as counted here
	c, operator := f.decisionClients(t), f.operatorClient(t)
	verify := func(head *plimsollv1.LogPosition) *plimsollv1.LogReport {
		t.Helper()
		report, err := verifying(t.Context(), operator, head)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	none := &plimsollv1.LogPosition{Link: strings.Repeat("0", 64)}
	if r := verify(none); r.GetBroken() != nil || r.GetHead().GetSequence() != 0 || r.GetHead().GetLink() != none.GetLink() {
		t.Errorf("an empty log: %v", r)
	}
	for i := range 5 {
		_, _, _ = c.create(t.Context(), nil, container("web", "tier", fmt.Sprint(i))) // of which one is admitted
		if _, _, err := c.create(t.Context(), http.Header{"containerd-namespace": {"other"}}, container(fmt.Sprint("c", i))); err != nil {
			t.Fatal(err)
		}
	}
	f.flushed(t)
	noted := verify(nil)
	if noted.GetBroken() != nil || noted.GetRecords() != 10 || noted.GetDecisions() != 10 || noted.GetAdmitted() != 6 || noted.GetChanges() != 8 || noted.GetHead().GetSequence() != 10 {
		t.Errorf("report is %v", noted) // each namespace was a change too
	}
	if _, _, err := c.create(t.Context(), nil, container("more")); err != nil {
		t.Fatal(err)
	}
	for _, head := range []*plimsollv1.LogPosition{nil, none, noted.GetHead(), verify(nil).GetHead()} {
		if r := verify(head); r.GetBroken() != nil {
			t.Errorf("%v was noted: %v", head, r.GetBroken())
		}
	}
	link := noted.GetHead().GetLink()
	for want, head := range map[string]*plimsollv1.LogPosition{
		"4 KIND_ALTERED": {Sequence: 4, Link: link}, "12 KIND_CUT_OFF": {Sequence: 99, Link: link},
	} {
		if b := verify(head).GetBroken(); b == nil || fmt.Sprintf("%d %s", b.GetSequence(), b.GetKind()) != want || b.GetProblem() == "" {
			t.Errorf("%v was noted: %v", head, b)
		}
	}
	if !strings.Contains(f.log.String(), "the log of decisions is broken") {
		t.Errorf("the log is %s", f.log.String())
	}
	for name, head := range map[string]*plimsollv1.LogPosition{
		"link": {Sequence: 1, Link: "abc"}, "head": {Sequence: 1, Link: none.GetLink()}, "zeros": {Link: link},
	} {
		if _, err := verifying(t.Context(), operator, head); codeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := verifying(t.Context(), c.DecisionServiceClient, nil); codeOf(err) != connect.CodePermissionDenied {
		t.Errorf("anybody may: %v", err)
	}
}

// What was trimmed and compacted is not missed.
func TestVerifyWhatIsKept(t *testing.T) {
	now := time.Now()
	f := newFixture(t, nil, service.Options{DecisionRetention: time.Hour, Now: func() time.Time { return now }})
	c, operator := f.decisionClients(t), f.operatorClient(t)
	var ids []string
	for i := range 6 {
		now = now.Add(20 * time.Minute)
		_, meta, err := c.create(t.Context(), nil, container(fmt.Sprint("c", i)))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, meta.Get("plimsoll-decision"))
	}
	noted, err := verifying(t.Context(), operator, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.TrimDecisions(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		if _, err := c.GetDecision(t.Context(), &plimsollv1.GetDecisionRequest{Id: id}); (err != nil) != (i < 2) || err != nil && !strings.Contains(err.Error(), "not kept any more") {
			t.Errorf("decision %d: %v", i, err)
		}
	}
	first, err := verifying(t.Context(), operator, noted.GetHead())
	if err != nil || first.GetBroken() != nil || first.GetRecords() != 4 || first.GetChanges() != 4 || first.GetTrimmed().GetSequence() != 2 || !first.GetTrimmedAt().IsValid() {
		t.Errorf("report is %v, %v", first, err)
	}
	if _, err := verifying(t.Context(), operator, &plimsollv1.LogPosition{Sequence: 1, Link: noted.GetHead().GetLink()}); codeOf(err) != connect.CodeOutOfRange {
		t.Errorf("a head that was trimmed: %v", err)
	}
	if r, err := verifying(t.Context(), operator, first.GetTrimmed()); err != nil || r.GetBroken() != nil {
		t.Errorf("where it is kept from: %v, %v", r, err)
	}
	if err := f.store.Compact(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	if r, err := verifying(t.Context(), operator, nil); err != nil || r.GetBroken() != nil || r.GetRecords() != 4 || r.GetChanges() != 2 {
		t.Errorf("report is %v, %v", r, err)
	}
	now = now.Add(2 * time.Hour)
	if err := f.TrimDecisions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := verifying(t.Context(), operator, noted.GetHead()); err != nil || r.GetBroken() != nil || r.GetRecords() != 0 || r.GetHead().GetSequence() != 6 {
		t.Errorf("report is %v, %v", r, err)
	}
}

// forging is a store that changes what is committed.
type forging struct {
	storage.Store
	forge func(*storage.Change)
}

func (s forging) Commit(ctx context.Context, v storage.View, c storage.Change) (plimsoll.Revision, error) {
	s.forge(&c)
	return s.Store.Commit(ctx, v, c)
}

// A change whose decision is not in the log is found, and so is a decision that let in no
// change.
func TestVerifyComparesChanges(t *testing.T) {
	decision := func(id string) storage.Record {
		value, err := proto.Marshal(&storagev1.Decision{Decision: &plimsollv1.Decision{Id: id, Outcome: plimsollv1.Outcome_OUTCOME_ADMITTED}})
		if err != nil {
			t.Fatal(err)
		}
		return storage.Record{EntryKey: plimsoll.EntryKey{Kind: plimsoll.KindDecision, Key: "default/" + id}, Time: time.Now(), Value: value}
	}
	for name, test := range map[string]struct {
		forge func(*storage.Change)
		want  string
	}{
		"nothing":              {func(*storage.Change) {}, ""},
		"another decision":     {func(c *storage.Change) { c.Writes[0].Decision = "another" }, "KIND_REMOVED"},
		"a decision too many":  {func(c *storage.Change) { c.Records = append(c.Records, decision("another")) }, "KIND_INSERTED"},
		"a decision of others": {func(c *storage.Change) { c.Records = []storage.Record{decision("another")} }, "KIND_REMOVED"},
		"no decisions":         {func(c *storage.Change) { c.Records = nil }, ""}, // as when none are kept
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			f := newFixture(t, forging{memstore.New(), func(c *storage.Change) {
				if n++; n == 2 {
					test.forge(c)
				}
			}}, service.Options{})
			c := f.decisionClients(t)
			for i := range 3 {
				if _, _, err := c.create(t.Context(), nil, container(fmt.Sprint("c", i))); err != nil {
					t.Fatal(err)
				}
			}
			r, err := verifying(t.Context(), f.operatorClient(t), nil)
			if err != nil || r.GetBroken() != nil != (test.want != "") || test.want != "" && r.GetBroken().GetKind().String() != test.want {
				t.Errorf("report is %v, %v", r, err)
			}
		})
	}
}

// compacting is a store that lets go of events while somebody reads them.
type compacting struct{ storage.Store }

func (s compacting) Watch(ctx context.Context, after plimsoll.Revision) iter.Seq2[plimsoll.Event, error] {
	return func(yield func(plimsoll.Event, error) bool) {
		if after == 0 {
			if err := s.Compact(ctx, 2); err != nil {
				panic(err)
			}
		}
		for e, err := range s.Store.Watch(ctx, after) {
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestVerifyWhileEventsAreCompacted(t *testing.T) {
	f := newFixture(t, compacting{memstore.New()}, service.Options{})
	c := f.decisionClients(t)
	for i := range 4 {
		if _, _, err := c.create(t.Context(), nil, container(fmt.Sprint("c", i))); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := verifying(t.Context(), f.operatorClient(t), nil); err != nil || r.GetBroken() != nil || r.GetChanges() != 2 || r.GetAdmitted() != 4 {
		t.Errorf("report is %v, %v", r, err)
	}
}
