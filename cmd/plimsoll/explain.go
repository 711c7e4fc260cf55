package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

var formOfID = regexp.MustCompile(`^[0-9A-Za-z]{26}$`)

func newExplain() *cobra.Command {
	var (
		flags  clientFlags
		output outputFlags
	)
	cmd := &cobra.Command{
		Use: "explain ID", Short: "Show why a change was admitted or denied", GroupID: "containers", Args: cobra.ExactArgs(1),
		Long: `Show a decision and how it came about: who asked for what, how long each phase took,
what policies and validators found, and the rules that fired, with their source text and
what their variables were. The ID of a decision is in the answer to every change.

Decisions are kept for a day unless the server is configured otherwise (plimsoll serve
--decision-retention). Rules are evaluated again for this, on what was recorded, as long as
they are still active. Values that may be secret are shown as ***. Decisions are looked up in
one namespace (-n).`,
		Example: `  plimsoll explain 01JDF3Q8ZK4M2N6P8R0S2T4V6X
  plimsoll explain 01JDF3Q8ZK4M2N6P8R0S2T4V6X -o yaml
  plimsoll explain 01JDF3Q8ZK4M2N6P8R0S2T4V6X --jq '.rules[].source'`,
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
			res, err := c.ExplainDecision(cmd.Context(), &plimsollv1.ExplainDecisionRequest{Id: args[0]})
			if err != nil {
				return err
			}
			if !p.isTable() {
				return p.document(res.GetExplanation())
			}
			return printExplanation(p.w, res.GetExplanation())
		},
	}
	flags.add(cmd)
	output.addFormats(cmd, []string{"table", "json", "yaml"})
	cmd.ValidArgsFunction = flags.decisions
	return cmd
}

// decisions completes the ID of a decision with the latest ones.
func (f *clientFlags) decisions(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ids, directive := f.ask(func(ctx context.Context, c *client, _ []string) ([]string, error) {
		res, err := c.ListDecisions(ctx, &plimsollv1.ListDecisionsRequest{PageSize: maxCompletions})
		var ids []string
		for _, d := range res.GetDecisions() {
			ids = append(ids, d.GetId())
		}
		return ids, err
	})(cmd, args, strings.ToUpper(toComplete))
	return ids, directive | cobra.ShellCompDirectiveKeepOrder
}

