package service_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
)

// plimsollClients are clients of ContainerService in every protocol.

func plimsollClients(t *testing.T, srv *httptest.Server) map[string]plimsollv1connect.ContainerServiceClient {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	h2c := &http.Transport{Protocols: &protocols}
	t.Cleanup(h2c.CloseIdleConnections)
	hc := &http.Client{Transport: h2c}
	return map[string]plimsollv1connect.ContainerServiceClient{
		"connect":       plimsollv1connect.NewContainerServiceClient(hc, srv.URL),
		"connect+http1": plimsollv1connect.NewContainerServiceClient(srv.Client(), srv.URL),
		"grpc":          plimsollv1connect.NewContainerServiceClient(hc, srv.URL, connect.WithGRPC()),
		"grpcweb":       plimsollv1connect.NewContainerServiceClient(srv.Client(), srv.URL, connect.WithGRPCWeb()),
		"json":          plimsollv1connect.NewContainerServiceClient(hc, srv.URL, connect.WithCodec(service.JSONCodecs()[0])),
	}
}

func newPlimsoll(t *testing.T, options service.Options) (*fixture, plimsollv1connect.ContainerServiceClient) {
	t.Helper()
	f := newFixture(t, nil, options)
	return f, plimsollClients(t, f.serve(t))["grpc"]
}

func withHeaders(ctx context.Context, headers ...string) (context.Context, connect.CallInfo) {
	ctx, info := connect.NewClientContext(ctx)
	for i := 0; i < len(headers); i += 2 {
		info.RequestHeader().Set(headers[i], headers[i+1])
	}
	return ctx, info
}

// full is a container with every field set.

func full(id string, pairs ...string) *plimsollv1.Container {
	c := container(id, pairs...)
	return &plimsollv1.Container{
		Id: id, Labels: c.GetLabels(), Image: c.GetImage(), Spec: c.GetSpec(),
		Runtime:     &plimsollv1.Runtime{Name: runc, Options: &anypb.Any{TypeUrl: "options", Value: []byte{1, 2}}},
		Snapshotter: "overlayfs", SnapshotKey: id, SandboxId: "pod",
		Extensions: map[string]*anypb.Any{"nerdctl": {TypeUrl: "ext", Value: []byte("x")}},
	}
}

func createAll(t *testing.T, c plimsollv1connect.ContainerServiceClient, containers ...*plimsollv1.Container) {
	t.Helper()
	req := &plimsollv1.BatchCreateRequest{}
	for _, v := range containers {
		req.Operations = append(req.Operations, &plimsollv1.CreateOperation{Container: v})
	}
	res, err := c.BatchCreate(t.Context(), req)
	if err != nil || !res.GetCommitted() {
		t.Fatalf("BatchCreate: %v, %v", res, err)
	}
}

func codeIs(t *testing.T, err error, code connect.Code, text string) {
	t.Helper()
	if connect.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want %v with %q", err, code, text)
	}
}

