package badgerstore_test

import (
	"sync"
	"testing"

	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/badgerstore"
	"github.com/plimsoll-project/plimsoll/storage/storagetest"
)

func TestStore(t *testing.T) {
	var dirs sync.Map // of stores, by store
	open := func(t *testing.T, dir string) storage.Store {
		t.Helper()
		s, err := badgerstore.Open(badgerstore.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		dirs.Store(s, dir)
		return s
	}
	storagetest.Run(t,
		func(t *testing.T) storage.Store { return open(t, t.TempDir()) },
		storagetest.Reopen(func(t *testing.T, closed storage.Store) storage.Store {
			dir, _ := dirs.Load(closed)
			return open(t, dir.(string))
		}),
	)
}
