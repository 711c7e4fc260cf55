package sink

import (
	"context"
	"io"
)

// Stream writes each event as a line.
type Stream struct {
	w     io.Writer
	lines lineWriter
}

// NewStream returns a sink that writes to w, which may take as long as it likes.
func NewStream(w io.Writer) *Stream { return &Stream{w: w} }

// Send implements [Sink].
func (s *Stream) Send(ctx context.Context, events [][]byte) error {
	return s.lines.write(ctx, events, func(lines []byte) error {
		_, err := s.w.Write(lines)
		return err
	})
}

// Close implements [Sink].
func (s *Stream) Close() error { return nil }
