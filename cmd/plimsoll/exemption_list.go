package main

import (
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newExemptionList() *cobra.Command {
	var (
		c   exemptionCommand
		all bool
	)
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List exemptions", Args: cobra.NoArgs,
		Long: `List exemptions in the order of their IDs; with -n those that can be about containers of
that namespace.`,
		Example: `  plimsoll exemption list --address unix:///run/plimsoll/plimsoll.sock
  plimsoll exemption list --all -o wide
  plimsoll exemption list -n dev-1 -o name`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, p, err := c.start(cmd)
			if err != nil {
				return err
			}
			res, err := client.ListExemptions(cmd.Context(), &plimsollv1.ListExemptionsRequest{IncludeExpired: all, Namespace: c.namespace})
			if err != nil {
				return err
			}
			return printExemptions(p, res, res.GetExemptions()...)
		},
	}
	c.add(cmd, false)
	cmd.Flags().BoolVar(&all, "all", false, "those that have expired in the last 30 days, too")
	return cmd
}

func newExemptionGet() *cobra.Command {
	var c exemptionCommand
	cmd := &cobra.Command{
		Use: "get ID", Short: "Show an exemption", Args: cobra.ExactArgs(1),
		Example: `  plimsoll exemption get legacy-web -o yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, p, err := c.start(cmd)
			if err != nil {
				return err
			}
			res, err := client.GetExemption(cmd.Context(), &plimsollv1.GetExemptionRequest{Id: args[0]})
			if err != nil {
				return err
			}
			return printExemptions(p, res.GetExemption(), res.GetExemption())
		},
	}
	c.add(cmd, false)
	_ = cmd.Flags().MarkHidden("namespace") // they are in none
	cmd.ValidArgsFunction = c.exemptionIDs
	return cmd
}

func newExemptionDelete() *cobra.Command {
	var c exemptionCommand
	cmd := &cobra.Command{
		Use: "delete ID…", Aliases: []string{"rm"}, Short: "End exemptions at once", Args: cobra.MinimumNArgs(1),
		Long: `End exemptions, whatever becomes of the others. What they let in stays, until it is
changed next. The exit code tells about the first that failed.`,
		Example: `  plimsoll exemption delete legacy-web
  plimsoll exemption list -o name | xargs plimsoll exemption delete`,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, p, err := c.start(cmd)
			if err != nil {
				return err
			}
			return each(cmd, args, func(id string) error {
				res, err := client.DeleteExemption(cmd.Context(), &plimsollv1.DeleteExemptionRequest{Id: id})
				if err != nil {
					return &attemptError{about: aboutOf(id, len(args)), dryRun: c.dryRun, err: err}
				}
				if p.isTable() {
					return say(cmd, "%s %s", res.GetExemption().GetId(), doneOf(c.dryRun, "deleted"))
				}
				return printExemptions(p, res.GetExemption(), res.GetExemption())
			})
		},
	}
	c.add(cmd, true)
	_ = cmd.Flags().MarkHidden("namespace")
	cmd.ValidArgsFunction = c.exemptionIDs
	return cmd
}
