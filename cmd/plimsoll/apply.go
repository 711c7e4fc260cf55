package main

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// maxApplies is how often apply tries a container that others change, too.
const maxApplies = 5

func newApply() *cobra.Command {
	var (
		flags    clientFlags
		output   outputFlags
		mutation mutationFlags
		file     fileFlag
	)
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Create containers, or change them to what a file says", GroupID: "containers", Args: cobra.NoArgs,
		Long: `Make the containers of a file so: create those that are not there, and change the
others in the fields that the file gives. Fields, labels and extensions that it does
not name stay; a label with an empty value is removed. A change that somebody else
makes meanwhile is not overwritten: apply looks again, up to 5 times. Stops at the
first container that fails; those before it stay. To see first: plimsoll diff
` + manifestHelp,
		Example: `  plimsoll apply -f web.yaml
  plimsoll apply -f web.yaml --dry-run`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			manifests, err := file.read(cmd)
			if err != nil {
				return err
			}
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			c, err := flags.client(&mutation)
			if err != nil {
				return err
			}
			for _, m := range manifests {
				if err := apply(cmd, c.of(m), p, m); err != nil {
					return mutation.failed(aboutOf(m.container.GetId(), len(manifests)), err)
				}
			}
			return nil
		},
	}
	flags.add(cmd)
	output.add(cmd)
	mutation.add(cmd)
	file.add(cmd)
	return cmd
}

// apply makes one container as the manifest says.
func apply(cmd *cobra.Command, c *client, p *printer, m *manifest) error {
	for attempt := 1; ; attempt++ {
		stored, err := c.stored(cmd.Context(), m.container.GetId())
		if err != nil {
			return err
		}
		change := m.change(stored)
		if change == nil {
			if !p.isTable() {
				return p.one(stored)
			}
			_, err := fmt.Fprintf(p.w, "%s unchanged   revision %d\n", printable(stored.GetId()), stored.GetRevision())
			return err
		}
		if err := neverChanges(change.GetUpdate()); err != nil {
			return err
		}
		o, err := c.mutate(cmd.Context(), change)
		switch code := connect.CodeOf(err); {
		case err == nil && stored == nil:
			return printOutcome(cmd, c, p, "created", o)
		case err == nil:
			return printOutcome(cmd, c, p, "configured", o)
		case attempt < maxApplies && (code == connect.CodeAborted || code == connect.CodeAlreadyExists || stored != nil && code == connect.CodeNotFound):
			// Somebody else was faster. What the manifest means now may be different.
		default:
			return err
		}
	}
}

// stored returns a container, or nil if there is none.
func (c *client) stored(ctx context.Context, id string) (*plimsollv1.Container, error) {
	res, err := c.GetContainer(ctx, &plimsollv1.GetContainerRequest{Id: id})
	if connect.CodeOf(err) == connect.CodeNotFound && connect.IsWireError(err) {
		return nil, nil
	}
	return res.GetContainer(), err
}

// change is what makes stored, or if that is nil nothing, as the manifest says; nil
// if it is so already.
func (m *manifest) change(stored *plimsollv1.Container) *change {
	if stored == nil {
		return creation(m.container)
	}
	if op := updateTo(m.appliedTo(stored), stored); op != nil {
		return updating(op)
	}
	return nil
}
