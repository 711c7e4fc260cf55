package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newWatch() *cobra.Command {
	var (
		flags    clientFlags
		output   outputFlags
		selects  selectFlags
		after    string
		snapshot bool
	)
	cmd := &cobra.Command{
		Use: "watch", Short: "Show changes of containers as they happen", GroupID: "containers", Args: cobra.NoArgs,
		Long: `Show the changes of containers as they are committed, each once and in order, until
interrupted. When the connection breaks or the server restarts, the watch goes on
where it was. With a filter a change is shown if it selects the container before or
after the change.

JSON has a message plimsoll.v1.WatchResponse on each line. Its revision is what
--after-revision takes to go on from there. The server keeps old changes for a while
only: it says so if that revision is too old.
` + selectHelp,
		Example: `  plimsoll watch
  plimsoll watch -l team=core --snapshot
  plimsoll watch -o jsonl --after-revision 17 | while read -r step; do …; done
  plimsoll watch --jq '.commit.events[]? | .container.id'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := &plimsollv1.WatchRequest{Snapshot: snapshot, BookmarkInterval: durationpb.New(heartbeat(flags.timeout))}
			var err error
			if req.Filters, err = selects.all(); err != nil {
				return err
			}
			if after != "" {
				revision, err := strconv.ParseUint(after, 10, 64)
				switch {
				case err != nil:
					return usagef("--after-revision %q is no revision: a whole number, 0 for all changes that are kept", after)
				case snapshot:
					return usagef("--snapshot begins with what is there now: leave out --after-revision")
				}
				req.AfterRevision = &revision
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
			w := &watch{client: c, printer: p, request: req, silence: flags.timeout, note: cmd.ErrOrStderr()}
			return w.run(cmd.Context())
		},
	}
	flags.add(cmd)
	output.addFormats(cmd, []string{"table", "jsonl", "json"})
	selects.add(cmd)
	cmd.Flags().StringVar(&after, "after-revision", "", "begin with the changes after this `revision`; 0: with all that are kept (default: with what comes next)")
	cmd.Flags().BoolVar(&snapshot, "snapshot", false, "begin with the containers as they are")
	flags.completeLabels(cmd)
	return cmd
}

// heartbeat is how often the server is to say something, so that its silence means
// something: often enough for a few to get lost, in the bounds that it sets.
func heartbeat(silence time.Duration) time.Duration {
	return max(time.Second, min(10*time.Second, silence/3))
}

// watch shows changes and takes itself up again after the last it has shown.
type watch struct {
	client  *client
	printer *printer
	request *plimsollv1.WatchRequest // of the next stream
	silence time.Duration            // after which a connection is taken for dead
	note    io.Writer                // what is said beside the changes

	headed bool // the table has its head
}

// run watches until ctx ends, which is no error, or the server says that it cannot go on.
func (w *watch) run(ctx context.Context) error {
	err := (&resumption{stream: w.stream, next: w.next, note: w.note}).run(ctx)
	if connect.CodeOf(err) == connect.CodeOutOfRange && connect.IsWireError(err) {
		return connect.NewWireError(connect.CodeOutOfRange, fmt.Errorf("%s; to see what is there now and go on from that: --snapshot", reasonOf(err)))
	}
	return err
}

// next says how the watch will go on.
func (w *watch) next() string {
	if w.request.GetSnapshot() {
		return "beginning again when the server is back"
	}
	if w.request.AfterRevision == nil {
		return "going on when the server is back"
	}
	return fmt.Sprintf("going on after revision %d when the server is back", w.request.GetAfterRevision())
}

// stream shows what one stream brings. connected is called with its first message.
func (w *watch) stream(ctx context.Context, connected func()) error {
	return receive(ctx, w.silence, connected, func(ctx context.Context) (*connect.ServerStreamForClient[plimsollv1.WatchResponse], error) {
		return w.client.Watch(ctx, w.request)
	}, func(step *plimsollv1.WatchResponse) error {
		if err := w.show(step); err != nil {
			return err
		}
		if part := step.GetSnapshot(); part == nil || part.GetLast() {
			w.request.AfterRevision, w.request.Snapshot = proto.Uint64(step.GetRevision()), false
		}
		return nil
	})
}

// show writes one step of the watch. Bookmarks are not for people.
func (w *watch) show(step *plimsollv1.WatchResponse) error {
	if step.GetBookmark() != nil {
		return nil
	}
	if !w.printer.isTable() {
		return w.printer.document(step)
	}
	var rows strings.Builder
	if !w.headed {
		w.headed = true
		rows.WriteString(watchRow("TIME", "REVISION", "CHANGE", "ID", "FIELDS", "USER"))
	}
	for _, c := range step.GetSnapshot().GetContainers() {
		rows.WriteString(watchRow("", strconv.FormatUint(c.GetRevision(), 10), "exists", c.GetId(), "", ""))
	}
	for _, e := range step.GetCommit().GetEvents() {
		rows.WriteString(watchRow(e.GetTime().AsTime().Local().Format(time.TimeOnly), strconv.FormatUint(e.GetRevision(), 10),
			changeOf(e), e.GetContainer().GetId(), strings.Join(e.GetChanged(), ","), userOf(e.GetUser())))
	}
	_, err := io.WriteString(w.printer.w, rows.String())
	return err
}

// watchRow is a row of a table whose other rows are not known yet.
func watchRow(at, revision, change, id, fields, user string) string {
	row := fmt.Sprintf("%-8s   %-8s   %-16s   %-20s   %-24s   %s", orDash(at), revision, change, cell(id), cell(fields), cell(user))
	return strings.TrimRight(row, " ") + "\n"
}

// changeOf says what an event is, and if that is more, what it is to a filter.
func changeOf(e *plimsollv1.Event) string {
	text := operationOf(e.GetOperation())
	if e.GetOperation() != plimsollv1.Operation_OPERATION_UPDATE {
		return text
	}
	if e.GetSelection() == plimsollv1.Event_SELECTION_ENTERED {
		text += " (entered)"
	} else if e.GetSelection() == plimsollv1.Event_SELECTION_LEFT {
		text += " (left)"
	}
	return text
}

func operationOf(o plimsollv1.Operation) string {
	return strings.ToLower(strings.TrimPrefix(o.String(), "OPERATION_"))
}

// userOf names who asked for a change.
func userOf(u *plimsollv1.User) string {
	if u.GetName() == "" {
		return orDash(u.GetVia())
	}
	return u.GetName() + " (" + u.GetVia() + ")"
}
