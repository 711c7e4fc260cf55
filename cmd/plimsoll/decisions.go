package main

import "github.com/spf13/cobra"

func newDecisions() *cobra.Command {
	cmd := &cobra.Command{
		Use: "decisions", Short: "Look at what was decided about changes", GroupID: "rules",
		Long: `Look at what was decided about attempts to change containers: those that were admitted,
denied, failed or only tried. How one came about shows plimsoll explain.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDecisionsVerify())
	return cmd
}
