package main

import (
	"fmt"

	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newExport() *cobra.Command {
	var (
		flags   clientFlags
		output  outputFlags
		selects selectFlags
		all     bool
	)
	cmd := &cobra.Command{
		Use: "export", Short: "Write containers as a file that import takes", GroupID: "containers", Args: cobra.NoArgs,
		Long: `Write the containers of a namespace, or of all, as manifests in full: what import,
create and apply take. Those of one namespace are as they are at one revision. This is
no backup of the server: history, decisions and revisions stay behind.
` + selectHelp,
		Example: `  plimsoll export > containers.yaml
  plimsoll export --all-namespaces -o jsonl | gzip > containers.jsonl.gz
  plimsoll export -n build | plimsoll import - --address http://other:1876 -n build`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all && cmd.Flags().Changed("namespace") {
				return usagef("--all-namespaces leaves nothing for --namespace to say")
			}
			filters, err := selects.all()
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
			if !all {
				return export(cmd, c, p, filters, "")
			}
			namespaces, err := c.namespaces(cmd.Context())
			if err != nil {
				return err
			}
			for _, namespace := range namespaces {
				if err := export(cmd, c.in(namespace), p, filters, namespace); err != nil {
					return err
				}
			}
			return nil
		},
	}
	flags.add(cmd)
	output.addFormats(cmd, []string{"yaml", "jsonl", "json"})
	selects.add(cmd)
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "export all namespaces; each container says which is its own")
	flags.completeLabels(cmd)
	return cmd
}

// export writes the containers of a namespace, with its name if that is not empty.
func export(cmd *cobra.Command, c *client, p *printer, filters []string, namespace string) error {
	list, err := c.list(cmd.Context(), &plimsollv1.ListContainersRequest{Filters: filters, ReadMask: everything()}, 0)
	if err != nil {
		return err
	}
	for _, container := range list.GetContainers() {
		data, err := formatManifest(container)
		if err != nil {
			return err
		}
		if namespace != "" {
			data = withNamespace(data, namespace)
		}
		if err := p.json(data); err != nil {
			return err
		}
	}
	return nil
}

// withNamespace adds a member to a JSON object that has others.
func withNamespace(object []byte, namespace string) []byte {
	return fmt.Appendf(nil, `{"namespace":%q,%s`, namespace, object[1:]) // a namespace has no characters to escape
}
