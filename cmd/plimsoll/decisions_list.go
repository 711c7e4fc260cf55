package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newDecisionsList() *cobra.Command {
	var (
		flags   clientFlags
		output  outputFlags
		selects decisionFlags
		limit   int32
	)
	cmd := &cobra.Command{
		Use: "list", Short: "List decisions, the latest first", Args: cobra.NoArgs,
		Long: `List decisions, the latest first.
` + decisionsHelp,
		Example: `  plimsoll decisions list --outcome denied --since 1h
  plimsoll decisions list -A --policy labels.required --address unix:///run/plimsoll/plimsoll.sock
  plimsoll decisions list --container web -o wide
  plimsoll decisions list --limit 0 --jq '.decisions[] | select(.attempts > 1) | .id'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit %d is no number of decisions; 0 is for all", limit)
			}
			req, err := selects.list()
			if err != nil {
				return err
			}
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			c, err := flags.client(nil)
			if err != nil {
				return err
			}
			all, err := c.decisions(cmd.Context(), req, limit)
			if err != nil {
				return err
			}
			if all.GetNextPageToken() != "" {
				defer cmd.PrintErrf("… and earlier ones; --limit 0 for all\n")
				all.NextPageToken = ""
			}
			return printDecisionList(p, all, selects.allNamespaces)
		},
	}
	flags.add(cmd)
	output.addFormats(cmd, []string{"table", "wide", "json", "yaml", "jsonl", "name"})
	selects.add(cmd)
	cmd.Flags().Int32Var(&limit, "limit", 100, "show at most this `number` of decisions; 0 for all")
	return cmd
}

func printDecisionList(p *printer, all *plimsollv1.ListDecisionsResponse, namespaces bool) error {
	if p.isTable() {
		return printDecisions(p.w, all.GetDecisions(), p.format == "wide", namespaces)
	}
	if p.format != "name" && p.format != "jsonl" {
		return p.document(all)
	}
	for _, d := range all.GetDecisions() {
		var err error
		if p.format == "name" {
			_, err = fmt.Fprintln(p.w, printable(d.GetId()))
		} else {
			err = p.document(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decisions asks for decisions, for limit of them if that is not 0. It has a page token if
// there are more.
func (c *client) decisions(ctx context.Context, req *plimsollv1.ListDecisionsRequest, limit int32) (*plimsollv1.ListDecisionsResponse, error) {
	var all *plimsollv1.ListDecisionsResponse
	for {
		req.PageSize = maxPage
		if limit > 0 {
			req.PageSize = min(maxPage, limit-int32(len(all.GetDecisions()))) //nolint:gosec // less than limit
		}
		page, err := c.ListDecisions(ctx, req)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = page
		} else {
			all.Decisions, all.NextPageToken = append(all.Decisions, page.GetDecisions()...), page.GetNextPageToken()
		}
		req.PageToken = page.GetNextPageToken()
		if req.GetPageToken() == "" || limit > 0 && len(all.GetDecisions()) >= int(limit) {
			return all, nil
		}
	}
}
