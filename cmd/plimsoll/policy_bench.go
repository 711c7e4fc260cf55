package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

func newPolicyBench() *cobra.Command {
	var (
		tools   server.Tools
		output  resultFormat
		subject subjectFlags
		options server.BenchOptions
	)
	cmd := &cobra.Command{
		Use: "bench [PATH…]", Short: "Measure what policies take",
		Long: `Measure what it takes to judge a container or an input document; without either, each
case of the suites of the policies. "evaluated" is what policies take that have not seen
such an input yet, "remembered" what they take when they have: a server remembers
verdicts. --profile shows which lines took longest in one evaluation.
` + policyPaths,
		Example: `  plimsoll policy bench policies
  plimsoll policy bench policies --container web.yaml --profile`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if options.Time <= 0 || options.Profile < 0 {
				return usagef("--time and --profile must be more than 0")
			}
			s, err := subject.read(cmd.InOrStdin())
			if err != nil {
				return err
			}
			tools.Policies, tools.Manifest = args, manifestChange
			benchmarks, err := tools.Bench(cmd.Context(), s, options)
			if err != nil {
				return output.failed(cmd, err)
			}
			if output.format == "json" {
				return printJSON(cmd, benchmarks)
			}
			return printBenchmarks(cmd.OutOrStdout(), benchmarks)
		},
	}
	output.add(cmd, "table", "json")
	addRules(cmd, &tools)
	subject.add(cmd)
	cmd.Flags().DurationVar(&options.Time, "time", time.Second, "how long each measurement goes on, about")
	cmd.Flags().IntVar(&options.Profile, "profile", 0, "show this `number` of lines that took longest")
	cmd.Flags().Lookup("profile").NoOptDefVal = "10"
	return cmd
}

func printBenchmarks(w io.Writer, benchmarks []server.Benchmark) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, b := range benchmarks {
		_, _ = fmt.Fprintf(t, "%s\ttime\tallocations\tmemory\t\n", printable(b.Name))
		printMeasure(t, "evaluated", b.Evaluated)
		printMeasure(t, "remembered", b.Remembered)
		if b.Validators != nil {
			printMeasure(t, "validators", *b.Validators)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		for _, line := range b.Profile {
			_, _ = fmt.Fprintf(w, "  %9s  %s:%d  %s\n", time.Duration(line.Nanoseconds), line.File, line.Line, strings.TrimSpace(line.Text))
		}
	}
	return nil
}

func printMeasure(w io.Writer, name string, m server.Measure) {
	_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t\n", name, time.Duration(m.Nanoseconds), m.Allocations, humanize.Bytes(uint64(m.Bytes))) //nolint:gosec // not negative
}
