package service_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
)

// watching is an open watch.
type watching struct {
	t      *testing.T
	stream *connect.ServerStreamForClient[plimsollv1.WatchResponse]
}

func startWatch(t *testing.T, c plimsollv1connect.ContainerServiceClient, req *plimsollv1.WatchRequest) *watching {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it only keeps a test that fails from hanging
	stream, err := c.Watch(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		stream.Close()
	})
	return &watching{t, stream}
}

// next is the next message as a line.
func (w *watching) next() string {
	w.t.Helper()
	if !w.stream.Receive() {
		w.t.Fatalf("the watch ended: %v", w.stream.Err())
	}
	m := w.stream.Msg()
	line := fmt.Sprint(m.GetRevision())
	switch step := m.GetStep().(type) {
	case *plimsollv1.WatchResponse_Bookmark_:
		line += " bookmark"
	case *plimsollv1.WatchResponse_Snapshot_:
		line += fmt.Sprintf(" snapshot [%s] %v", names(step.Snapshot.GetContainers()), step.Snapshot.GetLast())
	case *plimsollv1.WatchResponse_Commit_:
		for _, e := range step.Commit.GetEvents() {
			line += fmt.Sprintf(" %s %s %s", strings.TrimPrefix(e.GetOperation().String(), "OPERATION_"), e.GetContainer().GetId(),
				strings.TrimPrefix(e.GetSelection().String(), "SELECTION_"))
		}
	}
	return line
}

