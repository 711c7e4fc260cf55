package service_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plimsoll-project/plimsoll"
	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
)

// dialContainerd returns a grpc-go connection as containerd's clients make it.
func dialContainerd(t *testing.T, srv *httptest.Server) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+srv.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(service.MaxListBytes)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// in names namespace and other metadata of a call.
func in(ctx context.Context, namespace string, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, append([]string{"containerd-namespace", namespace}, pairs...)...)
}

// today makes a valid container of today's API, and changes it.
func today(id string, changes ...func(*containersapi.Container)) *containersapi.Container {
	c := &containersapi.Container{
		ID: id, Labels: map[string]string{"team": "core"}, Image: "registry.example/" + id + ":1",
		Runtime:     &containersapi.Container_Runtime{Name: runc, Options: &anypb.Any{TypeUrl: "containerd.runc.v1.Options", Value: []byte{8, 1}}},
		Spec:        &anypb.Any{TypeUrl: specType, Value: []byte(`{"ociVersion":"1.2.0"}`)},
		Snapshotter: "zfs", SnapshotKey: id + "-snapshot", Sandbox: "pod",
		Extensions: map[string]*anypb.Any{"a.b": {TypeUrl: "example.org/x", Value: []byte(`{"a":1}`)}, "c": {TypeUrl: "example.org/y", Value: []byte{0}}},
	}
	for _, change := range changes {
		change(c)
	}
	return c
}

// code checks the code of err, and that its message contains each of says.
func code(t *testing.T, err error, want codes.Code, says ...string) {
	t.Helper()
	s := grpcstatus.Convert(err)
	if s.Code() != want {
		t.Fatalf("got %v (%s), want %v", s.Code(), s.Message(), want)
	}
	for _, text := range says {
		if !strings.Contains(s.Message(), text) {
			t.Errorf("message %q does not say %q", s.Message(), text)
		}
	}
	if len(s.Details()) > 0 { // which containerd's clients would print as further errors
		t.Errorf("the error has details: %v", s.Details())
	}
}

func TestContainerdCreateRefuses(t *testing.T) {
	type change = func(*containersapi.Container)
	payload := func(value string) *anypb.Any { return &anypb.Any{TypeUrl: "example.org/x", Value: []byte(value)} }
	extension := func(key, value string) change {
		return func(c *containersapi.Container) { c.Extensions = map[string]*anypb.Any{key: payload(value)} }
	}
	options := func(value string) change {
		return func(c *containersapi.Container) { c.Runtime.Options = payload(value) }
	}
	tests := map[string]struct {
		change change
		says   string
	}{
		"empty":                        {func(c *containersapi.Container) { proto.Reset(c) }, "container.id"},
		"no id":                        {func(c *containersapi.Container) { c.ID = "" }, "container.id"},
		"id of 77 bytes":               {func(c *containersapi.Container) { c.ID = strings.Repeat("a", 77) }, "76"},
		"id that is a path":            {func(c *containersapi.Container) { c.ID = "../a" }, "container.id"},
		"empty label key":              {func(c *containersapi.Container) { c.Labels = map[string]string{"": "x"} }, "empty key"},
		"label of 4097 bytes":          {func(c *containersapi.Container) { c.Labels = map[string]string{"k": strings.Repeat("v", 4096)} }, "4097"},
		"no runtime":                   {func(c *containersapi.Container) { c.Runtime = nil }, "runtime is required"},
		"no runtime name":              {func(c *containersapi.Container) { c.Runtime.Name = "" }, "runtime is required"},
		"no spec":                      {func(c *containersapi.Container) { c.Spec = nil }, "spec is required"},
		"spec that is not JSON":        {func(c *containersapi.Container) { c.Spec.Value = []byte("x") }, "must be a JSON object"},
		"snapshot key, no snapshotter": {func(c *containersapi.Container) { c.Snapshotter = "" }, "snapshotter is required"},
		"long snapshotter":             {func(c *containersapi.Container) { c.Snapshotter = strings.Repeat("s", 4097) }, "4096"},
		"long sandbox":                 {func(c *containersapi.Container) { c.Sandbox = strings.Repeat("s", 4097) }, "4096"},
		"empty extension key":          {extension("", "x"), "empty key"},
		"long extension key":           {extension(strings.Repeat("k", 4097), "x"), "4096"},
		"large extension":              {extension("x", strings.Repeat("x", service.MaxExtensionBytes+1)), "262144"},
		"ambiguous extension":          {extension("x", `{"a":1,"a":2}`), "duplicate"},
		"deep extension":               {extension("x", `{"a":`+strings.Repeat("[", 64)+strings.Repeat("]", 64)+"}"), "65 deep"},
		"extension with a huge number": {extension("x", `{"a":1e999}`), "1e999"},
		"large options":                {options(strings.Repeat("x", service.MaxOptionsBytes+1)), "65536"},
		"ambiguous options":            {options(`{"BinaryName":"runc","BinaryName":"sh"}`), "duplicate"},
		"options of invalid UTF-8":     {options("{\"a\":\"\xff\"}"), "UTF-8"},
		"too large together": {func(c *containersapi.Container) {
			for i := range 13 {
				c.Extensions[fmt.Sprint(i)] = payload(strings.Repeat("x", service.MaxExtensionBytes))
			}
		}, "3145728"},
	}
	f := newFixture(t, nil, service.Options{})
	client := containersapi.NewContainersClient(dialContainerd(t, f.serve(t)))
	ctx := in(t.Context(), "default")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			check := f.unchanged(t)
			_, err := client.Create(ctx, &containersapi.CreateContainerRequest{Container: today("web", test.change)})
			code(t, err, codes.InvalidArgument, test.says)
			check()
		})
	}
	_, err := client.Create(ctx, &containersapi.CreateContainerRequest{})
	code(t, err, codes.InvalidArgument, "no container")
	_, err = client.Update(ctx, &containersapi.UpdateContainerRequest{})
	code(t, err, codes.InvalidArgument, "id is required")
}