// printExplanation shows an explanation to a person.
func printExplanation(w io.Writer, e *plimsollv1.Explanation) error {
	d := e.GetDecision()
	var b strings.Builder
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	say("%s: %s of %s   decision %s", outcomeOf(d), operationOf(d.GetOperation()), printable(d.GetContainerId()), printable(d.GetId()))
	say("  asked by %s at %s, in namespace %s", printable(userOf(d.GetUser())), d.GetTime().AsTime().Local().Format(time.DateTime), printable(d.GetNamespace()))
	if d.GetReason() != "" {
		say("  answered with %s, %s: %s", printable(d.GetCode()), printable(d.GetReason()), printable(d.GetMessage()))
	}
	if d.GetBreakGlass() != "" {
		say("  BREAK-GLASS: %s (%s overridden)", printable(d.GetBreakGlass()), plural(int(d.GetOverridden()), "finding"))
	}
	if d.GetExempted() > 0 {
		say("  exemptions cover %s", plural(int(d.GetExempted()), "violation"))
	}
	if d.GetRevision() > 0 {
		say("  committed at revision %d", d.GetRevision())
	}
	if d.GetRuleset() != "" {
		t := d.GetTimings()
		attempts := ""
		if d.GetAttempts() > 1 {
			attempts = fmt.Sprintf(", at attempt %d", d.GetAttempts())
		}
		say("  judged at revision %d by ruleset %s in %s (patches %s, policies %s, validators %s)%s", d.GetStateRevision(), short(d.GetRuleset()),
			rounded(t.GetTotal()), rounded(t.GetPatches()), rounded(t.GetPolicies()), rounded(t.GetValidators()), attempts)
	}
	if hidden := slices.Concat(d.GetErased(), d.GetMasked()); len(hidden) > 0 {
		say("  hidden by policies: %s", printable(strings.Join(hidden, ", ")))
	}
	if d.GetMaskError() != "" {
		say("  what policies hide could not be told, so what was judged was not recorded: %s", printable(d.GetMaskError()))
	}
	if len(d.GetChanged()) > 0 {
		say("  changed: %s", printable(strings.Join(d.GetChanged(), ", ")))
	}
	if len(d.GetPatches()) > 0 {
		say("patched:")
		_ = printPatches(&b, d.GetPatches()) // into memory
	}
	printFindings(&b, "violations", d.GetVerdict().GetViolations(), int(d.GetVerdict().GetViolationCount()))
	printFindings(&b, "warnings", d.GetVerdict().GetWarnings(), 0)
	for _, shadow := range d.GetShadows() {
		printShadow(&b, shadow)
	}
	for i, r := range e.GetRules() {
		if i == 0 {
			say("rules that fired:")
		}
		printRule(&b, r)
	}
	for _, n := range e.GetNotes() {
		say("note: %s", printable(n))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func outcomeOf(d *plimsollv1.Decision) string {
	name := strings.ToLower(strings.TrimPrefix(d.GetOutcome().String(), "OUTCOME_"))
	if d.GetOutcome() == plimsollv1.Outcome_OUTCOME_DRY_RUN {
		return "fit, in a dry run"
	}
	if d.GetDryRun() {
		return name + ", in a dry run"
	}
	return name
}

// printFindings shows violations or warnings, and how many there are if that is more.
func printFindings(w io.Writer, what string, found []*plimsollv1.Violation, count int) {
	if len(found) == 0 {
		return
	}
	_, _ = fmt.Fprintf(w, "%s:\n", what)
	printViolations(w, &plimsollv1.Verdict{Violations: found, ViolationCount: int32(max(count, len(found)))}) //nolint:gosec // of a proto's
}

// printShadow shows what a validator in shadow said.
func printShadow(w io.Writer, s *plimsollv1.Shadow) {
	name := printable(sourceOf(&plimsollv1.Violation{Source: s.GetSource()}))
	switch {
	case s.GetError() != "":
		_, _ = fmt.Fprintf(w, "in shadow, %s came to no verdict: %s\n", name, printable(s.GetError()))
	case s.GetViolationCount() == 0 && len(s.GetWarnings()) == 0:
		_, _ = fmt.Fprintf(w, "in shadow, %s found nothing\n", name)
	default:
		printFindings(w, "in shadow, "+name+" would deny", s.GetViolations(), int(s.GetViolationCount()))
		printFindings(w, "in shadow, "+name+" would warn", s.GetWarnings(), 0)
	}
}

// printRule shows a rule with its lines, and what its variables were.
func printRule(w io.Writer, r *plimsollv1.FiredRule) {
	times := ""
	if r.GetCount() > 1 {
		times = fmt.Sprintf("   %d times", r.GetCount())
	}
	_, _ = fmt.Fprintf(w, "  %s%s\n", printable(sourceOf(&plimsollv1.Violation{Source: r.GetSource()})), times)
	line := int(r.GetSource().GetLine())
	for text := range strings.Lines(r.GetText()) {
		text = strings.ReplaceAll(strings.TrimRight(text, "\r\n"), "\t", "    ")
		_, _ = fmt.Fprintf(w, "  %5d | %s\n", line, strings.TrimRight(printable(text), " "))
		line++
	}
	for i, f := range r.GetFirings() {
		if i > 0 {
			_, _ = fmt.Fprintln(w, "        and")
		}
		for _, v := range f.GetVariables() {
			_, _ = fmt.Fprintf(w, "        %s = %s\n", printable(v.GetName()), printable(v.GetValue()))
		}
	}
	if more := int(r.GetCount()) - len(r.GetFirings()); more > 0 {
		_, _ = fmt.Fprintf(w, "        and %d more times\n", more)
	}
}
