package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// replayCommand is `plimsoll replay`.
type replayCommand struct {
	jobCommand
	rules        candidateFlags
	since, until time.Duration
	outcomes     []string
	byLabel      string
}

func newReplay() *cobra.Command {
	var c replayCommand
	cmd := &cobra.Command{
		Use: "replay [PATH…]", Short: "Say what other rules would have decided about what was attempted", GroupID: "rules", Args: cobra.ArbitraryArgs,
		Long: `Have a server judge the attempts that it has recorded, by other rules and by those that
judge now, and show for which of them that makes a difference, and by which rules. The
exit code is 3 if any would be newly denied, and 1 if the rules come to no verdict on
any. Nothing changes.
` + candidateHelp + `
Each attempt is judged as it was recorded: as what rules had patched, and without
secrets, which are *** in what is recorded. Rules that look at those may say something
else than they did; for how many the rules of now come to another result than was
recorded is shown. Rules that ask for other containers are shown those as they were when
the attempt was judged, as far as events are kept (--event-limit of plimsoll serve), and
otherwise as they are now; of containers that have changed since, specs are not known any
more. How many were judged in which way is shown.
` + jobHelp,
		Example: `  plimsoll replay policies/ --address unix:///run/plimsoll/plimsoll.sock
  plimsoll replay policies/ --since 24h --outcome admitted --by-label team
  plimsoll replay policies/ --jq '.affected[] | select(.effect == "EFFECT_NEWLY_DENIED") | .decisionId'`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	c.add(cmd, []string{"table", "json", "yaml", "jsonl"})
	c.rules.add(cmd)
	cmd.Flags().DurationVar(&c.since, "since", 0, "only attempts of the last hours, such as `24h` (default: all that are kept)")
	cmd.Flags().DurationVar(&c.until, "until", 0, "only attempts from before the last hours, such as `1h`")
	cmd.Flags().StringSliceVar(&c.outcomes, "outcome", nil, "only attempts that ended so: `outcomes`, of "+strings.Join(outcomeNames, ", "))
	cmd.Flags().StringVar(&c.byLabel, "by-label", "", "also count by the values of the label with this `key`")
	return cmd
}

var outcomeNames = []string{"admitted", "dry-run", "denied", "failed"}

func (c *replayCommand) request(paths []string, cmd *cobra.Command) (*plimsollv1.ReplayRequest, error) {
	req := &plimsollv1.ReplayRequest{Namespaces: c.patterns(), GroupByLabel: c.byLabel, Resume: c.resume}
	if c.since < 0 || c.until < 0 {
		return nil, usagef("--since and --until are how long ago: they cannot be negative")
	}
	if c.since > 0 {
		req.Since = timestamppb.New(time.Now().Add(-c.since))
	}
	if c.until > 0 {
		req.Until = timestamppb.New(time.Now().Add(-c.until))
	}
	for _, name := range c.outcomes {
		outcome, known := plimsollv1.Outcome_value["OUTCOME_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))]
		if !known || outcome == 0 {
			return nil, usagef("--outcome %q is none of %s", name, strings.Join(outcomeNames, ", "))
		}
		req.Outcomes = append(req.Outcomes, plimsollv1.Outcome(outcome))
	}
	var err error
	req.Candidate, err = c.candidate(cmd.Context(), &c.rules, paths)
	return req, err
}

func (c *replayCommand) run(cmd *cobra.Command, paths []string) error {
	client, p, err := c.start(cmd)
	if err != nil {
		return err
	}
	req, err := c.request(paths, cmd)
	if err != nil {
		return err
	}
	s, err := client.Replay(cmd.Context(), req)
	if err != nil {
		return surveyError(cmd.Context(), err)
	}
	affected, summary, err := followJob(cmd, p, s, func(res *plimsollv1.ReplayResponse) (*plimsollv1.Progress, *plimsollv1.AffectedAttempt, *plimsollv1.ReplaySummary) {
		return res.GetProgress(), res.GetAffected(), res.GetSummary()
	})
	if err != nil {
		return err
	}
	if err := printReplay(p, affected, summary); err != nil {
		return err
	}
	return effectExit(summary.GetAll())
}

func printReplay(p *printer, affected []*plimsollv1.AffectedAttempt, summary *plimsollv1.ReplaySummary) error {
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
		_, _ = fmt.Fprintln(t, "DECISION\tNAMESPACE\tID\tOPERATION\tEFFECT\tRULE\tMESSAGE")
	}
	for _, a := range affected {
		for _, row := range effectRows(a) {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.GetDecisionId(), printable(a.GetContainer().GetNamespace()), printable(a.GetContainer().GetId()),
				strings.ToLower(strings.TrimPrefix(a.GetOperation().String(), "OPERATION_")), effectNames[a.GetEffect()], printable(row.rule), printable(row.message))
		}
	}
	if len(affected) > 0 {
		_, _ = fmt.Fprintln(t)
	}
	if err := printEffects(t, summary.GetGroups(), summary.GetAll()); err != nil {
		return err
	}
	for _, c := range summary.GetContexts() {
		if text, worth := contextTexts[c.GetContext()]; worth {
			_, _ = fmt.Fprintf(p.w, "%s\n", fmt.Sprintf(text, plural(int(c.GetCount()), "attempt")))
		}
	}
	if n := summary.GetDiffering(); n > 0 {
		_, _ = fmt.Fprintf(p.w, "%s: the rules of now come to another result than was recorded\n", plural(int(n), "attempt"))
	}
	for _, s := range summary.GetSkipped() {
		_, _ = fmt.Fprintf(p.w, "%s not judged again: %s\n", plural(int(s.GetCount()), "attempt"), printable(s.GetReason()))
	}
	all := summary.GetAll()
	judged := all.GetNewlyDenied() + all.GetNewlyAdmitted() + all.GetFailed() + all.GetStillDenied() + all.GetStillAdmitted()
	_, err := fmt.Fprintf(p.w, "%s judged again, ruleset %s now, ruleset %s then\n", humanize.Comma(judged), short(summary.GetActiveRuleset()), short(summary.GetCandidateRuleset()))
	return err
}

// contextTexts say with which other containers attempts were judged.
var contextTexts = map[plimsollv1.ReplayContext]string{
	plimsollv1.ReplayContext_REPLAY_CONTEXT_THEN:        "%s judged with other containers as they were then",
	plimsollv1.ReplayContext_REPLAY_CONTEXT_PARTLY_THEN: "%s judged with other containers as they were then, but for specs that have changed since",
	plimsollv1.ReplayContext_REPLAY_CONTEXT_NOW:         "%s judged with other containers as they are now: events of then are not kept",
}
