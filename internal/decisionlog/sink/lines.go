package sink

import (
	"bytes"
	"context"
)

// lineWriter writes events, one a line, to what may take as long as it likes: a pipe that
// nobody reads, a disk that hangs. A write can be given up, and no other begins before it
// has ended.
type lineWriter struct {
	// writing is what a write that was given up still does; nil if there is none.
	writing chan error
	torn    bool // the last line may be one in part
}

// write has do write events. After a torn line a new one is begun first.
func (w *lineWriter) write(ctx context.Context, events [][]byte, do func(lines []byte) error) error {
	if w.writing != nil { // nothing may come in between
		if err := w.wait(ctx); err != nil {
			return err
		}
	}
	lines := linesOf(events, w.torn)
	written := make(chan error, 1)
	w.writing = written
	go func() { written <- do(lines) }()
	return w.wait(ctx)
}

func (w *lineWriter) wait(ctx context.Context) error {
	select {
	case err := <-w.writing:
		w.writing, w.torn = nil, err != nil
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// linesOf are events, one a line.
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
