package main

import (
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newImpact() *cobra.Command {
	var (
		c         surveyCommand
		candidate candidateFlags
		byLabel   string
	)
	cmd := &cobra.Command{
		Use: "impact [PATH…]", Short: "Say what other rules would break, before they judge", GroupID: "rules", Args: cobra.ArbitraryArgs,
		Long: `Have a server judge the containers that are stored by other rules, and by those that
judge now, and show for which of them that makes a difference, and by which rules. The
exit code is 3 if any would be newly denied, and 1 if the rules come to no verdict on
any. Nothing changes.
` + candidateHelp + surveyHelp + selectHelp,
		Example: `  plimsoll impact policies/ --address unix:///run/plimsoll/plimsoll.sock
  plimsoll impact policies/ --namespaces 'prod-*' --by-label team
  plimsoll impact --validators validators.yaml
  plimsoll impact policies/ --jq '.affected[] | select(.effect == "EFFECT_NEWLY_DENIED") | .container.id'`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.impact(cmd, &candidate, args, byLabel) },
	}
	c.add(cmd, []string{"table", "json", "yaml", "jsonl"})
	candidate.add(cmd)
	cmd.Flags().StringVar(&byLabel, "by-label", "", "also count by the values of the label with this `key`")
	return cmd
}

func (c *surveyCommand) impact(cmd *cobra.Command, flags *candidateFlags, paths []string, byLabel string) error {
	req := &plimsollv1.ImpactRequest{GroupByLabel: byLabel, Resume: c.resume}
	var err error
	if req.Selection, err = c.selection(); err != nil {
		return err
	}
	client, p, err := c.start(cmd)
	if err != nil {
		return err
	}
	if req.Candidate, err = c.candidate(cmd.Context(), flags, paths); err != nil {
		return err
	}
	s, err := client.Impact(cmd.Context(), req)
	if err != nil {
		return surveyError(cmd.Context(), err)
	}
	affected, summary, err := followJob(cmd, p, s, func(res *plimsollv1.ImpactResponse) (*plimsollv1.Progress, *plimsollv1.AffectedContainer, *plimsollv1.ImpactSummary) {
		return res.GetProgress(), res.GetAffected(), res.GetSummary()
	})
	if err != nil {
		return err
	}
	if err := printImpact(p, affected, summary); err != nil {
		return err
	}
	return effectExit(summary.GetAll())
}

// effectExit is the exit code for what a candidate changes.
func effectExit(all *plimsollv1.EffectCounts) error {
	switch {
	case all.GetNewlyDenied() > 0:
		return reportedError(exitDenied)
	case all.GetFailed() > 0:
		return reportedError(exitError)
	}
	return nil
}

// effectNames are what effects are called in tables.
var effectNames = map[plimsollv1.Effect]string{
	plimsollv1.Effect_EFFECT_NEWLY_DENIED:   "newly denied",
	plimsollv1.Effect_EFFECT_NEWLY_ADMITTED: "newly admitted",
	plimsollv1.Effect_EFFECT_FAILED:         "failed",
}

func printImpact(p *printer, affected []*plimsollv1.AffectedContainer, summary *plimsollv1.ImpactSummary) error {
	switch p.format {
	case "jsonl":
		return p.document(summary)
	case "json", "yaml":
		data, err := documentOf("affected", affected, "summary", summary)
		if err != nil {
			return err
		}
		return p.json(data)
	}
	t := tabwriter.NewWriter(p.w, 0, 0, 3, ' ', 0)
	if len(affected) > 0 {
		_, _ = fmt.Fprintln(t, "NAMESPACE\tID\tEFFECT\tRULE\tMESSAGE")
	}
	for _, a := range affected {
		for _, row := range effectRows(a) {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", printable(a.GetContainer().GetNamespace()), printable(a.GetContainer().GetId()),
				effectNames[a.GetEffect()], printable(row.rule), printable(row.message))
		}
	}
	if len(affected) > 0 {
		_, _ = fmt.Fprintln(t)
	}
	if err := printEffects(t, summary.GetGroups(), summary.GetAll()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.w, "as of revision %d, ruleset %s now, ruleset %s then\n", summary.GetRevision(), short(summary.GetActiveRuleset()), short(summary.GetCandidateRuleset()))
	return err
}

// effectRows are the reasons of an effect: what the candidate says, or, where that says
// nothing any more, what the rules of now say.
func effectRows(a interface {
	GetEffect() plimsollv1.Effect
	GetActive() *plimsollv1.Opinion
	GetCandidate() *plimsollv1.Opinion
},
) []opinionRow {
	opinion := a.GetCandidate()
	if a.GetEffect() == plimsollv1.Effect_EFFECT_NEWLY_ADMITTED {
		opinion = a.GetActive()
	}
	return slices.DeleteFunc(opinionRows(opinion), func(row opinionRow) bool { return row.standing == "warned" })
}

// printEffects prints a table of how many are affected, and ends it.
func printEffects(t *tabwriter.Writer, groups []*plimsollv1.EffectGroup, all *plimsollv1.EffectCounts) error {
	_, _ = fmt.Fprintln(t, "BY\t\tNEWLY DENIED\tNEWLY ADMITTED\tFAILED\tSTILL DENIED\tSTILL ADMITTED")
	row := func(by, name string, n *plimsollv1.EffectCounts) {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", by, printable(name), humanize.Comma(n.GetNewlyDenied()), humanize.Comma(n.GetNewlyAdmitted()),
			humanize.Comma(n.GetFailed()), humanize.Comma(n.GetStillDenied()), humanize.Comma(n.GetStillAdmitted()))
	}
	for _, g := range groups {
		row(g.GetBy(), g.GetName(), g.GetCounts())
	}
	row("all", "", all)
	return t.Flush()
}
