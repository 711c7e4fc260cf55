package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use: "policy", Short: "Write, test and sign policies", GroupID: "rules",
		Long: `Tools for those who write policies. They need no server, and read policies as one
would: with the same checks, and with the policies and validators that are built in if
none are named. Others carry policies to servers: signed, through registries. What talks
to a running server about its rules is plimsoll ruleset.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyCheck(), newPolicyTest(), newPolicyEval(), newPolicyFmt(), newPolicyInspect(), newPolicyNew(), newPolicyBench())
	cmd.AddCommand(newPolicyPush(), newPolicyPull(), newPolicySign(), newPolicyVerify())
	history := hidden(newRulesetList())
	history.Use = "history"
	cmd.AddCommand(hidden(newRulesetStatus()), history, hidden(newRulesetRollback()), hidden(newRulesetReload()))
	return cmd
}

// policyPaths says what the arguments of the tools are.
const policyPaths = `
A PATH is a directory, a file or a bundle tarball, as for serve --policies; several are
one set. Without any, the built-in policies are meant.`

// resultFormat is the --output of the tools.
type resultFormat struct{ format string }

func (f *resultFormat) add(cmd *cobra.Command, formats ...string) {
	cmd.Flags().StringVarP(&f.format, "output", "o", formats[0], "`format` of the output: "+strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(formats, f.format) {
			return usagef("--output %q is none of %s", f.format, strings.Join(formats, ", "))
		}
		return nil
	}
}

// addRules adds the flags that say which rules a tool works on, beside its arguments.
func addRules(cmd *cobra.Command, tools *server.Tools) {
	addGrants(cmd, tools)
	cmd.Flags().StringSliceVar(&tools.Validators, "validators", nil,
		"`path` of a validators.yaml; repeatable\n(default: the embedded runc spec checker; none: no validators)")
}

func addGrants(cmd *cobra.Command, tools *server.Tools) {
	cmd.Flags().StringSliceVar(&tools.PolicyGrants, "policy-grants", nil,
		"`PACKAGE=NAMESPACE` whose containers a package may read, as for serve; repeatable")
}

// printJSON writes a result for programs.
func printJSON(cmd *cobra.Command, result any) error {
	data, err := json.Marshal(result)
	if err != nil {
		return err
	}
	if data, err = prettyJSON(data); err != nil {
		return err
	}
	_, err = cmd.OutOrStdout().Write(data)
	return err
}

// failed is how a tool ends that could not read the policies: with the problems as
// JSON, if that was asked for.
func (f *resultFormat) failed(cmd *cobra.Command, err error) error {
	problems := server.PolicyProblems(err)
	if f.format != "json" || problems == nil {
		return err
	}
	if err := printJSON(cmd, map[string]any{"ok": false, "problems": problems}); err != nil {
		return err
	}
	return reportedError(exitError)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
