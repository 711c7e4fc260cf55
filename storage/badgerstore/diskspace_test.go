package badgerstore

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll-project/plimsoll"
)

func TestDiskSpace(t *testing.T) {
	var (
		now   time.Time
		free  int64
		fails error
		asked int
	)
	d := newDiskSpace(Options{Dir: "/data", MinFreeBytes: 100, every: time.Second, FreeBytes: func(dir string) (int64, error) {
		if asked++; dir != "/data" {
			t.Errorf("asked about %s", dir)
		}
		return free, fails
	}})
	d.now = func() time.Time { return now }
	broken := errors.New("broken")
	for i, step := range []struct {
		after time.Duration
		free  int64
		fails error
		want  error
		asked int
	}{
		{0, 100, nil, nil, 1},
		{999 * time.Millisecond, 99, nil, nil, 1}, // not asked again yet
		{time.Millisecond, 99, nil, plimsoll.ErrNoSpace, 2},
		{time.Millisecond, 100, nil, plimsoll.ErrNoSpace, 2},
		{time.Second, 100, nil, nil, 3},
		{time.Second, 1000, broken, broken, 4},
		{time.Second, 1000, broken, plimsoll.ErrNoSpace, 5}, // not to know is not enough
		{time.Hour, 1000, nil, nil, 6},
	} {
		now, free, fails = now.Add(step.after), step.free, step.fails
		if i == 0 {
			now = time.Unix(1, 0)
		}
		if err := d.check(); !errors.Is(err, step.want) || asked != step.asked {
			t.Errorf("step %d: %v after asking %d times, want %v after %d", i, err, asked, step.want, step.asked)
		}
	}
}

// Without space, commits are refused and reads go on; with space, commits go on.
func TestCommitWithoutSpace(t *testing.T) {
	var free atomic.Int64
	free.Store(1 << 40)
	s := openIn(t, Options{every: time.Nanosecond, FreeBytes: func(string) (int64, error) { return free.Load(), nil }})
	s.mustCommit(t, creating("a"))
	free.Store(1 << 20)
	if _, err := s.commitOn(t, creating("b")); !errors.Is(err, plimsoll.ErrNoSpace) {
		t.Errorf("Commit: %v, want ErrNoSpace", err)
	}
	v, err := s.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Get(t.Context(), plimsoll.Key{Namespace: "n", ID: "a"}); err != nil {
		t.Errorf("Get: %v", err)
	}
	free.Store(1 << 40)
	if r, err := s.commitOn(t, creating("b")); r != 2 || err != nil {
		t.Errorf("Commit: %d, %v, want 2", r, err)
	}
}

func TestFreeBytes(t *testing.T) {
	if free, err := freeBytes(t.TempDir()); err != nil || free <= 0 {
		t.Errorf("freeBytes: %d, %v", free, err)
	}
	if _, err := freeBytes("/does/not/exist"); err == nil {
		t.Error("freeBytes of no directory succeeded")
	}
}
