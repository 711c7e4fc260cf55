package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plimsoll-project/plimsoll/service"
)

func followCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: follow NAME ARGS…")
	}
	cmd := exec.Command("plimsoll", args[1:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), os.Environ()
	for _, inherited := range []string{"GORACE", "PLIMSOLL_ADDRESS", "PLIMSOLL_NAMESPACE"} {
		cmd.Env = append(cmd.Env, inherited+"="+ts.Getenv(inherited))
	}
	p, err := launch(cmd)
	ts.Check(err)
	ts.Defer(p.kill)
	serversOf(ts)[args[0]] = p
}

func seesCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sees NAME REGEXP")
	}
	p, ok := serversOf(ts)[args[0]]
	if !ok {
		ts.Fatalf("no process %q", args[0])
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	_, err := p.await(ctx, regexp.MustCompile(`(?m)`+args[1]))
	ts.Check(err)
}

// breaksCommand makes a proxy that hands on everything, but ends the first
// connection when the answer begins: the request has arrived, and nobody knows.
func breaksCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: breaks NAME ADDRESS")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
	go func() {
		for first := true; ; first = false {
			client, err := l.Accept()
			if err != nil {
				return // the script has ended
			}
			go proxy(client, args[1], first)
		}
	}()
}

func proxy(client net.Conn, address string, breaks bool) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() { _, _ = io.Copy(server, client) }()
	if breaks {
		_, _ = io.ReadFull(server, make([]byte, 1))
		return
	}
	_, _ = io.Copy(client, server)
}

// containerdCommand serves, at a unix socket, the part of containerd's API that
// import reads. The file has manifests that name their namespaces.
func containerdCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: containerd NAME FILE")
	}
	manifests, err := readManifests(ts.MkAbs(args[1]), nil)
	ts.Check(err)
	path := filepath.Join(ts.Getenv("SOCKETS"), args[0])
	l, err := net.Listen("unix", path)
	ts.Check(err)
	fake := &fakeContainerd{containers: map[string][]*containersapi.Container{}}
	for _, m := range manifests {
		c := m.container
		fake.containers[m.namespace] = append(fake.containers[m.namespace], &containersapi.Container{
			ID: c.GetId(), Labels: c.GetLabels(), Image: c.GetImage(),
			Runtime: &containersapi.Container_Runtime{Name: c.GetRuntime().GetName(), Options: c.GetRuntime().GetOptions()},
			Spec:    c.GetSpec(), Snapshotter: c.GetSnapshotter(), SnapshotKey: c.GetSnapshotKey(),
			Extensions: c.GetExtensions(), Sandbox: c.GetSandboxId(),
			CreatedAt: timestamppb.Now(), UpdatedAt: timestamppb.Now(),
		})
	}
	server := grpc.NewServer()
	containersapi.RegisterContainersServer(server, fake)
	namespacesapi.RegisterNamespacesServer(server, fakeNamespaces{fakeContainerd: fake})
	go func() { _ = server.Serve(l) }()
	ts.Defer(server.Stop)
	ts.Setenv(args[0], "unix://"+path)
}

type fakeContainerd struct {
	containersapi.UnimplementedContainersServer
	containers map[string][]*containersapi.Container // by namespace
}

func (f *fakeContainerd) ListStream(_ *containersapi.ListContainersRequest, stream containersapi.Containers_ListStreamServer) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	namespace := strings.Join(md.Get(service.HeaderNamespace), ",")
	if namespace == "" {
		return status.Error(codes.FailedPrecondition, "namespace is required")
	}
	for _, c := range f.containers[namespace] {
		if err := stream.Send(&containersapi.ListContainerMessage{Container: c}); err != nil {
			return err
		}
	}
	return nil
}

type fakeNamespaces struct {
	namespacesapi.UnimplementedNamespacesServer
	*fakeContainerd
}

func (f fakeNamespaces) List(context.Context, *namespacesapi.ListNamespacesRequest) (*namespacesapi.ListNamespacesResponse, error) {
	res := &namespacesapi.ListNamespacesResponse{}
	for _, name := range slices.Sorted(maps.Keys(f.containers)) {
		res.Namespaces = append(res.Namespaces, &namespacesapi.Namespace{Name: name})
	}
	if len(res.GetNamespaces()) == 0 {
		return nil, errors.New("no namespaces")
	}
	return res, nil
}
