package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
)

// fakeService is a server that does what real ones rarely do.
type fakeService struct {
	plimsollv1connect.UnimplementedContainerServiceHandler

	// streams are the watches to come: what each sends, and how it ends.
	streams []fakeStream
	// conflicts is how many updates are refused because somebody else was faster.
	conflicts int
	// expired is how many lists lose their state after the first page.
	expired int

	mu       sync.Mutex
	watches  []*plimsollv1.WatchRequest
	revision uint64
	updates  []*plimsollv1.UpdateOperation
}

type fakeStream struct {
	steps []*plimsollv1.WatchResponse
	err   error // nil: silence
}

func (f *fakeService) Watch(ctx context.Context, req *plimsollv1.WatchRequest, stream *connect.ServerStream[plimsollv1.WatchResponse]) error {
	f.mu.Lock()
	n := len(f.watches)
	f.watches = append(f.watches, proto.CloneOf(req))
	f.mu.Unlock()
	if n >= len(f.streams) {
		return connect.NewError(connect.CodeOutOfRange, errors.New("the oldest revision is 99"))
	}
	for _, step := range f.streams[n].steps {
		if err := stream.Send(step); err != nil {
			return err
		}
	}
	if f.streams[n].err == nil {
		<-ctx.Done()
	}
	return f.streams[n].err
}

func (f *fakeService) GetContainer(context.Context, *plimsollv1.GetContainerRequest) (*plimsollv1.GetContainerResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revision++
	return &plimsollv1.GetContainerResponse{Container: &plimsollv1.Container{Id: "web", Image: "old", Revision: f.revision}}, nil
}

func (f *fakeService) BatchUpdate(_ context.Context, req *plimsollv1.BatchUpdateRequest) (*plimsollv1.BatchUpdateResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.updates = append(f.updates, proto.CloneOf(req.GetOperations()[0]))
	result := &plimsollv1.BatchResult{Id: "web", Outcome: plimsollv1.BatchResult_OUTCOME_COMMITTED, Revision: 100}
	if len(f.updates) <= f.conflicts {
		result = &plimsollv1.BatchResult{Id: "web", Outcome: plimsollv1.BatchResult_OUTCOME_FAILED, Code: "ABORTED", Message: "stale revision"}
	}
	return &plimsollv1.BatchUpdateResponse{Results: []*plimsollv1.BatchResult{result}}, nil
}

func (f *fakeService) ListContainers(_ context.Context, req *plimsollv1.ListContainersRequest) (*plimsollv1.ListContainersResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if req.GetPageToken() == "" {
		f.revision++
		return &plimsollv1.ListContainersResponse{Containers: []*plimsollv1.Container{{Id: "a"}}, NextPageToken: "t", Revision: f.revision}, nil
	}
	if f.expired > 0 {
		f.expired--
		return nil, connect.NewError(connect.CodeOutOfRange, errors.New("the page token has expired"))
	}
	return &plimsollv1.ListContainersResponse{Containers: []*plimsollv1.Container{{Id: "b"}}, Revision: f.revision}, nil
}

// plimsoll runs a command against the service and returns what it writes.
func (f *fakeService) plimsoll(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(plimsollv1connect.NewContainerServiceHandler(f))
	server := httptest.NewServer(mux)
	defer server.Close()
	var out, errOut bytes.Buffer
	code = run(append(args, "--address", server.URL), strings.NewReader("id: web\nimage: new\n"), &out, &errOut)
	return code, out.String(), errOut.String()
}

func snapshotOf(revision uint64, last bool, ids ...string) *plimsollv1.WatchResponse {
	part := &plimsollv1.WatchResponse_Snapshot{Last: last}
	for _, id := range ids {
		part.Containers = append(part.Containers, &plimsollv1.Container{Id: id})
	}
	return &plimsollv1.WatchResponse{Revision: revision, Step: &plimsollv1.WatchResponse_Snapshot_{Snapshot: part}}
}

func commitOf(revision uint64, id string) *plimsollv1.WatchResponse {
	return &plimsollv1.WatchResponse{Revision: revision, Step: &plimsollv1.WatchResponse_Commit_{Commit: &plimsollv1.WatchResponse_Commit{
		Events: []*plimsollv1.Event{{Revision: revision, Container: &plimsollv1.Container{Id: id}}},
	}}}
}

func bookmarkOf(revision uint64) *plimsollv1.WatchResponse {
	return &plimsollv1.WatchResponse{Revision: revision, Step: &plimsollv1.WatchResponse_Bookmark_{Bookmark: &plimsollv1.WatchResponse_Bookmark{}}}
}

