package service_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
)

// operator is a client of the server's own user.
func (f *fixture) operator(t *testing.T) plimsollv1connect.DecisionServiceClient {
	t.Helper()
	user := plimsoll.User{Name: fmt.Sprintf("uid:%d", os.Geteuid()), Via: "unix"}
	srv := f.serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.Handler().ServeHTTP(w, r.WithContext(service.WithUser(r.Context(), user)))
	}))
	return plimsollv1connect.NewDecisionServiceClient(srv.Client(), srv.URL)
}

func ids(decisions []*plimsollv1.Decision) string {
	var all []string
	for _, d := range decisions {
		all = append(all, d.GetContainerId())
	}
	return strings.Join(all, " ")
}

func TestDecisionFilters(t *testing.T) {
	start, calls := time.Now().Truncate(time.Second), atomic.Int64{}
	now := func() time.Time { return start.Add(time.Duration(calls.Add(1)) * time.Second) }
	f := newFixture(t, nil, service.Options{Now: now})
	c := f.decisionClients(t)
	var times []time.Time // at which each began, or a little before
	for i, labels := range [][]string{{"policy", "1"}, {"validator", "1"}, {"warn", "1"}, nil} {
		times = append(times, start.Add(time.Duration(calls.Load())*time.Second+time.Millisecond))
		_, _, _ = c.create(t.Context(), nil, container(fmt.Sprintf("c%d", i), labels...))
		f.flushed(t)
	}
	times = append(times, start.Add(time.Duration(calls.Load())*time.Second+time.Millisecond))
	_, _, _ = c.update(t.Context(), nil, container("c3", "policy", "2"), "labels")
	f.flushed(t)
	at := func(i int) *timestamppb.Timestamp { return timestamppb.New(times[i]) }
	for name, test := range map[string]struct {
		req  *plimsollv1.ListDecisionsRequest
		want string
	}{
		"policy":                  {&plimsollv1.ListDecisionsRequest{Policy: "labels.required"}, "c3 c2 c0"},
		"validator":               {&plimsollv1.ListDecisionsRequest{Validator: "runc-spec"}, "c1"},
		"a validator as policy":   {&plimsollv1.ListDecisionsRequest{Policy: "runc-spec"}, ""},
		"rule":                    {&plimsollv1.ListDecisionsRequest{Rule: "deny"}, "c3 c2 c0"},
		"rule in full":            {&plimsollv1.ListDecisionsRequest{Rule: "labels.required.deny"}, "c3 c2 c0"},
		"rule by code":            {&plimsollv1.ListDecisionsRequest{Rule: "MOUNT_RELATIVE"}, "c1"},
		"rule by line":            {&plimsollv1.ListDecisionsRequest{Rule: "labels.rego:12", Outcome: plimsollv1.Outcome_OUTCOME_DENIED}, "c3 c0"},
		"rule of another package": {&plimsollv1.ListDecisionsRequest{Rule: "deny", Policy: "other"}, ""},
		"operation":               {&plimsollv1.ListDecisionsRequest{Operation: plimsollv1.Operation_OPERATION_UPDATE}, "c3"},
		"since":                   {&plimsollv1.ListDecisionsRequest{Since: at(2)}, "c3 c3 c2"},
		"until":                   {&plimsollv1.ListDecisionsRequest{Until: at(2), PageSize: 1}, "c1 c0"},
		"between":                 {&plimsollv1.ListDecisionsRequest{Since: at(1), Until: at(3), PageSize: 1}, "c2 c1"},
		"long ago":                {&plimsollv1.ListDecisionsRequest{Until: timestamppb.New(time.Unix(0, 0))}, ""},
		"before time began":       {&plimsollv1.ListDecisionsRequest{Until: timestamppb.New(time.Unix(-1, 0))}, ""},
		"in the far future":       {&plimsollv1.ListDecisionsRequest{Since: timestamppb.New(start.AddDate(1000, 0, 0))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(c.list(t, test.req), " "); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			all := proto.CloneOf(test.req)
			all.AllNamespaces = true
			if got := strings.Join((decisions{DecisionServiceClient: f.operator(t)}).list(t, all), " "); got != test.want {
				t.Errorf("of all namespaces %q, want %q", got, test.want)
			}
		})
	}
	for field, req := range map[string]*plimsollv1.ListDecisionsRequest{
		"operation": {Operation: 99}, "since": {Since: &timestamppb.Timestamp{Nanos: -1}}, "until": {Until: &timestamppb.Timestamp{Nanos: -1}},
	} {
		if _, err := c.ListDecisions(t.Context(), req); codeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// Operators see the decisions of all namespaces, page by page, whatever is recorded meanwhile;
// nobody else does.
func TestDecisionsOfAllNamespaces(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := f.decisionClients(t)
	const n = 600 // more than are read at once
	for i := range n {
		_, _, _ = c.create(t.Context(), http.Header{"containerd-namespace": {fmt.Sprint("ns", i%7)}}, container(fmt.Sprintf("c%03d", i), "policy", fmt.Sprint(i%2)))
	}
	f.flushed(t)
	o := decisions{DecisionServiceClient: f.operator(t)}
	req := &plimsollv1.ListDecisionsRequest{AllNamespaces: true, PageSize: 100}
	var got []*plimsollv1.Decision
	for page := 0; ; page++ {
		res, err := o.ListDecisions(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, res.GetDecisions()...)
		if page == 0 && res.GetSequence() < n { // inputs are in the log, too
			t.Errorf("the log goes to %d", res.GetSequence())
		}
		_, _, _ = c.create(t.Context(), nil, container(fmt.Sprint("later", page)))
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
	}
	seen := map[string]bool{}
	for i, d := range got {
		if seen[d.GetId()] = true; i > 0 && d.GetSequence() >= got[i-1].GetSequence() {
			t.Fatalf("%d comes after %d", d.GetSequence(), got[i-1].GetSequence())
		}
	}
	if len(seen) != n || len(got) != n {
		t.Errorf("%d decisions, %d different ones", len(got), len(seen))
	}
	if denied := o.list(t, &plimsollv1.ListDecisionsRequest{AllNamespaces: true, Outcome: plimsollv1.Outcome_OUTCOME_DENIED}); len(denied) != n/2 {
		t.Errorf("%d denied", len(denied))
	}
	for _, call := range []func() error{
		func() error {
			_, err := c.ListDecisions(t.Context(), &plimsollv1.ListDecisionsRequest{AllNamespaces: true})
			return err
		},
		func() error {
			s, err := c.TailDecisions(t.Context(), &plimsollv1.TailDecisionsRequest{AllNamespaces: true})
			if err == nil {
				s.Receive()
				err = s.Err()
			}
			return err
		},
	} {
		if err := call(); codeOf(err) != connect.CodePermissionDenied {
			t.Errorf("for anybody: %v", err)
		}
	}
	req.PageToken = "eyJyIjoxLCJhIjoieCJ9"
	if _, err := o.ListDecisions(t.Context(), req); codeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a page token that is none: %v", err)
	}
}

// received is what a tail brings, up to a decision about a container.
func received(t *testing.T, stream *connect.ServerStreamForClient[plimsollv1.TailDecisionsResponse], until string) (got []*plimsollv1.Decision, at uint64) {
	t.Helper()
	for stream.Receive() {
		if step := stream.Msg(); step.GetSequence() < at {
			t.Errorf("it went from %d back to %d", at, step.GetSequence())
		}
		at = stream.Msg().GetSequence()
		if d := stream.Msg().GetDecision(); d != nil {
			if got = append(got, d); d.GetSequence() != at {
				t.Errorf("decision %d is told as %d", d.GetSequence(), at)
			}
			if d.GetContainerId() == until {
				return got, at
			}
		}
	}
	t.Fatal(stream.Err())
	return nil, 0
}

func TestTailDecisions(t *testing.T) {
	f := newFixture(t, nil, service.Options{DecisionInputs: service.InputsRefused}) // sequences are as counted here
	c := f.decisionClients(t)
	create := func(id string, labels ...string) { _, _, _ = c.create(t.Context(), nil, container(id, labels...)) }
	create("a", "policy", "1")
	create("b")
	f.flushed(t)

	// From the beginning, live, and on from a place; each with a filter, too.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open := func(req *plimsollv1.TailDecisionsRequest) *connect.ServerStreamForClient[plimsollv1.TailDecisionsResponse] {
		s, err := c.TailDecisions(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	all, live := open(&plimsollv1.TailDecisionsRequest{AfterSequence: proto.Uint64(0)}), open(&plimsollv1.TailDecisionsRequest{})
	denied := open(&plimsollv1.TailDecisionsRequest{AfterSequence: proto.Uint64(0), Outcome: plimsollv1.Outcome_OUTCOME_DENIED})
	if !live.Receive() || live.Msg().GetDecision() != nil || live.Msg().GetSequence() != 2 {
		t.Fatalf("it begins with %v, %v", live.Msg(), live.Err())
	}
	if _, _, err := c.create(t.Context(), http.Header{"containerd-namespace": {"other"}}, container("x")); err != nil {
		t.Fatal(err)
	}
	create("c", "policy", "1")
	create("d")
	create("e", "policy", "1")
	everything, at := received(t, all, "e")
	if got := sortedWords(ids(everything)); got != "a b c d e" {
		t.Errorf("all: %s", got)
	}
	if got, _ := received(t, live, "e"); sortedWords(ids(got)) != "c d e" {
		t.Errorf("live: %s", ids(got))
	}
	if got, _ := received(t, denied, "e"); ids(got) != "a c e" {
		t.Errorf("denied: %s", ids(got))
	}
	create("f")
	if got, _ := received(t, open(&plimsollv1.TailDecisionsRequest{AfterSequence: proto.Uint64(at)}), "f"); !strings.HasSuffix(ids(got), "f") || strings.Contains(ids(got), "a") {
		t.Errorf("after %d: %s", at, ids(got))
	}

	// What is not kept any more cannot be begun with.
	if _, err := f.store.TrimLog(t.Context(), storage.Retention{Since: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	old := open(&plimsollv1.TailDecisionsRequest{AfterSequence: proto.Uint64(1)})
	for old.Receive() {
	}
	if codeOf(old.Err()) != connect.CodeOutOfRange {
		t.Errorf("after what is gone: %v", old.Err())
	}
	wrong := open(&plimsollv1.TailDecisionsRequest{BookmarkInterval: durationpb.New(time.Millisecond)})
	for wrong.Receive() {
	}
	if codeOf(wrong.Err()) != connect.CodeInvalidArgument {
		t.Errorf("bookmarks all the time: %v", wrong.Err())
	}
	// A server that stops says where to go on.
	f.Drain()
	for live.Receive() {
	}
	if codeOf(live.Err()) != connect.CodeUnavailable || !strings.Contains(live.Err().Error(), "go on after decision 7") {
		t.Errorf("when it stops: %v", live.Err())
	}
}

func sortedWords(text string) string {
	return strings.Join(slices.Sorted(slices.Values(strings.Fields(text))), " ")
}
