package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes, documented in the help text below.
const (
	exitOK       = 0
	exitError    = 1
	exitDenied   = 3
	exitNotFound = 4
	exitConflict = 5
	exitUsage    = 64 // EX_USAGE of sysexits.h
)

const rootHelp = `Plimsoll keeps the metadata of containers, and nothing unsafe gets into it: every
change is judged by Rego policies and sandboxed WebAssembly validators before it is
stored, durably.

Start a server to try it out with "plimsoll dev", one to keep with "plimsoll serve".
"plimsoll policy" is for those who write policies, and mostly needs no server. The other
commands talk to a running one.`

const rootExtra = `
Environment:
  PLIMSOLL_ADDRESS     default of --address
  PLIMSOLL_NAMESPACE   default of --namespace
  PLIMSOLL_…           settings of serve and dev: the flag's name in capitals, with _ for -

Exit codes, but for diff, which has its own:
  0   done
  1   something went wrong
  3   denied by a policy or validator; nothing was stored
  4   no such container, decision or exemption
  5   conflict: it exists already, or is not at the given revision
  64  wrong usage
`

// run runs the command line args and returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	// Whatever fails before a command runs is a matter of its usage.
	began := false
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !began || isUsage(err) {
		_, _ = fmt.Fprintf(stderr, "plimsoll: %s\nsee: %s --help\n", strings.TrimSpace(err.Error()), cmd.CommandPath())
		return exitUsage
	}
	return report(stderr, err)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "plimsoll",
		Short:         "A containers metadata service that nothing unsafe gets into",
		Long:          rootHelp,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetUsageTemplate(root.UsageTemplate() + rootExtra)
	root.AddGroup(
		&cobra.Group{ID: "server", Title: "Server:"},
		&cobra.Group{ID: "containers", Title: "Containers:"},
		&cobra.Group{ID: "rules", Title: "Rules:"},
	)
	root.AddCommand(newServe(), newDev(), newVersion(),
		newGet(), newList(), newDescribe(), newHistory(), newWatch(),
		newCreate(), newApply(), newEdit(), newUpdate(), newLabel(), newDelete(), newDiff(), newReview(), newExplain(),
		newExport(), newImport(), newPolicy(), newPlugin(), newAudit(), newImpact(), newReplay(), newExemption(), newDecisions(), newCompile())
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	}
}

// releaseVersion is set by the linker in release builds.
var releaseVersion string

func version() string {
	v, commit, goVersion := build()
	if commit != "" {
		commit = " commit " + commit
	}
	return fmt.Sprintf("plimsoll %s%s %s", v, commit, goVersion)
}

// build says which build this is.
func build() (version, commit, goVersion string) {
	version = releaseVersion
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
		if version == "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	return version, commit, goVersion
}

// usageError is wrong usage that only the command itself can see.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

func isUsage(err error) bool { return errors.As(err, &usageError{}) }
