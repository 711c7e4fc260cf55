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
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// crashDirEnv makes the test binary a writer into that data directory.
const crashDirEnv = "PLIMSOLL_TEST_CRASH_DIR"

const (
	crashRounds  = 4
	crashWriters = 64
	crashAcks    = 300 // of each round, before the kill
	// crashLogBytes is what some of the records take.
	crashLogBytes = 64 << 10
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
					change := creating(id)
					change.Records = []storage.Record{logging(id)}
					r, err = s.Commit(ctx, v, change)
					v.Close()
				}
				if err == nil && i%4 == 0 {
					err = s.Append(ctx, []storage.Record{logging(id + "-alone"), logging(id + "-alone-too")})
				}
				if err == nil && w == 0 {
					_, err = s.TrimLog(ctx, storage.Retention{Bytes: crashLogBytes})
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

// logging is a record that is recognisable.
func logging(id string) storage.Record {
	return storage.Record{EntryKey: plimsoll.EntryKey{Kind: plimsoll.KindDecision, Key: id}, Time: time.Unix(1e9, 0), Value: []byte("decision " + id)}
}

// Whatever was acknowledged is there after the process was killed, and nothing is
// there by half. (That it is there after a power cut, this cannot show.)
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acked := make(map[string]string)
	var head storage.Position
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
		head = checkCrashedLog(t, v, head)
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

// checkCrashedLog checks that the log has a record for every commit, unless it was trimmed,
// and that it goes on where it was.
func checkCrashedLog(t *testing.T, v storage.View, was storage.Position) storage.Position {
	t.Helper()
	logged, state := map[string]plimsoll.Revision{}, v.LogState()
	if err := v.VerifyLog(t.Context(), func(e *storage.Logged) error {
		if e.Sequence == was.Sequence && e.Link != was.Link {
			t.Errorf("record %d is another one than before", e.Sequence)
		}
		if string(e.Value) != "decision "+e.Key {
			t.Errorf("record %d is %+v", e.Sequence, e)
		}
		logged[e.Key] = e.Revision
		return nil
	}); err != nil {
		t.Error(err)
	}
	if state.Head.Sequence < was.Sequence || state.Trimmed.Sequence == 0 {
		t.Errorf("the log was at %d, and is %+v", was.Sequence, state)
	}
	missing := 0
	for c, err := range v.Scan(t.Context(), storage.Query{Namespace: "n"}) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Revision > state.TrimmedRevision && logged[c.ID] != c.Revision {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d commits have no record, of those after %d", missing, state.TrimmedRevision)
	}
	return state.Head
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
