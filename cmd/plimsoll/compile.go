package main

import (
	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

// newCompile is how the server compiles policies and validators in a process of its own.
func newCompile() *cobra.Command {
	return &cobra.Command{
		Use: server.CompileCommand, Hidden: true, Args: cobra.NoArgs,
		Short: "Compile policies or a validator for a server, which starts this itself",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return server.Compile(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
