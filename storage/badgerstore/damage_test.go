package badgerstore

import (
	"errors"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// damage changes what is stored behind the store's back, and shows it to readers.
func (s *Store) damage(t *testing.T, f func(txn *badger.Txn) error) {
	t.Helper()
	if err := s.db.Update(f); err != nil {
		t.Fatal(err)
	}
	s.cache.mu.Lock()
	s.cache.entries.Purge()
	s.cache.mu.Unlock()
	if err := s.publish(); err != nil {
		t.Fatal(err)
	}
}

func deleting(key []byte) func(*badger.Txn) error {
	return func(txn *badger.Txn) error { return txn.Delete(key) }
}

// flipping inverts a bit of the last byte of a record.
func flipping(key []byte) func(*badger.Txn) error {
	return func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if err != nil {
			return err
		}
		value, err := item.ValueCopy(nil)
		if err != nil {
			return err
		}
		value[len(value)-1] ^= 1
		return txn.Set(key, value)
	}
}

// copying writes the record of one key under another.
func copying(from, to []byte) func(*badger.Txn) error {
	return func(txn *badger.Txn) error {
		item, err := txn.Get(from)
		if err != nil {
			return err
		}
		value, err := item.ValueCopy(nil)
		if err != nil {
			return err
		}
		return txn.Set(to, value)
	}
}

func TestDamageIsNoticed(t *testing.T) {
	a, b := plimsoll.Key{Namespace: "n", ID: "a"}, plimsoll.Key{Namespace: "n", ID: "b"}
	term := storage.Term{Field: storage.FieldLabel + "k", Value: "v"}
	// Each way to read, and its error.
	reads := map[string]func(t *testing.T, s *Store, v storage.View) error{
		"get": func(t *testing.T, _ *Store, v storage.View) error {
			_, err := v.Get(t.Context(), a)
			return err
		},
		"scan":  scanning(storage.Query{Namespace: "n", WithPayloads: true}),
		"index": scanning(storage.Query{Namespace: "n", Where: &term}),
		"watch": func(t *testing.T, s *Store, _ storage.View) error {
			n := 0
			for _, err := range s.Watch(t.Context(), 0) {
				if n++; err != nil || n == 5 {
					return err
				}
			}
			return nil
		},
		"verify": func(t *testing.T, s *Store, _ storage.View) error { return s.Verify(t.Context()) },
	}
	for name, test := range map[string]struct {
		damage  func(*badger.Txn) error
		noticed []string // by those reads
	}{
		"metadata flipped":          {flipping(metadataKey(a)), []string{"get", "scan", "index", "verify"}},
		"metadata missing":          {deleting(metadataKey(a)), []string{"index", "verify"}},
		"metadata of another":       {copying(metadataKey(b), metadataKey(a)), []string{"get", "scan", "index", "verify"}},
		"payload flipped":           {flipping(payloadKey(a, 0)), []string{"get", "scan", "verify"}},
		"payload missing":           {deleting(payloadKey(a, 0)), []string{"get", "scan", "verify"}},
		"payload of another":        {copying(payloadKey(b, 0), payloadKey(a, 0)), []string{"get", "scan", "verify"}},
		"payload left over":         {copying(payloadKey(b, 0), payloadKey(b, 1)), []string{"verify"}},
		"payload of nobody":         {copying(payloadKey(b, 0), payloadKey(plimsoll.Key{Namespace: "n", ID: "x"}, 0)), []string{"verify"}},
		"index entry missing":       {deleting(indexKey(a, term)), []string{"verify"}},
		"index entry of nobody":     {copying(indexKey(a, term), indexKey(plimsoll.Key{Namespace: "n", ID: "x"}, term)), []string{"index", "verify"}},
		"index entry of other term": {copying(indexKey(a, term), indexKey(a, storage.Term{Field: term.Field, Value: "w"})), []string{"verify"}},
		"event flipped":             {flipping(eventPlace{1, 0}.key()), []string{"watch", "verify"}},
		"first event missing":       {deleting(eventPlace{1, 0}.key()), []string{"watch", "verify"}},
		"tail of a commit missing":  {deleting(eventPlace{3, 1}.key()), []string{"watch", "verify"}},
		"last event missing":        {deleting(eventPlace{4, 0}.key()), []string{"watch", "verify"}},
		"event of another revision": {copying(eventPlace{1, 0}.key(), eventPlace{2, 0}.key()), []string{"watch", "verify"}},
		"key of no kind":            {func(txn *badger.Txn) error { return txn.Set([]byte("z"), []byte("z")) }, []string{"verify"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openIn(t, Options{})
			s.mustCommit(t, creating("a"))
			s.mustCommit(t, creating("b"))
			both := creating("c")
			both.Writes = append(both.Writes, creating("d").Writes...)
			s.mustCommit(t, both)
			s.mustCommit(t, creating("e"))
			if err := s.Verify(t.Context()); err != nil {
				t.Fatalf("before the damage: %v", err)
			}
			s.damage(t, test.damage)
			s.recent.events = nil // as after a restart: memory is not damaged
			v, err := s.View(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			for _, read := range test.noticed {
				if err := reads[read](t, s, v); !errors.Is(err, ErrCorrupted) {
					t.Errorf("%s: %v, want ErrCorrupted", read, err)
				}
			}
		})
	}
}

func scanning(q storage.Query) func(*testing.T, *Store, storage.View) error {
	return func(t *testing.T, _ *Store, v storage.View) error {
		for _, err := range v.Scan(t.Context(), q) {
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// A database whose own record is damaged, or disagrees with its events, is not
// opened.
func TestDamageIsNoticedAtOpen(t *testing.T) {
	for name, damage := range map[string]func(*badger.Txn) error{
		"meta record flipped":  flipping(metaKey),
		"meta record missing":  deleting(metaKey),
		"latest event missing": deleting(eventPlace{2, 0}.key()),
		"one event too many":   copying(eventPlace{1, 0}.key(), eventPlace{3, 0}.key()),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openIn(t, Options{Dir: dir})
			s.mustCommit(t, creating("a"))
			s.mustCommit(t, creating("b"))
			if err := s.db.Update(damage); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, err := Open(Options{Dir: dir}); !errors.Is(err, ErrCorrupted) {
				t.Errorf("Open: %v, %v, want ErrCorrupted", s, err)
			}
		})
	}
}
