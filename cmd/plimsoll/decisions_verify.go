package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/storage"
)

func newDecisionsVerify() *cobra.Command {
	var (
		flags  clientFlags
		output outputFlags
		head   string
	)
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that the log of decisions is what was recorded", Args: cobra.NoArgs,
		Long: `Have a server check its log of decisions, of all namespaces: that no record was altered,
removed, reordered or put in between, that the latest are there, and that each change in
the history has the decision that let it in. The exit code is 1 if the log is broken.

Each record has a link: a hash of the record and of the link before. The link of the latest
record, the head, so stands for all of them. Note it elsewhere, and have it compared later
with --head: then not even somebody who can write the whole database can change what was
recorded before. Works on the server's unix socket only, as root or its user.`,
		Example: `  plimsoll decisions verify --address unix:///run/plimsoll/plimsoll.sock
  plimsoll decisions verify --jq '"\(.head.sequence):\(.head.link)"' > head
  plimsoll decisions verify --head "$(cat head)"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			req := &plimsollv1.VerifyDecisionsRequest{}
			if req.Head, err = parseHead(head); err != nil {
				return err
			}
			httpClient, base, err := flags.dial()
			if err != nil {
				return err
			}
			report, err := verifyDecisions(cmd, plimsollv1connect.NewDecisionServiceClient(httpClient, base), req)
			if err != nil {
				return surveyError(cmd.Context(), err)
			}
			if p.isTable() {
				err = printLogReport(p.w, report)
			} else {
				err = p.document(report)
			}
			if err == nil && report.GetBroken() != nil {
				err = reportedError(exitError)
			}
			return err
		},
	}
	flags.add(cmd)
	output.addFormats(cmd, []string{"table", "json", "yaml"})
	_ = cmd.Flags().MarkHidden("namespace") // it is of all
	_ = cmd.Flags().MarkHidden("timeout")   // it takes as long as it takes
	cmd.Flags().StringVar(&head, "head", "", "`SEQUENCE:LINK` that was noted earlier, which the log must have still")
	return cmd
}

// parseHead reads a head as printLogReport writes it; nil if there is none.
func parseHead(text string) (*plimsollv1.LogPosition, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // nil is the answer
	}
	sequence, link, _ := strings.Cut(strings.TrimSpace(text), ":")
	n, err := strconv.ParseUint(sequence, 10, 64)
	if err == nil {
		_, err = storage.ParseLink(link)
	}
	if err != nil {
		return nil, usagef("--head %q is no head: a number, a colon and 64 hexadecimal digits, as verify shows it", text)
	}
	return &plimsollv1.LogPosition{Sequence: n, Link: link}, nil
}

func verifyDecisions(cmd *cobra.Command, c plimsollv1connect.DecisionServiceClient, req *plimsollv1.VerifyDecisionsRequest) (*plimsollv1.LogReport, error) {
	s, err := c.VerifyDecisions(cmd.Context(), req)
	if err != nil {
		return nil, err
	}
	line := newProgressLine(cmd)
	defer line.clear()
	var report *plimsollv1.LogReport
	err = follow(s, func(res *plimsollv1.VerifyDecisionsResponse) error {
		if p := res.GetProgress(); p != nil {
			line.show(&plimsollv1.Progress{Done: p.GetDone(), Total: p.GetTotal()})
		}
		report = res.GetReport()
		return nil
	})
	if err == nil && report == nil {
		err = errUnfinished
	}
	return report, err
}

// printLogReport shows a report to a person.
func printLogReport(w io.Writer, r *plimsollv1.LogReport) error {
	var b strings.Builder
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	if broken := r.GetBroken(); broken != nil {
		kind := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(broken.GetKind().String(), "KIND_")), "_", " ")
		say("broken at record %d (%s): %s", broken.GetSequence(), kind, printable(broken.GetProblem()))
		say("checked before it: %s", plural(int(r.GetRecords()), "record"))
		_, err := io.WriteString(w, b.String())
		return err
	}
	say("sound: %s, %s of decisions, %s of these admitted; %s kept in the history, each with its decision",
		plural(int(r.GetRecords()), "record"), humanize.Comma(r.GetDecisions()), humanize.Comma(r.GetAdmitted()), plural(int(r.GetChanges()), "change"))
	if n := r.GetTrimmed().GetSequence(); n > 0 {
		say("kept from record %d on; those before were let go of, last at %s", n+1, when(r.GetTrimmedAt()))
	}
	if n := r.GetDropped(); n > 0 {
		say("%s that changed nothing were not recorded, for want of room", plural(int(n), "decision")) //nolint:gosec // a count
	}
	say("head %d:%s", r.GetHead().GetSequence(), r.GetHead().GetLink())
	_, err := io.WriteString(w, b.String())
	return err
}
