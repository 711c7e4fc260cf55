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
of one revision. The server does it in the background of its other work, one at a time.
Works on its unix socket only, as root or the user that it runs as.`

// surveyCommand is a command that has a server judge what is stored.
type surveyCommand struct {
	clientFlags
	selectFlags
	output     outputFlags
	namespaces []string
}

func (c *surveyCommand) add(cmd *cobra.Command, formats []string) {
	c.clientFlags.add(cmd)
	c.output.addFormats(cmd, formats)
	c.selectFlags.add(cmd)
	c.completeLabels(cmd)
	// More than one may be meant, and none stands for all.
	_ = cmd.Flags().MarkHidden("namespace")
	_ = cmd.Flags().MarkHidden("timeout") // it takes as long as it takes
	cmd.Flags().StringSliceVar(&c.namespaces, "namespaces", nil, "only containers in these namespaces, `names` or patterns such as prod-* (default: all)")
}

// start returns a client, what to judge, and what shows results.
func (c *surveyCommand) start(cmd *cobra.Command) (plimsollv1connect.RolloutServiceClient, *plimsollv1.Selection, *printer, error) {
	p, err := c.output.printer(cmd)
	if err != nil {
		return nil, nil, nil, err
	}
	selection := &plimsollv1.Selection{Namespaces: c.namespaces}
	if c.namespace != "" {
		selection.Namespaces = append(selection.Namespaces, c.namespace)
	}
	if selection.Filters, err = c.all(); err != nil {
		return nil, nil, nil, err
	}
	httpClient, base, err := c.dial()
	if err != nil {
		return nil, nil, nil, err
	}
	return plimsollv1connect.NewRolloutServiceClient(httpClient, base), selection, p, nil
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
	began   time.Time
	showing bool
}

func newProgressLine(cmd *cobra.Command) *progressLine {
	line := &progressLine{began: time.Now()}
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
	if p.GetDone() > 0 {
		rest := time.Since(l.began) * time.Duration(p.GetTotal()-p.GetDone()) / time.Duration(p.GetDone())
		left = ", " + rest.Round(time.Second).String() + " left"
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
func documentOf(listName string, list []proto.Message, lastName string, last proto.Message) ([]byte, error) {
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
