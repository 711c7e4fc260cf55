package main

import "github.com/spf13/cobra"

func newPlugin() *cobra.Command {
	cmd := &cobra.Command{
		Use: "plugin", Short: "Sign validators and carry them through registries", GroupID: "rules",
		Long: `Tools for those who write validators: WebAssembly modules that judge containers. They
need no server.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	return cmd
}
