package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newDecisionsTail() *cobra.Command {
	var (
		flags   clientFlags
		output  outputFlags
		selects decisionFlags
		follow  bool
		lines   int32
		after   string
	)
	cmd := &cobra.Command{
		Use: "tail", Short: "Show the latest decisions, and with -f those to come", Args: cobra.NoArgs,
		Long: `Show the latest decisions, the latest last, and with --follow those to come, in the order
in which they are recorded, until interrupted. When the connection breaks or the server
restarts, it goes on where it was. Each decision has a number in the log, its sequence,
which is what --after takes to go on from there.
` + decisionsHelp,
		Example: `  plimsoll decisions tail -f --outcome denied
  plimsoll decisions tail -f -o jsonl --after 17 | while read -r decision; do …; done
  plimsoll decisions tail --lines 50 --user uid:1000`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := selects.list()
			switch {
			case err != nil:
				return err
			case lines < 0:
				return usagef("--lines %d is no number of decisions", lines)
			case after != "" && cmd.Flags().Changed("lines"):
				return usagef("--after says what to begin with: leave out --lines")
			}
			p, err := output.printer(cmd)
			if err != nil {
				return err
			}
			if p.format == "json" {
				p.format = "jsonl" // a stream has no end to indent for
			}
			c, err := flags.client(nil)
			if err != nil {
				return err
			}
			t := &decisionTail{
				client: c, printer: p, request: selects.tail(list), silence: flags.timeout, note: cmd.ErrOrStderr(),
				namespaces: selects.allNamespaces, shown: map[string]bool{},
			}
			t.request.BookmarkInterval = durationpb.New(heartbeat(flags.timeout))
			if after == "" {
				err = t.latest(cmd.Context(), list, lines)
			} else if err = t.begin(after); err == nil && !follow {
				return t.rest(cmd.Context())
			}
			if err != nil || !follow {
				return err
			}
			return t.follow(cmd.Context())
		},
	}
	flags.add(cmd)
	output.addFormats(cmd, []string{"table", "wide", "jsonl", "json"})
	selects.add(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with those to come")
	cmd.Flags().Int32Var(&lines, "lines", 10, "begin with this `number` of the latest")
	cmd.Flags().StringVar(&after, "after", "", "begin with the decisions after the one with this `sequence`; 0: with all that are kept")
	return cmd
}

// decisionTail shows decisions and takes itself up again after the last it has shown.
type decisionTail struct {
	client     *client
	printer    *printer
	request    *plimsollv1.TailDecisionsRequest // of the next stream
	silence    time.Duration                    // after which a connection is taken for dead
	note       io.Writer                        // what is said beside the decisions
	namespaces bool                             // they are shown

	headed bool // the table has its head
	// shown are the IDs of decisions that were shown before they were recorded.
	shown map[string]bool
}

// latest shows the latest decisions. What follows comes after them.
func (t *decisionTail) latest(ctx context.Context, req *plimsollv1.ListDecisionsRequest, lines int32) error {
	limit := max(1, lines) // also to see how far the log goes
	page, err := t.client.decisions(ctx, req, limit)
	if err != nil {
		return err
	}
	decisions := page.GetDecisions()[:min(int(lines), len(page.GetDecisions()))]
	for _, d := range slices.Backward(decisions) {
		if err := t.show(d); err != nil {
			return err
		}
		t.shown[d.GetId()] = true
	}
	t.request.AfterSequence = proto.Uint64(page.GetSequence())
	return nil
}

func (t *decisionTail) begin(after string) error {
	sequence, err := strconv.ParseUint(after, 10, 64)
	if err != nil {
		return usagef("--after %q is no sequence: a whole number, 0 for all decisions that are kept", after)
	}
	t.request.AfterSequence = proto.Uint64(sequence)
	return nil
}

// rest shows what there is after where the tail begins.
func (t *decisionTail) rest(ctx context.Context) error {
	head, err := t.client.ListDecisions(ctx, &plimsollv1.ListDecisionsRequest{PageSize: 1, AllNamespaces: t.request.GetAllNamespaces()})
	if err != nil {
		return err
	}
	if t.request.GetAfterSequence() >= head.GetSequence() {
		return nil
	}
	ended := fmt.Errorf("that is all")
	err = receive(ctx, t.silence, func() {}, t.open, func(step *plimsollv1.TailDecisionsResponse) error {
		if step.GetSequence() > head.GetSequence() {
			return ended
		}
		if err := t.take(step); err != nil {
			return err
		}
		if step.GetSequence() == head.GetSequence() {
			return ended
		}
		return nil
	})
	if err == ended { //nolint:errorlint // it is not wrapped
		return nil
	}
	return t.explain(err)
}

func (t *decisionTail) open(ctx context.Context) (*connect.ServerStreamForClient[plimsollv1.TailDecisionsResponse], error) {
	return t.client.TailDecisions(ctx, t.request)
}

// follow shows decisions until ctx ends, which is no error, or the server says that it
// cannot go on.
func (t *decisionTail) follow(ctx context.Context) error {
	r := &resumption{note: t.note, stream: func(ctx context.Context, connected func()) error {
		return receive(ctx, t.silence, connected, t.open, t.take)
	}, next: func() string {
		return fmt.Sprintf("going on after decision %d when the server is back", t.request.GetAfterSequence())
	}}
	return t.explain(r.run(ctx))
}

func (t *decisionTail) explain(err error) error {
	if connect.CodeOf(err) == connect.CodeOutOfRange && connect.IsWireError(err) {
		return connect.NewWireError(connect.CodeOutOfRange, fmt.Errorf("%s; to begin with what is kept: --after 0", reasonOf(err)))
	}
	return err
}

// take shows one step of a tail, and remembers how far it has come.
func (t *decisionTail) take(step *plimsollv1.TailDecisionsResponse) error {
	if d := step.GetDecision(); d != nil {
		if !t.shown[d.GetId()] {
			if err := t.show(d); err != nil {
				return err
			}
		}
		delete(t.shown, d.GetId())
	}
	t.request.AfterSequence = proto.Uint64(step.GetSequence())
	return nil
}

func (t *decisionTail) show(d *plimsollv1.Decision) error {
	if !t.printer.isTable() {
		return t.printer.document(d)
	}
	wide := t.printer.format == "wide"
	rows := ""
	if !t.headed {
		t.headed = true
		rows = tailRow(decisionCells(nil, wide, t.namespaces), t.namespaces)
	}
	_, err := io.WriteString(t.printer.w, rows+tailRow(decisionCells(d, wide, t.namespaces), t.namespaces))
	return err
}

// tailRow is a row of a table whose other rows are not known yet.
func tailRow(cells []string, namespaces bool) string {
	widths := []int{19, 8, 6, 20, 20, 28, 26, 20, 8, 12}
	if namespaces {
		widths = slices.Insert(widths, 3, 12)
	}
	var b strings.Builder
	for i, text := range cells {
		if i > 0 {
			b.WriteString("   ")
		}
		width := 0
		if i < len(widths) {
			width = widths[i]
		}
		_, _ = fmt.Fprintf(&b, "%-*s", width, text)
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}