// What is created is answered, by every call, but for empty labels and the caller's
// timestamps.
func TestContainerdStory(t *testing.T) {
	var seen *plimsoll.Input
	f := newFixture(t, nil, service.Options{})
	f.SetRuleset(rules(judgeFunc(func(_ context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
		seen = in
		return plimsoll.Verdict{}, nil
	}), admit))
	client := containersapi.NewContainersClient(dialContainerd(t, f.serve(t)))
	ctx := in(t.Context(), "default")
	long := timestamppb.New(time.Unix(1, 0))
	var header metadata.MD
	created, err := client.Create(ctx, &containersapi.CreateContainerRequest{Container: today("web", func(c *containersapi.Container) {
		c.Labels["empty"], c.CreatedAt, c.UpdatedAt = "", long, long
	})}, grpc.Header(&header))
	if err != nil {
		t.Fatal(err)
	}
	want := today("web")
	want.CreatedAt, want.UpdatedAt = created.GetContainer().GetCreatedAt(), created.GetContainer().GetCreatedAt()
	if time.Since(want.GetCreatedAt().AsTime()) > time.Hour {
		t.Errorf("created at %v", want.GetCreatedAt().AsTime())
	}
	if diff := cmp.Diff(want, created.GetContainer(), protocmp.Transform()); diff != "" {
		t.Errorf("Create (-want +got):\n%s", diff)
	}
	if len(header.Get("plimsoll-decision")) != 1 || header.Get("plimsoll-revision")[0] != "1" {
		t.Errorf("headers %v", header)
	}
	doc, err := seen.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"runtime_options_type":"containerd.runc.v1.Options"`, `"runtime_options":{"no_pivot_root":true,`, `"binary_name":""`, `"snapshotter":"zfs"`,
		`"extensions":{"a.b":{"a":1},"c":{"base64":"AA=="}}`, `"extension_types":{"a.b":"example.org/x","c":"example.org/y"}`, `"sandbox_id":"pod"`,
	} {
		if !bytes.Contains(doc, []byte(part)) {
			t.Errorf("rules do not see %s in %s", part, doc)
		}
	}

	got, err := client.Get(ctx, &containersapi.GetContainerRequest{ID: "web"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.GetContainer(), protocmp.Transform()); diff != "" {
		t.Errorf("Get (-want +got):\n%s", diff)
	}
	list, err := client.List(ctx, &containersapi.ListContainersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*containersapi.Container{want}, list.GetContainers(), protocmp.Transform()); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]*containersapi.Container{want}, listStream(ctx, t, client), protocmp.Transform()); diff != "" {
		t.Errorf("ListStream (-want +got):\n%s", diff)
	}
	_, err = client.Create(ctx, &containersapi.CreateContainerRequest{Container: today("web")})
	code(t, err, codes.AlreadyExists, `container "web"`)
	// Validation comes before existence.
	_, err = client.Create(ctx, &containersapi.CreateContainerRequest{Container: today("web", func(c *containersapi.Container) { c.Runtime = nil })})
	code(t, err, codes.InvalidArgument, "runtime")
	if _, err := client.Delete(ctx, &containersapi.DeleteContainerRequest{ID: "web"}); err != nil {
		t.Fatal(err)
	}
	_, err = client.Get(ctx, &containersapi.GetContainerRequest{ID: "web"})
	code(t, err, codes.NotFound, `container "web" in namespace "default": not found`)
}

func listStream(ctx context.Context, t *testing.T, client containersapi.ContainersClient, filters ...string) []*containersapi.Container {
	t.Helper()
	stream, err := client.ListStream(ctx, &containersapi.ListContainersRequest{Filters: filters})
	if err != nil {
		t.Fatal(err)
	}
	var all []*containersapi.Container
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, message.GetContainer())
	}
}

func TestContainerdUpdate(t *testing.T) {
	spec := &anypb.Any{TypeUrl: specType, Value: []byte(`{"ociVersion":"1.3.0"}`)}
	ext := &anypb.Any{TypeUrl: "example.org/new", Value: []byte("new")}
	change := func(c *containersapi.Container) {
		c.Labels, c.Image, c.Spec, c.SnapshotKey = map[string]string{"team": "ops", "a.b/c": "1", "empty": ""}, "other", spec, "other"
		c.Extensions = map[string]*anypb.Any{"new": ext, "a.b": ext, "none": {}}
		c.Runtime.Options, c.Sandbox = nil, "ignored"
	}
	other := func(c *containersapi.Container) { c.Runtime.Name, c.Snapshotter = "other", "other" }
	tests := map[string]struct {
		change []func(*containersapi.Container)
		mask   []string
		want   func(*containersapi.Container)
	}{
		"labels":            {nil, []string{"labels"}, func(c *containersapi.Container) { c.Labels = map[string]string{"team": "ops", "a.b/c": "1"} }},
		"one label":         {nil, []string{"labels.a.b/c"}, func(c *containersapi.Container) { c.Labels["a.b/c"] = "1" }},
		"label removed":     {[]func(*containersapi.Container){func(c *containersapi.Container) { c.Labels = nil }}, []string{"labels.team"}, func(c *containersapi.Container) { c.Labels = nil }},
		"spec":              {nil, []string{"spec"}, func(c *containersapi.Container) { c.Spec = spec }},
		"image":             {nil, []string{"image"}, func(c *containersapi.Container) { c.Image = "other" }},
		"snapshotkey":       {nil, []string{"snapshotkey"}, func(c *containersapi.Container) { c.SnapshotKey = "other" }},
		"extensions":        {nil, []string{"extensions"}, func(c *containersapi.Container) { c.Extensions = map[string]*anypb.Any{"new": ext, "a.b": ext} }},
		"one extension":     {nil, []string{"extensions.a.b"}, func(c *containersapi.Container) { c.Extensions["a.b"] = ext }},
		"extension removed": {nil, []string{"extensions.c"}, func(c *containersapi.Container) { delete(c.Extensions, "c") }},
		"a mask leaves runtime and snapshotter": {
			[]func(*containersapi.Container){other},
			[]string{"image", "image"},
			func(c *containersapi.Container) { c.Image = "other" },
		},
		"no mask": {nil, nil, func(c *containersapi.Container) {
			c.Labels, c.Image, c.Spec, c.SnapshotKey = map[string]string{"team": "ops", "a.b/c": "1"}, "other", spec, "other"
			c.Extensions = map[string]*anypb.Any{"new": ext, "a.b": ext}
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{})
			client := containersapi.NewContainersClient(dialContainerd(t, f.serve(t)))
			ctx := in(t.Context(), "default")
			created, err := client.Create(ctx, &containersapi.CreateContainerRequest{Container: today("web")})
			if err != nil {
				t.Fatal(err)
			}
			req := &containersapi.UpdateContainerRequest{Container: today("web", append([]func(*containersapi.Container){change}, test.change...)...)}
			if test.mask != nil {
				req.UpdateMask = &fieldmaskpb.FieldMask{Paths: test.mask}
			}
			updated, err := client.Update(ctx, req)
			if err != nil {
				t.Fatal(err)
			}
			want := today("web", test.want)
			want.CreatedAt, want.UpdatedAt = created.GetContainer().GetCreatedAt(), updated.GetContainer().GetUpdatedAt()
			if !want.GetUpdatedAt().AsTime().After(want.GetCreatedAt().AsTime()) {
				t.Error("the update left no trace in the time")
			}
			if diff := cmp.Diff(want, updated.GetContainer(), protocmp.Transform()); diff != "" {
				t.Errorf("Update (-want +got):\n%s", diff)
			}
			got, err := client.Get(ctx, &containersapi.GetContainerRequest{ID: "web"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.GetContainer(), protocmp.Transform()); diff != "" {
				t.Errorf("Get (-want +got):\n%s", diff)
			}
		})
	}
}

func TestContainerdUpdateRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*containersapi.Container)
		mask   []string
		code   codes.Code
		says   string
	}{
		"unknown path":             {nil, []string{"image", "colour"}, codes.InvalidArgument, `cannot update "colour" field on "web"`},
		"path of the old API":      {nil, []string{"rootfs"}, codes.InvalidArgument, `cannot update "rootfs" field on "web"`},
		"path by its field's name": {nil, []string{"snapshot_key"}, codes.InvalidArgument, `cannot update "snapshot_key"`},
		"immutable path":           {nil, []string{"runtime"}, codes.InvalidArgument, `cannot update "runtime"`},
		"empty path":               {nil, []string{""}, codes.InvalidArgument, `cannot update ""`},
		"label without key":        {nil, []string{"labels."}, codes.InvalidArgument, `cannot update "labels."`},
		"KEY by itself is a key":   {nil, []string{"labels.KEY"}, codes.OK, ""},
		"1025 paths":               {nil, strings.Split(strings.Repeat("image ", 1024)+"image", " "), codes.InvalidArgument, "1024"},
		"another runtime":          {func(c *containersapi.Container) { c.Runtime.Name = "x" }, nil, codes.InvalidArgument, "runtime is immutable"},
		"another snapshotter":      {func(c *containersapi.Container) { c.Snapshotter = "x" }, nil, codes.InvalidArgument, "snapshotter is immutable"},
		"no spec":                  {func(c *containersapi.Container) { c.Spec = nil }, []string{"spec"}, codes.InvalidArgument, "spec is required"},
		"absent and a bad mask":    {func(c *containersapi.Container) { c.ID = "none" }, []string{"colour"}, codes.NotFound, `container "none"`},
		"invalid id":               {func(c *containersapi.Container) { c.ID = "../x" }, []string{"image"}, codes.NotFound, "not found"},
		"no id":                    {func(c *containersapi.Container) { c.ID = "" }, []string{"colour"}, codes.InvalidArgument, "id is required"},
	}
	f := newFixture(t, nil, service.Options{})
	client := containersapi.NewContainersClient(dialContainerd(t, f.serve(t)))
	ctx := in(t.Context(), "default")
	if _, err := client.Create(ctx, &containersapi.CreateContainerRequest{Container: today("web")}); err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			req := &containersapi.UpdateContainerRequest{Container: today("web"), UpdateMask: &fieldmaskpb.FieldMask{Paths: test.mask}}
			if test.change != nil {
				test.change(req.GetContainer())
			}
			check := f.unchanged(t)
			_, err := client.Update(ctx, req)
			code(t, err, test.code, test.says)
			if test.code != codes.OK {
				check()
			}
		})
	}
}

// A call without a namespace is refused before anything else is looked at, but for an
// update without an id.
func TestContainerdNamespace(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	client := containersapi.NewContainersClient(dialContainerd(t, f.serve(t)))
	calls := map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error {
			_, err := client.Get(ctx, &containersapi.GetContainerRequest{})
			return err
		},
		"List": func(ctx context.Context) error {
			_, err := client.List(ctx, &containersapi.ListContainersRequest{Filters: []string{"=="}})
			return err
		},
		"ListStream": func(ctx context.Context) error {
			stream, err := client.ListStream(ctx, &containersapi.ListContainersRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"Create": func(ctx context.Context) error {
			_, err := client.Create(ctx, &containersapi.CreateContainerRequest{})
			return err
		},
		"Update": func(ctx context.Context) error {
			_, err := client.Update(ctx, &containersapi.UpdateContainerRequest{Container: &containersapi.Container{ID: "-"}})
			return err
		},
		"Delete": func(ctx context.Context) error {
			_, err := client.Delete(ctx, &containersapi.DeleteContainerRequest{})
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			code(t, call(t.Context()), codes.FailedPrecondition, "namespace is required: failed precondition")
			code(t, call(in(t.Context(), "")), codes.FailedPrecondition, "namespace is required: failed precondition")
			code(t, call(in(t.Context(), "a/b")), codes.InvalidArgument, "a/b")
		})
	}
	for _, id := range []string{"", "none", "../x", strings.Repeat("a", 100_000)} {
		_, err := client.Get(in(t.Context(), "default"), &containersapi.GetContainerRequest{ID: id})
		code(t, err, codes.NotFound, "container")
		_, err = client.Delete(in(t.Context(), "default"), &containersapi.DeleteContainerRequest{ID: id})
		code(t, err, codes.NotFound, "container")
	}
	// The first of two counts.
	if _, err := client.Create(in(in(t.Context(), "one"), "two"), &containersapi.CreateContainerRequest{Container: today("web")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(in(t.Context(), "one"), &containersapi.GetContainerRequest{ID: "web"}); err != nil {
		t.Error(err)
	}
}

func TestContainerdFilters(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	client := containersapi.NewContainersClient(dialContainerd(t, f.serve(t)))
	ctx := in(t.Context(), "default")
	for _, c := range []*containersapi.Container{
		today("a", func(c *containersapi.Container) { c.Labels = map[string]string{"team": "core", "x.y/z": "1"} }),
		today("b", func(c *containersapi.Container) { c.Labels, c.Runtime.Name = nil, "kata" }),
		today("c", func(c *containersapi.Container) { c.Labels, c.Image = map[string]string{"team": `a "b"`}, "" }),
	} {
		if _, err := client.Create(ctx, &containersapi.CreateContainerRequest{Container: c}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		filters []string
		want    string
	}{
		{nil, "a b c"},
		{[]string{""}, "a b c"},
		{[]string{"id==a"}, "a"},
		{[]string{"id==a", "id==b"}, "a b"},
		{[]string{"labels.team==core", "runtime.name==kata"}, "a b"},
		{[]string{"labels.team==core,runtime.name==kata"}, ""},
		{[]string{"labels.team"}, "a c"},
		{[]string{"labels.team!=core"}, "b c"},
		{[]string{`labels.team=="a \"b\""`}, "c"},
		{[]string{`labels."x.y/z"==1`}, "a"},
		{[]string{"image"}, "a b"},
		{[]string{"image~=/^registry.example\\/[ab]:/"}, "a b"},
		{[]string{"image==registry.example/a:1"}, "a"},
		{[]string{"runtime.name~=^io"}, "a c"},
		{[]string{"runtime==kata"}, ""}, // the old API's name for it
		{[]string{"colour"}, ""},
		{[]string{"colour!=red"}, "a b c"},
		{[]string{"id~=("}, ""},
		{[]string{"id~=(", "id==b"}, "b"},
		{[]string{"id==a,id==b"}, ""},
	} {
		t.Run(strings.Join(test.filters, " or "), func(t *testing.T) {
			res, err := client.List(ctx, &containersapi.ListContainersRequest{Filters: test.filters})
			if err != nil {
				t.Fatal(err)
			}
			for call, containers := range map[string][]*containersapi.Container{"List": res.GetContainers(), "ListStream": listStream(ctx, t, client, test.filters...)} {
				var ids []string
				for _, c := range containers {
					ids = append(ids, c.GetID())
				}
				if got := strings.Join(ids, " "); got != test.want {
					t.Errorf("%s: got %q, want %q", call, got, test.want)
				}
			}
		})
	}
	for name, filters := range map[string][]string{
		"no value": {"id=="}, "no field": {"==a"}, "one operator": {"id=a"}, "second": {"id==a", "id >"}, "quote": {`id=="a`},
		"long": {"id==" + strings.Repeat("a", 17<<10)}, "many": strings.Split(strings.Repeat(",", 256), ","), "long regexp": {"id~=" + strings.Repeat("a", 1025)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.List(ctx, &containersapi.ListContainersRequest{Filters: filters})
			code(t, err, codes.InvalidArgument, "filter")
		})
	}
}

