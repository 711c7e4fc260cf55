package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

func newPluginConform() *cobra.Command {
	var (
		output  resultFormat
		binding bindingFlags
		spec    string
	)
	cmd := &cobra.Command{
		Use: "conform FILE", Short: "Check that a module does what every validator must", Args: cobra.ExactArgs(1),
		Long: `Check that a module, in whichever ABI it speaks, does what Plimsoll asks of every
validator: that it comes to a verdict, always the same, on ordinary requests, and on those
of people who mean harm. Whether its verdicts are right is for plimsoll plugin test to
say. What fails is contained on a server all the same, but containers are refused for the
module's sake. The exit code is 1 if a check fails.`,
		Example: `  plimsoll plugin conform mounts.wasm --settings '{over: [/etc]}'
  plimsoll plugin conform windows.wasm --spec spec.json -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			plugin, err := binding.plugin(args[0])
			if err != nil {
				return err
			}
			var ordinary []byte
			if spec != "" {
				if ordinary, err = readFile(spec, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			checks, err := plugin.Conform(cmd.Context(), ordinary)
			if err != nil {
				return err
			}
			if output.format == "json" {
				err = printJSON(cmd, map[string]any{"checks": checks})
			} else {
				err = printChecks(cmd.OutOrStdout(), checks)
			}
			if err == nil && !server.Conforms(checks) {
				err = reportedError(exitError)
			}
			return err
		},
	}
	output.add(cmd, "table", "json")
	binding.addSettings(cmd)
	cmd.Flags().StringVar(&spec, "spec", "", "`file` with an ordinary spec for the module (default: a small OCI spec)")
	return cmd
}

func printChecks(w io.Writer, checks []server.PluginCheck) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	passed := 0
	for _, c := range checks {
		state := "failed"
		if c.OK {
			state = "ok"
			passed++
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", state, c.Name, printable(c.Explanation))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "passed %d/%d\n", passed, len(checks))
	return err
}
