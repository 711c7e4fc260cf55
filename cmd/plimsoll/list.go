package main

import (
	"context"

	"connectrpc.com/connect"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// maxRows is how many containers a table shows unless told otherwise.
const maxRows = 1000

func newList() *cobra.Command {
	var (
		flags    clientFlags
		output   outputFlags
		selects  selectFlags
		limit    int64
		pageSize int32
		sortBy   string
		spec     bool
	)
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List containers", GroupID: "containers", Args: cobra.NoArgs,
		Long: `List the containers of a namespace, as they are at one revision.

Without --limit a table has at most 1000 containers, and the other formats have all.
What is left out is said on standard error. JSON and YAML have specs, extensions and
runtime options only with --spec.
` + selectHelp,
		Example: `  plimsoll list --filter labels.team==core
  plimsoll list --filter 'labels."example.org/tier"==web,image~=nginx'
  plimsoll list -l 'team in (core,payments),!canary' -o wide --sort-by created
  plimsoll list --limit 10 --sort-by updated:desc
  plimsoll list --jq '.containers[] | select(.image | test("alpine")) | .id'
  plimsoll list -l team=core -o name | xargs plimsoll delete`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			order, ok := orders[sortBy]
			switch {
			case !ok:
				return usagef("--sort-by %q is none of id, created, updated, each with :desc after it for the reverse", sortBy)
			case limit < 0:
				return usagef("--limit %d is no number of containers; 0 is for all", limit)
			case pageSize < 0 || pageSize > maxPage:
				return usagef("--page-size %d is not between 1 and %d", pageSize, maxPage)
			}
			filters, err := selects.all()
			if err != nil {
				return err
			}
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("limit") && !p.isTable() {
				limit = 0
			}
			c, err := flags.client(nil)
			if err != nil {
				return err
			}
			req := &plimsollv1.ListContainersRequest{Filters: filters, PageSize: pageSize, OrderBy: order}
			if spec {
				req.ReadMask = everything()
			}
			list, err := c.list(cmd.Context(), req, limit)
			if err != nil {
				return err
			}
			if more := list.GetTotalSize() - int64(len(list.GetContainers())); limit > 0 && more > 0 {
				defer cmd.PrintErrf("… %s more; --limit 0 for all\n", humanize.Comma(more))
			}
			list.TotalSize = nil
			return p.print(list, list.GetContainers()...)
		},
	}
	flags.add(cmd)
	output.add(cmd)
	selects.add(cmd)
	cmd.Flags().Int64Var(&limit, "limit", maxRows, "show at most this `number` of containers; 0 for all")
	cmd.Flags().Int32Var(&pageSize, "page-size", 0, "ask for this `number` of containers at once (default: as many as may be)")
	cmd.Flags().StringVar(&sortBy, "sort-by", "id", "`field` to sort by: id, created or updated; with :desc the reverse")
	cmd.Flags().BoolVar(&spec, "spec", false, "include specs, extensions and runtime options in JSON and YAML")
	_ = cmd.RegisterFlagCompletionFunc("sort-by", cobra.FixedCompletions(
		[]string{"id", "created", "updated", "id:desc", "created:desc", "updated:desc"}, cobra.ShellCompDirectiveNoFileComp))
	flags.completeLabels(cmd)
	return cmd
}

// orders are what the server calls the orders of --sort-by.
var orders = map[string]string{
	"id": "id", "created": "created_at", "updated": "updated_at",
	"id:desc": "id desc", "created:desc": "created_at desc", "updated:desc": "updated_at desc",
}

// everything is the mask of all fields.
func everything() *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: []string{"*"}} }

// maxPage is how many containers the server returns at once at most.
const maxPage = 1000

// maxListings is how often a listing begins anew when its pages come too late.
const maxListings = 3

// list asks for one page after the other, until there are limit containers if that
// is not 0. All are of the same revision.
func (c *client) list(ctx context.Context, req *plimsollv1.ListContainersRequest, limit int64) (*plimsollv1.ListContainersResponse, error) {
	for listing := 1; ; listing++ {
		list, err := c.listOnce(ctx, req, limit)
		if connect.CodeOf(err) != connect.CodeOutOfRange || listing == maxListings {
			return list, err
		}
	}
}

func (c *client) listOnce(ctx context.Context, first *plimsollv1.ListContainersRequest, limit int64) (*plimsollv1.ListContainersResponse, error) {
	all := &plimsollv1.ListContainersResponse{}
	req := &plimsollv1.ListContainersRequest{
		Filters: first.GetFilters(), PageSize: first.GetPageSize(), OrderBy: first.GetOrderBy(), ReadMask: first.GetReadMask(),
		CountTotal: limit > 0,
	}
	for {
		if first.GetPageSize() == 0 {
			req.PageSize = maxPage
			if limit > 0 {
				req.PageSize = int32(min(maxPage, limit-int64(len(all.GetContainers()))))
			}
		}
		page, err := c.ListContainers(ctx, req)
		if err != nil {
			return nil, err
		}
		all.Revision = page.GetRevision()
		if page.TotalSize != nil {
			all.TotalSize = page.TotalSize
		}
		all.Containers = append(all.Containers, page.GetContainers()...)
		switch {
		case limit > 0 && int64(len(all.GetContainers())) >= limit:
			all.Containers = all.GetContainers()[:limit]
			return all, nil
		case page.GetNextPageToken() == "":
			return all, nil
		}
		req.PageToken = page.GetNextPageToken()
	}
}
