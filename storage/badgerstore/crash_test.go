package badgerstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/plimsoll-project/plimsoll"
)

// crashDirEnv makes the test binary a writer into that data directory.
const crashDirEnv = "PLIMSOLL_TEST_CRASH_DIR"

const (
	crashRounds  = 4
	crashWriters = 64
	crashAcks    = 300 // of each round, before the kill
)

// writeUntilKilled commits from many goroutines and says so, a line "ID revision"
// for each commit that was acknowledged.
func writeUntilKilled(dir string) {
	s, err := Open(Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx := context.Background()
	var wg sync.WaitGroup
	for w := range crashWriters {
		wg.Go(func() {
			for i := 0; ; i++ {
				v, err := s.View(ctx)
				var r plimsoll.Revision
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				if err == nil {
					r, err = s.Commit(ctx, v, creating(id))
					v.Close()
				}
				if err == nil {
					// One write each: lines stay whole. The reader is gone once this
					// process is to be killed, and then there is no more to say.
					_, err = os.Stdout.WriteString(fmt.Sprintf("%s %d\n", id, r))
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
			}
		})
	}
	wg.Wait()
	os.Exit(1)
}

// Whatever was acknowledged is there after the process was killed, and nothing is
// there by half. (That it is there after a power cut, this cannot show.)
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acked := make(map[string]string)
	for round := range crashRounds {
		killAfter(t, dir, crashAcks, acked)

		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := s.Verify(t.Context()); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		v, err := s.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for id, revision := range acked {
			c, err := v.Get(t.Context(), plimsoll.Key{Namespace: "n", ID: id})
			if err != nil || fmt.Sprint(c.Revision) != revision || string(c.Spec.Value) != "payload of "+id {
				t.Errorf("round %d: %s was acknowledged at %s, and now: %v, %v", round, id, revision, c, err)
			}
		}
		if int(v.Revision()) < len(acked) {
			t.Errorf("round %d: the store is at %d after %d commits", round, v.Revision(), len(acked))
		}
		v.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter runs a writer, kills it after some acknowledgements, and adds to acked
// all that it made.
func killAfter(t *testing.T, dir string, acks int, acked map[string]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashDirEnv+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		id, revision, ok := strings.Cut(lines.Text(), " ")
		if !ok {
			t.Errorf("the writer says %q", lines.Text())
		}
		acked[id] = revision
		if n++; n == acks {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); n < acks || !errors.As(err, &exit) {
		t.Fatalf("the writer ended by itself after %d commits: %v: %s", n, err, stderr.String())
	}
}
