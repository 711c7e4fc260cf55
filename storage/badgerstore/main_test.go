package badgerstore

import (
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirEnv); dir != "" {
		writeUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

// openIn opens a store that is closed with the test.
func openIn(t *testing.T, o Options) *Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func writing(op plimsoll.Operation, c *plimsoll.Container) storage.Change {
	return storage.Change{Writes: []storage.Write{{Operation: op, Namespace: "n", Container: c}}}
}

func creating(id string) storage.Change {
	return writing(plimsoll.OperationCreate, &plimsoll.Container{
		ID: id, Labels: map[string]string{"k": "v"}, Spec: plimsoll.Any{TypeURL: "spec", Value: []byte("payload of " + id)},
	})
}

// commit commits on a fresh view.
func (s *Store) commitOn(t *testing.T, change storage.Change) (plimsoll.Revision, error) {
	t.Helper()
	v, err := s.View(t.Context())
	if err != nil {
		return 0, err
	}
	defer v.Close()
	return s.Commit(t.Context(), v, change)
}

func (s *Store) mustCommit(t *testing.T, change storage.Change) {
	t.Helper()
	if _, err := s.commitOn(t, change); err != nil {
		t.Fatal(err)
	}
}
