package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newDecisions() *cobra.Command {
	cmd := &cobra.Command{
		Use: "decisions", Short: "Look at what was decided about changes", GroupID: "rules",
		Long: `Look at what was decided about attempts to change containers: those that were admitted,
denied, failed or only tried. How one came about shows plimsoll explain.

Decisions are kept for a day unless the server is configured otherwise (plimsoll serve
--decision-retention). Values that may be secret are shown as ***.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDecisionsList(), newDecisionsTail(), newDecisionsGet(), newDecisionsVerify())
	return cmd
}

// decisionFlags select decisions.
type decisionFlags struct {
	outcome, operation, policy, validator, rule, user, container string
	since, until                                                 string
	allNamespaces                                                bool
}

const decisionsHelp = `
Times are as RFC 3339 has them (2026-03-01T12:00:00Z), or how long ago something was (90m,
24h). A rule is named by its name (deny), that in full (labels.required.deny), its code, or
its FILE:LINE. Decisions are those of one namespace (-n), or, for root and the server's user
on its unix socket, of all (-A).`

var decisionOutcomes = map[string]plimsollv1.Outcome{
	"admitted": plimsollv1.Outcome_OUTCOME_ADMITTED, "denied": plimsollv1.Outcome_OUTCOME_DENIED,
	"failed": plimsollv1.Outcome_OUTCOME_FAILED, "dry-run": plimsollv1.Outcome_OUTCOME_DRY_RUN,
}

var decisionOperations = map[string]plimsollv1.Operation{
	"create": plimsollv1.Operation_OPERATION_CREATE, "update": plimsollv1.Operation_OPERATION_UPDATE, "delete": plimsollv1.Operation_OPERATION_DELETE,
}

func (f *decisionFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.outcome, "outcome", "", "only those that ended as this `outcome`: admitted, denied, failed or dry-run")
	flags.StringVar(&f.operation, "operation", "", "only those about this `operation`: create, update or delete")
	flags.StringVar(&f.policy, "policy", "", "only those in which this policy `package` had something to say")
	flags.StringVar(&f.validator, "validator", "", "only those in which the validator of this `name` had something to say")
	flags.StringVar(&f.rule, "rule", "", "only those in which this `rule` had something to say")
	flags.StringVar(&f.user, "user", "", "only those that the user of this `name` asked for, such as uid:1000")
	flags.StringVar(&f.container, "container", "", "only those about the container with this `ID`")
	flags.StringVar(&f.since, "since", "", "only those from this `time` on")
	flags.StringVar(&f.until, "until", "", "only those before this `time`")
	flags.BoolVarP(&f.allNamespaces, "all-namespaces", "A", false, "those of all namespaces")
	_ = cmd.RegisterFlagCompletionFunc("outcome", cobra.FixedCompletions([]string{"admitted", "denied", "dry-run", "failed"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("operation", cobra.FixedCompletions([]string{"create", "delete", "update"}, cobra.ShellCompDirectiveNoFileComp))
}

// list is the request of a list.
func (f *decisionFlags) list() (*plimsollv1.ListDecisionsRequest, error) {
	req := &plimsollv1.ListDecisionsRequest{
		Policy: f.policy, Validator: f.validator, Rule: f.rule, User: f.user, ContainerId: f.container, AllNamespaces: f.allNamespaces,
	}
	var known bool
	if req.Outcome, known = decisionOutcomes[f.outcome]; f.outcome != "" && !known {
		return nil, usagef("--outcome %q is none of admitted, denied, failed, dry-run", f.outcome)
	}
	if req.Operation, known = decisionOperations[f.operation]; f.operation != "" && !known {
		return nil, usagef("--operation %q is none of create, update, delete", f.operation)
	}
	var err error
	if req.Since, err = momentOf("--since", f.since); err != nil {
		return nil, err
	}
	req.Until, err = momentOf("--until", f.until)
	return req, err
}

// tail is the request of a tail that selects what a list does.
func (f *decisionFlags) tail(list *plimsollv1.ListDecisionsRequest) *plimsollv1.TailDecisionsRequest {
	return &plimsollv1.TailDecisionsRequest{
		Outcome: list.GetOutcome(), Operation: list.GetOperation(), Policy: list.GetPolicy(), Validator: list.GetValidator(), Rule: list.GetRule(),
		User: list.GetUser(), ContainerId: list.GetContainerId(), Since: list.GetSince(), Until: list.GetUntil(), AllNamespaces: list.GetAllNamespaces(),
	}
}

// momentOf reads a time, or how long ago it was; nil if there is none.
func momentOf(flag, text string) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // nil is the answer
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return timestamppb.New(time.Now().Add(-ago)), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, usagef("%s %q is neither a time such as 2026-03-01T12:00:00Z nor how long ago it was, such as 90m", flag, text)
	}
	return timestamppb.New(at), nil
}

// printDecisions shows decisions as rows; wide ones say more.
func printDecisions(w io.Writer, decisions []*plimsollv1.Decision, wide, namespaces bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(t, strings.Join(decisionCells(nil, wide, namespaces), "\t"))
	for _, d := range decisions {
		_, _ = fmt.Fprintln(t, strings.Join(decisionCells(d, wide, namespaces), "\t"))
	}
	return t.Flush()
}

// decisionCells are those of the row of a decision, or of the head of the table.
func decisionCells(d *plimsollv1.Decision, wide, namespaces bool) []string {
	cells := []string{"TIME", "OUTCOME", "CHANGE", "CONTAINER", "USER", "RULE", "DECISION"}
	more, namespace := []string{"CODE", "REVISION", "RULESET", "TOOK"}, "NAMESPACE"
	if d != nil {
		cells = []string{
			d.GetTime().AsTime().Local().Format(time.DateTime), outcomeName(d), operationOf(d.GetOperation()), cell(d.GetContainerId()),
			cell(userOf(d.GetUser())), cell(saidBy(d)), cell(d.GetId()),
		}
		more = []string{cell(d.GetReason()), orDash(revisionOf(d.GetRevision())), orDash(short(d.GetRuleset())), rounded(d.GetTimings().GetTotal()).String()}
		namespace = cell(d.GetNamespace())
	}
	if namespaces {
		cells = slices.Insert(cells, 3, namespace)
	}
	if wide {
		cells = append(cells, more...)
	}
	return cells
}

func revisionOf(revision uint64) string {
	if revision == 0 {
		return ""
	}
	return fmt.Sprint(revision)
}

// outcomeName is the outcome as --outcome takes it.
func outcomeName(d *plimsollv1.Decision) string {
	for name, outcome := range decisionOutcomes {
		if outcome == d.GetOutcome() {
			return name
		}
	}
	return "unknown"
}

// saidBy names the first rule that said no, and how many others did, or else the reason of
// the error.
func saidBy(d *plimsollv1.Decision) string {
	violations := d.GetVerdict().GetViolations()
	if len(violations) == 0 {
		return strings.ToLower(strings.ReplaceAll(d.GetReason(), "_", " "))
	}
	text := violations[0].GetSource().GetName()
	if more := d.GetVerdict().GetViolationCount() - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}