func TestPlimsollRecord(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	for name, c := range plimsollClients(t, f.serve(t)) {
		t.Run(name, func(t *testing.T) {
			id := strings.ReplaceAll(name, "+", "-")
			want := full(id, "team", "core")
			createAll(t, c, want)
			res, err := c.GetContainer(t.Context(), &plimsollv1.GetContainerRequest{Id: id})
			if err != nil {
				t.Fatal(err)
			}
			got := res.GetContainer()
			if got.GetRevision() == 0 || got.GetCreatedAt() == nil || got.GetUpdatedAt() == nil {
				t.Errorf("output only fields are not set: %v", got)
			}
			output := protocmp.IgnoreFields(&plimsollv1.Container{}, "revision", "created_at", "updated_at")
			if diff := cmp.Diff(want, got, protocmp.Transform(), output); diff != "" {
				t.Errorf("(-created +got):\n%s", diff)
			}
			masked, err := c.GetContainer(t.Context(), &plimsollv1.GetContainerRequest{Id: id, ReadMask: &fieldmaskpb.FieldMask{Paths: []string{"id", "labels"}}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&plimsollv1.Container{Id: id, Labels: map[string]string{"team": "core"}}, masked.GetContainer(), protocmp.Transform()); diff != "" {
				t.Errorf("masked (-want +got):\n%s", diff)
			}
			_, err = c.GetContainer(t.Context(), &plimsollv1.GetContainerRequest{Id: id, ReadMask: &fieldmaskpb.FieldMask{Paths: []string{"lables"}}})
			codeIs(t, err, connect.CodeInvalidArgument, `unknown path "lables"`)
			_, err = c.GetContainer(t.Context(), &plimsollv1.GetContainerRequest{Id: "nobody"})
			codeIs(t, err, connect.CodeNotFound, "nobody")
		})
	}
}

// Pages are exactly what was there at the revision of the first, whatever is changed

// meanwhile.

// A page whose state is not held any more is an error, never a page of another state.

func TestHistory(t *testing.T) {
	f, c := newPlimsoll(t, service.Options{})
	createAll(t, c, full("web", "a", "1"), full("other"))
	for i := range 4 {
		v := full("web", "a", "1", "n", fmt.Sprint(i))
		if i == 3 {
			v.Spec.Value = []byte(`{"ociVersion":"1.3.0"}`)
		}
		if _, err := c.BatchUpdate(t.Context(), &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{{Container: v}}}); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := c.BatchDelete(t.Context(), &plimsollv1.BatchDeleteRequest{Operations: []*plimsollv1.DeleteOperation{{Id: "web"}}}); err != nil || !res.GetCommitted() {
		t.Fatal(res, err)
	}
	history := func() (all []*plimsollv1.Event, compacted uint64) {
		req := &plimsollv1.GetHistoryRequest{Id: "web", PageSize: 2}
		for {
			res, err := c.GetHistory(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			all, compacted = append(all, res.GetEvents()...), res.GetCompactedRevision()
			if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
				return all, compacted
			}
		}
	}
	lines := func(events []*plimsollv1.Event) (lines []string) {
		for _, e := range events {
			lines = append(lines, fmt.Sprintf("%d %s %v", e.GetRevision(), strings.TrimPrefix(e.GetOperation().String(), "OPERATION_"), e.GetChanged()))
			if e.GetDecisionId() == "" || e.GetRuleset() == "" || e.GetTime() == nil || e.GetUser().GetVia() == "" || e.GetContainer().GetSpec() != nil {
				t.Errorf("event %v", e)
			}
		}
		return lines
	}
	want := []string{"6 DELETE []", "5 UPDATE [labels.n spec]", "4 UPDATE [labels.n]", "3 UPDATE [labels.n]", "2 UPDATE [labels.n]", "1 CREATE []"}
	all, compacted := history()
	if diff := cmp.Diff(want, lines(all)); diff != "" || compacted != 0 {
		t.Errorf("compacted %d, (-want +got):\n%s", compacted, diff)
	}
	if err := f.store.Compact(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	all, compacted = history()
	if diff := cmp.Diff(want[:3], lines(all)); diff != "" || compacted != 3 {
		t.Errorf("compacted %d, (-want +got):\n%s", compacted, diff)
	}
	if res, err := c.GetHistory(t.Context(), &plimsollv1.GetHistoryRequest{Id: "nobody"}); err != nil || len(res.GetEvents()) != 0 {
		t.Errorf("history of nobody: %v, %v", res, err)
	}
}

// A batch that is sent again is done once, and one that is not the same is refused.

// Filters that would take much memory or time are refused.

func TestFilterBounds(t *testing.T) {
	_, c := newPlimsoll(t, service.Options{})
	for text, filters := range map[string][]string{
		"more than 4096 steps":     {"id~=/" + strings.Repeat(".{900}", 6) + "/"},
		"at most 64 are allowed":   {strings.Repeat("id,", 65) + "id"},
		"at most 16384 are allowe": slices.Repeat([]string{"id==" + strings.Repeat("x", 1000)}, 17),
	} {
		_, err := c.ListContainers(t.Context(), &plimsollv1.ListContainersRequest{Filters: filters})
		codeIs(t, err, connect.CodeInvalidArgument, text)
	}
	if _, err := c.ListContainers(t.Context(), &plimsollv1.ListContainersRequest{Filters: []string{`id~=/^[a-z]{1,76}$/,image~="nginx:(1|2)\\.[0-9]+"`}}); err != nil {
		t.Error(err)
	}
}

// Of many that send the same request at once, one does it, and all get its answer.

// A request ID is forgotten after a while, and belongs to who used it.

func TestNamespaceLabelsAreInput(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	var seen []map[string]string
	f.SetRuleset(rules(judgeFunc(func(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
		seen = append(seen, in.NamespaceLabels)
		return plimsoll.Verdict{}, nil
	}), admit))
	if _, _, err := c.create(t.Context(), nil, container("a")); err != nil {
		t.Fatal(err)
	}
	view, err := f.store.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if _, err := view.Entry(t.Context(), plimsoll.EntryKey{Kind: plimsoll.KindNamespace, Key: "default"}); err != nil {
		t.Errorf("the namespace did not come into being: %v", err)
	}
	if len(seen) != 1 || len(seen[0]) != 0 {
		t.Errorf("rules saw %v", seen)
	}
}

func TestCompactedWatch(t *testing.T) {
	f, c := newPlimsoll(t, service.Options{})
	for i := range 4 {
		createAll(t, c, full(fmt.Sprint("c", i)))
	}
	if err := f.store.Compact(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	revision := uint64(1)
	stream, err := c.Watch(t.Context(), &plimsollv1.WatchRequest{AfterRevision: &revision})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for stream.Receive() {
	}
	codeIs(t, stream.Err(), connect.CodeOutOfRange, "oldest revision to go on after is 2")
	var e *connect.Error
	if errors.As(stream.Err(), &e) {
		for _, d := range e.Details() {
			if v, _ := d.Value(); v != nil {
				if info, ok := v.(*errdetails.ErrorInfo); ok && info.GetMetadata()["oldest_revision"] == "2" && info.GetReason() == "COMPACTED" {
					return
				}
			}
		}
	}
	t.Errorf("no detail names the oldest revision: %v", stream.Err())
}

// payloadCounter counts the containers that are read with their payloads.

// A list reads the specs of what it returns, if it is asked to, and no others.
