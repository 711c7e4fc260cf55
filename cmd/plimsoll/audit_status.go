package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
)

// auditHelp is what the commands about the continuous audit have in common.
const auditHelp = `
A server judges what is stored continuously, by the rules that judge now: what has
changed, by those rules that have changed (--audit-interval of plimsoll serve).
Works on its unix socket only, as root or the user that it runs as.`

func newAuditStatus() *cobra.Command {
	var (
		client clientFlags
		output outputFlags
	)
	cmd := &cobra.Command{
		Use: "status", Short: "Show how what is stored stands with the rules of now", Args: cobra.NoArgs,
		Long: `Show how many of the stored containers would be denied by the rules that judge now, and by
which, as the server's continuous audit knows it, and how far that has come.
` + auditHelp,
		Example: `  plimsoll audit status --address unix:///run/plimsoll/plimsoll.sock
  plimsoll audit status --jq .summary.denied`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			rollouts, err := client.rollouts()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), client.timeout)
			defer cancel()
			res, err := rollouts.GetAuditStatus(ctx, &plimsollv1.GetAuditStatusRequest{})
			if err != nil {
				return err
			}
			if p.format != "table" {
				return p.document(res.GetStatus())
			}
			return printAuditStatus(p, res.GetStatus())
		},
	}
	client.add(cmd)
	_ = cmd.Flags().MarkHidden("namespace")
	output.addFormats(cmd, []string{"table", "json", "yaml"})
	return cmd
}

// rollouts is a client of the service that judges in the background.
func (c *clientFlags) rollouts() (plimsollv1connect.RolloutServiceClient, error) {
	httpClient, base, err := c.dial()
	if err != nil {
		return nil, err
	}
	return plimsollv1connect.NewRolloutServiceClient(httpClient, base), nil
}

func printAuditStatus(p *printer, s *plimsollv1.AuditStatus) error {
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { _, _ = fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	summary := s.GetSummary()
	if summary == nil {
		row("Known", "nothing yet")
	} else {
		row("Known", "as of revision %d of %d, by ruleset %s, %s", summary.GetRevision(), s.GetRevision(), short(summary.GetRuleset()), humanize.Time(s.GetTime().AsTime()))
		row("Denied", "%s", humanize.Comma(summary.GetDenied()))
		row("Failed", "%s", humanize.Comma(summary.GetFailed()))
		row("Admitted", "%s, of them %s with warnings", humanize.Comma(summary.GetAdmitted()), humanize.Comma(summary.GetWarned()))
	}
	if s.GetRuleset() != summary.GetRuleset() {
		row("Rules now", "%s", short(s.GetRuleset()))
	}
	if progress := s.GetProgress(); progress != nil {
		row("Working", "%s of %s, %s left", humanize.Comma(progress.GetDone()), humanize.Comma(progress.GetTotal()), progress.GetRemaining().AsDuration().Round(time.Second))
	}
	row("Judged", "%s by all rules, %s by those that had changed, %s kept", humanize.Comma(s.GetJudged()), humanize.Comma(s.GetJudgedInPart()), humanize.Comma(s.GetKept()))
	if s.GetError() != "" {
		row("Error", "%s", printable(s.GetError()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(summary.GetRules()) == 0 {
		return nil
	}
	t = tabwriter.NewWriter(p.w, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(t, "\nRULE\tDENIED\tWARNED\tFAILED")
	for _, r := range summary.GetRules() {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", printable(ruleOf(r.GetSource())), humanize.Comma(r.GetDenied()), humanize.Comma(r.GetWarned()), humanize.Comma(r.GetFailed()))
	}
	return t.Flush()
}

func newAuditResults() *cobra.Command {
	var (
		client     clientFlags
		output     outputFlags
		namespaces []string
		standings  []string
		rule       string
	)
	cmd := &cobra.Command{
		Use: "results", Short: "List what is stored and would not be simply admitted now", Args: cobra.NoArgs,
		Long: `List the stored containers that the rules that judge now would deny, fail on or warn of, as
the server's continuous audit knows it.
` + auditHelp,
		Example: `  plimsoll audit results --standing denied,failed
  plimsoll audit results --rule labels.required.deny --namespaces 'prod-*'
  plimsoll audit results --jq .container.id`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			req := &plimsollv1.ListAuditResultsRequest{Rule: rule, Namespaces: namespaces, PageSize: 1000}
			if client.namespace != "" {
				req.Namespaces = append(req.Namespaces, client.namespace)
			}
			for _, name := range standings {
				standing, known := plimsollv1.Standing_value["STANDING_"+strings.ToUpper(name)]
				if !known || standing == 0 {
					return usagef("--standing %q is none of %s", name, strings.Join(standingNames, ", "))
				}
				req.Standings = append(req.Standings, plimsollv1.Standing(standing))
			}
			rollouts, err := client.rollouts()
			if err != nil {
				return err
			}
			var all []*plimsollv1.AuditFinding
			for more := true; more; more = req.GetPageToken() != "" {
				ctx, cancel := context.WithTimeout(cmd.Context(), client.timeout)
				res, err := rollouts.ListAuditResults(ctx, req)
				cancel()
				if err != nil {
					return err
				}
				all = slices.Concat(all, res.GetResults())
				req.PageToken = res.GetNextPageToken()
			}
			if p.format == "table" {
				return printAudited(p.w, all)
			}
			for _, f := range all {
				if err := p.document(f); err != nil {
					return err
				}
			}
			return nil
		},
	}
	client.add(cmd)
	_ = cmd.Flags().MarkHidden("namespace")
	output.addFormats(cmd, []string{"table", "json", "yaml", "jsonl"})
	cmd.Flags().StringSliceVar(&namespaces, "namespaces", nil, "only what is in these namespaces, `names` or patterns such as prod-* (default: all)")
	cmd.Flags().StringSliceVar(&standings, "standing", nil, "only those that stand so: `standings`, of "+strings.Join(standingNames, ", "))
	cmd.Flags().StringVar(&rule, "rule", "", "only those that this `rule` or validator says something of, such as labels.required.deny")
	return cmd
}

var standingNames = []string{"admitted", "denied", "failed"}
