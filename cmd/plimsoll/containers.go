package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

func newGet() *cobra.Command {
	var flags clientFlags
	cmd := &cobra.Command{
		Use: "get ID", Short: "Show a container", GroupID: "containers", Args: cobra.ExactArgs(1),
		Example: "  plimsoll get web -o yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			call, cancel, err := flags.call(cmd.Context(), nil)
			if err != nil {
				return err
			}
			defer cancel()
			res, err := call.client.Get(call, &containerdv1.GetContainerRequest{Id: args[0]})
			if err != nil {
				return err
			}
			return print(cmd.OutOrStdout(), flags.output, res.GetContainer(), res.GetContainer())
		},
	}
	flags.add(cmd)
	return cmd
}

func newList() *cobra.Command {
	var (
		flags  clientFlags
		filter string
	)
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List containers", GroupID: "containers", Args: cobra.NoArgs,
		Long: `List the containers of a namespace, sorted by id.

A filter is in containerd's grammar: selectors joined by commas, all of which must
hold; == and != compare, ~= matches a regular expression, a field alone asks whether
it is there. Fields are id, image, runtime and labels.KEY.`,
		Example: `  plimsoll list --filter labels.team==core
  plimsoll list --filter 'labels."example.org/tier"==web,image~=nginx'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			call, cancel, err := flags.call(cmd.Context(), nil)
			if err != nil {
				return err
			}
			defer cancel()
			res, err := call.client.List(call, &containerdv1.ListContainersRequest{Filter: filter})
			if err != nil {
				return err
			}
			return print(cmd.OutOrStdout(), flags.output, res, res.GetContainers()...)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&filter, "filter", "", "show only containers that match this `filter`")
	return cmd
}

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
{"@type": URL, "value": …} for any other type. Stops at the first that fails.`,
		Example: `  plimsoll create -f web.yaml
  plimsoll create -f web.yaml --dry-run`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			containers, err := readManifests(file, cmd.InOrStdin())
			if err != nil {
				return err
			}
			for _, c := range containers {
				if err := createOne(cmd, &flags, &mutation, c); err != nil {
					if len(containers) > 1 {
						err = &aboutError{what: c.GetId(), err: err}
					}
					return err
				}
			}
			return nil
		},
	}
	flags.add(cmd)
	mutation.add(cmd)
	cmd.Flags().StringVarP(&file, "file", "f", "", "`file` with the containers; - for standard input")
	_ = cmd.MarkFlagRequired("file")
	return cmd
}

func createOne(cmd *cobra.Command, flags *clientFlags, mutation *mutationFlags, c *containerdv1.Container) error {
	call, cancel, err := flags.call(cmd.Context(), mutation)
	if err != nil {
		return err
	}
	defer cancel()
	res, err := call.client.Create(call, &containerdv1.CreateContainerRequest{Container: c})
	if err != nil {
		return err
	}
	return printMutation(cmd, call, flags, mutation, "created", res.GetContainer())
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
			c, mask := &containerdv1.Container{}, &fieldmaskpb.FieldMask{}
			if cmd.Flags().Changed("spec") {
				withSpec, err := readSpec(spec, cmd.InOrStdin())
				if err != nil {
					return err
				}
				c.Spec = withSpec.GetSpec()
				mask.Paths = append(mask.Paths, "spec")
			}
			c.Id, c.Image, c.Rootfs, c.Labels = args[0], image, rootfs, labels
			for _, field := range []string{"image", "rootfs", "labels"} {
				if cmd.Flags().Changed(field) {
					mask.Paths = append(mask.Paths, field)
				}
			}
			if len(mask.GetPaths()) == 0 {
				return usagef("nothing to change: give at least one of --image, --rootfs, --labels, --spec")
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
		return err
	}
	return printMutation(cmd, call, flags, mutation, "updated", res.GetContainer())
}

func newDelete() *cobra.Command {
	var (
		flags    clientFlags
		mutation mutationFlags
	)
	cmd := &cobra.Command{
		Use: "delete ID…", Aliases: []string{"rm"}, Short: "Delete containers", GroupID: "containers", Args: cobra.MinimumNArgs(1),
		Example: "  plimsoll delete web worker",
		RunE: func(cmd *cobra.Command, args []string) error {
			var failed error // the first; the others are tried all the same
			for _, id := range args {
				if err := deleteOne(cmd, &flags, &mutation, id); err != nil {
					if failed != nil {
						report(cmd.ErrOrStderr(), &aboutError{what: id, err: err})
						continue
					}
					failed = err
					if len(args) > 1 {
						failed = &aboutError{what: id, err: err}
					}
				}
			}
			return failed
		},
	}
	flags.add(cmd)
	mutation.add(cmd)
	return cmd
}

func deleteOne(cmd *cobra.Command, flags *clientFlags, mutation *mutationFlags, id string) error {
	call, cancel, err := flags.call(cmd.Context(), mutation)
	if err != nil {
		return err
	}
	defer cancel()
	if _, err := call.client.Delete(call, &containerdv1.DeleteContainerRequest{Id: id}); err != nil {
		return err
	}
	return printMutation(cmd, call, flags, mutation, "deleted", &containerdv1.Container{Id: id})
}

// printMutation says what was done, and, in the other formats, shows the result.
func printMutation(cmd *cobra.Command, call *call, flags *clientFlags, mutation *mutationFlags, done string, c *containerdv1.Container) error {
	header := call.info.ResponseHeader()
	printWarnings(cmd.ErrOrStderr(), header)
	if flags.output != "table" && c.GetRuntime() != "" {
		return print(cmd.OutOrStdout(), flags.output, c)
	}
	if mutation.dryRun {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s would be %s%s\n", c.GetId(), done, decisionOf(header))
		return err
	}
	revision := header.Get(service.HeaderRevision)
	if revision == "" {
		return errors.New("the server gave no revision: is it Plimsoll?")
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s   revision %s%s\n", c.GetId(), done, printable(revision), decisionOf(header))
	return err
}
