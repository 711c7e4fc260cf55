package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
)

func newRulesetList() *cobra.Command {
	return new(rulesCommand).call(&cobra.Command{
		Use: "list", Short: "List the rulesets that a server keeps", Args: cobra.NoArgs,
		Long: `List the rulesets that a running server keeps: the one that judges, the one in shadow,
the last that have judged, and the last that were sent to be tried. JUDGED, and how much
of it was denied or failed, is counted since the server started.`,
	}, func(ctx context.Context, client plimsollv1connect.RulesetServiceClient, p *printer, _ []string) error {
		res, err := client.ListRulesets(ctx, &plimsollv1.ListRulesetsRequest{})
		if err != nil {
			return err
		}
		if !p.isTable() {
			return p.document(res)
		}
		t := tabwriter.NewWriter(p.w, 0, 0, 3, ' ', 0)
		_, _ = fmt.Fprintln(t, "RULESET\tSTATE\tPOLICIES\tVALIDATORS\tSINCE\tBY\tJUDGED\tDENIED\tFAILED\tMADE OF")
		for _, r := range res.GetRulesets() {
			judged, denied, failed := "-", "-", "-"
			if n := r.GetCounts(); n != nil {
				judged = humanize.Comma(n.GetAdmitted() + n.GetDenied() + n.GetFailed())
				denied, failed = humanize.Comma(n.GetDenied()), humanize.Comma(n.GetFailed())
			}
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", short(r.GetRuleset()), stateNames[r.GetState()], short(r.GetPolicies()),
				orDash(short(r.GetValidators())), when(r.GetSince()), orDash(printable(r.GetBy())), judged, denied, failed, madeOf(r.GetRevisions()))
		}
		return t.Flush()
	})
}

// stateNames are what the states of rulesets are called in tables.
var stateNames = map[plimsollv1.RulesetState]string{
	plimsollv1.RulesetState_RULESET_STATE_ACTIVE:    "active",
	plimsollv1.RulesetState_RULESET_STATE_SHADOW:    "shadow",
	plimsollv1.RulesetState_RULESET_STATE_CANDIDATE: "candidate",
	plimsollv1.RulesetState_RULESET_STATE_PAST:      "past",
}
