package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

func newPluginAnnotate() *cobra.Command {
	var metadata, output string
	cmd := &cobra.Command{
		Use: "annotate FILE --metadata FILE", Short: "Write metadata into a module", Args: cobra.ExactArgs(1),
		Long: `Write a validator's metadata into its module, in place of those it had, and print the
digest to pin it by. The metadata are JSON; docs/validators.md says what is in them. The
same module and metadata make the same file.`,
		Example: `  plimsoll plugin annotate mounts.wasm --metadata validator.json
  plimsoll plugin annotate target/mounts.wasm --metadata validator.json -o mounts.wasm`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if metadata == "" {
				return usagef("say what to write into it: --metadata FILE")
			}
			if output == "" {
				output = args[0]
			}
			digest, err := server.Plugin{Path: args[0]}.Annotate(metadata, output)
			if err != nil {
				return err
			}
			return printDigest(cmd, digest, output)
		},
	}
	cmd.Flags().StringVar(&metadata, "metadata", "", "JSON `file` with the metadata, such as validator.json")
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write (default: the module itself)")
	_ = cmd.MarkFlagFilename("metadata")
	return cmd
}

// printDigest prints the digest of a file as sha256sum does.
func printDigest(cmd *cobra.Command, digest, file string) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", digest, file)
	return err
}
