package sink

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"gopkg.in/natefinch/lumberjack.v2"
)

// FileOptions are the settings of a [File].
type FileOptions struct {
	// Path is that of the file that is written to. Those before have the time in their
	// names.
	Path string
	// MaxMegabytes is how large a file may get, at least [MinMegabytes]; MaxDays and
	// MaxFiles how long and how many of those before are kept, 0 meaning any.
	MaxMegabytes, MaxDays, MaxFiles int
}

// MinMegabytes is the least that a file must be allowed to hold: a batch.
const MinMegabytes = 8

// File writes each event as a line of a file, which is rotated. What was taken is on the
// disk.
type File struct {
	path  string
	log   *lumberjack.Logger
	lines lineWriter
}

// NewFile returns a sink. Its directory must be there. The file is created for its owner
// only.
func NewFile(o FileOptions) (*File, error) {
	f, err := os.OpenFile(o.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	torn, err := endsInLine(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return &File{
		path: o.Path, lines: lineWriter{torn: torn},
		log: &lumberjack.Logger{Filename: o.Path, MaxSize: o.MaxMegabytes, MaxAge: o.MaxDays, MaxBackups: o.MaxFiles},
	}, nil
}

// endsInLine reports whether the last line of a file has no end.
func endsInLine(f *os.File) (bool, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return false, err
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, end-1)
	return last[0] != '\n', err
}

// Send implements [Sink]. Events that come together are in one file together: it is
// rotated before them, if at all, when all that is in it was synced.
func (f *File) Send(ctx context.Context, events [][]byte) error {
	return f.lines.write(ctx, events, func(lines []byte) error {
		_, err := f.log.Write(lines)
		if err == nil {
			err = f.sync()
		}
		return err
	})
}

func (f *File) sync() error {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) { // somebody has moved it away
		return f.log.Close() // and the next write makes it anew
	}
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// Close implements [Sink]. A file that is still being written to is left to that.
func (f *File) Close() error {
	if f.lines.writing != nil {
		return errors.New("a write has not ended")
	}
	return f.log.Close()
}
