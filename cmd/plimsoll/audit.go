package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newAudit() *cobra.Command {
	var c surveyCommand
	cmd := &cobra.Command{
		Use: "audit", Short: "Judge everything that is stored by the rules of now", GroupID: "rules", Args: cobra.NoArgs,
		Long: `Have a server judge the containers that are stored by the rules that judge now, and show
those that would be denied, that the rules come to no verdict on, or that they warn of.
The exit code is 3 if any would be denied, and 1 if the rules came to no verdict on any.

SARIF is for code scanners, JUnit for build servers.

A server also does so continuously: see plimsoll audit status and results, which do not
have to wait.
` + surveyHelp + selectHelp,
		Example: `  plimsoll audit --address unix:///run/plimsoll/plimsoll.sock
  plimsoll audit --namespaces 'prod-*' -l team=core
  plimsoll audit -o sarif > audit.sarif
  plimsoll audit --jq '.summary.rules[] | [.source.name, .denied]'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.audit(cmd) },
	}
	c.add(cmd, []string{"table", "json", "yaml", "jsonl", "sarif", "junit"})
	cmd.AddCommand(newAuditStatus(), newAuditResults())
	return cmd
}

func (c *surveyCommand) audit(cmd *cobra.Command) error {
	selection, err := c.selection()
	if err != nil {
		return err
	}
	client, p, err := c.start(cmd)
	if err != nil {
		return err
	}
	s, err := client.Audit(cmd.Context(), &plimsollv1.AuditRequest{Selection: selection, Resume: c.resume})
	if err != nil {
		return surveyError(cmd.Context(), err)
	}
	findings, summary, err := followJob(cmd, p, s, func(res *plimsollv1.AuditResponse) (*plimsollv1.Progress, *plimsollv1.AuditFinding, *plimsollv1.AuditSummary) {
		return res.GetProgress(), res.GetFinding(), res.GetSummary()
	})
	if err != nil {
		return err
	}
	if err := printAudit(p, findings, summary); err != nil {
		return err
	}
	switch {
	case summary.GetDenied() > 0:
		return reportedError(exitDenied)
	case summary.GetFailed() > 0:
		return reportedError(exitError)
	}
	return nil
}

func printAudit(p *printer, findings []*plimsollv1.AuditFinding, summary *plimsollv1.AuditSummary) error {
	switch p.format {
	case "sarif":
		return writeSARIF(p.w, findings, summary)
	case "junit":
		return writeAuditJUnit(p.w, findings, summary)
	case "jsonl":
		return p.document(summary)
	case "json", "yaml":
		data, err := documentOf("findings", findings, "summary", summary)
		if err != nil {
			return err
		}
		return p.json(data)
	}
	if err := printAudited(p.w, findings); err != nil {
		return err
	}
	judged := summary.GetAdmitted() + summary.GetDenied() + summary.GetFailed()
	exempted := ""
	if n := summary.GetExempted(); n > 0 {
		exempted = fmt.Sprintf(", %s by exemptions", humanize.Comma(n))
	}
	_, err := fmt.Fprintf(p.w, "%s judged as of revision %d by ruleset %s: %s would be denied, %s failed, %s admitted with warnings%s\n",
		plural(int(judged), "container"), summary.GetRevision(), short(summary.GetRuleset()),
		humanize.Comma(summary.GetDenied()), humanize.Comma(summary.GetFailed()), humanize.Comma(summary.GetWarned()), exempted)
	return err
}

// printAudited prints a table of what rules say of containers.
func printAudited(w io.Writer, findings []*plimsollv1.AuditFinding) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	if len(findings) > 0 {
		_, _ = fmt.Fprintln(t, "NAMESPACE\tID\tSTANDING\tRULE\tMESSAGE")
	}
	for _, f := range findings {
		for _, row := range opinionRows(f.GetOpinion()) {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", printable(f.GetContainer().GetNamespace()), printable(f.GetContainer().GetId()),
				row.standing, printable(row.rule), printable(row.message))
		}
	}
	return t.Flush()
}

// opinionRow is a thing that rules say of a container.
type opinionRow struct{ standing, rule, message string }

func opinionRows(o *plimsollv1.Opinion) []opinionRow {
	var rows []opinionRow
	if o.GetStanding() == plimsollv1.Standing_STANDING_FAILED {
		rows = append(rows, opinionRow{"failed", ruleOf(o.GetFailed()), o.GetError()})
	}
	for _, v := range o.GetVerdict().GetViolations() {
		row := opinionRow{"denied", ruleOf(v.GetSource()), v.GetMessage()}
		if standing := standingOf(v); standing != "" {
			row.message += " (" + standing + ")"
		}
		rows = append(rows, row)
	}
	for _, v := range o.GetVerdict().GetWarnings() {
		row := opinionRow{"warned", ruleOf(v.GetSource()), v.GetMessage()}
		if v.GetWaiver().GetKind() == plimsollv1.Waiver_KIND_EXEMPTION {
			row.standing = "exempted"
		}
		if why := leniencyOf(v); why != "" {
			row.message += " (" + why + ")"
		}
		rows = append(rows, row)
	}
	if o.GetStanding() == plimsollv1.Standing_STANDING_ADMITTED && len(rows) == 0 {
		rows = append(rows, opinionRow{"admitted", "-", ""})
	}
	return rows
}
