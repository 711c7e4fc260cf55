package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

func newPolicyCheck() *cobra.Command {
	var (
		tools  server.Tools
		output resultFormat
	)
	cmd := &cobra.Command{
		Use: "check [PATH…]", Short: "Say what is wrong with policies",
		Long: `Read and compile policies as a server would when it loads them, and their tests as
well, and show every problem with its line and what would be right. The exit code is 1
if there is any. With --validators the bindings of validators are checked, too.
` + policyPaths,
		Example: `  plimsoll policy check policies
  plimsoll policy check policies --validators validators.yaml -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			tools.Policies = args
			packages, err := tools.Check(cmd.Context())
			if err != nil {
				return output.failed(cmd, err)
			}
			if output.format == "json" {
				return printJSON(cmd, map[string]any{"ok": true, "problems": []any{}})
			}
			rules := 0
			for _, p := range packages {
				rules += len(p.Rules)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "ok: %s in %s\n", plural(rules, "rule"), plural(len(packages), "package"))
			return err
		},
	}
	output.add(cmd, "table", "json")
	addGrants(cmd, &tools)
	cmd.Flags().StringSliceVar(&tools.Validators, "validators", nil, "`path` of a validators.yaml to check, too; repeatable (default: none)")
	return cmd
}
