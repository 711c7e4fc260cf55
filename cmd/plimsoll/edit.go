package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newEdit() *cobra.Command {
	var (
		flags    clientFlags
		output   outputFlags
		mutation mutationFlags
	)
	cmd := &cobra.Command{
		Use: "edit ID", Short: "Edit a container in an editor", GroupID: "containers", Args: cobra.ExactArgs(1),
		Long: `Edit a container as YAML, in the editor that VISUAL or EDITOR names (default: vi).
What is saved is stored if the container has not been changed meanwhile. If it is
denied or wrong, the editor opens again and says why. To give up, leave the file as
it was opened, or empty it.`,
		Example: `  plimsoll edit web
  EDITOR="code --wait" plimsoll edit web --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			c, err := flags.client(&mutation)
			if err != nil {
				return err
			}
			res, err := c.GetContainer(cmd.Context(), &plimsollv1.GetContainerRequest{Id: args[0]})
			if err != nil {
				return err
			}
			err = edit(cmd, c, p, &mutation, res.GetContainer())
			if err != nil {
				return mutation.failed("", err)
			}
			return nil
		},
	}
	flags.add(cmd)
	output.add(cmd)
	mutation.add(cmd)
	flags.completeIDs(cmd)
	return cmd
}

// edit lets a person edit a container until it is stored or given up. What was
// written is kept in its file unless it is stored or nothing was changed.
func edit(cmd *cobra.Command, c *client, p *printer, mutation *mutationFlags, stored *plimsollv1.Container) error {
	text, err := yamlManifest(stored)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp("", "plimsoll-edit-*.yaml")
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	var failure error // of the last attempt
	for {
		opened := append(editHeader(stored.GetId(), mutation, failure), text...)
		if err := os.WriteFile(file.Name(), opened, 0o600); err != nil {
			return err
		}
		if err := openEditor(cmd, file.Name()); err != nil {
			return fmt.Errorf("%w; what you wrote is kept in %s", err, file.Name())
		}
		saved, err := os.ReadFile(file.Name())
		if err != nil {
			return err
		}
		text = withoutComments(saved)
		switch {
		case failure != nil && (len(bytes.TrimSpace(text)) == 0 || bytes.Equal(saved, opened)):
			code := report(cmd.ErrOrStderr(), mutation.failed("", failure))
			cmd.PrintErrf("plimsoll: what you wrote is kept in %s\n", file.Name())
			return reportedError(code)
		case len(bytes.TrimSpace(text)) == 0 || bytes.Equal(saved, opened):
			return givenUp(cmd, file.Name(), stored)
		}
		var update *plimsollv1.UpdateOperation
		if update, failure = parseEdit(text, stored); failure != nil {
			continue
		}
		if update == nil {
			return givenUp(cmd, file.Name(), stored)
		}
		o, err := c.mutate(cmd.Context(), updating(update))
		switch {
		case err == nil:
			_ = os.Remove(file.Name())
			return printOutcome(cmd, c, p, "edited", o)
		case !connect.IsWireError(err), connect.CodeOf(err) == connect.CodeAborted, connect.CodeOf(err) == connect.CodeNotFound:
			// Editing it again would not help.
			cmd.PrintErrf("plimsoll: what you wrote is kept in %s\n", file.Name())
			return err
		}
		failure = err
	}
}

func givenUp(cmd *cobra.Command, path string, stored *plimsollv1.Container) error {
	_ = os.Remove(path)
	cmd.PrintErrf("%s was left as it is: nothing was changed\n", printable(stored.GetId()))
	return nil
}

// parseEdit returns what makes stored as it was edited, or nil if it is so already.
func parseEdit(text []byte, stored *plimsollv1.Container) (*plimsollv1.UpdateOperation, error) {
	object, err := toJSON(text)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(object)
	if err != nil {
		return nil, err
	}
	if m.container.GetId() != stored.GetId() {
		return nil, fmt.Errorf("the id was %q and cannot be changed", stored.GetId())
	}
	update := updateTo(m.container, stored)
	return update, neverChanges(update)
}

// editHeader are the comments above what is edited.
func editHeader(id string, mutation *mutationFlags, failure error) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Edit container %q. Lines that begin with # are ignored. Leave the file as it is, or\n# empty it, to give up.\n", id)
	if failure != nil {
		var text bytes.Buffer
		report(&text, mutation.failed("", failure))
		fmt.Fprintln(&b, "#")
		for line := range strings.Lines(text.String()) {
			fmt.Fprintf(&b, "# %s\n", strings.TrimRight(line, "\n"))
		}
	}
	return b.Bytes()
}

// withoutComments drops lines that are comments for sure: what begins at the margin
// is never part of a value.
func withoutComments(text []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("#")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// openEditor runs the user's editor, which may have arguments, on a file.
func openEditor(cmd *cobra.Command, path string) error {
	editor := envOr("VISUAL", envOr("EDITOR", "vi"))
	// As git does: the variable is shell.
	run := exec.CommandContext(context.WithoutCancel(cmd.Context()), "sh", "-c", editor+` "$@"`, editor, path)
	run.Stdin, run.Stdout, run.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	if err := run.Run(); err != nil {
		return fmt.Errorf("editor %q: %w; say which to use with EDITOR", editor, err)
	}
	return nil
}
