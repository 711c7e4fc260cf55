package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
)

func newRulesetShadow() *cobra.Command {
	var (
		candidate    candidateFlags
		percent      float64
		status, stop bool
	)
	cmd := new(rulesCommand).call(&cobra.Command{
		Use: "shadow [PATH…]", Short: "Run other rules beside those that judge, and see where they differ", Args: cobra.ArbitraryArgs,
		Long: `Send rules to a running server, which keeps them and has them judge what the rules that
judge have judged, after the fact. They never have a say, and nobody waits for them:
what they have no time for is dropped and counted. They go on, also when the server is
restarted, until --stop, others take their place, or plimsoll ruleset promote. Without
rules, or with --status, shows what they would have said.
` + candidateHelp + operatorsOnly,
		Example: `  plimsoll ruleset shadow policies/ --address unix:///run/plimsoll/plimsoll.sock
  plimsoll ruleset shadow policies/ --validators validators.yaml --percent 10
  plimsoll ruleset shadow --ruleset 3f9a2c71
  plimsoll ruleset shadow --status
  plimsoll ruleset shadow --stop`,
	}, func(ctx context.Context, client plimsollv1connect.RulesetServiceClient, p *printer, args []string) error {
		given := len(args)+len(candidate.validators) > 0 || candidate.ruleset != ""
		switch {
		case given && (status || stop), status && stop:
			return usagef("--status and --stop stand alone")
		case stop:
			res, err := client.StopShadow(ctx, &plimsollv1.StopShadowRequest{})
			if err != nil {
				return err
			}
			return printShadowStatus(p, res.GetStatus())
		case !given:
			res, err := client.GetShadow(ctx, &plimsollv1.GetShadowRequest{})
			if err != nil {
				return err
			}
			if err := printShadowStatus(p, res.GetStatus()); err != nil || res.GetStatus().GetError() == "" {
				return err
			}
			return reportedError(exitError)
		}
		c, err := candidate.candidate(ctx, args)
		if err != nil {
			return err
		}
		if !(percent > 0 && percent <= 100) {
			return usagef("--percent %v: must be more than 0, and at most 100", percent)
		}
		res, err := client.Shadow(ctx, &plimsollv1.ShadowRequest{Candidate: c, Percent: percent})
		if err != nil {
			return err
		}
		return printShadowStatus(p, res.GetStatus())
	})
	candidate.add(cmd)
	cmd.Flags().Float64Var(&percent, "percent", 100, "of how `many` mutations in a hundred they judge, at random") //nolint:mnd // all
	cmd.Flags().BoolVar(&status, "status", false, "show what the rules in shadow would have said")
	cmd.Flags().BoolVar(&stop, "stop", false, "end it")
	return cmd
}

// divergenceNames are what they are called in tables.
var divergenceNames = map[plimsollv1.Divergence]string{
	plimsollv1.Divergence_DIVERGENCE_WOULD_DENY:  "would deny",
	plimsollv1.Divergence_DIVERGENCE_WOULD_ADMIT: "would admit",
	plimsollv1.Divergence_DIVERGENCE_WOULD_PATCH: "would patch",
	plimsollv1.Divergence_DIVERGENCE_FAILED:      "failed",
}

func printShadowStatus(p *printer, s *plimsollv1.ShadowStatus) error {
	if !p.isTable() {
		return p.document(s)
	}
	t := tabwriter.NewWriter(p.w, 0, 0, 3, ' ', 0)
	row := func(name, value string) { _, _ = fmt.Fprintf(t, "%s\t%s\n", name, value) }
	row("Ruleset", printable(s.GetRuleset()))
	row("Policies", printable(s.GetPolicies()))
	row("Validators", printable(s.GetValidators()))
	row("In shadow", fmt.Sprintf("since %s, by %s, for %v %% of what is asked for", when(s.GetSince()), orDash(printable(s.GetBy())), s.GetPercent()))
	row("Counted", "since "+when(s.GetCountedSince()))
	row("Took", fmt.Sprintf("%s; the rules that judge %s", latency(s.GetLatency()), latency(s.GetActiveLatency())))
	row("Dropped", humanize.Comma(s.GetDropped()))
	if s.GetCounts().GetFailed() > 0 {
		f := s.GetFailures()
		row("Failed", fmt.Sprintf("%d faults, %d out of time, %d out of memory, %d panics, %d others", f.GetFaults(), f.GetTimeouts(), f.GetMemory(), f.GetPanics(), f.GetOthers()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if s.GetError() != "" {
		printLines(p.w, "  ! ", "it does not run: "+s.GetError())
	}
	_, _ = fmt.Fprintln(p.w)
	t = tabwriter.NewWriter(p.w, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(t, "RULE\tWOULD DENY\tWOULD ADMIT\tWOULD PATCH\tFAILED\tSAME")
	counts := func(name string, n *plimsollv1.ShadowCounts) {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", name, humanize.Comma(n.GetWouldDeny()), humanize.Comma(n.GetWouldAdmit()),
			humanize.Comma(n.GetWouldPatch()), humanize.Comma(n.GetFailed()), humanize.Comma(n.GetSame()))
	}
	for _, rule := range s.GetRules() {
		counts(printable(ruleOf(rule.GetSource())), rule.GetCounts())
	}
	counts("all", s.GetCounts())
	if err := t.Flush(); err != nil || len(s.GetSamples()) == 0 {
		return err
	}
	_, _ = fmt.Fprintln(p.w)
	t = tabwriter.NewWriter(p.w, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(t, "DECISION\tNAMESPACE\tID\tDIFFERENCE\tRULE\tMESSAGE")
	for _, sample := range s.GetSamples() {
		rule, message := sampleReason(sample)
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(sample.GetDecisionId()), printable(sample.GetNamespace()), printable(sample.GetContainerId()),
			divergenceNames[sample.GetDivergence()], orDash(printable(rule)), orDash(printable(message)))
	}
	return t.Flush()
}

// sampleReason is the first rule that makes a difference, and what it says.
func sampleReason(s *plimsollv1.ShadowSample) (rule, message string) {
	opinion := s.GetOpinion()
	switch {
	case s.GetDivergence() == plimsollv1.Divergence_DIVERGENCE_WOULD_DENY && len(opinion.GetVerdict().GetViolations()) > 0:
		first := opinion.GetVerdict().GetViolations()[0]
		return ruleOf(first.GetSource()), first.GetMessage()
	case s.GetDivergence() == plimsollv1.Divergence_DIVERGENCE_FAILED:
		return ruleOf(opinion.GetFailed()), opinion.GetError()
	case len(s.GetDeniedBy()) > 0:
		return ruleOf(s.GetDeniedBy()[0]), "denies it now"
	case len(s.GetFields()) > 0:
		return "", s.GetFields()[0] + " would be other"
	}
	return "", ""
}

func latency(l *plimsollv1.Latency) string {
	if l == nil {
		return "-"
	}
	shown := func(d time.Duration) string { return d.Round(time.Microsecond).String() }
	return fmt.Sprintf("%s (99 %%: %s)", shown(l.GetP50().AsDuration()), shown(l.GetP99().AsDuration()))
}
