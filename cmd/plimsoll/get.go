package main

import (
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newGet() *cobra.Command {
	var (
		flags  clientFlags
		output outputFlags
	)
	cmd := &cobra.Command{
		Use: "get ID…", Short: "Show containers", GroupID: "containers", Args: cobra.MinimumNArgs(1),
		Long: `Show containers in full, in the order given, whatever becomes of the others. The
exit code tells about the first that failed. Create and apply take what -o yaml and
-o json show. For one page about a container see: plimsoll describe`,
		Example: `  plimsoll get web -o yaml
  plimsoll get web --jq .spec.value.process.args`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			c, err := flags.client(nil)
			if err != nil {
				return err
			}
			var found []*plimsollv1.Container
			err = each(cmd, args, func(id string) error {
				res, err := c.GetContainer(cmd.Context(), &plimsollv1.GetContainerRequest{Id: id})
				if err == nil {
					found = append(found, res.GetContainer())
				}
				return err
			})
			if printErr := printAll(p, found); printErr != nil {
				return printErr
			}
			return err
		},
	}
	flags.add(cmd)
	output.add(cmd)
	flags.completeIDs(cmd)
	return cmd
}

// printAll writes containers: one table, or a document for each.
func printAll(p *printer, containers []*plimsollv1.Container) error {
	if p.isTable() {
		if len(containers) == 0 {
			return nil
		}
		return p.print(nil, containers...)
	}
	for _, c := range containers {
		if err := p.one(c); err != nil {
			return err
		}
	}
	return nil
}

// each calls f with each id, whatever becomes of the others, and reports those that
// failed. The first of these gives the exit code.
func each(cmd *cobra.Command, ids []string, f func(id string) error) error {
	code := exitOK
	for _, id := range ids {
		err := f(id)
		if isUsage(err) {
			return err
		}
		if c := report(cmd.ErrOrStderr(), err); code == exitOK {
			code = c
		}
	}
	if code != exitOK {
		return reportedError(code)
	}
	return nil
}