// Both APIs show the same containers, each what it can, and a change through the old
// one keeps what that cannot say.
func TestTwoAPIsOneRecord(t *testing.T) {
	f := newFixture(t, nil, service.Options{DefaultSnapshotter: "stargz"})
	srv := f.serve(t)
	now := containersapi.NewContainersClient(dialContainerd(t, srv))
	old := clientsOf(t, srv)["grpc"]
	ctx := in(t.Context(), "default")

	if _, err := now.Create(ctx, &containersapi.CreateContainerRequest{Container: today("web")}); err != nil {
		t.Fatal(err)
	}
	got, _, err := old.get(t.Context(), nil, "web")
	if err != nil {
		t.Fatal(err)
	}
	if want := today("web"); got.GetRootfs() != want.GetSnapshotKey() || got.GetRuntime() != runc || !proto.Equal(got.GetSpec(), want.GetSpec()) {
		t.Errorf("the old API shows %v", got)
	}
	got.Image, got.Rootfs = "other", "other"
	if _, _, err := old.update(t.Context(), nil, got); err != nil { // all that it can express
		t.Fatal(err)
	}
	after, err := now.Get(ctx, &containersapi.GetContainerRequest{ID: "web"})
	if err != nil {
		t.Fatal(err)
	}
	want := today("web", func(c *containersapi.Container) { c.Image, c.SnapshotKey = "other", "other" })
	want.CreatedAt, want.UpdatedAt = after.GetContainer().GetCreatedAt(), after.GetContainer().GetUpdatedAt()
	if diff := cmp.Diff(want, after.GetContainer(), protocmp.Transform()); diff != "" {
		t.Errorf("after an update through the old API (-want +got):\n%s", diff)
	}

	for id, c := range map[string]*containerdv1.Container{"rootfs": container("rootfs"), "bare": {Id: "bare", Runtime: runc, Spec: container("x").GetSpec()}} {
		if _, _, err := old.create(t.Context(), nil, c); err != nil {
			t.Fatal(err)
		}
		got, err := now.Get(ctx, &containersapi.GetContainerRequest{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]string{"rootfs": "stargz", "bare": ""}[id]; got.GetContainer().GetSnapshotter() != want {
			t.Errorf("%s has snapshotter %q, want %q", id, got.GetContainer().GetSnapshotter(), want)
		}
	}
	// What today's API asks for as containerd does: a snapshotter, and from the start.
	_, err = now.Update(ctx, &containersapi.UpdateContainerRequest{
		Container: &containersapi.Container{ID: "bare", SnapshotKey: "x"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"snapshotkey"}},
	})
	code(t, err, codes.InvalidArgument, "snapshotter is required")
	if _, _, err := old.update(t.Context(), nil, &containerdv1.Container{Id: "bare", Rootfs: "x"}, "rootfs"); err != nil {
		t.Error(err)
	}
}

