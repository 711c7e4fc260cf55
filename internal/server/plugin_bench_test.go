package server

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWorse(t *testing.T) {
	before := []PluginBenchmark{{Name: "a", Fuel: 1000, P50: 100, P99: 200, Memory: 1}, {Name: "gone", Fuel: 1}}
	tests := map[string]struct {
		after PluginBenchmark
		want  []PluginRegression
	}{
		"same":                {PluginBenchmark{Name: "a", Fuel: 1000, P50: 100}, []PluginRegression{}},
		"better":              {PluginBenchmark{Name: "a", Fuel: 1, P50: 1}, []PluginRegression{}},
		"at the threshold":    {PluginBenchmark{Name: "a", Fuel: 1500, P50: 150}, []PluginRegression{}},
		"fuel":                {PluginBenchmark{Name: "a", Fuel: 1501, P50: 150}, []PluginRegression{{"a", "fuel", 1000, 1501}}},
		"p50":                 {PluginBenchmark{Name: "a", Fuel: 1000, P50: 151}, []PluginRegression{{"a", "p50", 100, 151}}},
		"others do not count": {PluginBenchmark{Name: "a", Fuel: 1000, P50: 100, P99: 1000, Memory: 9, Instantiate: 9}, []PluginRegression{}},
		"new":                 {PluginBenchmark{Name: "b", Fuel: 1 << 40}, []PluginRegression{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Worse(before, []PluginBenchmark{test.after}, 0.5)); diff != "" {
				t.Errorf("what got worse (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	times := []time.Duration{5, 1, 4, 2, 3}
	for percent, want := range map[int]time.Duration{0: 1, 50: 3, 99: 4, 100: 5} {
		if have := percentile(times, percent); have != want {
			t.Errorf("percentile %d is %d, want %d", percent, have, want)
		}
	}
}

// What a validator writes is bounded, and cannot steer a terminal.
func TestSaid(t *testing.T) {
	tests := map[string]struct{ written, want string }{
		"lines":    {"a\n\tb\n", "a\n\tb\n"},
		"terminal": {"\x1b[2Jx\r", "�[2Jx�"},
		"flood":    {strings.Repeat("x", 2*maxSaid), strings.Repeat("x", maxSaid)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			w := newSaid(&b)
			for _, part := range []string{test.written[:1], test.written[1:]} {
				if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
					t.Errorf("Write returned %d, %v", n, err)
				}
			}
			if diff := cmp.Diff(test.want, b.String()); diff != "" {
				t.Errorf("passed on (-want +got):\n%s", diff)
			}
		})
	}
	if newSaid(nil) != nil {
		t.Error("there is a writer to nothing")
	}
}
