package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// exitTrouble is the exit code of diff when it could not compare; 1 says that there
// are differences, as with diff(1) and kubectl.
const exitTrouble = 2

func newDiff() *cobra.Command {
	var (
		flags clientFlags
		file  fileFlag
	)
	cmd := &cobra.Command{
		Use: "diff -f FILE", Short: "Show what apply would change", GroupID: "containers", Args: cobra.NoArgs,
		Long: `Show how the stored containers differ from what plimsoll apply would make of them, as
a unified diff of their manifests. What policies add of their own is not shown: see
plimsoll apply --dry-run -o yaml

Exit codes are those of diff: 0 if nothing differs, 1 if something does, 2 if it could
not be compared, and 64 for wrong usage.
` + manifestHelp,
		Example: `  plimsoll diff -f web.yaml
  plimsoll diff -f web.yaml || plimsoll apply -f web.yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			differ, err := diff(cmd, &flags, &file)
			switch {
			case isUsage(err):
				return err
			case err != nil:
				report(cmd.ErrOrStderr(), err)
				return reportedError(exitTrouble)
			case differ:
				return reportedError(exitError)
			}
			return nil
		},
	}
	flags.add(cmd)
	file.add(cmd)
	return cmd
}

func diff(cmd *cobra.Command, flags *clientFlags, file *fileFlag) (differ bool, err error) {
	manifests, err := file.read(cmd)
	if err != nil {
		return false, err
	}
	c, err := flags.client(nil)
	if err != nil {
		return false, err
	}
	for _, m := range manifests {
		stored, err := c.of(m).stored(cmd.Context(), m.container.GetId())
		if err != nil {
			return false, err
		}
		if m.change(stored) == nil {
			continue
		}
		wanted := m.container
		if stored != nil {
			wanted = m.appliedTo(stored)
		}
		text, err := unifiedDiff(stored, wanted)
		if err != nil {
			return false, err
		}
		if _, err := fmt.Fprint(cmd.OutOrStdout(), text); err != nil {
			return false, err
		}
		differ = true
	}
	return differ, nil
}

// unifiedDiff shows how the manifests of two containers differ. stored may be nil.
func unifiedDiff(stored, wanted *plimsollv1.Container) (string, error) {
	before, name := "", "/dev/null"
	if stored != nil {
		text, err := yamlManifest(sortedSpec(stored))
		if err != nil {
			return "", err
		}
		before, name = string(text), "stored/"+stored.GetId()
	}
	after, err := yamlManifest(sortedSpec(wanted))
	if err != nil {
		return "", err
	}
	text := udiff.Unified(name, "manifest/"+wanted.GetId(), before, string(after))
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return visible(text), nil
}

// sortedSpec returns the container with the members of its spec in order, so that
// only what differs in meaning differs.
func sortedSpec(c *plimsollv1.Container) *plimsollv1.Container {
	value, err := exactJSON(c.GetSpec().GetValue())
	if err != nil {
		return c
	}
	sorted, err := json.Marshal(value)
	if err != nil {
		return c
	}
	c = proto.CloneOf(c)
	c.Spec.Value = sorted
	return c
}

// yamlManifest is a container as a manifest in YAML.
func yamlManifest(c *plimsollv1.Container) ([]byte, error) {
	data, err := formatManifest(c)
	if err != nil {
		return nil, err
	}
	return jsonToYAML(data)
}
