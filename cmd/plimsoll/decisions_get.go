package main

import (
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newDecisionsGet() *cobra.Command {
	var (
		flags  clientFlags
		output outputFlags
	)
	cmd := &cobra.Command{
		Use: "get ID", Short: "Show one decision", Args: cobra.ExactArgs(1),
		Long: `Show one decision as it is recorded. plimsoll explain shows how it came about, too.
It is looked up in one namespace (-n).`,
		Example: `  plimsoll decisions get 01JDF3Q8ZK4M2N6P8R0S2T4V6X
  plimsoll decisions get 01JDF3Q8ZK4M2N6P8R0S2T4V6X --jq .verdict.violations`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !formOfID.MatchString(args[0]) {
				return usagef("%q is no ID of a decision: they have 26 letters and digits, such as 01JDF3Q8ZK4M2N6P8R0S2T4V6X", args[0])
			}
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			c, err := flags.client(nil)
			if err != nil {
				return err
			}
			res, err := c.GetDecision(cmd.Context(), &plimsollv1.GetDecisionRequest{Id: args[0]})
			if err != nil {
				return err
			}
			if !p.isTable() {
				return p.document(res.GetDecision())
			}
			return printExplanation(p.w, &plimsollv1.Explanation{Decision: res.GetDecision()})
		},
	}
	flags.add(cmd)
	output.addFormats(cmd, []string{"table", "json", "yaml"})
	cmd.ValidArgsFunction = flags.decisions
	return cmd
}
