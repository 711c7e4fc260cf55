package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"connectrpc.com/connect"
	"github.com/cenkalti/backoff/v5"
)

// resumption takes a stream up again whenever it breaks.
type resumption struct {
	// stream shows what one stream brings, and calls connected with its first message.
	stream func(ctx context.Context, connected func()) error
	// next says how it will go on.
	next func() string
	note io.Writer // what is said beside

	started bool // the server has answered at least once
}

// run goes on until ctx ends, which is no error, or the server says that it cannot go on.
func (r *resumption) run(ctx context.Context) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 5*time.Second
	lost := false
	for {
		err := r.stream(ctx, func() {
			if pause.Reset(); lost {
				_, _ = fmt.Fprintln(r.note, "connected again")
			}
			lost, r.started = false, true
		})
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // interrupted, as it should be
		case !r.started || !isPassing(err):
			return err
		case !lost:
			_, _ = fmt.Fprintf(r.note, "connection lost: %s; %s\n", printable(reasonOf(err)), r.next())
		}
		lost = true
		timer := time.NewTimer(pause.NextBackOff())
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// isPassing reports whether a stream that ended so may be taken up again: the
// connection broke, or the server is stopping or not ready yet.
func isPassing(err error) bool {
	return err == nil || !connect.IsWireError(err) || connect.CodeOf(err) == connect.CodeUnavailable
}

func reasonOf(err error) string {
	var remote *connect.Error
	switch {
	case err == nil:
		return "the server ended the stream"
	case errors.As(err, &remote):
		return remote.Message()
	}
	return err.Error()
}

// receive gives each message of a stream to show, until it ends. The server says something
// often: when nothing comes for longer than silence, there is nobody there.
func receive[M any](
	ctx context.Context, silence time.Duration, connected func(),
	open func(context.Context) (*connect.ServerStreamForClient[M], error), show func(*M) error,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alive := time.AfterFunc(silence, func() { cancel(errSilence) })
	defer alive.Stop()
	cause := func(err error) error {
		if errors.Is(context.Cause(ctx), errSilence) {
			return errSilence
		}
		return err
	}
	stream, err := open(ctx)
	if err != nil {
		return cause(err)
	}
	defer func() { _ = stream.Close() }()
	for first := true; stream.Receive(); first = false {
		alive.Reset(silence)
		if first {
			connected()
		}
		if err := show(stream.Msg()); err != nil {
			return err
		}
	}
	return cause(stream.Err())
}

var errSilence = errors.New("the server was silent for longer than --timeout")
