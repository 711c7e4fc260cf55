package main

import (
	"strings"
	"testing"
	"time"
)

// The whole comparison in miniature: it builds, starts and stops, and every
// operation is admitted and answered by every side.
func TestVersus(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var out strings.Builder
	c := config{rounds: 1, inFlight: []int{1, 4}, n: 50, limit: 20 * time.Millisecond}
	if err := run(t.Context(), c, &out); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if rows := len(lines) - 2; rows != 7*2 {
		t.Errorf("%d rows, want 7 operations with 2 numbers in flight", rows)
	}
	for _, line := range lines[2:] {
		if strings.Contains(line, " 0 |") || strings.Contains(line, "NaN") || strings.Contains(line, "Inf") {
			t.Errorf("nothing was measured: %s", line)
		}
	}
}

func TestTable(t *testing.T) {
	var table table
	table.add("Get", 1, []float64{100, 50})
	table.add("List", 1, []float64{10, 1000})
	table.add("Get", 16, []float64{100, 70})
	table.add("Get", 1, []float64{200, 200})
	table.add("Get", 1, []float64{100, 80})
	var out strings.Builder
	if err := table.write(&out, []side{{name: "A"}, {name: "B"}}); err != nil {
		t.Fatal(err)
	}
	want := `| operation | in flight | A, ops/s | B, ops/s | ratio |
|---|---|---|---|---|
| Get | 1 | 100 | 80 | **0.8** (0.5 to 1) |
| Get | 16 | 100 | 70 | **0.7** (0.7 to 0.7) |
| List | 1 | 10 | 1000 | **100** (100 to 100) |
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
