package badgerstore_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/badgerstore"
	"github.com/plimsoll-project/plimsoll/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	dirs := make(map[storage.Store]string)
	open := func(t *testing.T, dir string) storage.Store {
		t.Helper()
		s, err := badgerstore.Open(badgerstore.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		dirs[s] = dir
		return s
	}
	storagetest.Run(t,
		func(t *testing.T) storage.Store { return open(t, t.TempDir()) },
		storagetest.Reopen(func(t *testing.T, closed storage.Store) storage.Store { return open(t, dirs[closed]) }),
	)
}
