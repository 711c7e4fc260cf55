package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

func newPluginInspect() *cobra.Command {
	var output resultFormat
	cmd := &cobra.Command{
		Use: "inspect FILE", Short: "Show what a module is, without running it", Args: cobra.ExactArgs(1),
		Long: `Show what there is to know about a validator's module without compiling or running it:
its digest, its metadata, the ABI that it speaks, what it imports and exports, its
memory, and how much it uses of each limit on modules. If that shows that no server would load it, the reasons are shown as well, and the
exit code is 1.`,
		Example: `  plimsoll plugin inspect mounts.wasm
  plimsoll plugin inspect mounts.wasm -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			result, err := server.Plugin{Path: args[0]}.Inspect(cmd.Context())
			if err != nil {
				return err
			}
			if output.format == "json" {
				err = printJSON(cmd, result)
			} else {
				err = printPluginInspection(cmd.OutOrStdout(), result)
			}
			if err == nil && len(result.Problems) > 0 {
				err = reportedError(exitError)
			}
			return err
		},
	}
	output.add(cmd, "table", "json")
	return cmd
}

func printPluginInspection(w io.Writer, result *server.PluginInspection) error {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s%s\n", name+":", printable(value))
		}
	}
	list := func(name string, values []string) {
		for i, value := range values {
			if i == 0 {
				line(name, value)
			} else {
				fmt.Fprintf(&b, "%12s%s\n", "", printable(value))
			}
		}
	}
	meta := result.Metadata
	if meta == nil {
		line("Metadata", "none; plimsoll plugin annotate adds them")
	} else {
		line("Name", meta.Name)
		line("Version", meta.Version)
	}
	line("ABI", orElse(result.ABI, "none"))
	line("Digest", "sha256:"+result.SHA256)
	line("Size", humanize.IBytes(uint64(result.Size))) //nolint:gosec // not negative
	if m := result.Memory; m != nil {
		line("Memory", fmt.Sprintf("%s, at most %s", humanize.IBytes(m.Initial), humanize.IBytes(m.Maximum)))
	}
	if result.Unrestorable != nil {
		line("Instances", "a new one for each call, because of "+strings.Join(result.Unrestorable, ", "))
	}
	if meta != nil {
		line("Runtimes", strings.Join(meta.Runtimes, ", "))
		line("Spec types", strings.Join(meta.SpecTypes, ", "))
		line("Operations", joined(meta.Operations))
		line("Reads", strings.Join(meta.Reads, ", "))
		line("Settings", string(meta.Settings))
		line("Docs", meta.Docs)
	}
	for i, u := range result.Usage {
		name := ""
		if i == 0 {
			name = "Uses:"
		}
		fmt.Fprintf(&b, "%-12s%s %s of %s\n", name, u.Cap, humanize.Comma(int64(u.Value)), humanize.Comma(int64(u.Limit))) //nolint:gosec // limits are far below
	}
	list("Imports", result.Imports)
	list("Exports", result.Exports)
	for _, problem := range result.Problems {
		printLines(&b, "  ! ", problem)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func joined[S ~string](values []S) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}