// Plimsoll's headers mean in today's API what they mean in the old one, and so do its
// rules.
func TestContainerdPipeline(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	client := containersapi.NewContainersClient(dialContainerd(t, f.serve(t)))
	ctx := in(t.Context(), "default")
	check := f.unchanged(t)
	create := func(ctx context.Context, label string) (metadata.MD, error) {
		var header, trailer metadata.MD
		_, err := client.Create(ctx, &containersapi.CreateContainerRequest{Container: today("web", func(c *containersapi.Container) {
			c.Labels[label] = "2"
		})}, grpc.Header(&header), grpc.Trailer(&trailer))
		return metadata.Join(header, trailer), err
	}
	for label, test := range map[string]struct {
		code codes.Code
		says string
	}{
		"policy":    {codes.PermissionDenied, "denied: rule 0 says no [labels.required labels.rego:12] (and 1 more)"},
		"validator": {codes.InvalidArgument, "denied: mount 0 is not absolute [runc-spec 1.0.0] (and 1 more)"},
		"quota":     {codes.ResourceExhausted, "denied: rule 0 says no"},
	} {
		header, err := create(ctx, label)
		code(t, err, test.code, test.says)
		if d, _ := f.lastDecision(t); header.Get("plimsoll-decision")[0] != d.ID {
			t.Errorf("%s: headers %v, want decision %s", label, header, d.ID)
		}
	}
	header, err := create(in(t.Context(), "default", "plimsoll-dry-run", "true"), "warn")
	code(t, err, codes.OK)
	if len(header.Get("plimsoll-warning")) != 2 {
		t.Errorf("headers %v, want two warnings", header)
	}
	_, err = create(in(t.Context(), "default", "plimsoll-dry-run", "perhaps"), "warn")
	code(t, err, codes.InvalidArgument, "plimsoll-dry-run")
	_, err = create(in(t.Context(), "default", "plimsoll-if-revision", "7"), "x")
	code(t, err, codes.Aborted, "revision")
	check()
	if _, err = create(in(t.Context(), "default", "plimsoll-if-revision", "0"), "x"); err != nil {
		t.Error(err)
	}
}

