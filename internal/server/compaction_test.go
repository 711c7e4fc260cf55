package server

import (
	"fmt"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

func TestCompact(t *testing.T) {
	store := memstore.New()
	defer store.Close()
	commit := func(n int) {
		t.Helper()
		view, err := store.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		if _, err := store.Commit(t.Context(), view, storage.Change{Writes: []storage.Write{{
			Operation: plimsoll.OperationCreate, Namespace: "default", Container: &plimsoll.Container{ID: fmt.Sprint("c", n)},
		}}}); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n <= 40; n++ {
		commit(n)
		if err := compact(t.Context(), store, 10); err != nil {
			t.Fatal(err)
		}
		view, err := store.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if kept := int(view.Revision() - view.Compacted()); kept != min(n, kept) || kept < min(n, 10) || kept > 11 {
			t.Errorf("after %d commits the events of %d are kept", n, kept)
		}
		view.Close()
	}
}
