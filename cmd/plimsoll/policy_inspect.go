package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

func newPolicyInspect() *cobra.Command {
	var (
		tools  server.Tools
		output resultFormat
	)
	cmd := &cobra.Command{
		Use: "inspect [PATH…]", Short: "Show what is in policies",
		Long: `Show what is in a set of policies: its digest, its packages with their rules, what of
the input each can see (the rest makes no difference to it), whether it asks for other
containers, which mutations its rules match, and which builtins of Rego it calls.
` + policyPaths,
		Example: `  plimsoll policy inspect
  plimsoll policy inspect policies -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			tools.Policies = args
			result, err := tools.Inspect(cmd.Context())
			if err != nil {
				return output.failed(cmd, err)
			}
			if output.format == "json" {
				return printJSON(cmd, result)
			}
			return printInspection(cmd.OutOrStdout(), result)
		},
	}
	output.add(cmd, "table", "json")
	addGrants(cmd, &tools)
	return cmd
}

func printInspection(w io.Writer, result *server.PolicyInspection) error {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-14s %s\n", name+":", printable(value))
		}
	}
	line("Digest", result.Digest)
	line("Data", strings.Join(result.Data, ", "))
	line("Tests", strings.Join(result.Tests, ", "))
	for _, p := range result.Packages {
		fmt.Fprintf(&b, "\n%s\n", printable(p.Name))
		line("  Title", p.Title)
		line("  Enforcement", string(p.Enforcement))
		line("  Rules", strings.Join(p.Rules, ", "))
		line("  Files", strings.Join(p.Files, ", "))
		line("  Matches", strings.Join(p.Matches, " | "))
		line("  Sees", strings.Join(p.Sees, ", "))
		if p.Asks {
			line("  Asks for", "other containers")
		}
		line("  Builtins", strings.Join(p.Builtins, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
