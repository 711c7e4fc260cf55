package plugins

import (
	"fmt"
	"strings"
	"testing"

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
