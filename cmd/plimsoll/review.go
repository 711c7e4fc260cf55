package main

import (
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

func newReview() *cobra.Command {
	var (
		flags  clientFlags
		output outputFlags
		file   fileFlag
		remove []string
		why    bool
	)
	cmd := &cobra.Command{
		Use: "review -f FILE", Short: "Say what the rules think of a change, and make none", GroupID: "containers", Args: cobra.NoArgs,
		Long: `Have changes judged that are not made: those of plimsoll apply -f FILE, or deletions.
Shows the verdict, what rules would patch, what would change, which rules judged and
how long they took; in JSON and YAML also the container as it would be stored. With
--explain it shows the rules that fired, as plimsoll explain does. The exit code is 3
if any change is denied.
` + manifestHelp,
		Example: `  plimsoll review -f web.yaml
  plimsoll review -f web.yaml --jq '.container.spec.value.process'
  plimsoll review -f web.yaml --explain
  plimsoll review --delete web`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (file.path == "") == (len(remove) == 0) {
				return usagef("say what to review: either -f FILE, or --delete ID")
			}
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			c, err := flags.client(nil)
			if err != nil {
				return err
			}
			var manifests []*manifest
			if file.path != "" {
				if manifests, err = file.read(cmd); err != nil {
					return err
				}
			}
			denied := false
			for _, m := range manifests {
				stored, err := c.of(m).stored(cmd.Context(), m.container.GetId())
				if err != nil {
					return err
				}
				change := m.change(stored)
				if err := neverChanges(change.GetUpdate()); err != nil {
					return err
				}
				if change == nil {
					change = updating(&plimsollv1.UpdateOperation{Container: stored})
				}
				change.Explain = why
				allowed, err := review(cmd, c.of(m), p, change, m.container.GetId())
				if err != nil {
					return err
				}
				denied = denied || !allowed
			}
			for _, id := range remove {
				change := deletion(id)
				change.Explain = why
				allowed, err := review(cmd, c, p, change, id)
				if err != nil {
					return err
				}
				denied = denied || !allowed
			}
			if denied {
				return reportedError(exitDenied)
			}
			return nil
		},
	}
	flags.add(cmd)
	output.addFormats(cmd, []string{"table", "json", "yaml", "jsonl"})
	file.add(cmd)
	cmd.Flags().BoolVar(&why, "explain", false, "show the rules that fired, too, and what their variables were")
	cmd.Flags().StringSliceVar(&remove, "delete", nil, "review the deletion of the container with this `ID`; repeatable")
	_ = cmd.RegisterFlagCompletionFunc("delete", flags.ids)
	return cmd
}

// review has one change judged and shows the judgement.
func review(cmd *cobra.Command, c *client, p *printer, change *change, id string) (allowed bool, err error) {
	res, err := c.Review(cmd.Context(), change)
	if err != nil {
		return false, &attemptError{about: id, dryRun: true, err: err}
	}
	if !p.isTable() {
		return res.GetAllowed(), p.document(res)
	}
	if res.GetExplanation() != nil {
		return res.GetAllowed(), printExplanation(p.w, res.GetExplanation())
	}
	if !res.GetAllowed() {
		report(cmd.ErrOrStderr(), &attemptError{
			about: id, dryRun: true,
			err: remoteError(connect.CodePermissionDenied, "denied", service.ReasonPolicyDenied, res.GetVerdict()),
		})
	} else {
		for _, w := range res.GetVerdict().GetWarnings() {
			cmd.PrintErrf("warning: %s\n", printable(warningText(w)))
		}
		_, err = fmt.Fprintf(p.w, "%s would be %s\n", printable(id), doneBy(change))
	}
	if err == nil {
		err = printPatches(p.w, res.GetPatches())
	}
	if len(res.GetChanged()) > 0 && err == nil {
		_, err = fmt.Fprintf(p.w, "  changed: %s\n", printable(strings.Join(res.GetChanged(), ", ")))
	}
	if err == nil {
		t := res.GetTimings()
		patches := ""
		if t.GetPatches().AsDuration() > 0 {
			patches = fmt.Sprintf("patches %s, ", rounded(t.GetPatches()))
		}
		_, err = fmt.Fprintf(p.w, "  judged at revision %d by ruleset %s in %s (%spolicies %s, validators %s)\n", res.GetRevision(),
			orDash(short(res.GetRuleset())), rounded(t.GetTotal()), patches, rounded(t.GetPolicies()), rounded(t.GetValidators()))
	}
	return res.GetAllowed(), err
}

func doneBy(change *change) string {
	switch change.GetOperation().(type) {
	case *plimsollv1.ReviewRequest_Create:
		return "created"
	case *plimsollv1.ReviewRequest_Delete:
		return "deleted"
	}
	return "updated"
}

func rounded(d *durationpb.Duration) time.Duration {
	return d.AsDuration().Round(10 * time.Microsecond)
}

// short is the beginning of a digest, enough to tell one from another.
func short(digest string) string {
	const enough = 12
	digest = printable(strings.TrimPrefix(digest, "sha256:"))
	return digest[:min(enough, len(digest))]
}
