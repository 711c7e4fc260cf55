package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
)

// rulesCommand is a command about the rules of a running server.
type rulesCommand struct {
	clientFlags
	output outputFlags
}

// call makes cmd one that calls the server.
func (r *rulesCommand) call(cmd *cobra.Command, call func(ctx context.Context, client plimsollv1connect.RulesetServiceClient, p *printer, args []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := r.output.printer(cmd)
		if err != nil {
			return err
		}
		if r.timeout <= 0 {
			return usagef("--timeout %s leaves no time at all", r.timeout)
		}
		httpClient, base, err := r.dial()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), r.timeout)
		defer cancel()
		return call(ctx, plimsollv1connect.NewRulesetServiceClient(httpClient, base), p, args)
	}
	r.add(cmd)
	_ = cmd.Flags().MarkHidden("namespace") // the rules are the same for all
	r.output.addFormats(cmd, []string{"table", "json", "yaml"})
	return cmd
}

// operatorsOnly says who may call.
const operatorsOnly = `
Works on the server's unix socket only, as root or the user that it runs as.`

func newRulesetStatus() *cobra.Command {
	return new(rulesCommand).call(&cobra.Command{
		Use: "status", Short: "Show which rules a server judges by", Args: cobra.NoArgs,
		Long: `Show which rules a running server judges by, since when, what they were made of, and
whether anything is wrong with where they come from. If there is (the files have policies
that cannot be loaded, or a source cannot be reached), the exit status is 1.`,
	}, func(ctx context.Context, client plimsollv1connect.RulesetServiceClient, p *printer, _ []string) error {
		res, err := client.GetStatus(ctx, &plimsollv1.GetStatusRequest{})
		if err != nil {
			return err
		}
		if err := printStatus(p, res.GetStatus()); err != nil {
			return err
		}
		if !isSound(res.GetStatus()) {
			return reportedError(exitError)
		}
		return nil
	})
}

func newRulesetRollback() *cobra.Command {
	return new(rulesCommand).call(&cobra.Command{
		Use: "rollback [DIGEST]", Short: "Have a server go back to earlier rules", Args: cobra.MaximumNArgs(1),
		Long: `Have a running server judge by earlier rules again, policies and validators: those of a
digest, or the latest others than now. They stay, also when the server is restarted,
until plimsoll ruleset reload.` + operatorsOnly,
		Example: `  plimsoll ruleset rollback --address unix:///run/plimsoll/plimsoll.sock
  plimsoll ruleset rollback 3f9a2c71 --address unix:///run/plimsoll/plimsoll.sock`,
	}, func(ctx context.Context, client plimsollv1connect.RulesetServiceClient, p *printer, args []string) error {
		res, err := client.Rollback(ctx, &plimsollv1.RollbackRequest{Digest: strings.Join(args, "")})
		if err != nil {
			return err
		}
		return printStatus(p, res.GetStatus())
	})
}

func newRulesetPromote() *cobra.Command {
	return new(rulesCommand).call(&cobra.Command{
		Use: "promote DIGEST", Short: "Have a server judge by a ruleset that it keeps", Args: cobra.ExactArgs(1),
		Long: `Have a running server judge by a ruleset that it keeps: one that was tried in shadow, or
any other of plimsoll ruleset list. It takes the place of the rules that judge at once
and as a whole, and stays, also when the server is restarted, until plimsoll ruleset
reload. Where the server asks for signatures, policies and modules must have them.
If it is in shadow, it is not any more.` + operatorsOnly,
		Example: `  plimsoll ruleset promote 3f9a2c71 --address unix:///run/plimsoll/plimsoll.sock`,
	}, func(ctx context.Context, client plimsollv1connect.RulesetServiceClient, p *printer, args []string) error {
		res, err := client.Promote(ctx, &plimsollv1.PromoteRequest{Digest: args[0]})
		if err != nil {
			return err
		}
		return printStatus(p, res.GetStatus())
	})
}

