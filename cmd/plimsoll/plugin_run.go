package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/internal/server"
	"github.com/plimsoll-project/plimsoll/service"
)

// bindingFlags say how a tool binds a module.
type bindingFlags struct{ settings, limits string }

func (f *bindingFlags) add(cmd *cobra.Command) {
	f.addSettings(cmd)
	f.addLimits(cmd)
}

func (f *bindingFlags) addSettings(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.settings, "settings", "", "`settings` of the validator, in JSON or YAML, or @FILE")
}

func (f *bindingFlags) addLimits(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.limits, "limits", "", "`limits` as in a validators.yaml, such as '{fuel: 1000000}', or @FILE")
}

// plugin returns the module at path, bound as the flags say.
func (f *bindingFlags) plugin(path string) (p server.Plugin, err error) {
	p = server.Plugin{Path: path, Manifest: manifestChange}
	if p.Settings, err = textOf(f.settings); err != nil {
		return p, fmt.Errorf("--settings: %w", err)
	}
	if p.Limits, err = textOf(f.limits); err != nil {
		return p, fmt.Errorf("--limits: %w", err)
	}
	return p, nil
}

// textOf is what a flag says itself, or the content of the file after its @; nil if it
// says nothing.
func textOf(flag string) ([]byte, error) {
	if path, ok := strings.CutPrefix(flag, "@"); ok {
		return os.ReadFile(path)
	}
	if flag == "" {
		return nil, nil
	}
	return []byte(flag), nil
}

func newPluginRun() *cobra.Command {
	var (
		output  resultFormat
		subject subjectFlags
		binding bindingFlags
	)
	cmd := &cobra.Command{
		Use: "run FILE", Short: "Have a validator judge one container", Args: cobra.ExactArgs(1),
		Long: `Have a validator, and nothing else, judge a container or an input document, and show what
that took: fuel, which is the same on every machine, memory, and time. What it writes to
standard error is shown, too, which a server never does. The exit code is 3 if it is
denied, and 1 if the validator fails.`,
		Example: `  plimsoll plugin run mounts.wasm --container web.yaml --settings '{over: [/etc]}'
  plimsoll plugin run mounts.wasm --input input.json --limits '{fuel: 1000000}' -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := subject.read(cmd.InOrStdin())
			if err != nil {
				return err
			}
			if s == nil {
				return usagef("say what to judge: --container FILE or --input FILE")
			}
			plugin, err := binding.plugin(args[0])
			if err != nil {
				return err
			}
			plugin.Stderr = cmd.ErrOrStderr()
			result, err := plugin.Run(cmd.Context(), s)
			if err != nil {
				return err
			}
			return reportRun(cmd, output.format, result)
		},
	}
	output.add(cmd, "table", "json")
	subject.add(cmd)
	binding.add(cmd)
	return cmd
}

func reportRun(cmd *cobra.Command, format string, result *server.PluginRun) error {
	var err error
	if format == "json" {
		err = printRunJSON(cmd, result)
	} else {
		printRun(cmd.OutOrStdout(), result)
	}
	switch {
	case err != nil:
		return err
	case result.Outcome == plimsoll.OutcomeDenied:
		return reportedError(exitDenied)
	case result.Err != nil && format == "json":
		return reportedError(exitError)
	}
	return result.Err
}

func printRunJSON(cmd *cobra.Command, result *server.PluginRun) error {
	verdict, err := service.JSONCodecs()[0].Marshal(result.Verdict)
	if err != nil {
		return err
	}
	document := map[string]any{
		"outcome": result.Outcome, "verdict": json.RawMessage(verdict), "judged": result.Called,
		"fuel": result.Call.Fuel, "memory": result.Call.Memory, "time_ns": result.Call.Duration, "instantiate_ns": result.Instantiate,
	}
	if result.Err != nil {
		document["error"] = result.Err.Error()
	}
	return printJSON(cmd, document)
}

func printRun(w io.Writer, result *server.PluginRun) {
	printEvaluated(w, &server.Evaluated{Outcome: result.Outcome, Verdict: result.Verdict, Err: result.Err})
	if !result.Called {
		_, _ = fmt.Fprintf(w, "not judged: %s\n", printable(server.NotJudged(result.Info)))
		return
	}
	limits := result.Info.Limits
	_, _ = fmt.Fprintf(w, "fuel     %s of %s\n", humanize.Comma(int64(result.Call.Fuel)), humanize.Comma(int64(limits.Fuel))) //nolint:gosec // limits are far below
	_, _ = fmt.Fprintf(w, "memory   %s of %s\n", humanize.IBytes(result.Call.Memory), humanize.IBytes(limits.Memory))
	_, _ = fmt.Fprintf(w, "time     %s, and %s to make an instance\n",
		result.Call.Duration.Round(time.Microsecond), result.Instantiate.Round(time.Microsecond))
}
