package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/anypb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage/badgerstore"
)

// apiBench is a server on a socket, with all rules on, and clients of it.
type apiBench struct {
	*testing.B
	base string
	http *http.Client
	spec []byte
	next atomic.Int64
}

func newAPIBench(b *testing.B) *apiBench {
	b.Helper()
	spec, err := os.ReadFile("testdata/spec.json")
	if err != nil {
		b.Fatal(err)
	}
	log, err := newLogger(b.Output(), "text", "error")
	if err != nil {
		b.Fatal(err)
	}
	store, err := badgerstore.Open(badgerstore.Options{Dir: b.TempDir(), Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	rules := loadRules(b, DefaultConfig(), log)
	b.Cleanup(func() { _ = rules.close() })
	svc := service.New(store, service.Options{Logger: log})
	svc.SetRuleset(&rules.Ruleset)
	l, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	web := newHTTPServer(svc.Handler())
	go func() { _ = web.Serve(l) }()
	b.Cleanup(func() { _ = web.Close() })
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	b.Cleanup(transport.CloseIdleConnections)
	return &apiBench{B: b, base: "http://" + l.Addr().String(), http: &http.Client{Transport: transport}, spec: spec}
}

// protocols are the ways to speak to the server.
var protocols = map[string][]connect.ClientOption{
	"connect":      nil,
	"connect+json": {connect.WithCodec(service.JSONCodecs()[0])},
	"grpc":         {connect.WithGRPC()},
	"grpcweb":      {connect.WithGRPCWeb()},
}

func (a *apiBench) create(ctx context.Context, client containerdv1connect.ContainersClient) error {
	n := a.next.Add(1)
	_, err := client.Create(ctx, &containerdv1.CreateContainerRequest{Container: &containerdv1.Container{
		Id: fmt.Sprintf("c%d", n), Labels: map[string]string{"team": "core", "shard": fmt.Sprint(n % 100)},
		Image: "docker.io/library/nginx:1.29", Runtime: "io.containerd.runc.v2",
		Spec: &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: a.spec},
	}})
	return err
}

// fill creates n containers, some at a time.
func (a *apiBench) fill(n int) {
	client := containerdv1connect.NewContainersClient(a.http, a.base, connect.WithGRPC())
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for a.next.Load() < int64(n) {
				if err := a.create(a.Context(), client); err != nil {
					a.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// each calls f b.N times, 64 at once.
func (a *apiBench) each(b *testing.B, f func(ctx context.Context) error) {
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(b.Context()); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkAPI makes calls over a socket, 64 at once, with the starter policies and the
// runc checker on and 1,000 containers stored. The client's work counts, too.
func BenchmarkAPI(b *testing.B) {
	a := newAPIBench(b)
	a.fill(1000)
	for name, options := range protocols {
		containers := containerdv1connect.NewContainersClient(a.http, a.base, options...)
		service := plimsollv1connect.NewContainerServiceClient(a.http, a.base, options...)
		for call, f := range map[string]func(ctx context.Context) error{
			"create": func(ctx context.Context) error { return a.create(ctx, containers) },
			"get": func(ctx context.Context) error {
				_, err := containers.Get(ctx, &containerdv1.GetContainerRequest{Id: "c7"})
				return err
			},
			"list-10-with-specs": func(ctx context.Context) error {
				_, err := containers.List(ctx, &containerdv1.ListContainersRequest{Filter: "labels.shard==7,id~=^c.?.?.?$"})
				return err
			},
			"list-100-of-1000": func(ctx context.Context) error {
				_, err := service.ListContainers(ctx, &plimsollv1.ListContainersRequest{PageSize: 100})
				return err
			},
		} {
			b.Run(fmt.Sprintf("call=%s/protocol=%s", call, name), func(b *testing.B) { a.each(b, f) })
		}
	}
}

// BenchmarkWatch creates containers, 64 at once, while a number of watchers look on,
// and ends when all of them have seen everything.
func BenchmarkWatch(b *testing.B) {
	for _, watchers := range []int{0, 1, 10, 100} {
		b.Run(fmt.Sprintf("watchers=%d", watchers), func(b *testing.B) {
			a := newAPIBench(b)
			client := containerdv1connect.NewContainersClient(a.http, a.base, connect.WithGRPC())
			watching := plimsollv1connect.NewContainerServiceClient(a.http, a.base, connect.WithGRPC())
			var seen sync.WaitGroup
			for range watchers {
				stream, err := watching.Watch(b.Context(), &plimsollv1.WatchRequest{AfterRevision: new(uint64)})
				if err != nil {
					b.Fatal(err)
				}
				seen.Go(func() {
					defer stream.Close()
					for events := 0; events < b.N; {
						if !stream.Receive() {
							b.Error(stream.Err())
							return
						}
						events += len(stream.Msg().GetCommit().GetEvents())
					}
				})
			}
			a.each(b, func(ctx context.Context) error { return a.create(ctx, client) })
			seen.Wait()
			b.ReportMetric(float64(b.N*watchers)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
