// Command versus compares Plimsoll with containerd's own containers service, in the
// same run: both as processes of their own on unix sockets, called over gRPC by the
// same client on one connection, each with the same containers in its database, and
// in turns, so that what else the machine does hits both.
//
// It prints a table in Markdown: operations per second, medians of the rounds, and
// how often faster than containerd Plimsoll is, the median of the rounds' ratios with
// the lowest and the highest. Plimsoll is there twice: with what it judges by when it
// is told of nothing else, the starter policies and the runc spec checker (hooks on),
// and judging nothing (hooks off).
//
// Run it in a directory of this module: it builds both servers from source.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
)

// config is what a run is told.
type config struct {
	rounds   int
	inFlight []int
	n        int64
	limit    time.Duration
}

func main() {
	c := config{inFlight: []int{1, 16, 64}}
	flag.IntVar(&c.rounds, "rounds", 3, "how often each operation is measured on each side")
	flag.Int64Var(&c.n, "n", 10_000, "how many containers are in each database")
	flag.DurationVar(&c.limit, "duration", time.Second, "how long one measurement takes; calls that have begun are waited for")
	flag.Func("inflight", "how many calls are in flight, separated by commas (default 1,16,64)", func(text string) error {
		c.inFlight = nil
		for _, field := range strings.Split(text, ",") {
			k, err := strconv.Atoi(field)
			if err != nil || k < 1 {
				return errors.New("not whole numbers from 1 on, separated by commas")
			}
			c.inFlight = append(c.inFlight, k)
		}
		return nil
	})
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "versus:", err)
		os.Exit(1)
	}
}

// side is one of those that are compared.
type side struct {
	name string
	api  func(*grpc.ClientConn) api
	// fill and serve are the commands to fill a database with, and to serve it.
	fill, serve []string
}

// run compares, and writes the table to w.
func run(ctx context.Context, c config, w io.Writer) (err error) {
	if c.rounds < 1 || c.n < 1 || c.limit <= 0 {
		return errors.New("rounds, n and duration must be more than 0")
	}
	dir, err := os.MkdirTemp("", "versus")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	containerd, plimsoll, spec, err := build(ctx, dir)
	if err != nil {
		return err
	}
	hooksOn := []string{plimsoll, "serve", "--listen", "127.0.0.1:0"}
	hooksOff := append(slices.Clone(hooksOn), "--policies", "none", "--validators", "none")
	sides := []side{
		{"containerd", newContainerdAPI, []string{containerd, "--nosync"}, []string{containerd}},
		{"Plimsoll, hooks on", newPlimsollAPI, hooksOff, hooksOn},
		{"Plimsoll, hooks off", newPlimsollAPI, hooksOff, hooksOff},
	}
	records := records{spec: spec}
	processes := make([]*process, len(sides))
	for i, s := range sides {
		data := filepath.Join(dir, strconv.Itoa(i))
		if err := fill(ctx, s, data, records, c.n); err != nil {
			return err
		}
		if processes[i], err = start(ctx, s, s.serve, data); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, processes[i].stop()) }()
	}
	syscall.Sync() // what was filled in is not to be written out while others are measured
	var table table
	for round := range c.rounds {
		for _, k := range c.inFlight {
			for _, o := range records.operations(fmt.Sprintf("r%d.k%d", round, k), c.n, k, c.limit) {
				rates := make([]float64, len(sides))
				for turn := range sides {
					i := (turn + round) % len(sides) // nobody is always the first
					if rates[i], err = o.measure(ctx, processes[i]); err != nil {
						return fmt.Errorf("%s: %s with %d in flight: %w", sides[i].name, o.name, k, err)
					}
				}
				table.add(o.name, k, rates)
			}
		}
	}
	return table.write(w, sides)
}

// build builds both servers into dir, and reads the spec that all containers have.
func build(ctx context.Context, dir string) (containerd, plimsoll string, spec []byte, err error) {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/plimsoll-project/plimsoll")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return "", "", nil, fmt.Errorf("finding the source of Plimsoll: %w", err)
	}
	root := strings.TrimSpace(string(out))
	containerd, plimsoll = filepath.Join(dir, "containerd"), filepath.Join(dir, "plimsoll")
	for _, args := range [][]string{
		{"build", "-o", containerd, "github.com/plimsoll-project/plimsoll/bench/containerd"},
		{"build", "-C", root, "-o", plimsoll, "./cmd/plimsoll"}, // with the versions that its own go.mod wants
	} {
		if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
			return "", "", nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	spec, err = os.ReadFile(filepath.Join(root, "examples/validators/runc-spec/testdata/specs/linux-default.json"))
	return containerd, plimsoll, spec, err
}

// fill makes a database in dir, and leaves it closed.
func fill(ctx context.Context, s side, dir string, records records, n int64) error {
	p, err := start(ctx, s, s.fill, dir)
	if err != nil {
		return err
	}
	if err := errors.Join(records.fill(ctx, p, n), p.stop()); err != nil {
		return fmt.Errorf("filling the database of %s: %w", s.name, err)
	}
	return nil
}

// table collects rates, in the order in which they come.
type table struct{ rows []*row }

// row is an operation with so many calls in flight; its rates are by round and side.
type row struct {
	operation string
	inFlight  int
	rates     [][]float64
}

func (t *table) add(operation string, inFlight int, rates []float64) {
	i := slices.IndexFunc(t.rows, func(r *row) bool { return r.operation == operation && r.inFlight == inFlight })
	if i < 0 {
		i = len(t.rows)
		t.rows = append(t.rows, &row{operation: operation, inFlight: inFlight})
	}
	t.rows[i].rates = append(t.rows[i].rates, rates)
}

// write writes the table. Ratios are to the first of sides.
func (t *table) write(w io.Writer, sides []side) error {
	first := map[string]int{} // rows of one operation belong together
	for i, r := range slices.Backward(t.rows) {
		first[r.operation] = i
	}
	slices.SortStableFunc(t.rows, func(a, b *row) int { return cmp.Compare(first[a.operation], first[b.operation]) })
	var out strings.Builder
	out.WriteString("| operation | in flight |")
	for i, s := range sides {
		fmt.Fprintf(&out, " %s, ops/s |", s.name)
		if i > 0 {
			out.WriteString(" ratio |")
		}
	}
	fmt.Fprintf(&out, "\n|---|%s\n", strings.Repeat("---|", 2*len(sides)))
	for _, r := range t.rows {
		fmt.Fprintf(&out, "| %s | %d |", r.operation, r.inFlight)
		for i := range sides {
			var rates, ratios []float64
			for _, round := range r.rates {
				rates, ratios = append(rates, round[i]), append(ratios, round[i]/round[0])
			}
			fmt.Fprintf(&out, " %.4g |", median(rates))
			if i > 0 {
				fmt.Fprintf(&out, " **%.3g** (%.3g to %.3g) |", median(ratios), slices.Min(ratios), slices.Max(ratios))
			}
		}
		out.WriteString("\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// median returns the middle one, or the mean of the middle two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
