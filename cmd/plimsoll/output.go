package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// print writes a message as JSON or YAML, or containers as a table.
func print(w io.Writer, format string, m proto.Message, containers ...*containerdv1.Container) error {
	if format == "table" {
		return printTable(w, containers)
	}
	data, err := service.JSONCodecs()[0].Marshal(m)
	if err != nil {
		return err
	}
	asYAML, err := yaml.JSONToYAML(data)
	if err != nil {
		return err
	}
	if format == "json" {
		if data, err = indentJSON(data); err != nil {
			return err
		}
		asYAML = append(data, '\n')
	}
	_, err = w.Write(asYAML)
	return err
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
			c.GetId(), cell(c.GetImage()), cell(c.GetRuntime()), cell(strings.Join(labels, ",")))
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
	if text == "" {
		return "-"
	}
	return text
}

// printable replaces what a terminal could take for a command. Texts of rules may
// quote what callers wrote.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
