package main

import (
	"github.com/spf13/cobra"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
)

func newGet() *cobra.Command {
	var flags clientFlags
	cmd := &cobra.Command{
		Use: "get ID", Short: "Show a container", GroupID: "containers", Args: cobra.ExactArgs(1),
		Example: "  plimsoll get web -o yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			call, cancel, err := flags.call(cmd.Context(), nil)
			if err != nil {
				return err
			}
			defer cancel()
			res, err := call.client.Get(call, &containerdv1.GetContainerRequest{Id: args[0]})
			if err != nil {
				return err
			}
			return flags.printer(cmd).print(res.GetContainer(), res.GetContainer())
		},
	}
	flags.add(cmd)
	return cmd
}

func newList() *cobra.Command {
	var (
		flags  clientFlags
		filter string
	)
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List containers", GroupID: "containers", Args: cobra.NoArgs,
		Long: `List the containers of a namespace, sorted by id.

A filter is in containerd's grammar: selectors joined by commas, all of which must
hold; == and != compare, ~= matches a regular expression, a field alone asks whether
it is there. Fields are id, image, runtime and labels.KEY.`,
		Example: `  plimsoll list --filter labels.team==core
  plimsoll list --filter 'labels."example.org/tier"==web,image~=nginx'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			call, cancel, err := flags.call(cmd.Context(), nil)
			if err != nil {
				return err
			}
			defer cancel()
			res, err := call.client.List(call, &containerdv1.ListContainersRequest{Filter: filter})
			if err != nil {
				return err
			}
			return flags.printer(cmd).print(res, res.GetContainers()...)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&filter, "filter", "", "show only containers that match this `filter`")
	return cmd
}
