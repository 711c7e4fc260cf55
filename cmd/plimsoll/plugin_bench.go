package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

// pluginBenchFlags are those of plugin bench.
type pluginBenchFlags struct {
	output              resultFormat
	binding             bindingFlags
	inputs, containers  []string
	duration            time.Duration
	save, compare, than string
}

func newPluginBench() *cobra.Command {
	var f pluginBenchFlags
	cmd := &cobra.Command{
		Use: "bench FILE", Short: "Measure what a validator takes", Args: cobra.ExactArgs(1),
		Long: `Measure what a validator takes to judge containers or input documents: the time of half
of the calls (p50) and of all but one in a hundred (p99), fuel, which is the same on
every machine, the memory that it grows to, and the time to make an instance.

--save keeps the figures in a file. --compare shows how they differ from those; the exit
code is 1 if fuel or p50 of any of them got worse by more than --threshold. Time depends
on the machine and what else it does: across machines only fuel compares.`,
		Example: `  plimsoll plugin bench mounts.wasm --container small.yaml --container large.yaml
  plimsoll plugin bench mounts.wasm --input input.json --save before.json
  plimsoll plugin bench mounts.wasm --input input.json --compare before.json --threshold 5%`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.bench(cmd, args[0]) },
	}
	f.output.add(cmd, "table", "json")
	f.binding.add(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.inputs, "input", nil, "`file` with an input document to judge; repeatable")
	flags.StringArrayVar(&f.containers, "container", nil, "`file` with the manifest of a container to judge as created; repeatable")
	flags.DurationVar(&f.duration, "time", time.Second, "how long each is measured, about")
	flags.StringVar(&f.save, "save", "", "`file` to keep the figures in")
	flags.StringVar(&f.compare, "compare", "", "`file` with figures to compare with")
	flags.StringVar(&f.than, "threshold", "10%", "how much worse than those is too much, as a `percentage`")
	return cmd
}

func (f *pluginBenchFlags) bench(cmd *cobra.Command, path string) error {
	threshold, err := f.check()
	if err != nil {
		return err
	}
	var before []server.PluginBenchmark
	if f.compare != "" {
		if before, err = readBenchmarks(f.compare); err != nil {
			return err
		}
	}
	plugin, err := f.binding.plugin(path)
	if err != nil {
		return err
	}
	subjects, err := f.subjects(cmd.InOrStdin())
	if err != nil {
		return err
	}
	after := []server.PluginBenchmark{}
	for _, s := range subjects {
		b, err := plugin.Bench(cmd.Context(), s, f.duration)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		after = append(after, *b)
	}
	if f.save != "" {
		if err := writeBenchmarks(f.save, after); err != nil {
			return err
		}
	}
	return f.report(cmd, before, after, threshold)
}

func (f *pluginBenchFlags) check() (threshold float64, err error) {
	percent, err := strconv.ParseFloat(strings.TrimSuffix(f.than, "%"), 64)
	switch {
	case err != nil || !(percent >= 0):
		return 0, usagef("--threshold %q is no percentage; write it like 10%%", f.than)
	case f.duration <= 0:
		return 0, usagef("--time must be more than 0")
	case len(f.inputs)+len(f.containers) == 0:
		return 0, usagef("say what to judge: --container FILE or --input FILE")
	}
	return percent / 100, nil
}

// subjects are what is judged, by the names of their files.
func (f *pluginBenchFlags) subjects(stdin io.Reader) ([]*server.Subject, error) {
	var subjects []*server.Subject
	for _, path := range f.containers {
		s, err := (&subjectFlags{container: path}).read(stdin)
		if err != nil {
			return nil, err
		}
		s.Name = filepath.Base(path)
		subjects = append(subjects, s)
	}
	for _, path := range f.inputs {
		s, err := (&subjectFlags{input: path}).read(stdin)
		if err != nil {
			return nil, err
		}
		s.Name = filepath.Base(path)
		subjects = append(subjects, s)
	}
	return subjects, nil
}

// savedBenchmarks is what --save writes.
type savedBenchmarks struct {
	Benchmarks []server.PluginBenchmark `json:"benchmarks"`
}

func readBenchmarks(path string) ([]server.PluginBenchmark, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var saved savedBenchmarks
	if err := json.Unmarshal(data, &saved); err != nil || saved.Benchmarks == nil {
		return nil, errors.Join(fmt.Errorf("%s is not what plimsoll plugin bench --save writes", path), err)
	}
	return saved.Benchmarks, nil
}

func writeBenchmarks(path string, benchmarks []server.PluginBenchmark) error {
	data, err := json.MarshalIndent(savedBenchmarks{benchmarks}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644) //nolint:gosec // figures are no secret
}

func (f *pluginBenchFlags) report(cmd *cobra.Command, before, after []server.PluginBenchmark, threshold float64) error {
	worse := server.Worse(before, after, threshold)
	var err error
	if f.output.format == "json" {
		document := map[string]any{"benchmarks": after}
		if f.compare != "" {
			document["worse"] = worse
		}
		err = printJSON(cmd, document)
	} else {
		err = printPluginBenchmarks(cmd.OutOrStdout(), before, after)
	}
	if err != nil || len(worse) == 0 {
		return err
	}
	var texts []string
	for _, w := range worse {
		texts = append(texts, fmt.Sprintf("%s of %s by %s", w.Figure, w.Name, changed(w.Before, w.After)))
	}
	return fmt.Errorf("worse than %s allows: %s", f.than, strings.Join(texts, ", "))
}

func printPluginBenchmarks(w io.Writer, before, after []server.PluginBenchmark) error {
	earlier := map[string]server.PluginBenchmark{}
	for _, b := range before {
		earlier[b.Name] = b
	}
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "input\tp50\tp99\tfuel\tmemory\tinstantiate\t")
	for _, b := range after {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", printable(b.Name), microseconds(b.P50), microseconds(b.P99),
			humanize.Comma(int64(b.Fuel)), humanize.IBytes(b.Memory), microseconds(b.Instantiate)) //nolint:gosec // limits are far below
		e, ok := earlier[b.Name]
		if !ok {
			continue
		}
		_, _ = fmt.Fprintf(t, "\t%s\t%s\t%s\t%s\t%s\t\n", changed(e.P50, b.P50), changed(e.P99, b.P99), changed(e.Fuel, b.Fuel),
			changed(e.Memory, b.Memory), changed(e.Instantiate, b.Instantiate))
	}
	return t.Flush()
}

// microseconds is a duration to the tenth of a microsecond.
func microseconds(d time.Duration) time.Duration { return d.Round(100 * time.Nanosecond) }

// changed is by how much a figure differs from an earlier one, as a percentage.
func changed[N ~int64 | ~uint64 | ~float64](before, after N) string {
	if before == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.1f%%", (float64(after)/float64(before)-1)*100)
}
