package server

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// BenchmarkPoliteness measures creates by a few clients, with nothing else to do and, in
// turns, while an impact and the continuous audit go over a store of many containers that
// each take a while to judge. It reports the ratio of what 99 of 100 creates take, and
// the median one, with and without that work.
func BenchmarkPoliteness(b *testing.B) {
	const stored, clients = 2000, 8
	dir := policyDir(b, "package live\n\ndeny contains \"no team\" if not input.object.labels.team\n")
	config := quickConfig(b, dir)
	config.AuditInterval = 100 * time.Millisecond
	s := run(b, config)
	labels := map[string]map[string]string{}
	for i := range stored {
		labels[fmt.Sprintf("s%d", i)] = map[string]string{"team": "core"}
	}
	s.fill("stored", labels)
	candidate := bundle(b, `package next

deny contains "never" if count([1 | some i in numbers.range(1, 2000); i > count(input.object.id) + 1990]) > 100
`)
	took := map[bool][]time.Duration{}
	next := 0
	create := func(n int, busy bool) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for c := range clients {
			first := next
			all.Go(func() {
				for i := c; i < n; i += clients {
					ctx := b.Context()
					began := time.Now()
					_, err := s.containers.Create(ctx, &containerdv1.CreateContainerRequest{Container: &containerdv1.Container{
						Id: fmt.Sprintf("c%d", first+i), Labels: map[string]string{"team": "core"}, Image: "nginx", Runtime: "io.containerd.runc.v2",
						Spec: &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: []byte(`{"ociVersion":"1.2.0"}`)},
					}})
					lasted := time.Since(began)
					if err != nil {
						b.Error(err)
						return
					}
					mu.Lock()
					took[busy] = append(took[busy], lasted)
					mu.Unlock()
				}
			})
		}
		all.Wait()
		next += n
	}
	create(clients*20, false)
	took = map[bool][]time.Duration{}
	for b.Loop() {
		create(200, false)
		busy(b, s, candidate, func() { create(200, true) })
	}
	for _, all := range took {
		slices.Sort(all)
	}
	at := func(busy bool, part float64) float64 {
		return float64(took[busy][int(part*float64(len(took[busy])-1))])
	}
	b.ReportMetric(at(false, 0.99)/1e6, "ms-p99-idle")
	b.ReportMetric(at(true, 0.99)/1e6, "ms-p99-busy")
	b.ReportMetric(at(true, 0.99)/at(false, 0.99), "p99-ratio")
	b.ReportMetric(at(true, 0.5)/at(false, 0.5), "p50-ratio")
}

// busy does something while an impact is under way.
func busy(b *testing.B, s *running, candidate *plimsollv1.Candidate, do func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	stream, err := s.rollouts().Impact(ctx, &plimsollv1.ImpactRequest{Candidate: candidate})
	if err != nil {
		b.Fatal(err)
	}
	for stream.Receive() && stream.Msg().GetProgress().GetDone() == 0 { // until it has begun
	}
	do()
	finished := false
	cancel()
	for stream.Receive() {
		finished = finished || stream.Msg().GetSummary() != nil
	}
	if finished {
		b.Error("the impact was done before the creates were")
	}
	_ = stream.Close()
}
