package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"

	"google.golang.org/protobuf/proto"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// printer writes results in the format that was asked for.
type printer struct {
	w         io.Writer
	format    string // table, json or yaml
	documents int    // how many were written
}

// print writes a message as JSON or YAML, or its containers as a table.
func (p *printer) print(m proto.Message, containers ...*containerdv1.Container) error {
	if p.format == "table" {
		return printTable(p.w, containers)
	}
	data, err := service.JSONCodecs()[0].Marshal(m)
	if err != nil {
		return err
	}
	if p.format == "json" {
		data, err = prettyJSON(data)
	} else {
		data, err = jsonToYAML(data)
		if p.documents > 0 {
			data = append([]byte("---\n"), data...)
		}
	}
	if err != nil {
		return err
	}
	p.documents++
	_, err = p.w.Write(data)
	return err
}

// prettyJSON indents JSON and escapes what a terminal could take for a command.
func prettyJSON(data []byte) ([]byte, error) {
	var indented bytes.Buffer
	if err := json.Indent(&indented, data, "", "  "); err != nil {
		return nil, err
	}
	out := make([]byte, 0, indented.Len()+1)
	for _, r := range indented.String() {
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
	return append(out, '\n'), nil
}

func printTable(w io.Writer, containers []*containerdv1.Container) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(t, "ID\tIMAGE\tRUNTIME\tLABELS")
	for _, c := range containers {
		var labels []string
		for _, key := range slices.Sorted(maps.Keys(c.GetLabels())) {
			labels = append(labels, key+"="+c.GetLabels()[key])
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n",
			cell(c.GetId()), cell(c.GetImage()), cell(c.GetRuntime()), cell(strings.Join(labels, ",")))
	}
	return t.Flush()
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