func (w *watching) expect(want ...string) {
	w.t.Helper()
	for _, want := range want {
		if got := w.next(); got != want {
			w.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func relabel(t *testing.T, c plimsollv1connect.ContainerServiceClient, id, key, value string) {
	t.Helper()
	res, err := c.BatchUpdate(t.Context(), &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{{
		Container: full(id, key, value), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels." + key}},
	}}})
	if err != nil || !res.GetCommitted() {
		t.Fatal(res, err)
	}
}

func TestWatch(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	for name, c := range plimsollClients(t, f.serve(t)) {
		t.Run(name, func(t *testing.T) {
			at, _ := f.contents(t)
			r := func(n int) string { return fmt.Sprint(int(at) + n) }
			a, b := "a-"+strings.ReplaceAll(name, "+", "-"), "b-"+strings.ReplaceAll(name, "+", "-")
			live := startWatch(t, c, &plimsollv1.WatchRequest{})
			live.expect(r(0) + " bookmark")
			filtered := startWatch(t, c, &plimsollv1.WatchRequest{Filters: []string{"labels.team==core"}})
			filtered.expect(r(0) + " bookmark")

			createAll(t, c, full(a, "team", "core"), full(b))
			relabel(t, c, b, "team", "core")
			relabel(t, c, a, "x", "1")
			relabel(t, c, a, "team", "web")
			relabel(t, c, a, "x", "2")
			if _, err := c.BatchDelete(t.Context(), &plimsollv1.BatchDeleteRequest{Operations: []*plimsollv1.DeleteOperation{{Id: a}, {Id: b}}}); err != nil {
				t.Fatal(err)
			}
			all := []string{
				fmt.Sprintf("%s CREATE %s ENTERED CREATE %s ENTERED", r(1), a, b), fmt.Sprintf("%s UPDATE %s STAYED", r(2), b),
				fmt.Sprintf("%s UPDATE %s STAYED", r(3), a), fmt.Sprintf("%s UPDATE %s STAYED", r(4), a), fmt.Sprintf("%s UPDATE %s STAYED", r(5), a),
				fmt.Sprintf("%s DELETE %s LEFT DELETE %s LEFT", r(6), a, b),
			}
			live.expect(all...)
			filtered.expect(
				fmt.Sprintf("%s CREATE %s ENTERED", r(1), a), fmt.Sprintf("%s UPDATE %s ENTERED", r(2), b), fmt.Sprintf("%s UPDATE %s STAYED", r(3), a),
				fmt.Sprintf("%s UPDATE %s LEFT", r(4), a), fmt.Sprintf("%s DELETE %s LEFT", r(6), b),
			)
			for skip := range all {
				after := uint64(at) + uint64(skip)
				startWatch(t, c, &plimsollv1.WatchRequest{AfterRevision: &after}).expect(append([]string{r(skip) + " bookmark"}, all[skip:]...)...)
			}
		})
	}
}

func TestWatchSnapshot(t *testing.T) {
	_, c := newPlimsoll(t, service.Options{})
	w := startWatch(t, c, &plimsollv1.WatchRequest{Snapshot: true})
	w.expect("0 snapshot [] true")
	createAll(t, c, full("a", "team", "core"), full("b"), full("c", "team", "core"))
	w.expect("1 CREATE a ENTERED CREATE b ENTERED CREATE c ENTERED")
	w = startWatch(t, c, &plimsollv1.WatchRequest{Snapshot: true, Filters: []string{"labels.team==core"}})
	w.expect("1 snapshot [a c] true")
	relabel(t, c, "b", "team", "core")
	w.expect("2 UPDATE b ENTERED")

	var many []*plimsollv1.Container
	for i := range 600 {
		many = append(many, full(fmt.Sprintf("m%03d", i), "many", "1"))
	}
	createAll(t, c, many...)
	w = startWatch(t, c, &plimsollv1.WatchRequest{Snapshot: true, Filters: []string{"labels.many"}})
	for i, want := range []string{"0 false 256", "0 false 256", "3 true 88"} {
		if !w.stream.Receive() {
			t.Fatal(w.stream.Err())
		}
		m := w.stream.Msg()
		if got := fmt.Sprint(m.GetRevision(), m.GetSnapshot().GetLast(), len(m.GetSnapshot().GetContainers())); strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("part %d is %s, want %s", i, got, want)
		}
	}
}

func TestWatchBookmarks(t *testing.T) {
	_, c := newPlimsoll(t, service.Options{})
	w := startWatch(t, c, &plimsollv1.WatchRequest{Filters: []string{"labels.none"}, BookmarkInterval: durationpb.New(time.Second)})
	w.expect("0 bookmark")
	createAll(t, c, full("a"))
	for w.next() != "1 bookmark" { // sooner or later
	}
}

func TestWatchRefuses(t *testing.T) {
	_, c := newPlimsoll(t, service.Options{})
	after := uint64(0)
	for text, req := range map[string]*plimsollv1.WatchRequest{
		"at least 1s":            {BookmarkInterval: durationpb.New(time.Millisecond)},
		"must not be given with": {AfterRevision: &after, Snapshot: true},
		"at byte":                {Filters: []string{"id="}},
	} {
		stream, err := c.Watch(t.Context(), req)
		if err == nil {
			stream.Receive()
			err = stream.Err()
			stream.Close()
		}
		codeIs(t, err, connect.CodeInvalidArgument, text)
	}
}

// A server that stops tells its watchers, and where to go on.
func TestWatchDraining(t *testing.T) {
	f, c := newPlimsoll(t, service.Options{})
	w := startWatch(t, c, &plimsollv1.WatchRequest{})
	w.expect("0 bookmark")
	createAll(t, c, full("a"))
	w.expect("1 CREATE a ENTERED")
	f.Drain()
	if w.stream.Receive() {
		t.Fatalf("got %v", w.stream.Msg())
	}
	codeIs(t, w.stream.Err(), connect.CodeUnavailable, "go on after revision 1")
}

// A watcher who does not read costs the others nothing.
func TestWatchStalled(t *testing.T) {
	_, c := newPlimsoll(t, service.Options{})
	from := uint64(0)
	stalled := startWatch(t, c, &plimsollv1.WatchRequest{AfterRevision: &from})
	stalled.expect("0 bookmark")
	good := startWatch(t, c, &plimsollv1.WatchRequest{AfterRevision: &from})
	good.expect("0 bookmark")
	const commits, each = 20, 200 // far more than flow control lets through
	for i := range commits {
		var many []*plimsollv1.Container
		for j := range each {
			many = append(many, full(fmt.Sprintf("c-%d-%d", i, j), "padding", strings.Repeat("x", 2000)))
		}
		createAll(t, c, many...)
		if !good.stream.Receive() || good.stream.Msg().GetRevision() != uint64(i+1) || len(good.stream.Msg().GetCommit().GetEvents()) != each {
			t.Fatalf("after commit %d: %v", i+1, good.stream.Err())
		}
	}
	for i := range commits { // and it may still catch up
		if !stalled.stream.Receive() || stalled.stream.Msg().GetRevision() != uint64(i+1) {
			t.Fatalf("catching up: %v", stalled.stream.Err())
		}
	}
}
