package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/internal/server"
)

// testFlags are those of policy test.
type testFlags struct {
	tools     server.Tools
	output    resultFormat
	options   server.TestOptions
	run       string
	threshold float64
	verbose   bool
	watch     bool
}

func newPolicyTest() *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use: "test [PATH…]", Short: "Run the tests of policies",
		Long: `Run the tests that belong to policies: rules called test_… in files called
*_test.rego, and the cases in files called suite.yaml or *_suite.yaml. A case is a
mutation, which goes through policies and validators together, over a store in memory,
as on a server, and what is to come of it; what was not expected is an error. The
format of suites is in docs/policies.md. The exit code is 1 if a test fails.
` + policyPaths,
		Example: `  plimsoll policy test policies
  plimsoll policy test policies -r labels --var-values
  plimsoll policy test policies --threshold 90
  plimsoll policy test policies -o junit > junit.xml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.tools.Policies, f.tools.Manifest = args, manifestChange
			if err := f.check(cmd); err != nil {
				return err
			}
			if !f.watch {
				return f.test(cmd)
			}
			return f.tools.Watch(cmd.Context(), func() {
				report(cmd.ErrOrStderr(), f.test(cmd))
				cmd.PrintErrln("waiting for changes; Ctrl-C ends it")
			})
		},
	}
	f.output.add(cmd, "table", "json", "junit")
	addRules(cmd, &f.tools)
	flags := cmd.Flags()
	flags.StringVarP(&f.run, "run", "r", "", "run only tests whose full name this `regexp` matches")
	flags.BoolVarP(&f.watch, "watch", "w", false, "run them again each time that a file changes")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show the tests that pass, too")
	flags.BoolVar(&f.options.VarValues, "var-values", false, "show the values of variables where a test failed")
	flags.BoolVar(&f.options.Coverage, "coverage", false, "show which lines of the policies the tests in Rego evaluate")
	flags.Float64Var(&f.threshold, "threshold", 0, "fail if the coverage is below this `percentage`")
	flags.DurationVar(&f.options.Timeout, "timeout", 5*time.Second, "how long one test may take")
	return cmd
}

func (f *testFlags) check(cmd *cobra.Command) error {
	var err error
	if f.options.Match, err = matchFlag(f.run); err != nil {
		return err
	}
	switch {
	case f.threshold < 0 || f.threshold > 100:
		return usagef("--threshold %v is no percentage", f.threshold)
	case f.options.Timeout <= 0:
		return usagef("--timeout %s leaves no time at all", f.options.Timeout)
	case f.watch && len(f.tools.Policies) == 0:
		return usagef("--watch: the built-in policies never change; name a PATH")
	}
	f.options.Coverage = f.options.Coverage || cmd.Flags().Changed("threshold")
	return nil
}

// test runs the tests once and shows what became of them.
func (f *testFlags) test(cmd *cobra.Command) error {
	result, err := f.tools.Test(cmd.Context(), f.options)
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case err != nil:
		return f.output.failed(cmd, err)
	case len(result.Results) == 0 && f.run != "":
		return fmt.Errorf("no test has a name that --run %q matches", f.run)
	case len(result.Results) == 0:
		return errors.New("there are no tests: want rules called test_… in *_test.rego, or cases in suite.yaml")
	}
	if err := f.output.writeReport(cmd, result, f.verbose); err != nil {
		return err
	}
	if c := result.Coverage; c != nil && c.Percent < f.threshold {
		return fmt.Errorf("coverage is %.1f%%, less than --threshold %v", c.Percent, f.threshold)
	}
	switch {
	case !result.OK():
		return reportedError(exitError)
	case result.NoneRun():
		return errors.New("no test was run: all are called todo_test_…")
	}
	return nil
}

// matchFlag reads the --run of tests; nil if there is none.
func matchFlag(run string) (*regexp.Regexp, error) {
	if run == "" {
		return nil, nil
	}
	match, err := regexp.Compile(run)
	if err != nil {
		return nil, usagef("--run: %v", err)
	}
	return match, nil
}

// writeReport shows what became of tests.
func (f *resultFormat) writeReport(cmd *cobra.Command, result *server.TestReport, verbose bool) error {
	switch f.format {
	case "json":
		return printJSON(cmd, result)
	case "junit":
		return result.WriteJUnit(cmd.OutOrStdout())
	default:
		return result.WriteText(cmd.OutOrStdout(), verbose)
	}
}

// manifestChange is a [server.ManifestReader].
func manifestChange(object json.RawMessage, stored *plimsollv1.Container) (string, *plimsollv1.ReviewRequest, error) {
	m, err := parseManifest(object)
	if err != nil {
		return "", nil, err
	}
	if stored == nil {
		return m.namespace, creation(m.container), nil
	}
	if id := m.container.GetId(); id != "" && id != stored.GetId() {
		return "", nil, fmt.Errorf("its id is %q, but that of what is stored is %q", id, stored.GetId())
	}
	change := m.change(stored)
	return m.namespace, change, neverChanges(change.GetUpdate())
}
