package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newHistory() *cobra.Command {
	var (
		flags  clientFlags
		output outputFlags
		limit  int32
	)
	cmd := &cobra.Command{
		Use: "history ID", Short: "Show who changed a container, when, and what", GroupID: "containers", Args: cobra.ExactArgs(1),
		Long: `Show the changes of a container, the latest first, whether or not it still exists.
Changes that are not kept any more are missing; that is said on standard error.`,
		Example: `  plimsoll history web
  plimsoll history web -o wide
  plimsoll history web --jq '.events[] | select(.changed | index("image"))'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usagef("--limit %d is no number of changes; 0 is for all", limit)
			}
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			c, err := flags.client(nil)
			if err != nil {
				return err
			}
			history, err := c.history(cmd.Context(), args[0], limit)
			if err != nil {
				return err
			}
			if len(history.GetEvents()) == 0 {
				return connect.NewWireError(connect.CodeNotFound, fmt.Errorf("no changes of container %q are kept", args[0]))
			}
			if history.GetNextPageToken() != "" {
				defer cmd.PrintErrf("… and earlier ones; --limit 0 for all\n")
				history.NextPageToken = ""
			}
			if gone := history.GetCompactedRevision(); gone > 0 {
				defer cmd.PrintErrf("changes up to revision %d are not kept any more\n", gone)
			}
			switch {
			case p.isTable():
				return printHistory(p.w, history.GetEvents(), p.format == "wide")
			case p.format == "jsonl":
				for _, e := range history.GetEvents() {
					if err := p.document(e); err != nil {
						return err
					}
				}
				return nil
			}
			return p.document(history)
		},
	}
	flags.add(cmd)
	output.addFormats(cmd, []string{"table", "wide", "json", "yaml", "jsonl"})
	cmd.Flags().Int32Var(&limit, "limit", 100, "show at most this `number` of changes; 0 for all")
	flags.completeIDs(cmd)
	return cmd
}

// history asks for the latest changes of a container, for limit of them if that is
// not 0. It has a page token if there are more.
func (c *client) history(ctx context.Context, id string, limit int32) (*plimsollv1.GetHistoryResponse, error) {
	all, token := &plimsollv1.GetHistoryResponse{}, ""
	for {
		req := &plimsollv1.GetHistoryRequest{Id: id, PageSize: maxPage, PageToken: token}
		if limit > 0 {
			req.PageSize = min(maxPage, limit-int32(len(all.GetEvents())))
		}
		page, err := c.GetHistory(ctx, req)
		if err != nil {
			return nil, err
		}
		all.Events = slices.Concat(all.GetEvents(), page.GetEvents())
		all.CompactedRevision = page.GetCompactedRevision()
		token = page.GetNextPageToken()
		if token == "" || limit > 0 && len(all.GetEvents()) >= int(limit) {
			all.NextPageToken = token
			return all, nil
		}
	}
}

// printHistory shows changes as rows; wide ones have the ruleset, too.
func printHistory(w io.Writer, events []*plimsollv1.Event, wide bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	columns := []string{"TIME", "REVISION", "CHANGE", "FIELDS", "USER", "DECISION"}
	if wide {
		columns = append(columns, "RULESET")
	}
	_, _ = fmt.Fprintln(t, strings.Join(columns, "\t"))
	for _, e := range events {
		cells := []string{
			e.GetTime().AsTime().Local().Format(time.DateTime), strconv.FormatUint(e.GetRevision(), 10), operationOf(e.GetOperation()),
			cell(strings.Join(e.GetChanged(), ",")), cell(userOf(e.GetUser())), cell(e.GetDecisionId()),
		}
		if wide {
			cells = append(cells, orDash(short(e.GetRuleset())))
		}
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}
