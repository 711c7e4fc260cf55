package badgerstore_test

import (
	"sync"
	"testing"

	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/badgerstore"
	"github.com/plimsoll-project/plimsoll/storage/storagetest"
)

func TestStore(t *testing.T) { testStore(t, badgerstore.Options{}) }

// TestStoreUncached has a cache in which nothing has room: all is read from the database.
func TestStoreUncached(t *testing.T) { testStore(t, badgerstore.Options{CacheBytes: 1}) }

func testStore(t *testing.T, options badgerstore.Options) {
	t.Helper()
	var dirs sync.Map // of stores, by store
	open := func(t *testing.T, dir string) storage.Store {
		t.Helper()
		o := options // tests run side by side
		o.Dir = dir
		s, err := badgerstore.Open(o)
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
