package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

func newPluginTest() *cobra.Command {
	var (
		output  resultFormat
		options server.TestOptions
		binding bindingFlags
		run     string
		verbose bool
	)
	cmd := &cobra.Command{
		Use: "test [PATH…]", Short: "Run the cases of validators",
		Long: `Run the cases in the cases.yaml beside a module. A case is a mutation and what is to come
of it, as in the suites of policies, with the settings of the validator; it is judged by
that validator alone. What was not expected is an error. The format is in
docs/validators.md. The exit code is 1 if a case fails.

A PATH is a directory with a module and its cases, one with such directories below, or a
module; without any, the current directory is meant.`,
		Example: `  plimsoll plugin test
  plimsoll plugin test examples/validators -r capabilities
  plimsoll plugin test mounts.wasm -o junit > junit.xml`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if options.Match, err = matchFlag(run); err != nil {
				return err
			}
			if options.Timeout <= 0 {
				return usagef("--timeout %s leaves no time at all", options.Timeout)
			}
			if len(args) == 0 {
				args = []string{"."}
			}
			plugin, err := binding.plugin("")
			if err != nil {
				return err
			}
			tests := server.PluginTests{Paths: args, Limits: plugin.Limits}
			result, err := tests.Test(cmd.Context(), options)
			switch {
			case errors.Is(err, context.Canceled):
				return errors.New("interrupted")
			case err != nil:
				return err
			case len(result.Results) == 0:
				return fmt.Errorf("no case has a name that --run %q matches", run)
			}
			if err := output.writeReport(cmd, result, verbose); err != nil {
				return err
			}
			if !result.OK() {
				return reportedError(exitError)
			}
			return nil
		},
	}
	output.add(cmd, "table", "json", "junit")
	flags := cmd.Flags()
	flags.StringVarP(&run, "run", "r", "", "run only cases whose full name this `regexp` matches")
	flags.BoolVarP(&verbose, "verbose", "v", false, "show the cases that pass, too")
	flags.DurationVar(&options.Timeout, "timeout", 5*time.Second, "how long one case may take")
	binding.addLimits(cmd)
	return cmd
}
