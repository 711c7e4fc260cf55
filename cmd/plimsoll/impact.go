package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

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
	client, selection, p, err := c.start(cmd)
	if err != nil {
		return err
	}
	req := &plimsollv1.ImpactRequest{Selection: selection, GroupByLabel: byLabel}
	if req.Candidate, err = flags.candidate(cmd.Context(), paths); err != nil {
		return err
	}
	s, err := client.Impact(cmd.Context(), req)
	if err != nil {
		return surveyError(cmd.Context(), err)
	}
	line := newProgressLine(cmd)
	defer line.clear()
	var (
		affected []*plimsollv1.AffectedContainer
		summary  *plimsollv1.ImpactSummary
	)
	err = follow(s, func(res *plimsollv1.ImpactResponse) error {
		line.show(res.GetProgress())
		if res.GetAffected() != nil {
			if p.format == "jsonl" {
				line.clear()
				return p.document(res.GetAffected())
			}
			affected = append(affected, res.GetAffected())
		}
		summary = res.GetSummary()
		return nil
	})
	line.clear()
	if err == nil && summary == nil {
		err = errUnfinished
	}
	if err != nil {
		return surveyError(cmd.Context(), err)
	}
	if err := printImpact(p, affected, summary); err != nil {
		return err
	}
	switch {
	case summary.GetAll().GetNewlyDenied() > 0:
		return reportedError(exitDenied)
	case summary.GetAll().GetFailed() > 0:
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
		list := make([]proto.Message, len(affected))
		for i, a := range affected {
			list[i] = a
		}
		data, err := documentOf("affected", list, "summary", summary)
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
		opinion := a.GetCandidate()
		if a.GetEffect() == plimsollv1.Effect_EFFECT_NEWLY_ADMITTED {
			opinion = a.GetActive()
		}
		for _, row := range opinionRows(opinion) {
			if row.standing != "warned" {
				_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", printable(a.GetContainer().GetNamespace()), printable(a.GetContainer().GetId()),
					effectNames[a.GetEffect()], printable(row.rule), printable(row.message))
			}
		}
	}
	if len(affected) > 0 {
		_, _ = fmt.Fprintln(t)
	}
	_, _ = fmt.Fprintln(t, "BY\t\tNEWLY DENIED\tNEWLY ADMITTED\tFAILED\tSTILL DENIED\tSTILL ADMITTED")
	row := func(by, name string, n *plimsollv1.EffectCounts) {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", by, printable(name), humanize.Comma(n.GetNewlyDenied()), humanize.Comma(n.GetNewlyAdmitted()),
			humanize.Comma(n.GetFailed()), humanize.Comma(n.GetStillDenied()), humanize.Comma(n.GetStillAdmitted()))
	}
	for _, g := range summary.GetGroups() {
		row(g.GetBy(), g.GetName(), g.GetCounts())
	}
	row("all", "", summary.GetAll())
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.w, "as of revision %d, ruleset %s now, ruleset %s then\n", summary.GetRevision(), short(summary.GetActiveRuleset()), short(summary.GetCandidateRuleset()))
	return err
}