func newRulesetReload() *cobra.Command {
	return new(rulesCommand).call(&cobra.Command{
		Use: "reload", Short: "Have a server load its rules anew", Args: cobra.NoArgs,
		Long: `Have a running server load its policies and validators anew from where they come from,
and end what promote or rollback began. If anything is wrong with them it says so, and
nothing changes.` + operatorsOnly,
		Example: `  plimsoll ruleset reload --address unix:///run/plimsoll/plimsoll.sock`,
	}, func(ctx context.Context, client plimsollv1connect.RulesetServiceClient, p *printer, _ []string) error {
		res, err := client.Reload(ctx, &plimsollv1.ReloadRequest{})
		if err != nil {
			return err
		}
		return printStatus(p, res.GetStatus())
	})
}

func printStatus(p *printer, status *plimsollv1.RulesetStatus) error {
	if !p.isTable() {
		return p.document(status)
	}
	t := tabwriter.NewWriter(p.w, 0, 0, 3, ' ', 0)
	row := func(name, value string) { _, _ = fmt.Fprintf(t, "%s\t%s\n", name, value) }
	row("Ruleset", printable(status.GetRuleset()))
	row("Policies", printable(status.GetPolicies()))
	row("Validators", printable(status.GetValidators()))
	row("Since", when(status.GetSince()))
	row("Made of", madeOf(status.GetRevisions()))
	if status.GetPinned() {
		row("Pinned", "yes, until plimsoll ruleset reload")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := printValidators(p.w, status.GetBoundValidators()); err != nil {
		return err
	}
	for _, source := range status.GetSources() {
		if source.GetError() != "" {
			printLines(p.w, "  ! ", source.GetError())
		}
	}
	for _, q := range status.GetQuarantines() {
		printLines(p.w, "  ! ", fmt.Sprintf("validator %s is in quarantine in namespace %s since %s%s: it failed again and again; see the log",
			q.GetValidator(), q.GetNamespace(), when(q.GetSince()), ofUser(q.GetUser())))
	}
	if status.GetError() != "" {
		printLines(p.w, "  ! ", "not loaded: "+status.GetError())
	}
	return nil
}

// isSound reports whether the rules of a server are those that it is configured to have.
func isSound(status *plimsollv1.RulesetStatus) bool {
	return status.GetError() == "" && !slices.ContainsFunc(status.GetSources(), func(s *plimsollv1.PolicySource) bool { return s.GetError() != "" })
}

// ofUser says whose requests are meant, if that is known.
func ofUser(name string) string {
	if name == "" {
		return ""
	}
	return " for " + name
}

// printValidators shows which validators judge, and what their signatures say.
func printValidators(w io.Writer, bound []*plimsollv1.BoundValidator) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, v := range bound {
		signed := ""
		if v.GetKeyId() != "" {
			signed = "\tsigned with " + printable(v.GetKeyId()+": "+v.GetComment())
		}
		_, _ = fmt.Fprintf(t, "  %s\t%s\t%s%s\n", printable(strings.TrimSpace(v.GetName()+" "+v.GetVersion())), v.GetEnforcement(), printable(v.GetModule()), signed)
	}
	return t.Flush()
}

// printLines shows an error of several lines.
func printLines(w io.Writer, lead, text string) {
	for line := range strings.Lines(text) {
		_, _ = fmt.Fprintf(w, "%s%s\n", lead, printable(strings.TrimRight(strings.ReplaceAll(line, "\t", "    "), "\n")))
		lead = strings.Repeat(" ", len(lead))
	}
}

func madeOf(revisions []*plimsollv1.SourceRevision) string {
	var all []string
	for _, r := range revisions {
		made := r.GetName()
		if r.GetRevision() != "" {
			made += " (revision " + r.GetRevision() + ")"
		}
		all = append(all, printable(made))
	}
	return orDash(strings.Join(all, ", "))
}

func when(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().UTC().Format(time.DateTime)
}
