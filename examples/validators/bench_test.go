package validators_test

import (
	"fmt"
	"testing"
)

// BenchmarkRuncSpec is one call of the default binding through the host, on specs of
// some 4 and 19 kB.
func BenchmarkRuncSpec(b *testing.B) {
	v := loadReadingAll(b)
	for _, name := range []string{"linux-default", "linux-privileged", "linux-web-seccomp"} {
		spec := fixture(b, name)
		in := input(spec)
		if _, err := in.JSON(); err != nil { // made once for all rules
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s-%d", name, len(spec)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				judge(b, v, in)
			}
		})
	}
}

// BenchmarkRuncSpecRemembered is the same of specs that have been judged before.
func BenchmarkRuncSpecRemembered(b *testing.B) {
	v := loadDefault(b)
	for _, name := range []string{"linux-default", "linux-web-seccomp"} {
		spec := fixture(b, name)
		in := input(spec)
		b.Run(fmt.Sprintf("%s-%d", name, len(spec)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				judge(b, v, in)
			}
		})
	}
}

// BenchmarkRunscSpec is one call of the validator in C++ through the host, and the same
// check in Go without one, on specs of some 4 and 19 kB. Both parse the spec.
func BenchmarkRunscSpec(b *testing.B) {
	v := loadAsking(b, "runsc-spec", map[string]any{})
	for _, name := range []string{"linux-default", "linux-web-seccomp"} {
		spec := fixture(b, name)
		in := input(spec)
		in.Object.Runtime.Name = "io.containerd.runsc.v1"
		if _, err := in.JSON(); err != nil { // made once for all rules
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("wasm/%s-%d", name, len(spec)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				judge(b, v, in)
			}
		})
		b.Run(fmt.Sprintf("native/%s-%d", name, len(spec)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if violations, _ := nativeRunsc(spec); len(violations) > 0 {
					b.Fatal(violations)
				}
			}
		})
	}
}
