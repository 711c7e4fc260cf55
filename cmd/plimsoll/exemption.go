package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
)

func newExemption() *cobra.Command {
	cmd := &cobra.Command{
		Use: "exemption", Short: "Exempt containers from a rule, for a while", GroupID: "rules",
		Long: `Exemptions say that what a rule says against some containers does not count until they
expire: it is a warning instead, which names the exemption. They are about what rules say,
and not about rules that come to no verdict.

Who may have one is for the rules about exemptions to say, those of a server's policies
with custom.match: {kinds: [exemption]}. Without any, only root and the user that the
server runs as may, for 30 days at most. All of this works on the server's unix socket
only.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newExemptionCreate(), newExemptionList(), newExemptionGet(), newExemptionDelete())
	return cmd
}

// exemptionCommand is a command about exemptions.
type exemptionCommand struct {
	clientFlags
	output outputFlags
	dryRun bool
}

var exemptionFormats = []string{"table", "wide", "json", "yaml", "jsonl", "name"}

func (c *exemptionCommand) add(cmd *cobra.Command, changes bool) {
	c.clientFlags.add(cmd)
	c.output.addFormats(cmd, exemptionFormats)
	if changes {
		cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "judge, and show the result, but store nothing")
	}
}

// start returns a client and what shows results.
func (c *exemptionCommand) start(cmd *cobra.Command) (plimsollv1connect.ExemptionServiceClient, *printer, error) {
	p, err := c.output.printer(cmd)
	if err != nil {
		return nil, nil, err
	}
	if c.timeout <= 0 {
		return nil, nil, usagef("--timeout %s leaves no time at all", c.timeout)
	}
	httpClient, base, err := c.dial()
	if err != nil {
		return nil, nil, err
	}
	return plimsollv1connect.NewExemptionServiceClient(httpClient, base,
		connect.WithInterceptors(&courier{timeout: c.timeout, dryRun: c.dryRun})), p, nil
}

// exemptionIDs completes the ID of an exemption.
func (c *exemptionCommand) exemptionIDs(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	return c.ask(func(ctx context.Context, client *client, _ []string) ([]string, error) {
		exemptions := plimsollv1connect.NewExemptionServiceClient(client.http, client.base, connect.WithInterceptors(&client.courier))
		res, err := exemptions.ListExemptions(ctx, &plimsollv1.ListExemptionsRequest{IncludeExpired: true})
		var ids []string
		for _, e := range res.GetExemptions() {
			ids = append(ids, e.GetId())
		}
		return ids, err
	})(cmd, args, toComplete)
}

// printExemptions shows exemptions: as rows, lines or names, or the message they are of.
func printExemptions(p *printer, m proto.Message, exemptions ...*plimsollv1.Exemption) error {
	switch p.format {
	case "table", "wide":
		return printExemptionTable(p.w, exemptions, p.format == "wide")
	case "name":
		for _, e := range exemptions {
			if _, err := fmt.Fprintln(p.w, printable(e.GetId())); err != nil {
				return err
			}
		}
		return nil
	case "jsonl":
		for _, e := range exemptions {
			if err := p.document(e); err != nil {
				return err
			}
		}
		return nil
	}
	return p.document(m)
}

func printExemptionTable(w io.Writer, exemptions []*plimsollv1.Exemption, wide bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	columns := []string{"ID", "RULE", "NAMESPACES", "CONTAINERS", "OWNER", "EXPIRES"}
	if wide {
		columns = append(columns, "LABELS", "REASON", "CREATED", "BY", "REVISION")
	}
	_, _ = fmt.Fprintln(t, strings.Join(columns, "\t"))
	for _, e := range exemptions {
		containers := "*"
		if len(e.GetContainers()) > 0 {
			containers = strings.Join(e.GetContainers(), ",")
		}
		cells := []string{
			cell(e.GetId()), cell(e.GetRule()), cell(strings.Join(e.GetNamespaces(), ",")), cell(containers), cell(e.GetOwner()), expiryOf(e),
		}
		if wide {
			var labels []string
			for _, key := range slices.Sorted(maps.Keys(e.GetLabels())) {
				labels = append(labels, key+"="+e.GetLabels()[key])
			}
			cells = append(cells, cell(strings.Join(labels, ",")), cell(e.GetReason()),
				e.GetCreatedAt().AsTime().Local().Format(time.DateTime), cell(userOf(e.GetCreatedBy())), fmt.Sprint(e.GetRevision()))
		}
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

func expiryOf(e *plimsollv1.Exemption) string {
	text := e.GetExpiresAt().AsTime().Local().Format(time.DateTime)
	if e.GetExpired() {
		text += " (expired)"
	}
	return text
}
