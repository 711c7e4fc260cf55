package main

import "github.com/spf13/cobra"

func newPlugin() *cobra.Command {
	cmd := &cobra.Command{
		Use: "plugin", Short: "Write, test, measure and sign validators", GroupID: "rules",
		Long: `Tools for those who write validators: WebAssembly modules that judge containers. They
need no server, and load a module as one would.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPluginNew(), newPluginBuild(), newPluginInspect(), newPluginAnnotate(), newPluginTest(), newPluginRun(), newPluginBench(), newPluginConform())
	cmd.AddCommand(newPluginPush(), newPluginPull(), newPluginSign(), newPluginVerify())
	return cmd
}
