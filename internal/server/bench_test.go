package server

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/badgerstore"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// BenchmarkPipeline creates containers with a 4 KB spec, 64 at a time, through
// everything but the network: decoding, judging, committing, answering. Compare
// rules=none with the others of the same store in the same run.
func BenchmarkPipeline(b *testing.B) {
	spec, err := os.ReadFile("testdata/spec.json")
	if err != nil {
		b.Fatal(err)
	}
	for _, store := range []string{"mem", "badger"} {
		for _, policies := range []int{0, 1, 10} {
			for _, validators := range []int{0, 1} {
				b.Run(fmt.Sprintf("store=%s/policies=%d/validators=%d", store, policies, validators), func(b *testing.B) {
					config := DefaultConfig()
					config.Policies, config.Validators = []string{None}, []string{None}
					if policies > 0 {
						config.Policies = []string{writePolicies(b, policies)}
					}
					if validators > 0 {
						config.Validators = nil // the embedded runc spec checker
					}
					benchmarkCreate(b, store, config, spec)
				})
			}
		}
		b.Run(fmt.Sprintf("store=%s/policies=starter/validators=1", store), func(b *testing.B) {
			benchmarkCreate(b, store, DefaultConfig(), spec)
		})
	}
}

// writePolicies writes n packages that each look at labels and deep into the spec.
func writePolicies(b *testing.B, n int) string {
	dir := b.TempDir()
	for i := range n {
		source := strings.ReplaceAll(`package bench.pN

deny contains {"msg": "label \"team\" is required", "field": "labels.team"} if {
	not input.object.labels.team
}

deny contains {"msg": sprintf("mount %v is not absolute", [i]), "field": sprintf("spec.mounts[%d]", [i])} if {
	some i, mount in input.object.spec.mounts
	not startswith(mount.destination, "/")
}

deny contains {"msg": "capability is forbidden", "field": "spec.process.capabilities"} if {
	some set in input.object.spec.process.capabilities
	"CAP_SYS_ADMIN" in set
}
`, "pN", fmt.Sprintf("p%d", i))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("p%d.rego", i)), []byte(source), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func benchmarkCreate(b *testing.B, storeName string, config Config, spec []byte) {
	log, err := newLogger(b.Output(), "text", "error")
	if err != nil {
		b.Fatal(err)
	}
	var store storage.Store = memstore.New()
	if storeName == "badger" {
		if store, err = badgerstore.Open(badgerstore.Options{Dir: b.TempDir(), Logger: log}); err != nil {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() { _ = store.Close() })
	rules := loadRules(b, config, log)
	b.Cleanup(func() { _ = rules.close() })
	svc := service.New(store, service.Options{Logger: log})
	svc.SetRuleset(&rules.Ruleset)
	handler := svc.Handler()

	var next atomic.Int64
	b.SetParallelism(32) // 64 in flight on two processors
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			body, err := proto.Marshal(&containerdv1.CreateContainerRequest{Container: &containerdv1.Container{
				Id: fmt.Sprintf("c%d", next.Add(1)), Labels: map[string]string{"team": "core"}, Image: "docker.io/library/nginx:1.29",
				Runtime: "io.containerd.runc.v2",
				Spec:    &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: spec},
			}})
			if err != nil {
				b.Error(err)
				return
			}
			req := httptest.NewRequest(http.MethodPost, containerdv1connect.ContainersCreateProcedure, bytes.NewReader(body))
			req.Header.Set("Content-Type", "application/proto")
			res := httptest.NewRecorder()
			handler.ServeHTTP(res, req)
			if res.Code != http.StatusOK {
				b.Errorf("status %d: %s", res.Code, res.Body)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "creates/s")
}
