package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/internal/server"
	"github.com/plimsoll-project/plimsoll/service"
)

// subjectFlags say what a tool has judged.
type subjectFlags struct {
	input, container, old, others string
	remove                        bool
	namespace                     string
}

func (f *subjectFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.input, "input", "", "`file` with an input document, which is judged as it is; - for standard input")
	flags.StringVar(&f.container, "container", "", "`file` with the manifest of a container to create; - for standard input")
	flags.StringVar(&f.old, "old", "", "`file` with the stored container, to which --container is applied")
	flags.BoolVar(&f.remove, "delete", false, "delete the --container instead")
	flags.StringVar(&f.others, "others", "", "`file` with other containers that there are")
	flags.StringVarP(&f.namespace, "namespace", "n", "", "`namespace` of the containers (default: \"default\")")
}

// read returns the subject; nil if none is named.
func (f *subjectFlags) read(stdin io.Reader) (*server.Subject, error) {
	switch {
	case f.input != "" && (f.container != "" || f.namespace != ""):
		return nil, usagef("--input says all of it: leave out --container and --namespace")
	case f.container == "" && (f.old != "" || f.remove):
		return nil, usagef("--old and --delete go with --container")
	case f.old != "" && f.remove:
		return nil, usagef("--delete takes what is deleted from --container: leave out --old")
	case f.input == "" && f.container == "":
		if f.others != "" {
			return nil, usagef("--others goes with --input or --container")
		}
		return nil, nil
	}
	subject := &server.Subject{Namespace: f.namespace}
	container := &subject.Create
	switch {
	case f.remove:
		container = &subject.Delete
	case f.old != "":
		container = &subject.Update
	}
	for _, from := range []struct {
		path string
		to   *json.RawMessage
	}{{f.input, &subject.Input}, {f.container, container}, {f.old, &subject.Old}} {
		if from.path == "" {
			continue
		}
		documents, err := readDocuments(from.path, stdin)
		if err != nil {
			return nil, err
		}
		if len(documents) != 1 {
			return nil, fmt.Errorf("%s: want one document, but there are %d", nameOf(from.path), len(documents))
		}
		*from.to = documents[0]
	}
	if f.others != "" {
		var err error
		if subject.Others, err = readDocuments(f.others, stdin); err != nil {
			return nil, err
		}
	}
	return subject, nil
}

// readDocuments reads the containers or other objects of a file, as JSON.
func readDocuments(path string, stdin io.Reader) ([]json.RawMessage, error) {
	data, err := readFile(path, stdin)
	if err != nil {
		return nil, err
	}
	documents, err := splitDocuments(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", nameOf(path), err)
	}
	var all []json.RawMessage
	for _, document := range documents {
		object, err := toJSON(document)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", nameOf(path), err)
		}
		if string(object) == "null" {
			continue // nothing but comments
		}
		listed, err := containersIn(object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", nameOf(path), err)
		}
		all = append(all, listed...)
	}
	return all, nil
}

