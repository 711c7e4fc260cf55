package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// changeFlags are those of commands that change one container.
type changeFlags struct {
	client   clientFlags
	output   outputFlags
	mutation mutationFlags
}

func (f *changeFlags) add(cmd *cobra.Command) {
	f.client.add(cmd)
	f.output.add(cmd)
	f.mutation.add(cmd)
	f.mutation.addIfRevision(cmd)
	f.client.completeIDs(cmd)
}

// update makes a change and says so.
func (f *changeFlags) update(cmd *cobra.Command, c *plimsollv1.Container, paths []string) error {
	p, err := f.output.printer(cmd)
	if err != nil {
		return err
	}
	op := &plimsollv1.UpdateOperation{Container: c, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}
	client, err := f.client.client(&f.mutation)
	if err != nil {
		return err
	}
	o, err := client.mutate(cmd.Context(), updating(op))
	if err != nil {
		return f.mutation.failed("", err)
	}
	return printOutcome(cmd, client, p, "updated", o)
}

func newUpdate() *cobra.Command {
	var (
		flags               changeFlags
		image, rootfs, spec string
		labels              map[string]string
	)
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change fields of a container", GroupID: "containers", Args: cobra.ExactArgs(1),
		Long: `Change fields of a container: those whose flags are given, and no others. Id and
runtime never change. See also: plimsoll edit, plimsoll apply`,
		Example: `  plimsoll update web --image docker.io/library/nginx:1.29
  plimsoll update web --spec config.json --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := &plimsollv1.Container{Id: args[0], Image: image, SnapshotKey: rootfs, Labels: labels}
			var paths []string
			for _, field := range []struct{ flag, path string }{
				{"image", "image"}, {"rootfs", "snapshot_key"}, {"labels", "labels"}, {"spec", "spec"},
			} {
				if cmd.Flags().Changed(field.flag) {
					paths = append(paths, field.path)
				}
			}
			if len(paths) == 0 {
				return usagef("nothing to change: give at least one of --image, --rootfs, --labels, --spec")
			}
			if cmd.Flags().Changed("spec") {
				var err error
				if c.Spec, err = readSpec(spec, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			return flags.update(cmd, c, paths)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&image, "image", "", "new image `reference`")
	cmd.Flags().StringVar(&rootfs, "rootfs", "", "new snapshot `key`")
	cmd.Flags().StringVar(&spec, "spec", "", "`file` with the new spec; - for standard input")
	cmd.Flags().StringToStringVar(&labels, "labels", nil, "all new labels, as `KEY=VALUE,…`; see also: plimsoll label")
	return cmd
}

func newLabel() *cobra.Command {
	var flags changeFlags
	cmd := &cobra.Command{
		Use: "label ID KEY=VALUE… KEY-…", Short: "Set and remove labels of a container", GroupID: "containers", Args: cobra.MinimumNArgs(2),
		Long:    "Set the labels given as KEY=VALUE and remove those given as KEY-. Others stay.",
		Example: "  plimsoll label web tier=frontend canary-",
		RunE: func(cmd *cobra.Command, args []string) error {
			c := &plimsollv1.Container{Id: args[0], Labels: map[string]string{}}
			var paths []string
			for _, arg := range args[1:] {
				key, value, set := strings.Cut(arg, "=")
				if !set {
					var remove bool
					if key, remove = strings.CutSuffix(arg, "-"); !remove {
						return usagef("%q is neither KEY=VALUE nor KEY-", arg)
					}
				}
				path := "labels." + key
				if key == "" || slices.Contains(paths, path) {
					return usagef("%q: the key is empty or given twice", arg)
				}
				c.Labels[key] = value
				paths = append(paths, path)
			}
			return flags.update(cmd, c, paths)
		},
	}
	flags.add(cmd)
	return cmd
}
