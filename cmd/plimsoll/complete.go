package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// Completions come from the server, as far as it answers at once. If it does not,
// there are none, and nobody is told.
const (
	completionTimeout = time.Second
	maxCompletions    = 200
)

type completion = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

// ask makes a completion of what the server is asked for.
func (f *clientFlags) ask(question func(ctx context.Context, c *client, args []string) ([]string, error)) completion {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		quick := *f
		quick.timeout = completionTimeout
		c, err := quick.client(nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		answers, err := question(ctx, c, args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var fitting []string
		for _, answer := range answers {
			if strings.HasPrefix(answer, toComplete) && answer == printable(answer) {
				fitting = append(fitting, answer)
			}
		}
		return fitting, cobra.ShellCompDirectiveNoFileComp
	}
}

// some returns containers to make completions of.
func some(ctx context.Context, c *client, filters ...string) ([]*plimsollv1.Container, error) {
	res, err := c.ListContainers(ctx, &plimsollv1.ListContainersRequest{PageSize: maxCompletions, Filters: filters})
	return res.GetContainers(), err
}

// ids completes the id of a container that is not among the arguments yet.
func (f *clientFlags) ids(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	return f.ask(func(ctx context.Context, c *client, args []string) ([]string, error) {
		containers, err := some(ctx, c)
		var ids []string
		for _, container := range containers {
			if !slices.Contains(args, container.GetId()) {
				ids = append(ids, container.GetId())
			}
		}
		return ids, err
	})(cmd, args, toComplete)
}

// completeIDs completes the arguments of a command with ids: all of them, or the
// first if the command takes one.
func (f *clientFlags) completeIDs(cmd *cobra.Command) {
	one := !strings.Contains(cmd.Use, "ID…")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if one && len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f.ids(cmd, args, toComplete)
	}
}

func (f *clientFlags) completeNamespaces(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("namespace", f.ask(func(ctx context.Context, c *client, _ []string) ([]string, error) {
		return c.namespaces(ctx)
	}))
}

// completeLabels completes selectors with the keys of labels.
func (f *clientFlags) completeLabels(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("selector", f.ask(func(ctx context.Context, c *client, _ []string) ([]string, error) {
		containers, err := some(ctx, c)
		keys := map[string]bool{}
		for _, container := range containers {
			for key := range container.GetLabels() {
				keys[key] = true
			}
		}
		return slices.Sorted(maps.Keys(keys)), err
	}))
}
