package service_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	eventtypes "github.com/containerd/containerd/api/events"
	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	eventsapi "github.com/containerd/containerd/api/services/events/v1"
	introspectionapi "github.com/containerd/containerd/api/services/introspection/v1"
	leasesapi "github.com/containerd/containerd/api/services/leases/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	versionapi "github.com/containerd/containerd/api/services/version/v1"
	typesapi "github.com/containerd/containerd/api/types"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

func namespaceNames(ctx context.Context, t *testing.T, client namespacesapi.NamespacesClient, filter string) string {
	t.Helper()
	res, err := client.List(ctx, &namespacesapi.ListNamespacesRequest{Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, ns := range res.GetNamespaces() {
		names = append(names, ns.GetName())
	}
	return strings.Join(names, " ")
}

// Rules see the labels of namespaces, so not everybody may change them, nor make a
// namespace lose them by deleting it. On TCP nobody is known to be an operator.
func TestNamespaceLabelsAreForOperators(t *testing.T) {
	store := memstore.New()
	defer store.Close()
	serve := func(open bool) namespacesapi.NamespacesClient {
		svc := service.New(store, service.Options{OpenNamespaceLabels: open})
		return namespacesapi.NewNamespacesClient(dialContainerd(t, new(fixture).serveHandler(t, svc.Handler())))
	}
	open, client, ctx := serve(true), serve(false), t.Context()
	prod := &namespacesapi.Namespace{Name: "prod", Labels: map[string]string{"tier": "prod"}}
	if _, err := open.Create(ctx, &namespacesapi.CreateNamespaceRequest{Namespace: prod}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(ctx, &namespacesapi.CreateNamespaceRequest{Namespace: &namespacesapi.Namespace{Name: "plain"}}); err != nil {
		t.Errorf("without labels: %v", err)
	}
	for name, call := range map[string]func() error{
		"create with labels": func() error {
			_, err := client.Create(ctx, &namespacesapi.CreateNamespaceRequest{Namespace: &namespacesapi.Namespace{Name: "x", Labels: prod.GetLabels()}})
			return err
		},
		"another value": func() error {
			_, err := client.Update(ctx, &namespacesapi.UpdateNamespaceRequest{Namespace: &namespacesapi.Namespace{Name: "prod", Labels: map[string]string{"tier": "dev"}}})
			return err
		},
		"no labels": func() error {
			_, err := client.Update(ctx, &namespacesapi.UpdateNamespaceRequest{Namespace: &namespacesapi.Namespace{Name: "prod"}})
			return err
		},
		"delete": func() error {
			_, err := client.Delete(ctx, &namespacesapi.DeleteNamespaceRequest{Name: "prod"})
			return err
		},
	} {
		if err := call(); grpcstatus.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "only root and the user") {
			t.Errorf("%s: %v", name, err)
		}
	}
	res, err := client.Get(ctx, &namespacesapi.GetNamespaceRequest{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(prod, res.GetNamespace(), protocmp.Transform()); diff != "" {
		t.Errorf("Get (-want +got):\n%s", diff)
	}
	if _, err := client.Update(ctx, &namespacesapi.UpdateNamespaceRequest{Namespace: prod}); err != nil {
		t.Errorf("the same labels: %v", err)
	}
	if _, err := client.Delete(ctx, &namespacesapi.DeleteNamespaceRequest{Name: "plain"}); err != nil {
		t.Errorf("delete one without labels: %v", err)
	}
}

func TestContainerdNamespaces(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	conn := dialContainerd(t, f.serve(t))
	client, ctx := namespacesapi.NewNamespacesClient(conn), t.Context()
	namespace := func(name string, pairs ...string) *namespacesapi.Namespace {
		ns := &namespacesapi.Namespace{Name: name}
		for i := 0; i < len(pairs); i += 2 {
			if ns.Labels == nil {
				ns.Labels = map[string]string{}
			}
			ns.Labels[pairs[i]] = pairs[i+1]
		}
		return ns
	}
	check := func(want *namespacesapi.Namespace) {
		t.Helper()
		res, err := client.Get(ctx, &namespacesapi.GetNamespaceRequest{Name: want.GetName()})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, res.GetNamespace(), protocmp.Transform()); diff != "" {
			t.Errorf("Get (-want +got):\n%s", diff)
		}
	}
	created, err := client.Create(ctx, &namespacesapi.CreateNamespaceRequest{Namespace: namespace("build", "team", "core", "empty", "")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(namespace("build", "team", "core"), created.GetNamespace(), protocmp.Transform()); diff != "" {
		t.Errorf("Create (-want +got):\n%s", diff)
	}
	check(namespace("build", "team", "core"))
	check(namespace("none")) // as in containerd
	_, err = client.Create(ctx, &namespacesapi.CreateNamespaceRequest{Namespace: namespace("build")})
	code(t, err, codes.AlreadyExists, `namespace "build"`)

	for _, step := range []struct {
		change *namespacesapi.Namespace
		mask   []string
		want   *namespacesapi.Namespace
	}{
		{namespace("build", "tier", "1", "team", "ignored"), []string{"labels.tier"}, namespace("build", "tier", "1", "team", "core")},
		{namespace("build", "a.b/c", "1"), []string{"labels.a.b/c", "labels.team"}, namespace("build", "tier", "1", "a.b/c", "1")},
		{namespace("build", "only", "1", "empty", ""), []string{"labels"}, namespace("build", "only", "1")},
		{namespace("build", "all", "1"), nil, namespace("build", "all", "1")},
		{namespace("build"), nil, namespace("build")},
	} {
		res, err := client.Update(ctx, &namespacesapi.UpdateNamespaceRequest{Namespace: step.change, UpdateMask: &fieldmaskpb.FieldMask{Paths: step.mask}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, res.GetNamespace(), protocmp.Transform()); diff != "" {
			t.Errorf("Update %v (-want +got):\n%s", step.mask, diff)
		}
		check(step.want)
	}

	for name, call := range map[string]struct {
		do   func() error
		code codes.Code
		says string
	}{
		"nothing to create": {func() error { _, err := client.Create(ctx, &namespacesapi.CreateNamespaceRequest{}); return err }, codes.InvalidArgument, "no namespace"},
		"nothing to update": {func() error { _, err := client.Update(ctx, &namespacesapi.UpdateNamespaceRequest{}); return err }, codes.InvalidArgument, "no namespace"},
		"bad name": {func() error {
			_, err := client.Create(ctx, &namespacesapi.CreateNamespaceRequest{Namespace: namespace("a/b")})
			return err
		}, codes.InvalidArgument, "a/b"},
		"empty label key": {func() error {
			_, err := client.Create(ctx, &namespacesapi.CreateNamespaceRequest{Namespace: namespace("x", "", "v")})
			return err
		}, codes.InvalidArgument, "empty key"},
		"long label": {func() error {
			_, err := client.Create(ctx, &namespacesapi.CreateNamespaceRequest{Namespace: namespace("x", "k", strings.Repeat("v", 4096))})
			return err
		}, codes.InvalidArgument, "4097"},
		"update of none": {func() error {
			_, err := client.Update(ctx, &namespacesapi.UpdateNamespaceRequest{Namespace: namespace("none", "a", "b")})
			return err
		}, codes.NotFound, `namespace "none"`},
		"bad path": {func() error {
			_, err := client.Update(ctx, &namespacesapi.UpdateNamespaceRequest{Namespace: namespace("build"), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name"}}})
			return err
		}, codes.InvalidArgument, `cannot update "name" field`},
		"bad filter": {func() error {
			_, err := client.List(ctx, &namespacesapi.ListNamespacesRequest{Filter: "name=="})
			return err
		}, codes.InvalidArgument, "filter"},
		"get a bad name": {func() error { _, err := client.Get(ctx, &namespacesapi.GetNamespaceRequest{Name: "a/b"}); return err }, codes.InvalidArgument, "a/b"},
		"delete none": {func() error {
			_, err := client.Delete(ctx, &namespacesapi.DeleteNamespaceRequest{Name: "none"})
			return err
		}, codes.NotFound, `namespace "none"`},
		"delete bad name": {func() error {
			_, err := client.Delete(ctx, &namespacesapi.DeleteNamespaceRequest{Name: "a/b"})
			return err
		}, codes.NotFound, "not found"},
		"stale": {func() error {
			_, err := client.Delete(in(ctx, "default", "plimsoll-if-revision", "1"), &namespacesapi.DeleteNamespaceRequest{Name: "build"})
			return err
		}, codes.Aborted, "revision"},
		"unreadable wish not to commit": {func() error {
			_, err := client.Delete(in(ctx, "default", "plimsoll-dry-run", "?"), &namespacesapi.DeleteNamespaceRequest{Name: "build"})
			return err
		}, codes.InvalidArgument, "plimsoll-dry-run"},
	} {
		t.Run(name, func(t *testing.T) {
			check := f.unchanged(t)
			code(t, call.do(), call.code, call.says)
			check()
		})
	}
	if _, err := client.Delete(in(ctx, "default", "plimsoll-dry-run", "true"), &namespacesapi.DeleteNamespaceRequest{Name: "build"}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(ctx, &namespacesapi.CreateNamespaceRequest{Namespace: namespace("a", "team", "core")}); err != nil {
		t.Fatal(err)
	}
	for filter, want := range map[string]string{"": "a build", "labels.team==core": "a", "name~=^b": "build", "name~=(": ""} {
		if got := namespaceNames(ctx, t, client, filter); got != want {
			t.Errorf("List %q: got %q, want %q", filter, got, want)
		}
	}
}

// A namespace with containers stays; an empty one goes, and its leases with it.
func TestContainerdNamespaceDelete(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	conn := dialContainerd(t, f.serve(t))
	client, ctx := namespacesapi.NewNamespacesClient(conn), in(t.Context(), "build")
	containers, leases := containersapi.NewContainersClient(conn), leasesapi.NewLeasesClient(conn)
	if _, err := client.Create(ctx, &namespacesapi.CreateNamespaceRequest{Namespace: &namespacesapi.Namespace{Name: "build"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := leases.Create(ctx, &leasesapi.CreateRequest{ID: "l"}); err != nil {
		t.Fatal(err)
	}
	if _, err := containers.Create(ctx, &containersapi.CreateContainerRequest{Container: today("web")}); err != nil {
		t.Fatal(err)
	}
	_, err := client.Delete(ctx, &namespacesapi.DeleteNamespaceRequest{Name: "build"})
	code(t, err, codes.FailedPrecondition, `namespace "build" must be empty, but it still has containers: failed precondition`)
	if _, err := containers.Delete(ctx, &containersapi.DeleteContainerRequest{ID: "web"}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Delete(ctx, &namespacesapi.DeleteNamespaceRequest{Name: "build"}); err != nil {
		t.Fatal(err)
	}
	if got := namespaceNames(ctx, t, client, ""); got != "" {
		t.Errorf("left: %q", got)
	}
	if res, err := leases.List(ctx, &leasesapi.ListRequest{}); err != nil || len(res.GetLeases()) != 0 {
		t.Errorf("leases left: %v %v", res, err)
	}
}

// Of a namespace's deletion and the creation of a container in it, either may win, but
// there is never a container without its namespace.
func TestContainerdNamespaceRace(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	conn := dialContainerd(t, f.serve(t))
	client, ctx := namespacesapi.NewNamespacesClient(conn), in(t.Context(), "build")
	containers := containersapi.NewContainersClient(conn)
	for range 50 {
		_, _ = client.Create(ctx, &namespacesapi.CreateNamespaceRequest{Namespace: &namespacesapi.Namespace{Name: "build"}})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := client.Delete(ctx, &namespacesapi.DeleteNamespaceRequest{Name: "build"})
			if c := grpcstatus.Code(err); c != codes.OK && c != codes.FailedPrecondition {
				t.Errorf("Delete: %v", err)
			}
		})
		if _, err := containers.Create(ctx, &containersapi.CreateContainerRequest{Container: today("web")}); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if got := namespaceNames(ctx, t, client, ""); got != "build" {
			t.Fatalf("there is a container, and the namespaces are %q", got)
		}
		if _, err := containers.Delete(ctx, &containersapi.DeleteContainerRequest{ID: "web"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestContainerdLeases(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	f := newFixture(t, nil, service.Options{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	client, ctx := leasesapi.NewLeasesClient(dialContainerd(t, f.serve(t))), in(t.Context(), "default")
	later := now.Add(time.Hour).UTC().Format(time.RFC3339)
	created, err := client.Create(ctx, &leasesapi.CreateRequest{ID: "l", Labels: map[string]string{"containerd.io/gc.expire": later, "team": "core"}})
	if err != nil {
		t.Fatal(err)
	}
	if l := created.GetLease(); l.GetID() != "l" || l.GetLabels()["team"] != "core" || !l.GetCreatedAt().AsTime().Equal(now) {
		t.Errorf("created %v", l)
	}
	_, err = client.Create(ctx, &leasesapi.CreateRequest{ID: "l"})
	code(t, err, codes.AlreadyExists, `lease "l"`)
	random, err := client.Create(ctx, &leasesapi.CreateRequest{})
	if err != nil || random.GetLease().GetID() == "" {
		t.Fatalf("created %v, %v", random, err)
	}
	if _, err := client.Create(in(t.Context(), "other"), &leasesapi.CreateRequest{ID: "l"}); err != nil {
		t.Error(err)
	}

	content := &leasesapi.Resource{ID: "sha256:1", Type: "content"}
	image := &leasesapi.Resource{ID: "a", Type: "images"}
	for _, r := range []*leasesapi.Resource{content, image, content} {
		if _, err := client.AddResource(ctx, &leasesapi.AddResourceRequest{ID: "l", Resource: r}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.DeleteResource(ctx, &leasesapi.DeleteResourceRequest{ID: "l", Resource: image}); err != nil {
		t.Fatal(err)
	}
	resources, err := client.ListResources(ctx, &leasesapi.ListResourcesRequest{ID: "l"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*leasesapi.Resource{content}, resources.GetResources(), protocmp.Transform()); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	list := func(filters ...string) int {
		t.Helper()
		res, err := client.List(ctx, &leasesapi.ListRequest{Filters: filters})
		if err != nil {
			t.Fatal(err)
		}
		return len(res.GetLeases())
	}
	if all, some := list(), list("labels.team==core", "id==none"); all != 2 || some != 1 {
		t.Errorf("there are %d leases, %d of them of the team", all, some)
	}

	for name, err := range map[string]struct {
		err  error
		code codes.Code
	}{
		"bad expiry":        {second(client.Create(ctx, &leasesapi.CreateRequest{Labels: map[string]string{"containerd.io/gc.expire": "soon"}})), codes.InvalidArgument},
		"long id":           {second(client.Create(ctx, &leasesapi.CreateRequest{ID: strings.Repeat("l", 257)})), codes.InvalidArgument},
		"large":             {second(client.AddResource(ctx, &leasesapi.AddResourceRequest{ID: "l", Resource: &leasesapi.Resource{ID: strings.Repeat("x", 65<<10), Type: "t"}})), codes.InvalidArgument},
		"no resource":       {second(client.AddResource(ctx, &leasesapi.AddResourceRequest{ID: "l"})), codes.InvalidArgument},
		"resource of none":  {second(client.AddResource(ctx, &leasesapi.AddResourceRequest{ID: "none", Resource: content})), codes.NotFound},
		"resources of none": {second(client.ListResources(ctx, &leasesapi.ListResourcesRequest{ID: "none"})), codes.NotFound},
		"delete none":       {second(client.Delete(ctx, &leasesapi.DeleteRequest{ID: "none"})), codes.NotFound},
		"delete nothing":    {second(client.Delete(ctx, &leasesapi.DeleteRequest{})), codes.InvalidArgument},
		"bad filter":        {second(client.List(ctx, &leasesapi.ListRequest{Filters: []string{"id=="}})), codes.InvalidArgument},
		"no namespace":      {second(client.Create(t.Context(), &leasesapi.CreateRequest{ID: "x"})), codes.FailedPrecondition},
		"list no namespace": {second(client.List(t.Context(), &leasesapi.ListRequest{})), codes.FailedPrecondition},
	} {
		t.Run(name, func(t *testing.T) { code(t, err.err, err.code) })
	}
	if _, err := client.Delete(ctx, &leasesapi.DeleteRequest{ID: random.GetLease().GetID(), Sync: true}); err != nil {
		t.Error(err)
	}
	if got := list(); got != 1 {
		t.Errorf("%d leases left", got)
	}
}

func second[T any](_ T, err error) error { return err }

func TestContainerdIntrospection(t *testing.T) {
	const id = "5b5a3f0e-9c1d-4c5e-8a38-000000000001"
	f := newFixture(t, nil, service.Options{Version: "v1.2.3", Commit: "abc", ServerID: id})
	conn := dialContainerd(t, f.serve(t))
	client, ctx := introspectionapi.NewIntrospectionClient(conn), t.Context()
	server, err := client.Server(ctx, &emptypb.Empty{})
	if err != nil || server.GetUUID() != id || server.GetPid() != uint64(os.Getpid()) {
		t.Errorf("Server: %v, %v", server, err)
	}
	plugins, err := client.Plugins(ctx, &introspectionapi.PluginsRequest{Filters: []string{"id~=^[cv]"}})
	if err != nil || len(plugins.GetPlugins()) != 2 || plugins.GetPlugins()[0].GetID() != "containers" {
		t.Errorf("Plugins: %v, %v", plugins, err)
	}
	if _, err := client.PluginInfo(ctx, &introspectionapi.PluginInfoRequest{Type: "io.containerd.grpc.v1", ID: "leases"}); err != nil {
		t.Error(err)
	}
	_, err = client.PluginInfo(ctx, &introspectionapi.PluginInfoRequest{Type: "io.containerd.snapshotter.v1", ID: "overlayfs"})
	code(t, err, codes.NotFound, "io.containerd.snapshotter.v1/overlayfs")
	version, err := versionapi.NewVersionClient(conn).Version(ctx, &emptypb.Empty{})
	if err != nil || version.GetVersion() != "v1.2.3" || version.GetRevision() != "abc" {
		t.Errorf("Version: %v, %v", version, err)
	}
}

// subscribe returns a subscription that has begun.
func subscribe(ctx context.Context, t *testing.T, conn *grpc.ClientConn, filters ...string) eventsapi.Events_SubscribeClient {
	t.Helper()
	stream, err := eventsapi.NewEventsClient(conn).Subscribe(ctx, &eventsapi.SubscribeRequest{Filters: filters})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	return stream
}

func TestContainerdEvents(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	conn := dialContainerd(t, f.serve(t))
	containers, namespaces := containersapi.NewContainersClient(conn), namespacesapi.NewNamespacesClient(conn)
	leases := leasesapi.NewLeasesClient(conn)
	build := in(t.Context(), "build")
	if _, err := namespaces.Create(build, &namespacesapi.CreateNamespaceRequest{Namespace: &namespacesapi.Namespace{Name: "before"}}); err != nil {
		t.Fatal(err)
	}
	all := subscribe(t.Context(), t, conn)
	some := subscribe(t.Context(), t, conn, "event.id==web,topic~=/update$/", `namespace==build,topic=="/namespaces/delete"`)

	for _, step := range []func() error{
		func() error {
			return second(namespaces.Create(build, &namespacesapi.CreateNamespaceRequest{Namespace: &namespacesapi.Namespace{Name: "build", Labels: map[string]string{"a": "b"}}}))
		},
		func() error {
			return second(leases.Create(build, &leasesapi.CreateRequest{ID: "no event of containerd's"}))
		},
		func() error {
			return second(containers.Create(build, &containersapi.CreateContainerRequest{Container: today("web")}))
		},
		func() error {
			return second(containers.Update(build, &containersapi.UpdateContainerRequest{
				Container: today("web", func(c *containersapi.Container) { c.Labels["tier"] = "1" }), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels.tier"}},
			}))
		},
		func() error {
			return second(containers.Delete(build, &containersapi.DeleteContainerRequest{ID: "web"}))
		},
		func() error {
			return second(namespaces.Update(build, &namespacesapi.UpdateNamespaceRequest{Namespace: &namespacesapi.Namespace{Name: "build"}}))
		},
		func() error {
			return second(namespaces.Delete(build, &namespacesapi.DeleteNamespaceRequest{Name: "build"}))
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	updated := &eventtypes.ContainerUpdate{ID: "web", Image: "registry.example/web:1", Labels: map[string]string{"team": "core", "tier": "1"}, SnapshotKey: "web-snapshot"}
	want := []struct {
		topic string
		event proto.Message
	}{
		{"/namespaces/create", &eventtypes.NamespaceCreate{Name: "build", Labels: map[string]string{"a": "b"}}},
		{"/containers/create", &eventtypes.ContainerCreate{ID: "web", Image: "registry.example/web:1", Runtime: &eventtypes.ContainerCreate_Runtime{Name: runc}}},
		{"/containers/update", updated},
		{"/containers/delete", &eventtypes.ContainerDelete{ID: "web"}},
		{"/namespaces/update", &eventtypes.NamespaceUpdate{Name: "build"}},
		{"/namespaces/delete", &eventtypes.NamespaceDelete{Name: "build"}},
	}
	receive := func(stream eventsapi.Events_SubscribeClient, topic string, event proto.Message) {
		t.Helper()
		got, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		checkEnvelope(t, got, topic, event)
	}
	for _, w := range want {
		receive(all, w.topic, w.event)
	}
	receive(some, "/containers/update", updated)
	receive(some, "/namespaces/delete", want[5].event)

	stream, err := eventsapi.NewEventsClient(conn).Subscribe(t.Context(), &eventsapi.SubscribeRequest{Filters: []string{"topic=="}})
	if err != nil {
		t.Fatal(err)
	}
	code(t, second(stream.Recv()), codes.InvalidArgument, "filter")
	_, err = eventsapi.NewEventsClient(conn).Publish(t.Context(), &eventsapi.PublishRequest{Topic: "/x"})
	code(t, err, codes.Unimplemented, "containerd.services.events.v1.Events/Publish is not served")

	f.Drain() // and a server that stops does not wait for subscribers
	code(t, second(all.Recv()), codes.Unavailable, "shutting down")
}

func checkEnvelope(t *testing.T, got *typesapi.Envelope, topic string, event proto.Message) {
	t.Helper()
	if got.GetTopic() != topic || got.GetNamespace() != "build" || got.GetTimestamp().AsTime().IsZero() {
		t.Errorf("got %v, want topic %s", got, topic)
	}
	if name := string(event.ProtoReflect().Descriptor().FullName()); got.GetEvent().GetTypeUrl() != name {
		t.Errorf("got type %s, want %s", got.GetEvent().GetTypeUrl(), name)
	}
	decoded := event.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(got.GetEvent().GetValue(), decoded); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(event, decoded, protocmp.Transform()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", topic, diff)
	}
}

// A stream outlives the deadline of a whole answer, which ends others.
func TestStreamsOutliveTheWriteTimeout(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	mux := http.NewServeMux()
	mux.Handle("/", f.Handler())
	mux.HandleFunc("/stall", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	srv := httptest.NewUnstartedServer(mux)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	srv.Start()
	t.Cleanup(srv.Close)
	conn := dialContainerd(t, srv)
	stream := subscribe(t.Context(), t, conn)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/stall", nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err == nil { // after the timeout
		t.Fatal("the answer that stalled was not ended")
	}
	_ = res.Body.Close()
	for range 2 {
		if _, err := containersapi.NewContainersClient(conn).Create(in(t.Context(), "build"), &containersapi.CreateContainerRequest{Container: today("web")}); err != nil && grpcstatus.Code(err) != codes.AlreadyExists {
			t.Fatal(err)
		}
	}
	if _, err := stream.Recv(); err != nil {
		t.Errorf("the subscription ended: %v", err)
	}
}
