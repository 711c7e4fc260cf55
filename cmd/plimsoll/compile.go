package main

import (
	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

// newCompile is how the server compiles policies in a process of its own.
func newCompile() *cobra.Command {
	return &cobra.Command{
		Use: server.CompileCommand, Hidden: true, Args: cobra.NoArgs,
		Short: "Compile policies for a server, which starts this itself",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return server.CompilePolicies(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
