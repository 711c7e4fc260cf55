package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
)

func newRulesetDiff() *cobra.Command {
	cmd := new(rulesCommand).call(&cobra.Command{
		Use: "diff [DIGEST [DIGEST]]", Short: "Show what differs between rulesets that a server keeps", Args: cobra.MaximumNArgs(2),
		Long: `Show what differs between two rulesets that a running server keeps: packages, rules,
files of policies, and validators with their settings. Without digests it is from the
ruleset that judges to the one in shadow, with one from the ruleset that judges to that.

Exit codes are those of diff: 0 if nothing differs, 1 if something does, 2 if it could
not be told, and 64 for wrong usage.
` + operatorsOnly,
		Example: `  plimsoll ruleset diff --address unix:///run/plimsoll/plimsoll.sock
  plimsoll ruleset diff 3f9a2c71 --address unix:///run/plimsoll/plimsoll.sock`,
	}, func(ctx context.Context, client plimsollv1connect.RulesetServiceClient, p *printer, args []string) error {
		req := &plimsollv1.DiffRulesetsRequest{}
		switch len(args) {
		case 1:
			req.To = args[0]
		case 2: //nolint:mnd // from and to
			req.From, req.To = args[0], args[1]
		}
		res, err := client.DiffRulesets(ctx, req)
		if err != nil {
			return err
		}
		if err := printRulesetDiff(p, res); err != nil {
			return err
		}
		if len(res.GetDifferences()) > 0 {
			return reportedError(exitError)
		}
		return nil
	})
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if _, reported := errors.AsType[reportedError](err); err == nil || reported || isUsage(err) {
			return err
		}
		report(cmd.ErrOrStderr(), err)
		return reportedError(exitTrouble)
	}
	return cmd
}

func printRulesetDiff(p *printer, res *plimsollv1.DiffRulesetsResponse) error {
	if !p.isTable() {
		return p.document(res)
	}
	_, _ = fmt.Fprintf(p.w, "from %s to %s: %s\n", short(res.GetFrom()), short(res.GetTo()), plural(len(res.GetDifferences()), "difference"))
	for _, d := range res.GetDifferences() {
		_, _ = fmt.Fprintf(p.w, "%s %s %s\n", d.GetKind(), printable(d.GetName()), d.GetChange())
	}
	for _, d := range res.GetDifferences() {
		if d.GetDiff() == "" {
			continue
		}
		_, _ = fmt.Fprintln(p.w)
		for line := range strings.Lines(d.GetDiff()) {
			_, _ = fmt.Fprintln(p.w, printable(strings.TrimRight(strings.ReplaceAll(line, "\t", "    "), "\n")))
		}
	}
	if res.GetTruncated() {
		_, _ = fmt.Fprintln(p.w, "… and more that differs")
	}
	return nil
}
