package service

import (
	"os"
	"testing"
	"time"

	"github.com/plimsoll-project/plimsoll"
)

// BenchmarkRecord makes the record of a Create with a 3 KB spec, as the request does for
// admitted ones (digest) and the background for others (input).
func BenchmarkRecord(b *testing.B) {
	spec, err := os.ReadFile("../internal/server/testdata/spec.json")
	if err != nil {
		b.Fatal(err)
	}
	in := &plimsoll.Input{Operation: plimsoll.OperationCreate, Namespace: "default", User: plimsoll.User{Via: "anonymous"}, Object: &plimsoll.Container{
		ID: "web", Labels: map[string]string{"team": "core"}, Image: "docker.io/library/nginx:1.29", Runtime: plimsoll.Runtime{Name: "io.containerd.runc.v2"},
		Spec: plimsoll.Any{TypeURL: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: spec}, CreatedAt: time.Now(),
	}}
	if _, err := in.JSON(); err != nil { // policies have asked for it
		b.Fatal(err)
	}
	r := &result{mutation: &plimsoll.Mutation{}, input: in, decision: &plimsoll.Decision{
		ID: "01JDF3Q8ZK4M2N6P8R0S2T4V6X", Time: time.Now(), Operation: plimsoll.OperationCreate, Key: plimsoll.Key{Namespace: "default", ID: "web"},
		Ruleset: "sha256:0123456789abcdef", Attempts: 1,
	}}
	for _, keepsInput := range []bool{false, true} {
		b.Run(map[bool]string{false: "digest", true: "input"}[keepsInput], func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				record := recordOf(r, plimsoll.OutcomeAdmitted, nil)
				if !keepsInput {
					record.input = nil
				}
				logged, err := record.forLog()
				if err != nil {
					b.Fatal(err)
				}
				size = len(logged.Value)
			}
			b.ReportMetric(float64(size), "B/record")
		})
	}
}