func newPolicyEval() *cobra.Command {
	var (
		tools   server.Tools
		output  resultFormat
		subject subjectFlags
		explain string
		only    bool
	)
	cmd := &cobra.Command{
		Use: "eval [QUERY]", Short: "Say what policies make of a container, and why",
		Long: `Have a container or an input document judged, by policies and validators, as a server
would; or, with a query in Rego, show the value of that. The exit code is 3 if it is
denied.

--explain says of each clause of the policies whether it holds, and where it stopped if
not, with the values of its variables; --explain=full shows everything that OPA did.
What is judged is shown as it is, secrets included.
`,
		Example: `  plimsoll policy eval --policies policies --container web.yaml
  plimsoll policy eval --policies policies --container web.yaml --explain
  plimsoll policy eval --policies policies --input input.json 'data.labels.required.deny'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := subject.read(cmd.InOrStdin())
			if err != nil {
				return err
			}
			if explain != "" && explain != "rules" && explain != "full" {
				return usagef("--explain %q is none of rules, full", explain)
			}
			if only {
				tools.Validators = []string{server.None}
			}
			tools.Manifest = manifestChange
			switch {
			case len(args) == 1 && explain != "":
				return usagef("--explain goes with a judgement, not with a query")
			case len(args) == 1:
				return query(cmd, tools, &output, args[0], s)
			case s == nil:
				return usagef("say what to judge: --container FILE or --input FILE; or what to evaluate: a query")
			}
			return evaluate(cmd, tools, &output, s, explain)
		},
	}
	output.add(cmd, "table", "json")
	flags := cmd.Flags()
	flags.StringSliceVar(&tools.Policies, "policies", nil, "`path` of policies: a directory, file or bundle tarball; repeatable\n(default: the embedded starter set)")
	addRules(cmd, &tools)
	flags.BoolVar(&only, "no-validators", false, "judge by policies alone")
	subject.add(cmd)
	flags.StringVar(&explain, "explain", "", "say why: `rules` or full")
	flags.Lookup("explain").NoOptDefVal = "rules"
	return cmd
}

func query(cmd *cobra.Command, tools server.Tools, output *resultFormat, query string, s *server.Subject) error {
	results, err := tools.Query(cmd.Context(), query, s, cmd.ErrOrStderr())
	if err != nil {
		return output.failed(cmd, err)
	}
	if output.format == "json" {
		return printJSON(cmd, map[string]any{"result": results})
	}
	var all []struct {
		Expressions []struct{ Value json.RawMessage }
		Bindings    map[string]json.RawMessage
	}
	if err := json.Unmarshal(results, &all); err != nil {
		return err
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "undefined")
		return err
	}
	for _, result := range all {
		if len(result.Bindings) > 0 {
			if err := printJSON(cmd, result.Bindings); err != nil {
				return err
			}
			continue
		}
		for _, expression := range result.Expressions {
			if err := printJSON(cmd, expression.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func evaluate(cmd *cobra.Command, tools server.Tools, output *resultFormat, s *server.Subject, explain string) error {
	var trace io.Writer
	switch {
	case explain == "full" && output.format == "json":
		return usagef("--explain=full is a text: leave out --output")
	case explain == "full":
		trace = cmd.OutOrStdout()
	}
	result, err := tools.Evaluate(cmd.Context(), s, explain != "", trace)
	if err != nil {
		return output.failed(cmd, err)
	}
	if output.format == "json" {
		err = printEvaluatedJSON(cmd, result)
	} else {
		printEvaluated(cmd.OutOrStdout(), result)
		for _, clause := range result.Clauses {
			printClause(cmd.OutOrStdout(), clause)
		}
	}
	switch {
	case err != nil:
		return err
	case result.Outcome == plimsoll.OutcomeDenied:
		return reportedError(exitDenied)
	case result.Err != nil && output.format == "json":
		return reportedError(exitError)
	}
	return result.Err
}

func printEvaluatedJSON(cmd *cobra.Command, result *server.Evaluated) error {
	verdict, err := service.JSONCodecs()[0].Marshal(result.Verdict)
	if err != nil {
		return err
	}
	document := map[string]any{"outcome": result.Outcome, "verdict": json.RawMessage(verdict)}
	if result.Err != nil {
		document["error"] = result.Err.Error()
	}
	if len(result.Patches) > 0 {
		document["patches"] = patchesJSON(result.Patches)
	}
	if result.Clauses != nil {
		document["clauses"] = result.Clauses
	}
	return printJSON(cmd, document)
}

func patchesJSON(patches []plimsoll.Patch) []map[string]any {
	all := make([]map[string]any, len(patches))
	for i, p := range patches {
		all[i] = map[string]any{"field": p.Field, "value": json.RawMessage(p.Value), "rule": p.Source.String()}
		if p.Value == nil {
			all[i]["value"] = nil
		}
	}
	return all
}

func printEvaluated(w io.Writer, result *server.Evaluated) {
	for _, p := range result.Patches {
		value := "removed"
		if p.Value != nil {
			value = "set to " + string(p.Value)
		}
		_, _ = fmt.Fprintf(w, "patched: %s %s [%s]\n", printable(p.Field), printable(value), printable(p.Source.String()))
	}
	for _, warning := range result.Verdict.GetWarnings() {
		_, _ = fmt.Fprintf(w, "warning: %s\n", printable(warningText(warning)))
	}
	switch {
	case result.Outcome == plimsoll.OutcomeDenied:
		_, _ = fmt.Fprintln(w, printable(leadOf(result.Verdict)))
		printViolations(w, result.Verdict)
	case result.Err == nil:
		_, _ = fmt.Fprintln(w, "admitted")
	}
}

// maxValue is how much of a variable's value a person is shown.
const maxValue = 100

func printClause(w io.Writer, c server.PolicyClause) {
	state := "does not hold"
	if len(c.Holds) > 0 {
		state = "holds"
	} else if c.FailedAt > 0 {
		state = fmt.Sprintf("stops at line %d", c.FailedAt)
	}
	_, _ = fmt.Fprintf(w, "\n%s.%s %s  %s:%d\n", c.Package, c.Rule, state, c.File, c.Line)
	for i, line := range c.Source {
		mark := " "
		if c.Line+i == c.FailedAt {
			mark = ">"
		}
		_, _ = fmt.Fprintf(w, "%s %4d  %s\n", mark, c.Line+i, strings.ReplaceAll(line, "\t", "  "))
	}
	for i, values := range append(slices.Clone(c.Holds), c.Values) {
		if len(values) == 0 || i == len(c.Holds) && len(c.Holds) > 0 {
			continue
		}
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(values)) {
			parts = append(parts, name+" = "+shortened(values[name]))
		}
		_, _ = fmt.Fprintf(w, "        with %s\n", printable(strings.Join(parts, ", ")))
	}
}

func shortened(text string) string {
	if runes := []rune(text); len(runes) > maxValue {
		return string(runes[:maxValue-1]) + "…"
	}
	return text
}