// A watch that is taken up again asks for what it has not shown, whatever ended it,
// and ends when the server no longer has that.
func TestWatchGoesOn(t *testing.T) {
	t.Parallel()
	stopping := connect.NewError(connect.CodeUnavailable, errors.New("stopping"))
	for _, test := range []struct {
		name    string
		args    []string
		streams []fakeStream
		want    []*plimsollv1.WatchRequest
		shown   string
	}{
		{
			name: "from now, where nothing was yet", args: nil,
			streams: []fakeStream{{[]*plimsollv1.WatchResponse{bookmarkOf(0)}, stopping}},
			want:    []*plimsollv1.WatchRequest{{}, {AfterRevision: proto.Uint64(0)}},
		},
		{
			name: "after bookmarks and commits", args: []string{"--after-revision", "3"},
			streams: []fakeStream{
				{[]*plimsollv1.WatchResponse{bookmarkOf(3), commitOf(5, "a")}, stopping},
				{[]*plimsollv1.WatchResponse{bookmarkOf(5), bookmarkOf(8)}, stopping},
			},
			want: []*plimsollv1.WatchRequest{
				{AfterRevision: proto.Uint64(3)}, {AfterRevision: proto.Uint64(5)}, {AfterRevision: proto.Uint64(8)},
			},
			shown: "a\n",
		},
		{
			name: "half a snapshot is nothing to go on after", args: []string{"--snapshot"},
			streams: []fakeStream{
				{[]*plimsollv1.WatchResponse{snapshotOf(0, false, "a")}, stopping},
				{[]*plimsollv1.WatchResponse{snapshotOf(0, false, "a"), snapshotOf(7, true, "b")}, stopping},
			},
			want:  []*plimsollv1.WatchRequest{{Snapshot: true}, {Snapshot: true}, {AfterRevision: proto.Uint64(7)}},
			shown: "a\na\nb\n",
		},
		{
			name: "silence", args: []string{"--timeout", "500ms"},
			streams: []fakeStream{{[]*plimsollv1.WatchResponse{bookmarkOf(3)}, nil}},
			want:    []*plimsollv1.WatchRequest{{}, {AfterRevision: proto.Uint64(3)}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := &fakeService{streams: test.streams}
			expression := "(.snapshot.containers // .commit.events | .[]) | .id // .container.id"
			code, stdout, stderr := f.plimsoll(t, append([]string{"watch", "--jq", expression}, test.args...)...)
			if code != exitError || !strings.Contains(stderr, "the oldest revision is 99; to see what is there now and go on from that: --snapshot\n") {
				t.Errorf("exit code %d:\n%s", code, stderr)
			}
			if diff := cmp.Diff(test.shown, stdout); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.want, f.watches, protocmp.Transform(), protocmp.IgnoreFields(&plimsollv1.WatchRequest{}, "bookmark_interval")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Errors that are not about the connection end a watch at once.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	f := &fakeService{streams: []fakeStream{{[]*plimsollv1.WatchResponse{bookmarkOf(3)}, connect.NewError(connect.CodeInternal, errors.New("broken"))}}}
	if code, _, stderr := f.plimsoll(t, "watch"); code != exitError || stderr != "plimsoll: broken\n" || len(f.watches) != 1 {
		t.Errorf("exit code %d after %d streams: %s", code, len(f.watches), stderr)
	}
}

// apply never overwrites what somebody else did meanwhile, and does not try for ever.
func TestApplyConflicts(t *testing.T) {
	t.Parallel()
	f := &fakeService{conflicts: maxApplies - 1}
	code, stdout, stderr := f.plimsoll(t, "apply", "-f", "-")
	if code != exitOK || !strings.HasPrefix(stdout, "web configured   revision 100") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	for i, update := range f.updates {
		if got, want := update.GetIfRevision(), uint64(i+1); got != want {
			t.Errorf("update %d is for revision %d, want %d", i, got, want)
		}
	}

	f = &fakeService{conflicts: maxApplies}
	if code, _, stderr := f.plimsoll(t, "apply", "-f", "-"); code != exitConflict || !strings.Contains(stderr, "stale revision") || len(f.updates) != maxApplies {
		t.Errorf("exit code %d after %d updates: %s", code, len(f.updates), stderr)
	}
}

// A list whose pages come too late begins anew: all it shows is of one revision.
func TestListBeginsAnew(t *testing.T) {
	t.Parallel()
	f := &fakeService{expired: maxListings - 1}
	if code, stdout, stderr := f.plimsoll(t, "list", "--jq", "[.containers[].id], .revision"); code != exitOK || stdout != "[\"a\",\"b\"]\n3\n" {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	f = &fakeService{expired: maxListings}
	if code, _, stderr := f.plimsoll(t, "list"); code != exitError || !strings.Contains(stderr, "expired") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestRequestIDs(t *testing.T) {
	chosen := &requestIDs{chosen: "mine"}
	if diff := cmp.Diff([]string{"mine", "mine-2", "mine-3"}, []string{chosen.next(), chosen.next(), chosen.next()}); diff != "" {
		t.Error(diff)
	}
	fresh := &requestIDs{}
	if a, b := fresh.next(), fresh.next(); a == b || len(a) != 26 {
		t.Errorf("%s, %s", a, b)
	}
}

func TestAgeOf(t *testing.T) {
	if got := ageOf(nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	if got := timeOf(nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}
