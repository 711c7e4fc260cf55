package service_test

import (
	"net/http"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// Readiness, in all the ways to ask for it, follows whether mutations can be judged
// and committed; liveness does not.
func TestReadiness(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	srv := f.serve(t)
	conn, err := grpc.NewClient("passthrough:///"+srv.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	health := healthv1.NewHealthClient(conn)

	steps := []struct {
		name   string
		do     func()
		ready  bool
		reason string
	}{
		{"with rules", func() {}, true, "ok\n"},
		{"without", func() { f.SetRuleset(nil) }, false, "not ready: POLICY_NOT_READY\n"},
		{"with rules again", func() { f.SetRuleset(labelRules()) }, true, "ok\n"},
		{"draining", func() { f.Drain() }, false, "not ready: DRAINING\n"},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			step.do()
			checkReadiness(t, f, srv.URL, health, step.ready, step.reason)
		})
	}
	// Requests that come all the same are served.
	if _, _, err := clientsOf(t, srv)["grpc"].create(t.Context(), nil, container("late")); err != nil {
		t.Errorf("Create while draining: %v", err)
	}

	closed := newFixture(t, nil, service.Options{})
	srv = closed.serve(t)
	if err := closed.store.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _, answer := send(t, http.MethodGet, srv.URL+"/readyz", nil, nil); status != 503 || answer != "not ready: STORAGE_CLOSED\n" {
		t.Errorf("/readyz over a closed store: %d %q", status, answer)
	}
}

func checkReadiness(t *testing.T, f *fixture, url string, health healthv1.HealthClient, ready bool, reason string) {
	t.Helper()
	if err := f.Ready(t.Context()); (err == nil) != ready {
		t.Errorf("Ready: %v", err)
	}
	status, want := http.StatusOK, healthv1.HealthCheckResponse_SERVING
	if !ready {
		status, want = http.StatusServiceUnavailable, healthv1.HealthCheckResponse_NOT_SERVING
	}
	if got, _, answer := send(t, http.MethodGet, url+"/readyz", nil, nil); got != status || answer != reason {
		t.Errorf("/readyz: %d %q, want %d %q", got, answer, status, reason)
	}
	if got, _, answer := send(t, http.MethodGet, url+"/livez", nil, nil); got != http.StatusOK || answer != "ok\n" {
		t.Errorf("/livez: %d %q", got, answer)
	}
	for _, name := range []string{"", "containerd.v1.Containers"} {
		res, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{Service: name})
		if err != nil || res.GetStatus() != want {
			t.Errorf("health of %q: %v (%v), want %v", name, res, err, want)
		}
	}
	if _, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{Service: "x"}); grpcstatus.Code(err) != codes.NotFound {
		t.Errorf("health of an unknown service: %v, want NOT_FOUND", err)
	}
}

// Reflection tells all that a client needs to call the API.
func TestReflection(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	srv := f.serve(t)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	stream := grpcreflect.NewClient(&http.Client{Transport: transport}, srv.URL, connect.WithGRPC()).NewStream(t.Context())
	defer stream.Close()

	names, err := stream.ListServices()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []protoreflect.FullName{
		"containerd.v1.Containers", grpchealth.HealthV1ServiceName, "containerd.services.containers.v1.Containers",
		"containerd.services.namespaces.v1.Namespaces", "containerd.services.leases.v1.Leases", "containerd.services.events.v1.Events",
		"containerd.services.introspection.v1.Introspection", "containerd.services.version.v1.Version",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("services %v lack %s", names, want)
		}
		if _, err := stream.FileContainingSymbol(want); err != nil {
			t.Errorf("%s cannot be described: %v", want, err)
		}
	}

	files, err := stream.FileContainingSymbol("containerd.v1.Containers")
	if err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{File: files}
	for _, dependency := range []string{"google/protobuf/any.proto", "google/protobuf/empty.proto", "google/protobuf/field_mask.proto"} {
		if slices.ContainsFunc(set.GetFile(), func(f *descriptorpb.FileDescriptorProto) bool { return f.GetName() == dependency }) {
			continue
		}
		more, err := stream.FileByFilename(dependency)
		if err != nil {
			t.Fatal(err)
		}
		set.File = append(set.File, more...)
	}
	registry, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	found, err := registry.FindDescriptorByName("containerd.v1.Containers")
	if err != nil {
		t.Fatal(err)
	}
	want := containerdv1.File_containerd_v1_containers_proto.Services().Get(0).Methods()
	got := found.(protoreflect.ServiceDescriptor).Methods()
	if got.Len() != want.Len() {
		t.Fatalf("%d methods, want %d", got.Len(), want.Len())
	}
	for i := range want.Len() {
		if got.Get(i).FullName() != want.Get(i).FullName() || got.Get(i).Input().FullName() != want.Get(i).Input().FullName() {
			t.Errorf("method %v, want %v", got.Get(i), want.Get(i))
		}
	}
}
