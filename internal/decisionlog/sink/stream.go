package sink

import (
	"bytes"
	"context"
	"io"
)

// Stream writes each event as a line.
type Stream struct {
	w io.Writer
	// writing is what a write that was given up still does.
	writing chan error
	torn    bool // the last line may be one in part
}

// NewStream returns a sink that writes to w, which may take as long as it likes.
func NewStream(w io.Writer) *Stream { return &Stream{w: w} }

// Send implements [Sink].
func (s *Stream) Send(ctx context.Context, events [][]byte) error {
	if s.writing != nil { // nothing may come in between
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	lines := linesOf(events, s.torn)
	written := make(chan error, 1)
	s.writing = written
	go func() {
		_, err := s.w.Write(lines)
		written <- err
	}()
	return s.wait(ctx)
}

func (s *Stream) wait(ctx context.Context) error {
	select {
	case err := <-s.writing:
		s.writing, s.torn = nil, err != nil
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close implements [Sink].
func (s *Stream) Close() error { return nil }

// linesOf are events, one a line. After a torn line a new one is begun first.
func linesOf(events [][]byte, torn bool) []byte {
	var b bytes.Buffer
	if torn {
		_ = b.WriteByte('\n')
	}
	for _, e := range events {
		_, _ = b.Write(e)
		_ = b.WriteByte('\n')
	}
	return b.Bytes()
}
