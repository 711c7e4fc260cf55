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
