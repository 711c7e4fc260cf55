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
	"time"

	"github.com/dustin/go-humanize"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// describedEvents is how many changes describe shows.
const describedEvents = 5

func newDescribe() *cobra.Command {
	var flags clientFlags
	cmd := &cobra.Command{
		Use: "describe ID…", Short: "Show a page about a container", GroupID: "containers", Args: cobra.MinimumNArgs(1),
		Long: `Show a page about each container: all its metadata, what is most asked about its spec,
and its latest changes. The whole spec is in: plimsoll get ID -o yaml`,
		Example: "  plimsoll describe web",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.client(nil)
			if err != nil {
				return err
			}
			shown := 0
			return each(cmd, args, func(id string) error {
				res, err := c.GetContainer(cmd.Context(), &plimsollv1.GetContainerRequest{Id: id})
				if err != nil {
					return err
				}
				history, err := c.history(cmd.Context(), id, describedEvents)
				if err != nil {
					return err
				}
				if shown++; shown > 1 {
					_, _ = fmt.Fprintln(cmd.OutOrStdout())
				}
				return describe(cmd.OutOrStdout(), res.GetContainer(), history)
			})
		},
	}
	flags.add(cmd)
	flags.completeIDs(cmd)
	return cmd
}

// page is what describe writes: names and values, the latter made printable.
type page struct{ w *tabwriter.Writer }

// line writes a value, or several below each other. Without any there is no line.
func (p page) line(name string, values ...string) {
	for _, value := range values {
		if value != "" {
			_, _ = fmt.Fprintf(p.w, "%s\t%s\n", name, printable(value))
			name = ""
		}
	}
}

func describe(w io.Writer, c *plimsollv1.Container, history *plimsollv1.GetHistoryResponse) error {
	var body bytes.Buffer
	p := page{tabwriter.NewWriter(&body, 0, 0, 2, ' ', 0)}
	p.line("ID:", c.GetId())
	if events := history.GetEvents(); len(events) > 0 {
		p.line("Namespace:", events[0].GetNamespace())
	}
	p.line("Labels:", strings.Split(labelsOf(c, "\n"), "\n")...)
	p.line("Image:", c.GetImage())
	p.line("Runtime:", c.GetRuntime().GetName())
	p.line("Runtime options:", payloadOf(c.GetRuntime().GetOptions()))
	p.line("Snapshotter:", c.GetSnapshotter())
	p.line("Snapshot key:", c.GetSnapshotKey())
	p.line("Sandbox:", c.GetSandboxId())
	var extensions []string
	for _, name := range slices.Sorted(maps.Keys(c.GetExtensions())) {
		extensions = append(extensions, name+": "+payloadOf(c.GetExtensions()[name]))
	}
	p.line("Extensions:", extensions...)
	p.line("Created:", timeOf(c.GetCreatedAt()))
	p.line("Updated:", timeOf(c.GetUpdatedAt()))
	p.line("Revision:", fmt.Sprint(c.GetRevision()))
	p.line("Spec:", payloadOf(c.GetSpec()))
	describeSpec(p, c.GetSpec())
	if err := p.w.Flush(); err != nil {
		return err
	}
	title := "\nLatest changes:\n"
	if history.GetNextPageToken() != "" {
		title = "\nLatest changes (for more: plimsoll history " + printable(c.GetId()) + "):\n"
	}
	body.WriteString(title)
	var rows bytes.Buffer
	if err := printHistory(&rows, history.GetEvents(), false); err != nil {
		return err
	}
	for row := range strings.Lines(rows.String()) {
		body.WriteString("  " + row)
	}
	_, err := w.Write(body.Bytes())
	return err
}

// describeSpec shows of an OCI spec what is most asked about. Of the environment it
// shows only how much there is: secrets are kept in it.
func describeSpec(p page, payload *anypb.Any) {
	var spec specs.Spec
	if payload.GetTypeUrl() != ociSpecType || json.Unmarshal(payload.GetValue(), &spec) != nil {
		return
	}
	p.line("  OCI version:", spec.Version)
	if process := spec.Process; process != nil {
		p.line("  Args:", shellWords(process.Args))
		p.line("  Cwd:", process.Cwd)
		p.line("  User:", fmt.Sprintf("%d:%d", process.User.UID, process.User.GID))
		p.line("  Environment:", fmt.Sprintf("%d variables", len(process.Env)))
		if process.Capabilities != nil {
			p.line("  Capabilities:", orDash(strings.ReplaceAll(strings.Join(process.Capabilities.Bounding, " "), "CAP_", "")))
		}
		p.line("  New privileges:", map[bool]string{true: "never", false: "may be gained"}[process.NoNewPrivileges])
	}
	if spec.Root != nil {
		p.line("  Root:", spec.Root.Path+map[bool]string{true: " (read-only)"}[spec.Root.Readonly])
	}
	p.line("  Hostname:", spec.Hostname)
	p.line("  Mounts:", fmt.Sprint(len(spec.Mounts)))
	if spec.Linux != nil {
		var namespaces []string
		for _, n := range spec.Linux.Namespaces {
			text := string(n.Type)
			if n.Path != "" {
				text += " (" + n.Path + ")"
			}
			namespaces = append(namespaces, text)
		}
		p.line("  Namespaces:", orDash(strings.Join(namespaces, ", ")))
	}
}

// shellWords joins arguments so that one can tell where each ends.
func shellWords(args []string) string {
	var words []string
	for _, arg := range args {
		if arg == "" || strings.ContainsAny(arg, " \t\n\"'\\$`;&|<>*?()#") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// payloadOf is the type and the size of a payload.
func payloadOf(a *anypb.Any) string {
	if a == nil {
		return ""
	}
	return fmt.Sprintf("%s, %s", a.GetTypeUrl(), humanize.Bytes(uint64(len(a.GetValue()))))
}

func timeOf(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Local().Format(time.DateTime+" MST") + " (" + humanize.Time(t.AsTime()) + ")"
}
