package plugins

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
)

// BenchmarkJudge is one validator that does nothing, by the size of the spec: what
// the host itself costs.
func BenchmarkJudge(b *testing.B) {
	for _, size := range []int{64, 4 << 10, 32 << 10} {
		b.Run(fmt.Sprintf("spec=%d", size), func(b *testing.B) {
			v := load(b, "valid")
			in := input(`{"x":"` + strings.Repeat("x", size) + `"}`)
			b.ReportAllocs()
			for b.Loop() {
				judgeOnce(b, v, in)
			}
		})
	}
}

// BenchmarkJudgeParallel is the same, by as many as there are instances.
func BenchmarkJudgeParallel(b *testing.B) {
	v := load(b, "valid")
	in := input(smallSpec)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			judgeOnce(b, v, in)
		}
	})
}

// BenchmarkJudgeGo is the validator in the guide, which decodes the request in Go.
func BenchmarkJudgeGo(b *testing.B) {
	v := loadGoGuest(b)
	in := input(`{"process":{"cwd":"/"},"x":"` + strings.Repeat("x", 4<<10) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		judgeOnce(b, v, in)
	}
}

// BenchmarkAsk is the guest's part: alloc, write, validate, copy, without the pool,
// the verdict and the restoring.
func BenchmarkAsk(b *testing.B) {
	v := load(b, "valid")
	i := acquire(b, v)
	req, err := abi.NewRequest([]byte(`{"a":1}`), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.ask(req, v.bindings[0].info.Limits); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRestore is putting an instance back after a call, by the size of its
// memory; grown is when the call had grown it by a page.
func BenchmarkRestore(b *testing.B) {
	for _, pages := range []int{1, 2, 16, 52, 256} {
		b.Run(fmt.Sprintf("KiB=%d", 64*pages), func(b *testing.B) {
			i := acquire(b, load(b, "valid"))
			if _, ok := i.module.Memory().Grow(uint32(pages - 1)); !ok {
				b.Fatal("memory cannot grow")
			}
			s, err := i.save(initializeFuel)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(s.memory)))
			for b.Loop() {
				if !i.restore(s) {
					b.Fatal("not restored")
				}
			}
		})
	}
	b.Run("grown", func(b *testing.B) {
		v := load(b, "valid")
		i := acquire(b, v)
		for b.Loop() {
			i.module.Memory().Grow(1)
			if !i.restore(v.bindings[0].origin) {
				b.Fatal("not restored")
			}
		}
	})
}

// BenchmarkClone is making an instance, which happens after a fault.
func BenchmarkClone(b *testing.B) {
	v := load(b, "trap")
	in := input(smallSpec)
	for b.Loop() {
		if _, err := v.Judge(b.Context(), in); err == nil {
			b.Fatal("no fault")
		}
	}
}

func judgeOnce(b *testing.B, v *Validators, in *plimsoll.Input) {
	verdict, err := v.Judge(b.Context(), in)
	if err != nil || len(verdict.Violations) > 0 {
		b.Fatalf("verdict %+v, error %v", verdict, err)
	}
}

func acquire(b *testing.B, v *Validators) *instance {
	res, err := v.bindings[0].pool.Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(res.Destroy)
	return res.Value()
}

// abiGuests are guests of each ABI that have a verdict on everything: the smallest one, and
// the examples by their languages.
var abiGuests = []struct{ abi, path string }{
	{"native/smallest", "testdata/keeper.wasm"},
	{"native/rust", "../examples/validators/runc-spec/runc-spec.wasm"},
	{"native/c++", "../examples/validators/runsc-spec/runsc-spec.wasm"},
	{"native/c", "../examples/validators/secrets-in-spec/secrets-in-spec.wasm"},
	{"native/nim", "../examples/validators/wasm-shim-spec/wasm-shim-spec.wasm"},
	{"native/assemblyscript", "../examples/validators/runhcs-spec/runhcs-spec.wasm"},
	{"native/go", "../examples/validators/kata-spec/kata-spec.wasm"},
	{"native/javascript", "../examples/validators/image-conventions/image-conventions.wasm"},
	{"wasi-command/smallest", "testdata/command-exit.wasm"},
	{"wasi-command/c", "../examples/validators/env-secrets/env-secrets.wasm"},
	{"extism/smallest", "testdata/extism-valid.wasm"},
	{"extism/go", "../examples/validators/seccomp-audit/seccomp-audit.wasm"},
	{"opa/smallest", "testdata/opa-valid.wasm"},
	{"opa/rego", "../examples/validators/pod-security/pod-security.wasm"},
}

// benchTrial is a module of abiGuests.
func benchTrial(b *testing.B, path string) *Trial {
	b.Helper()
	module, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	trial, err := NewTrial(b.Context(), module, TrialOptions{Limits: Limits{Timeout: maxTimeout, Concurrency: 1}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := trial.Close(); err != nil {
			b.Error(err)
		}
	})
	return trial
}

// BenchmarkCallOfABI is one call on specs of 4 and 19 kB, the host's part included. Beside
// the mean there are percentiles, the fuel of a call, and the memory that an instance has
// when it ends.
func BenchmarkCallOfABI(b *testing.B) {
	for _, g := range abiGuests {
		for _, spec := range []string{"linux-default", "linux-web-seccomp"} {
			content, err := os.ReadFile("../examples/validators/runc-spec/testdata/specs/" + spec + ".json")
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%s/%dkB", g.abi, (len(content)+500)/1000), func(b *testing.B) {
				trial := benchTrial(b, g.path)
				in := input(string(content))
				var times []time.Duration
				var last Call
				b.ReportAllocs()
				for b.Loop() {
					if last, err = trial.Judge(b.Context(), in); err != nil {
						b.Fatal(err)
					}
					times = append(times, last.Duration)
				}
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)/2]), "p50-ns")
				b.ReportMetric(float64(times[len(times)*99/100]), "p99-ns")
				b.ReportMetric(float64(last.Fuel), "fuel")
				b.ReportMetric(float64(last.Memory>>10), "instance-KiB")
			})
		}
	}
}

// BenchmarkInstantiateABI is making an instance of a module that has been compiled, ready
// for a call.
func BenchmarkInstantiateABI(b *testing.B) {
	for _, g := range abiGuests {
		b.Run(g.abi, func(b *testing.B) {
			trial := benchTrial(b, g.path)
			for b.Loop() {
				i, err := trial.binding.program.clone(b.Context(), trial.binding.origin)
				if err != nil {
					b.Fatal(err)
				}
				if err := i.close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFreshOrRestored compares the two ways to a clean instance: to put one back,
// and to make and prepare another.
func BenchmarkFreshOrRestored(b *testing.B) {
	for _, g := range abiGuests {
		trial := benchTrial(b, g.path)
		p, origin := trial.binding.program, trial.binding.origin
		b.Run(g.abi+"/restored", func(b *testing.B) {
			i, err := p.clone(b.Context(), origin)
			if err != nil {
				b.Fatal(err)
			}
			defer i.close(b.Context())
			for b.Loop() {
				if !i.restore(origin) {
					b.Fatal("not restored")
				}
			}
		})
		b.Run(g.abi+"/fresh", func(b *testing.B) {
			for b.Loop() {
				i, err := p.start(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := i.save(initializeFuel); err != nil {
					b.Fatal(err)
				}
				if err := i.close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
