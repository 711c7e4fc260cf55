package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"google.golang.org/protobuf/proto"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
)

// surveyHelp is what the commands that judge everything stored have in common.
const surveyHelp = `
Each container is judged as if it were created as it is by an anonymous caller, all as
of one revision.` + jobHelp

// jobHelp is what the commands that have a server judge in the background have in common.
const jobHelp = `

The server does it in the background of its other work, one at a time. If it is
interrupted, it can be taken up for 5 minutes: with --resume and what was printed then,
and with nothing else.
Works on its unix socket only, as root or the user that it runs as.`

// jobCommand is a command that has a server judge in the background.
type jobCommand struct {
	clientFlags
	output     outputFlags
	namespaces []string
	resume     string
}

func (c *jobCommand) add(cmd *cobra.Command, formats []string) {
	c.clientFlags.add(cmd)
	c.output.addFormats(cmd, formats)
	// More than one may be meant, and none stands for all.
	_ = cmd.Flags().MarkHidden("namespace")
	_ = cmd.Flags().MarkHidden("timeout") // it takes as long as it takes
	cmd.Flags().StringSliceVar(&c.namespaces, "namespaces", nil, "only what is in these namespaces, `names` or patterns such as prod-* (default: all)")
	cmd.Flags().StringVar(&c.resume, "resume", "", "take up what was interrupted, by the `token` that was printed then")
}

// patterns are the namespaces that are meant.
func (c *jobCommand) patterns() []string {
	if c.namespace != "" && c.resume == "" { // which may come from the environment
		return append(c.namespaces, c.namespace)
	}
	return c.namespaces
}

// start returns a client, and what shows results.
func (c *jobCommand) start(cmd *cobra.Command) (plimsollv1connect.RolloutServiceClient, *printer, error) {
	p, err := c.output.printer(cmd)
	if err != nil {
		return nil, nil, err
	}
	httpClient, base, err := c.dial()
	if err != nil {
		return nil, nil, err
	}
	return plimsollv1connect.NewRolloutServiceClient(httpClient, base), p, nil
}

// surveyCommand is a command that has a server judge what is stored.
type surveyCommand struct {
	jobCommand
	selectFlags
}

func (c *surveyCommand) add(cmd *cobra.Command, formats []string) {
	c.jobCommand.add(cmd, formats)
	c.selectFlags.add(cmd)
	c.completeLabels(cmd)
}

// selection is what to judge; nil if something is taken up.
func (c *surveyCommand) selection() (*plimsollv1.Selection, error) {
	filters, err := c.all()
	patterns := c.patterns()
	if err != nil || c.resume != "" && len(patterns) == 0 && len(filters) == 0 {
		return nil, err
	}
	return &plimsollv1.Selection{Namespaces: patterns, Filters: filters}, nil
}

// candidate is the rules to try; nil if something is taken up.
func (c *jobCommand) candidate(ctx context.Context, flags *candidateFlags, paths []string) (*plimsollv1.Candidate, error) {
	if c.resume != "" && len(paths)+len(flags.validators) == 0 && flags.ruleset == "" {
		return nil, nil //nolint:nilnil // nil is the answer
	}
	return flags.candidate(ctx, paths)
}

// followJob shows how far a server has come with a job, and returns what it found and the
// summary. As lines of JSON, what it finds is printed as it comes.
func followJob[M, F, S any](cmd *cobra.Command, p *printer, stream *connect.ServerStreamForClient[M], parts func(*M) (*plimsollv1.Progress, *F, *S)) (found []*F, summary *S, err error) {
	line := newProgressLine(cmd)
	defer line.clear()
	var last *plimsollv1.Progress
	err = follow(stream, func(m *M) error {
		progress, one, end := parts(m)
		if progress != nil {
			last = progress
			line.show(progress)
		}
		if summary = end; one == nil {
			return nil
		}
		if document, ok := any(one).(proto.Message); ok && p.format == "jsonl" {
			line.clear()
			return p.document(document)
		}
		found = append(found, one)
		return nil
	})
	line.clear()
	if err == nil && summary == nil {
		err = errUnfinished
	}
	if err != nil && last.GetResume() != "" && interrupted(cmd.Context(), err) {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s of %s were judged; to go on from there: %s --resume %s\n",
			humanize.Comma(last.GetDone()), humanize.Comma(last.GetTotal()), cmd.CommandPath(), last.GetResume())
	}
	return found, summary, surveyError(cmd.Context(), err)
}

// interrupted reports whether err is of the connection or of whoever waits, and not of what
// was asked for.
func interrupted(ctx context.Context, err error) bool {
	code := connect.CodeOf(err)
	return ctx.Err() != nil || code == connect.CodeCanceled || code == connect.CodeDeadlineExceeded
}

// received is what a server streams until it is done.
type received[M any] interface {
	Receive() bool
	Msg() *M
	Err() error
	Close() error
}

// follow calls each with every message of a stream, until it ends.
func follow[M any](s received[M], each func(*M) error) error {
	defer func() { _ = s.Close() }()
	for s.Receive() {
		if err := each(s.Msg()); err != nil {
			return err
		}
	}
	return s.Err()
}

var _ received[int] = (*connect.ServerStreamForClient[int])(nil)

// progressLine shows on a terminal how far a server has come.
type progressLine struct {
	w       io.Writer // nil: nobody would see it
	showing bool
}

func newProgressLine(cmd *cobra.Command) *progressLine {
	line := &progressLine{}
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		line.w = f
	}
	return line
}

func (l *progressLine) show(p *plimsollv1.Progress) {
	if l.w == nil || p.GetTotal() == 0 {
		return
	}
	const width = 30
	full := int(width * p.GetDone() / p.GetTotal())
	left := ""
	if p.GetRemaining() != nil {
		left = ", " + p.GetRemaining().AsDuration().Round(time.Second).String() + " left"
	}
	_, _ = fmt.Fprintf(l.w, "\r\x1b[K[%s%s] %s of %s%s", strings.Repeat("#", full), strings.Repeat(".", width-full),
		humanize.Comma(p.GetDone()), humanize.Comma(p.GetTotal()), left)
	l.showing = true
}

// clear removes it, so that something else can be shown.
func (l *progressLine) clear() {
	if l.showing {
		_, _ = fmt.Fprint(l.w, "\r\x1b[K")
		l.showing = false
	}
}

// documentOf is a JSON object of messages: those of lists by their names, then one.
func documentOf[M proto.Message](listName string, list []M, lastName string, last proto.Message) ([]byte, error) {
	codec := service.JSONCodecs()[0]
	var b strings.Builder
	fmt.Fprintf(&b, "{%q: [", listName)
	for i, m := range list {
		data, err := codec.Marshal(m)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(",")
		}
		b.Write(data)
	}
	data, err := codec.Marshal(last)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "], %q: %s}", lastName, data)
	return []byte(b.String()), nil
}

// surveyError says more than a connection that breaks.
func surveyError(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// errUnfinished is the error of a stream that ended without a summary.
var errUnfinished = fmt.Errorf("the server ended before it was done")

// ruleOf is what a rule is called in tables.
func ruleOf(source *plimsollv1.Source) string {
	if source.GetKind() == plimsollv1.Source_KIND_POLICY && source.GetRule() != "" {
		return source.GetName() + "." + source.GetRule()
	}
	return orDash(source.GetName())
}
