package main

import (
	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

const manifestHelp = `
A file has YAML documents or JSON: the fields id, labels, image, runtime, spec,
snapshotter, snapshot_key, extensions and sandbox_id; created_at, updated_at and
revision are ignored. A runtime is its name, or {name, options}. A spec is an OCI
runtime spec, or {"@type": URL, "value": …} for any other type. rootfs is another name
of snapshot_key, of overlayfs unless snapshotter says otherwise. With a field namespace
a container goes there, without it where --namespace says.`

// fileFlag is the file that a command reads containers from.
type fileFlag struct{ path string }

func (f *fileFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.path, "file", "f", "", "`file` with the containers; - for standard input (required)")
}

func (f *fileFlag) read(cmd *cobra.Command) ([]*manifest, error) {
	if f.path == "" {
		return nil, usagef("say what to %s: -f FILE, or -f - for standard input", cmd.Name())
	}
	return readManifests(f.path, cmd.InOrStdin())
}

// of returns the client for the namespace of a manifest.
func (c *client) of(m *manifest) *client {
	if m.namespace == "" || m.namespace == c.namespace {
		return c
	}
	return c.in(m.namespace)
}

// aboutOf names a container if it is one of several.
func aboutOf(id string, among int) string {
	if among > 1 {
		return id
	}
	return ""
}

func newCreate() *cobra.Command {
	var (
		flags    clientFlags
		output   outputFlags
		mutation mutationFlags
		file     fileFlag
	)
	cmd := &cobra.Command{
		Use: "create -f FILE", Short: "Create containers from a file", GroupID: "containers", Args: cobra.NoArgs,
		Long: `Create the containers that a file describes. Stops at the first that fails; those
before it stay. See also: plimsoll apply
` + manifestHelp,
		Example: `  plimsoll create -f web.yaml
  plimsoll create -f web.yaml --dry-run
  plimsoll get web -o json | jq '.id = "web-2"' | plimsoll create -f -`,
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
				about := aboutOf(m.container.GetId(), len(manifests))
				if err := create(cmd, c.of(m), p, m.container); err != nil {
					return mutation.failed(about, err)
				}
			}
			return nil
		},
	}
	flags.add(cmd)
	output.add(cmd)
	mutation.add(cmd)
	mutation.addIfRevision(cmd)
	file.add(cmd)
	return cmd
}

func create(cmd *cobra.Command, c *client, p *printer, container *plimsollv1.Container) error {
	o, err := c.mutate(cmd.Context(), creation(container))
	if err != nil {
		return err
	}
	return printOutcome(cmd, c, p, "created", o)
}
