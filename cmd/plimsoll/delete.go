package main

import (
	"github.com/spf13/cobra"
)

func newDelete() *cobra.Command {
	var flags changeFlags
	cmd := &cobra.Command{
		Use: "delete ID…", Aliases: []string{"rm"}, Short: "Delete containers", GroupID: "containers", Args: cobra.MinimumNArgs(1),
		Long: `Delete containers, whatever becomes of the others. The exit code tells about the
first that failed.`,
		Example: `  plimsoll delete web worker
  plimsoll list -l team=core -o name | xargs plimsoll delete`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := flags.output.printer(cmd)
			if err != nil {
				return err
			}
			c, err := flags.client.client(&flags.mutation)
			if err != nil {
				return err
			}
			return each(cmd, args, func(id string) error {
				o, err := c.mutate(cmd.Context(), deletion(id))
				if err != nil {
					return flags.mutation.failed(aboutOf(id, len(args)), err)
				}
				return printOutcome(cmd, c, p, "deleted", o)
			})
		},
	}
	flags.add(cmd)
	return cmd
}
