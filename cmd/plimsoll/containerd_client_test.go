package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	eventtypes "github.com/containerd/containerd/api/events"
	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/containerd/typeurl/v2"
	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// startOnSocket starts a server on a unix socket, with the starter policies.
func startOnSocket(t *testing.T, args ...string) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "plimsoll") // a path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "plimsoll.sock")
	cmd := exec.Command("plimsoll", append([]string{"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--socket", socket}, args...)...)
	cmd.Env = append(os.Environ(), "GORACE="+goRace)
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	p, err := startProcess(ctx, cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	t.Cleanup(func() {
		if err := p.stop(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	})
	return socket
}

func runcSpec(args ...string) *specs.Spec {
	return &specs.Spec{
		Version: "1.2.0",
		Process: &specs.Process{Args: args, Cwd: "/", User: specs.User{UID: 1000, GID: 1000}, NoNewPrivileges: true},
		Root:    &specs.Root{Path: "rootfs", Readonly: true},
		Linux:   &specs.Linux{},
	}
}

// containerd's own Go client, unmodified, over the socket: what it does with
// containers, it does here.
func TestContainerdClient(t *testing.T) {
	t.Parallel()
	socket := startOnSocket(t, "--policies", "none", "--validators", "none")
	client, err := containerd.New(socket, containerd.WithDefaultNamespace("build"), containerd.WithTimeout(startTimeout))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(namespaces.WithNamespace(t.Context(), "build"), startTimeout)
	defer cancel()

	if v, err := client.Version(ctx); err != nil || v.Version == "" {
		t.Errorf("version %+v, %v", v, err)
	}
	if info, err := client.Server(ctx); err != nil || len(info.UUID) != 36 {
		t.Errorf("server %+v, %v", info, err)
	}

	create := func(id, team string) containerd.Container {
		t.Helper()
		c, err := client.NewContainer(ctx, id, containerd.WithSpec(runcSpec("sleep", "1")), containerd.WithRuntime("io.containerd.runc.v2", nil),
			containerd.WithContainerLabels(map[string]string{"team": team}), containerd.WithImageName("docker.io/library/"+id+":1"),
			containerd.WithContainerExtension("example", runcSpec("an", "extension")))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	web := create("web", "core")
	create("db", "data")
	if _, err := client.NewContainer(ctx, "web", containerd.WithSpec(runcSpec("x"))); !errdefs.IsAlreadyExists(err) {
		t.Errorf("a second web: %v", err)
	}
	if _, err := client.LoadContainer(ctx, "none"); !errdefs.IsNotFound(err) {
		t.Errorf("load of none: %v", err)
	}
	if _, err := client.LoadContainer(namespaces.WithNamespace(t.Context(), "other"), "web"); !errdefs.IsNotFound(err) {
		t.Errorf("load from another namespace: %v", err)
	}

	loaded, err := client.LoadContainer(ctx, "web")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := loaded.Spec(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(runcSpec("sleep", "1"), spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	for want, filters := range map[string][]string{
		"db web": nil, "web": {"labels.team==core"}, "db": {`labels.team=="data",image~=db`}, "db web ": {"id==web", "id==db"}, "": {"id~=("},
	} {
		list, err := client.Containers(ctx, filters...)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, c := range list {
			ids = append(ids, c.ID())
		}
		if got := strings.Join(ids, " "); got != strings.TrimSpace(want) {
			t.Errorf("filters %q: got %q, want %q", filters, got, want)
		}
	}

	if labels, err := web.SetLabels(ctx, map[string]string{"tier": "front", "team": ""}); err != nil || !cmp.Equal(labels, map[string]string{"tier": "front"}) {
		t.Errorf("labels %v, %v", labels, err)
	}
	changed, err := typeurl.MarshalAny(runcSpec("changed"))
	if err != nil {
		t.Fatal(err)
	}
	err = web.Update(ctx, func(_ context.Context, _ *containerd.Client, c *containers.Container) error {
		c.Image, c.Extensions["more"] = "docker.io/library/web:2", changed
		delete(c.Extensions, "example")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	extensions, err := loaded.Extensions(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := extensions["more"]; !ok || len(extensions) != 1 || !slices.Equal(got.GetValue(), changed.GetValue()) {
		t.Errorf("extensions %v", extensions)
	}
	if info, err := loaded.Info(ctx); err != nil || info.Image != "docker.io/library/web:2" || !info.UpdatedAt.After(info.CreatedAt) {
		t.Errorf("after the update: %+v, %v", info, err)
	}
	err = web.Update(ctx, func(_ context.Context, _ *containerd.Client, c *containers.Container) error {
		c.Runtime.Name = "other"
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "immutable") { // the client loses the code of an update's error
		t.Errorf("another runtime: %v", err)
	}

	if err := web.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	if err := web.Delete(ctx); !errdefs.IsNotFound(err) {
		t.Errorf("a second delete: %v", err)
	}
	if _, err := client.ListImages(ctx); !errdefs.IsNotImplemented(err) || !strings.Contains(err.Error(), "Plimsoll keeps the metadata of containers") {
		t.Errorf("images: %v", err)
	}
	testContainerdAround(ctx, t, client)
}

// testContainerdAround tests what the client does beside containers. There is one,
// db, in the namespace build.
func testContainerdAround(ctx context.Context, t *testing.T, client *containerd.Client) {
	t.Helper()
	store := client.NamespaceService()
	if err := store.Create(ctx, "empty", map[string]string{"a": "b"}); err != nil {
		t.Error(err)
	}
	if err := store.SetLabel(ctx, "empty", "c", "d"); err != nil {
		t.Error(err)
	}
	if labels, err := store.Labels(ctx, "empty"); err != nil || !cmp.Equal(labels, map[string]string{"a": "b", "c": "d"}) {
		t.Errorf("labels %v, %v", labels, err)
	}
	if names, err := store.List(ctx); err != nil || !cmp.Equal(names, []string{"build", "empty"}) {
		t.Errorf("namespaces %v, %v", names, err)
	}
	if err := store.Delete(ctx, "build"); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("delete of a namespace with containers: %v", err)
	}
	if err := store.Delete(ctx, "empty"); err != nil {
		t.Error(err)
	}

	leased, done, err := client.WithLease(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := client.LeasesService().List(leased); err != nil || len(all) != 1 {
		t.Errorf("leases %v, %v", all, err)
	}
	if err := done(leased); err != nil {
		t.Error(err)
	}

	// The client does not say when its subscription has begun, so containers come and
	// go until it has.
	watched, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	events, failed := client.Subscribe(watched, `topic=="/containers/create",event.id==late`)
	received := errors.New("received")
	for context.Cause(watched) == nil {
		c, err := client.NewContainer(ctx, "late", containerd.WithSpec(runcSpec("x")))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		select {
		case envelope := <-events:
			decoded, err := typeurl.UnmarshalAny(envelope.Event)
			if err != nil {
				t.Fatal(err)
			}
			if created, ok := decoded.(*eventtypes.ContainerCreate); !ok || created.GetID() != "late" || envelope.Namespace != "build" || time.Since(envelope.Timestamp) > time.Hour {
				t.Errorf("event %v of %+v", decoded, envelope)
			}
			stop(received)
		case err := <-failed:
			t.Fatal(err)
		default:
		}
	}
	if !errors.Is(context.Cause(watched), received) {
		t.Error(context.Cause(watched))
	}
}

// A denial is an error that the client can tell, and whose text says why.
func TestContainerdClientDenied(t *testing.T) {
	t.Parallel()
	socket := startOnSocket(t)
	client, err := containerd.New(socket, containerd.WithDefaultNamespace("default"), containerd.WithTimeout(startTimeout))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ctx := namespaces.WithNamespace(t.Context(), "default")
	spec := runcSpec("sh")
	spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_SYS_ADMIN"}, Effective: []string{"CAP_SYS_ADMIN"}, Permitted: []string{"CAP_SYS_ADMIN"}}
	spec.Mounts = []specs.Mount{{Destination: "/host", Source: "/", Type: "bind", Options: []string{"bind", "rw"}}}
	_, err = client.NewContainer(ctx, "web", containerd.WithSpec(spec))
	if !errdefs.IsPermissionDenied(err) || !strings.HasPrefix(err.Error(), "denied: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	if _, err := client.LoadContainer(ctx, "web"); !errdefs.IsNotFound(err) {
		t.Errorf("what was denied: %v", err)
	}
}

// Rules see what a shim is told to run in runc's place, though it is no JSON.
func TestContainerdClientRuntimeOptions(t *testing.T) {
	t.Parallel()
	rule := "package binary\n\ndeny contains sprintf(\"runs %s\", [name]) if {\n\tname := input.object.runtime_options.binary_name\n\tname != \"\"\n}\n"
	path := filepath.Join(t.TempDir(), "binary.rego")
	if err := os.WriteFile(path, []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := containerd.New(startOnSocket(t, "--policies", path, "--validators", "none"), containerd.WithDefaultNamespace("default"), containerd.WithTimeout(startTimeout))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ctx := namespaces.WithNamespace(t.Context(), "default")
	create := func(binary string) error {
		_, err := client.NewContainer(ctx, "web", containerd.WithSpec(runcSpec("sh")), containerd.WithRuntime("io.containerd.runc.v2", &runcoptions.Options{BinaryName: binary}))
		return err
	}
	if err := create("/tmp/evil"); !errdefs.IsPermissionDenied(err) || !strings.Contains(err.Error(), "denied: runs /tmp/evil") {
		t.Errorf("got %v", err)
	}
	if err := create(""); err != nil {
		t.Error(err)
	}
}

// A client can have its containers here and the rest elsewhere: as docs/containerd.md
// shows, but with nothing elsewhere.
func TestContainerdClientWithServices(t *testing.T) {
	t.Parallel()
	socket := startOnSocket(t, "--policies", "none", "--validators", "none")
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client, err := containerd.New("", containerd.WithDefaultNamespace("default"), containerd.WithServices(
		containerd.WithContainerClient(containersapi.NewContainersClient(conn)),
		containerd.WithNamespaceClient(namespacesapi.NewNamespacesClient(conn)),
		containerd.WithLeasesService(nothingLeased{}),
	))
	if err != nil {
		t.Fatal(err)
	}
	ctx := namespaces.WithNamespace(t.Context(), "default")
	if _, err := client.NewContainer(ctx, "web", containerd.WithSpec(runcSpec("sh"))); err != nil {
		t.Fatal(err)
	}
	if _, err := client.LoadContainer(ctx, "web"); err != nil {
		t.Error(err)
	}
}

// nothingLeased is a lease manager elsewhere.
type nothingLeased struct{ leases.Manager }

func (nothingLeased) Create(context.Context, ...leases.Opt) (leases.Lease, error) {
	return leases.Lease{ID: "none"}, nil
}

func (nothingLeased) Delete(context.Context, leases.Lease, ...leases.DeleteOpt) error { return nil }
