package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// outputFlags say how results are shown.
type outputFlags struct {
	format string
	jq     string
}

var formats = []string{"table", "wide", "json", "yaml", "jsonl", "name"}

func (f *outputFlags) add(cmd *cobra.Command) { f.addFormats(cmd, formats) }

func (f *outputFlags) addFormats(cmd *cobra.Command, formats []string) {
	last := len(formats) - 1
	cmd.Flags().StringVarP(&f.format, "output", "o", formats[0],
		fmt.Sprintf("`format` of the output: %s or %s", strings.Join(formats[:last], ", "), formats[last]))
	cmd.Flags().StringVar(&f.jq, "jq", "", "show what this jq `expression` makes of the JSON")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if !slices.Contains(formats, f.format) {
			return usagef("--output %q is none of %s", f.format, strings.Join(formats, ", "))
		}
		return nil
	}
}

// printer returns what writes results to the command's standard output.
func (f *outputFlags) printer(cmd *cobra.Command) (*printer, error) {
	p := &printer{w: cmd.OutOrStdout(), format: f.format}
	if f.jq == "" {
		return p, nil
	}
	switch {
	case !cmd.Flags().Changed("output"):
		p.format = "json"
	case f.format != "json" && f.format != "jsonl":
		return nil, usagef("--jq works on JSON: leave out --output, or say json or jsonl")
	}
	var err error
	p.jq, err = compileJQ(f.jq)
	return p, err
}

// printer writes results in the format that was asked for.
type printer struct {
	w         io.Writer
	format    string   // one of formats
	jq        *jqQuery // what to show of each document, or nil
	documents int      // how many were written
}

// isTable reports whether results are shown as rows.
func (p *printer) isTable() bool { return p.format == "table" || p.format == "wide" }

// one writes a container.
func (p *printer) one(c *plimsollv1.Container) error {
	return p.print(c, c)
}

// print writes containers as rows, lines or names, and in the other formats the
// message that they are of.
func (p *printer) print(m proto.Message, containers ...*plimsollv1.Container) error {
	switch p.format {
	case "table", "wide":
		return printTable(p.w, containers, p.format == "wide")
	case "name":
		for _, c := range containers {
			if _, err := fmt.Fprintln(p.w, printable(c.GetId())); err != nil {
				return err
			}
		}
		return nil
	case "jsonl":
		for _, c := range containers {
			if err := p.document(c); err != nil {
				return err
			}
		}
		return nil
	}
	return p.document(m)
}

// document writes a message as JSON or YAML.
func (p *printer) document(m proto.Message) error {
	data, err := service.JSONCodecs()[0].Marshal(m)
	if err != nil {
		return err
	}
	return p.json(data)
}

// json writes JSON as it is asked for.
func (p *printer) json(data []byte) error {
	var err error
	switch {
	case p.jq != nil:
		return p.jq.run(p.w, data)
	case p.format == "yaml":
		data, err = jsonToYAML(data)
		if p.documents > 0 {
			data = append([]byte("---\n"), data...)
		}
	case p.format == "jsonl":
		data, err = lineJSON(data)
	default:
		data, err = prettyJSON(data)
	}
	if err != nil {
		return err
	}
	p.documents++
	_, err = p.w.Write(data)
	return err
}

// lineJSON is JSON on one line, safe for a terminal.
func lineJSON(data []byte) ([]byte, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return nil, err
	}
	return append(escapeJSON(compact.String()), '\n'), nil
}

// prettyJSON indents JSON and escapes what a terminal could take for a command.
func prettyJSON(data []byte) ([]byte, error) {
	var indented bytes.Buffer
	if err := json.Indent(&indented, data, "", "  "); err != nil {
		return nil, err
	}
	return append(escapeJSON(indented.String()), '\n'), nil
}

// escapeJSON writes what a terminal could take for a command as JSON escapes.
func escapeJSON(text string) []byte {
	out := make([]byte, 0, len(text)+1)
	for _, r := range text {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			out = fmt.Append(out, string(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// printTable shows containers as rows; wide ones say more.
func printTable(w io.Writer, containers []*plimsollv1.Container, wide bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	columns := []string{"ID", "IMAGE", "RUNTIME", "LABELS"}
	if wide {
		columns = append(columns, "SNAPSHOTTER", "AGE", "REVISION")
	}
	_, _ = fmt.Fprintln(t, strings.Join(columns, "\t"))
	for _, c := range containers {
		cells := []string{cell(c.GetId()), cell(c.GetImage()), cell(c.GetRuntime().GetName()), cell(labelsOf(c, ","))}
		if wide {
			cells = append(cells, cell(c.GetSnapshotter()), orDash(ageOf(c.GetCreatedAt())), strconv.FormatUint(c.GetRevision(), 10))
		}
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

func labelsOf(c *plimsollv1.Container, separator string) string {
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(c.GetLabels())) {
		labels = append(labels, key+"="+c.GetLabels()[key])
	}
	return strings.Join(labels, separator)
}

// ageOf is how long ago something was, such as "3 hours"; empty if it is not known.
func ageOf(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return strings.TrimSpace(humanize.RelTime(t.AsTime(), time.Now(), "", ""))
}

// maxCell is how wide a table's cell may get. The other formats show everything.
const maxCell = 80

// cell makes text safe for one cell of a table.
func cell(text string) string {
	text = printable(text)
	if runes := []rune(text); len(runes) > maxCell {
		return string(runes[:maxCell-1]) + "…"
	}
	return orDash(text)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// printable makes text of others safe to show on one line: white space becomes a
// space, and what a terminal could take for a command is replaced. Texts of rules
// may quote what callers wrote.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