// A stream takes what one answer cannot.
func TestListStreamTakesAll(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	payload := bytes.Repeat([]byte{1}, 1<<20)
	const count = 17
	for i := range count {
		view, err := f.store.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.store.Commit(t.Context(), view, storage.Change{Writes: []storage.Write{{
			Operation: plimsoll.OperationCreate, Namespace: "default", Container: &plimsoll.Container{
				ID: fmt.Sprintf("c%02d", i), Runtime: plimsoll.Runtime{Name: runc}, Spec: plimsoll.Any{TypeURL: "x/blob", Value: payload},
			},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		_ = view.Close()
	}
	client := containersapi.NewContainersClient(dialContainerd(t, f.serve(t)))
	ctx := in(t.Context(), "default")
	_, err := client.List(ctx, &containersapi.ListContainersRequest{})
	code(t, err, codes.ResourceExhausted, "narrow the filter")
	all := listStream(ctx, t, client)
	for i, c := range all {
		if c.GetID() != fmt.Sprintf("c%02d", i) {
			t.Fatalf("%d is %s", i, c.GetID())
		}
	}
	if len(all) != count {
		t.Errorf("got %d containers", len(all))
	}
}

// The calls that clients make of containerd beside these get an answer that they can
// read, in every protocol.
func TestUnserved(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	srv := f.serve(t)
	conn := dialContainerd(t, srv)
	for method, says := range map[string]string{
		"/containerd.services.tasks.v1.Tasks/Get":            "containerd.services.tasks.v1.Tasks is not served: Plimsoll keeps the metadata of containers and runs none",
		"/containerd.services.images.v1.Images/Get":          "containerd.services.images.v1.Images is not served",
		"/containerd.services.containers.v1.Containers/Spin": "containerd.services.containers.v1.Containers/Spin is not served",
		"/containerd.runtime.sandbox.v1.Sandbox/Ping":        "is not served",
	} {
		err := conn.Invoke(t.Context(), method, &containersapi.GetContainerRequest{ID: "web"}, &containersapi.GetContainerResponse{})
		code(t, err, codes.Unimplemented, says)
		stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
		if err != nil {
			t.Fatal(err)
		}
		code(t, stream.RecvMsg(&containersapi.GetContainerResponse{}), codes.Unimplemented, says)
		for _, options := range [][]connect.ClientOption{nil, {connect.WithGRPCWeb()}, {connect.WithProtoJSON()}} {
			client := connect.NewClient[containersapi.GetContainerRequest, containersapi.GetContainerResponse](srv.Client(), srv.URL+method, options...)
			_, err := client.CallUnary(t.Context(), connect.NewRequest(&containersapi.GetContainerRequest{}))
			if connect.CodeOf(err) != connect.CodeUnimplemented || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v", method, err)
			}
		}
	}
}

// The API works in JSON and over HTTP/1.1, too, and there errors have their details.
func TestContainerdOverConnect(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	srv := f.serve(t)
	url := srv.URL + "/containerd.services.containers.v1.Containers/"
	header := http.Header{"containerd-namespace": {"default"}}
	body := `{"container": {"id": "web", "runtime": {"name": "` + runc + `", "options": {"@type": "example.org/o", "value": {"n": 1e3}}},
		"spec": {"@type": "` + specType + `", "value": {"ociVersion": "1.2.0"}}, "extensions": {"x": {"@type": "example.org/x", "value": {"a": [1]}}}}}`
	status, _, answer, err := post(t.Context(), srv.Client(), url+"Create", "application/json", header, []byte(body))
	if err != nil || status != http.StatusOK {
		t.Fatalf("Create: %d %s %v", status, answer, err)
	}
	for _, part := range []string{`"options":{"@type":"example.org/o","value":{"n": 1e3}}`, `"extensions":{"x":{"@type":"example.org/x","value":{"a": [1]}}}`} {
		if !bytes.Contains(answer, []byte(part)) {
			t.Errorf("the answer lacks %s: %s", part, answer)
		}
	}
	status, _, answer, err = post(t.Context(), srv.Client(), url+"Get", "application/json", nil, []byte(`{"id": "web"}`))
	if err != nil || status != http.StatusBadRequest || !bytes.Contains(answer, []byte("google.rpc.ErrorInfo")) {
		t.Errorf("Get without a namespace: %d %s %v", status, answer, err)
	}
	status, _, answer, err = post(t.Context(), srv.Client(), url+"Update", "application/json", header, []byte(`{"container": {"id": "web"}, "update_mask": "extensions.x"}`))
	if err != nil || status != http.StatusOK || bytes.Contains(answer, []byte("extensions")) {
		t.Errorf("Update: %d %s %v", status, answer, err)
	}
	for name, options := range map[string][]connect.ClientOption{"connect": nil, "json": {connect.WithCodec(service.JSONCodecs()[0])}, "grpc-web": {connect.WithGRPCWeb()}} {
		client := connect.NewClient[containersapi.ListContainersRequest, containersapi.ListContainerMessage](srv.Client(), url+"ListStream", options...)
		ctx, info := connect.NewClientContext(t.Context())
		info.RequestHeader().Set("containerd-namespace", "default")
		stream, err := client.CallServerStream(ctx, connect.NewRequest(&containersapi.ListContainersRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for stream.Receive() {
			n++
		}
		if n != 1 || stream.Err() != nil {
			t.Errorf("%s: %d containers, %v", name, n, stream.Err())
		}
		_ = stream.Close()
	}
}
