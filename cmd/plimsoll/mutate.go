package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

func newCreate() *cobra.Command {
	var (
		flags    clientFlags
		mutation mutationFlags
		file     string
	)
	cmd := &cobra.Command{
		Use: "create -f FILE", Short: "Create containers from a file", GroupID: "containers", Args: cobra.NoArgs,
		Long: `Create the containers that a file describes: YAML documents or JSON with the fields
id, labels, image, runtime, spec and rootfs. A spec is an OCI runtime spec, or
{"@type": URL, "value": …} for any other type. Stops at the first that fails; those
before it stay.`,
		Example: `  plimsoll create -f web.yaml
  plimsoll create -f web.yaml --dry-run
  plimsoll get web -o json | jq '.id = "web-2"' | plimsoll create -f -`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("say what to create: -f FILE, or -f - for standard input")
			}
			containers, err := readManifests(file, cmd.InOrStdin())
			if err != nil {
				return err
			}
			p := flags.printer(cmd)
			for _, c := range containers {
				about := ""
				if len(containers) > 1 {
					about = c.GetId()
				}
				if err := createOne(cmd, &flags, &mutation, p, about, c); err != nil {
					return err
				}
			}
			return nil
		},
	}
	flags.add(cmd)
	mutation.add(cmd)
	cmd.Flags().StringVarP(&file, "file", "f", "", "`file` with the containers; - for standard input (required)")
	return cmd
}

func createOne(cmd *cobra.Command, flags *clientFlags, mutation *mutationFlags, p *printer, about string, c *containerdv1.Container) error {
	call, cancel, err := flags.call(cmd.Context(), mutation)
	if err != nil {
		return err
	}
	defer cancel()
	res, err := call.client.Create(call, &containerdv1.CreateContainerRequest{Container: c})
	if err != nil {
		return mutation.failed(about, err)
	}
	return printMutation(cmd, call, mutation, p, "created", res.GetContainer())
}

func newUpdate() *cobra.Command {
	var (
		flags               clientFlags
		mutation            mutationFlags
		image, rootfs, spec string
		labels              map[string]string
	)
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change fields of a container", GroupID: "containers", Args: cobra.ExactArgs(1),
		Long: `Change fields of a container: those whose flags are given, and no others. Id and
runtime never change.`,
		Example: `  plimsoll update web --image docker.io/library/nginx:1.29
  plimsoll update web --spec config.json --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := &containerdv1.Container{Id: args[0], Image: image, Rootfs: rootfs, Labels: labels}
			mask := &fieldmaskpb.FieldMask{}
			for _, field := range []string{"image", "rootfs", "labels", "spec"} {
				if cmd.Flags().Changed(field) {
					mask.Paths = append(mask.Paths, field)
				}
			}
			if len(mask.GetPaths()) == 0 {
				return usagef("nothing to change: give at least one of --image, --rootfs, --labels, --spec")
			}
			if cmd.Flags().Changed("spec") {
				var err error
				if c.Spec, err = readSpec(spec, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			return update(cmd, &flags, &mutation, c, mask)
		},
	}
	flags.add(cmd)
	mutation.add(cmd)
	cmd.Flags().StringVar(&image, "image", "", "new image `reference`")
	cmd.Flags().StringVar(&rootfs, "rootfs", "", "new snapshot `key`")
	cmd.Flags().StringVar(&spec, "spec", "", "`file` with the new spec; - for standard input")
	cmd.Flags().StringToStringVar(&labels, "labels", nil, "all new labels, as `KEY=VALUE,…`; see also: plimsoll label")
	return cmd
}

func newLabel() *cobra.Command {
	var (
		flags    clientFlags
		mutation mutationFlags
	)
	cmd := &cobra.Command{
		Use: "label ID KEY=VALUE… KEY-…", Short: "Set and remove labels of a container", GroupID: "containers", Args: cobra.MinimumNArgs(2),
		Long:    "Set the labels given as KEY=VALUE and remove those given as KEY-. Others stay.",
		Example: "  plimsoll label web tier=frontend canary-",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, mask := &containerdv1.Container{Id: args[0], Labels: map[string]string{}}, &fieldmaskpb.FieldMask{}
			for _, arg := range args[1:] {
				key, value, set := strings.Cut(arg, "=")
				if !set {
					var remove bool
					if key, remove = strings.CutSuffix(arg, "-"); !remove {
						return usagef("%q is neither KEY=VALUE nor KEY-", arg)
					}
				}
				path := "labels." + key
				if key == "" || slices.Contains(mask.GetPaths(), path) {
					return usagef("%q: the key is empty or given twice", arg)
				}
				c.Labels[key] = value
				mask.Paths = append(mask.Paths, path)
			}
			return update(cmd, &flags, &mutation, c, mask)
		},
	}
	flags.add(cmd)
	mutation.add(cmd)
	return cmd
}

func update(cmd *cobra.Command, flags *clientFlags, mutation *mutationFlags, c *containerdv1.Container, mask *fieldmaskpb.FieldMask) error {
	call, cancel, err := flags.call(cmd.Context(), mutation)
	if err != nil {
		return err
	}
	defer cancel()
	res, err := call.client.Update(call, &containerdv1.UpdateContainerRequest{Container: c, UpdateMask: mask})
	if err != nil {
		return mutation.failed("", err)
	}
	return printMutation(cmd, call, mutation, flags.printer(cmd), "updated", res.GetContainer())
}

func newDelete() *cobra.Command {
	var (
		flags    clientFlags
		mutation mutationFlags
	)
	cmd := &cobra.Command{
		Use: "delete ID…", Aliases: []string{"rm"}, Short: "Delete containers", GroupID: "containers", Args: cobra.MinimumNArgs(1),
		Long: `Delete containers, whatever becomes of the others. The exit code tells about the
first that failed.`,
		Example: "  plimsoll delete web worker",
		RunE: func(cmd *cobra.Command, args []string) error {
			code := exitOK
			p := flags.printer(cmd)
			for _, id := range args {
				about := ""
				if len(args) > 1 {
					about = id
				}
				err := deleteOne(cmd, &flags, &mutation, p, about, id)
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
		},
	}
	flags.add(cmd)
	mutation.add(cmd)
	return cmd
}

func deleteOne(cmd *cobra.Command, flags *clientFlags, mutation *mutationFlags, p *printer, about, id string) error {
	call, cancel, err := flags.call(cmd.Context(), mutation)
	if err != nil {
		return err
	}
	defer cancel()
	if _, err := call.client.Delete(call, &containerdv1.DeleteContainerRequest{Id: id}); err != nil {
		return mutation.failed(about, err)
	}
	return printMutation(cmd, call, mutation, p, "deleted", &containerdv1.Container{Id: id})
}

// printMutation says what was done, or, in the other formats, shows the result.
func printMutation(cmd *cobra.Command, call *call, mutation *mutationFlags, p *printer, done string, c *containerdv1.Container) error {
	header := call.info.ResponseHeader()
	printWarnings(cmd.ErrOrStderr(), header)
	if p.format != "table" {
		return p.print(c)
	}
	id := printable(c.GetId())
	if mutation.dryRun {
		_, err := fmt.Fprintf(p.w, "%s would be %s%s\n", id, done, decisionOf(header))
		return err
	}
	_, err := fmt.Fprintf(p.w, "%s %s   revision %s%s\n", id, done, orDash(printable(header.Get(service.HeaderRevision))), decisionOf(header))
	return err
}
