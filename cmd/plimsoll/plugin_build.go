package main

import (
	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

func newPluginBuild() *cobra.Command {
	return &cobra.Command{
		Use: "build [DIR]", Short: "Build a validator", Args: cobra.MaximumNArgs(1),
		Long: `Build the validator in a directory that plimsoll plugin new began: compile it, as its
build.sh says or, if it is in JavaScript or Rego, without any other tool; write the
metadata in validator.json into the module; see that a server would load it; and print
the digest to pin it by. The module is DIR/NAME.wasm. If a tool is missing, it says which,
and how to install it.`,
		Example: `  plimsoll plugin build mounts`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			built, err := server.BuildPlugin(cmd.Context(), dir, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return printDigest(cmd, built.SHA256, built.Path)
		},
	}
}
