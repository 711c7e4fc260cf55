package badgerstore

import (
	"fmt"
	"time"

	"github.com/plimsoll-project/plimsoll"
)

// diskSpace watches that the disk does not fill up. It is not safe for concurrent
// use.
type diskSpace struct {
	dir     string
	min     int64
	free    func(dir string) (int64, error)
	every   time.Duration // how long an answer holds
	now     func() time.Time
	checked time.Time
	err     error // the latest answer
}

func newDiskSpace(o Options) *diskSpace {
	return &diskSpace{dir: o.Dir, min: o.MinFreeBytes, free: o.FreeBytes, every: o.every, now: time.Now}
}

// check returns nil if there is enough space for commits, else an error wrapping
// ErrNoSpace. Not to know is not enough.
func (d *diskSpace) check() error {
	if now := d.now(); d.checked.IsZero() || now.Sub(d.checked) >= d.every {
		d.checked, d.err = now, d.require(d.min)
	}
	return d.err
}

// require asks now whether that many bytes are free.
func (d *diskSpace) require(bytes int64) error {
	free, err := d.free(d.dir)
	if err != nil {
		return fmt.Errorf("%w: cannot tell how much there is in %s: %w", plimsoll.ErrNoSpace, d.dir, err)
	}
	if free < bytes {
		return fmt.Errorf("%w: %s has %d MiB left, and %d MiB must stay free: make room on the file system",
			plimsoll.ErrNoSpace, d.dir, free>>20, bytes>>20)
	}
	return nil
}
