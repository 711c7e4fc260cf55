package main

import "github.com/spf13/cobra"

func newRuleset() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ruleset", Short: "Say by which rules a server judges: try, promote, roll back", GroupID: "rules", Args: cobra.NoArgs,
		Long: `Say by which rules a running server judges. A ruleset is all policies and validators
with their settings, named by its digest. The server loads one from where its
configuration says. It keeps those that have judged, to go back to, and those that were
sent to be tried.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRulesetStatus(), newRulesetList(), newRulesetDiff(), newRulesetShadow(), newRulesetPromote(), newRulesetRollback(), newRulesetReload())
	return cmd
}

// hidden makes a command one that is not shown: what it does has another name now.
func hidden(cmd *cobra.Command) *cobra.Command {
	cmd.Hidden = true
	return cmd
}
