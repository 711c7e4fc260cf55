package wasm

import (
	"fmt"
	"strings"
	"testing"
)

// document is JSON of some four kilobytes, as a container's specification is.
func document() string {
	var mounts []string
	for i := range 30 {
		mounts = append(mounts, fmt.Sprintf(
			`{"destination": "/data/%d", "type": "bind", "source": "/srv/\u00e9/%d", "options": ["rbind", "ro"], "size": %d.5e3}`,
			i, i, i))
	}
	return `{"ociVersion": "1.2.0", "process": {"terminal": false, "cwd": "/", "args": ["sleep", "1"], "uid": -1, "x": null}, "mounts": [` +
		strings.Join(mounts, ", ") + `]}`
}

const documentAt = 1024

// check runs the checker on a document.
func check(tb testing.TB, g *guest, doc string) int32 {
	tb.Helper()
	if !g.module.Memory().WriteString(documentAt, doc) {
		tb.Fatal("the document does not fit")
	}
	result, trap := g.call(tb, "check", documentAt, uint64(len(doc)))
	if trap != "" {
		tb.Fatal(trap)
	}
	return int32(result[0])
}

// TestChecker runs what a compiler made of a checker in C.
func TestChecker(t *testing.T) {
	module := fixture(t, "checker")
	rt := newRuntime(t)
	before, after := instantiate(t, rt, module), instantiate(t, rt, metered(t, module).Bytes)
	tests := map[string]struct {
		doc  string
		want int32
	}{
		"empty":      {"", -1},
		"object":     {`{}`, 0},
		"document":   {document(), 0},
		"cut short":  {document()[:2000], -1},
		"duplicates": {`{"a": 1, "b": {"a": 2, "a": 3}, "a": [true, false]}`, 2},
		"too deep":   {strings.Repeat("[", 100) + strings.Repeat("]", 100), -1},
		"not JSON":   {`{"a": yes}`, -1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := check(t, before, tt.doc); got != tt.want {
				t.Errorf("unmetered: %d, want %d", got, tt.want)
			}
			if got := check(t, after, tt.doc); got != tt.want {
				t.Errorf("metered: %d, want %d", got, tt.want)
			}
		})
	}
}

// BenchmarkChecker compares the checker with and without metering.
func BenchmarkChecker(b *testing.B) {
	module := fixture(b, "checker")
	doc := document()
	for _, v := range []struct {
		name   string
		module []byte
	}{{"plain", module}, {"metered", metered(b, module).Bytes}} {
		b.Run(v.name, func(b *testing.B) {
			g := instantiate(b, newRuntime(b), v.module)
			if check(b, g, doc) != 0 {
				b.Fatal("the document is not valid")
			}
			f := g.module.ExportedFunction("check")
			stack := make([]uint64, 2)
			b.ReportAllocs()
			for b.Loop() {
				if g.fuel != nil {
					g.refill(plenty, plenty)
				}
				stack[0], stack[1] = documentAt, uint64(len(doc))
				if err := f.CallWithStack(b.Context(), stack); err != nil {
					b.Fatal(err)
				}
			}
			if g.fuel != nil {
				b.ReportMetric(float64(plenty-g.fuelLeft()), "fuel/op")
			}
		})
	}
}

// BenchmarkCalls compares the price of a call: fib(15) is some 2,000 of them.
func BenchmarkCalls(b *testing.B) {
	module := fixture(b, "control")
	for _, v := range []struct {
		name   string
		module []byte
	}{{"plain", module}, {"metered", metered(b, module).Bytes}} {
		b.Run(v.name, func(b *testing.B) {
			g := instantiate(b, newRuntime(b), v.module)
			f := g.module.ExportedFunction("fib")
			stack := make([]uint64, 1)
			for b.Loop() {
				if g.fuel != nil {
					g.refill(plenty, plenty)
				}
				stack[0] = 15
				if err := f.CallWithStack(b.Context(), stack); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkInstrument reads and rewrites a module.
func BenchmarkInstrument(b *testing.B) {
	module := fixture(b, "checker")
	b.SetBytes(int64(len(module)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Instrument(module, Caps{}); err != nil {
			b.Fatal(err)
		}
	}
}
