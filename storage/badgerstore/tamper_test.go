package badgerstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// tampering is a small log, and somebody who can write the database, and knows its formats.
type tampering struct {
	*testing.T
	*Store
}

// newTampering has a log of which the first records were trimmed: with changes and without,
// compressed and not.
func newTampering(t *testing.T) *tampering {
	t.Helper()
	s := openIn(t, Options{})
	values := []string{"", "short", strings.Repeat(`{"ociVersion":"1.3.0"}`, 20), "\x00\xff", "another", "the last"}
	for i := range 3 {
		if err := s.Append(t.Context(), []storage.Record{logging(fmt.Sprint("trimmed-", i))}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.TrimLog(t.Context(), storage.Retention{Bytes: 1}); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	for i, v := range values {
		r := logging(fmt.Sprint("key-", i))
		r.Value = []byte(v)
		if i%2 == 0 {
			change := creating(fmt.Sprint("c", i))
			change.Records = []storage.Record{r}
			s.mustCommit(t, change)
		} else if err := s.Append(t.Context(), []storage.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	return &tampering{t, s}
}

// first and last are the sequences of the log.
const first, last = 4, 9

// keys are those of the log's records and places.
func (s *tampering) keys() (records, places [][]byte) {
	s.Helper()
	snap := s.acquire()
	defer s.give(snap)
	for sequence := uint64(first); sequence <= last; sequence++ {
		p, err := snap.place(sequence)
		if err != nil {
			s.Fatal(err)
		}
		records = append(records, recordKey(p.EntryKey, sequence))
		places = append(places, placeKey(sequence))
	}
	return records, places
}

// verify verifies the log after tamper, which is given a transaction that is never
// committed, and what the database says of its log.
func (s *tampering) verify(tamper func(txn *badger.Txn, state *storage.LogState)) error {
	s.Helper()
	current := s.acquire()
	defer s.give(current)
	snap := *current
	snap.txn = s.db.NewTransaction(true)
	defer snap.txn.Discard()
	tamper(snap.txn, &snap.log)
	return s.verifyLog(s.Context(), &snap, nil)
}

// finds checks that verify finds what tamper does, and at which record.
func (s *tampering) finds(what string, sequence uint64, how []storage.Breakage, tamper func(txn *badger.Txn, state *storage.LogState)) {
	s.Helper()
	err := s.verify(tamper)
	var found *storage.LogError
	if !errors.As(err, &found) || !errors.Is(err, ErrCorrupted) || !errors.Is(err, storage.ErrLogBroken) {
		s.Errorf("%s: %v", what, err)
		return
	}
	ok := false
	for _, h := range how {
		ok = ok || found.Breakage == h
	}
	if !ok || found.Sequence != sequence {
		s.Errorf("%s: %v, want record %d, %v", what, err, sequence, how)
	}
}

func (s *tampering) value(txn *badger.Txn, key []byte) []byte {
	s.Helper()
	item, err := txn.Get(key)
	if err != nil {
		s.Fatal(err)
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		s.Fatal(err)
	}
	return value
}

func (s *tampering) set(txn *badger.Txn, key, value []byte) {
	s.Helper()
	if err := txn.Set(key, value); err != nil {
		s.Fatal(err)
	}
}

// reseal makes the checksum right again, and leaves the rest.
func reseal(key, value []byte) []byte {
	if len(value) >= headerBytes {
		binary.BigEndian.PutUint32(value[1:], checksum(key, value))
	}
	return value
}

var anyhow = []storage.Breakage{storage.Altered, storage.Removed, storage.Reordered, storage.Inserted, storage.CutOff}

// Whatever byte of a log is altered is found, also by somebody who makes the checksum right
// again; and so is what is cut short or made longer.
func TestEveryByteOfTheLog(t *testing.T) {
	s := newTampering(t)
	if err := s.verify(func(*badger.Txn, *storage.LogState) {}); err != nil {
		t.Fatalf("before: %v", err)
	}
	records, places := s.keys()
	checked := 0
	for i, keys := range [][][]byte{records, places} {
		for j, key := range keys {
			sequence := uint64(first + j)
			what := fmt.Sprintf("%s of record %d", []string{"content", "place"}[i], sequence)
			snap := s.acquire()
			value := s.value(snap.txn, key)
			s.give(snap)
			for at := range value {
				for _, bits := range []byte{0x01, 0x80, 0xff} {
					flipped := bytes.Clone(value)
					flipped[at] ^= bits
					s.finds(fmt.Sprintf("%s, byte %d ^ %x", what, at, bits), sequence, anyhow, func(txn *badger.Txn, _ *storage.LogState) { s.set(txn, key, flipped) })
					if at < 5 {
						continue // the format and the checksum itself
					}
					flipped = reseal(key, bytes.Clone(flipped))
					s.finds(fmt.Sprintf("%s, byte %d ^ %x, with its checksum", what, at, bits), sequence, anyhow, func(txn *badger.Txn, _ *storage.LogState) { s.set(txn, key, flipped) })
					checked++
				}
				short := reseal(key, bytes.Clone(value[:at]))
				s.finds(fmt.Sprintf("%s, cut at %d", what, at), sequence, anyhow, func(txn *badger.Txn, _ *storage.LogState) { s.set(txn, key, short) })
			}
			long := reseal(key, append(bytes.Clone(value), 0x78, 0x01)) // a field that nobody knows
			s.finds(what+", made longer", sequence, anyhow, func(txn *badger.Txn, _ *storage.LogState) { s.set(txn, key, long) })
		}
	}
	if checked < 3*1000 {
		t.Errorf("only %d bytes were altered", checked/3)
	}
}

// Records that are missing, swapped or made up are found, and said to be that.
func TestTamperingWithRecords(t *testing.T) {
	s := newTampering(t)
	records, places := s.keys()
	removing := func(keys ...[]byte) func(*badger.Txn, *storage.LogState) {
		return func(txn *badger.Txn, _ *storage.LogState) {
			for _, key := range keys {
				if err := txn.Delete(key); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	// swapping puts what is under each key under the other, with its checksum.
	swapping := func(a, b []byte, mend func(key, value []byte)) func(*badger.Txn, *storage.LogState) {
		return func(txn *badger.Txn, _ *storage.LogState) {
			va, vb := s.value(txn, a), s.value(txn, b)
			mend(a, vb)
			mend(b, va)
			s.set(txn, a, reseal(a, vb))
			s.set(txn, b, reseal(b, va))
		}
	}
	asIs := func([]byte, []byte) {}
	removed, reordered := []storage.Breakage{storage.Removed}, []storage.Breakage{storage.Reordered}
	for i := range records {
		sequence := uint64(first + i)
		gone := removed
		if sequence == last {
			gone = []storage.Breakage{storage.CutOff}
		}
		s.finds(fmt.Sprint("record removed ", sequence), sequence, removed, removing(records[i]))
		s.finds(fmt.Sprint("place removed ", sequence), sequence, gone, removing(places[i]))
		s.finds(fmt.Sprint("both removed ", sequence), sequence, gone, removing(records[i], places[i]))
		for n := 1; i+n <= len(records); n++ {
			if i+n == len(records) {
				gone = []storage.Breakage{storage.CutOff}
			}
			s.finds(fmt.Sprintf("%d removed from %d", n, sequence), sequence, gone, removing(append(bytes2(records[i:i+n]), places[i:i+n]...)...))
		}
		for j := i + 1; j < len(records); j++ {
			s.finds(fmt.Sprintf("records %d and %d swapped", sequence, first+j), sequence, reordered, swapping(records[i], records[j], asIs))
			s.finds(fmt.Sprintf("places %d and %d swapped", sequence, first+j), sequence, reordered, swapping(places[i], places[j], asIs))
			s.finds(fmt.Sprintf("records %d and %d swapped and renumbered", sequence, first+j), sequence, reordered, swapping(records[i], records[j], func(key, value []byte) {
				copy(value[headerBytes:], key[len(key)-sequenceBytes:])
			}))
		}
		// An older record under a number of its own.
		made := append(bytes.Clone(records[i][:len(records[i])-sequenceBytes]), binary.BigEndian.AppendUint64(nil, last+1)...)
		s.finds("record made up", last+1, []storage.Breakage{storage.Inserted}, func(txn *badger.Txn, _ *storage.LogState) {
			value := s.value(txn, records[i])
			copy(value[headerBytes:], made[len(made)-sequenceBytes:])
			s.set(txn, made, reseal(made, value))
		})
		s.finds("place made up", last+1, []storage.Breakage{storage.Inserted}, func(txn *badger.Txn, _ *storage.LogState) {
			s.set(txn, placeKey(last+1), reseal(placeKey(last+1), s.value(txn, places[i])))
		})
		s.finds("place of a trimmed record made up", first, anyhow, func(txn *badger.Txn, _ *storage.LogState) {
			s.set(txn, placeKey(2), reseal(placeKey(2), s.value(txn, places[i])))
		})
	}
}

func bytes2(b [][]byte) [][]byte { return append([][]byte(nil), b...) }

// What the database says of its log is checked too.
func TestTamperingWithTheHead(t *testing.T) {
	s := newTampering(t)
	s.finds("head one less", last, []storage.Breakage{storage.Inserted}, func(_ *badger.Txn, l *storage.LogState) { l.Head.Sequence-- })
	s.finds("head one more", last+1, []storage.Breakage{storage.CutOff}, func(_ *badger.Txn, l *storage.LogState) { l.Head.Sequence++ })
	s.finds("trimmed one less", first-1, []storage.Breakage{storage.Removed}, func(_ *badger.Txn, l *storage.LogState) { l.Trimmed.Sequence-- })
	s.finds("trimmed one more", first+1, anyhow, func(_ *badger.Txn, l *storage.LogState) { l.Trimmed.Sequence++ })
	s.finds("all trimmed", last, anyhow, func(_ *badger.Txn, l *storage.LogState) { l.Trimmed.Sequence = last + 1 })
	s.finds("bytes", last, anyhow, func(_ *badger.Txn, l *storage.LogState) { l.Bytes++ })
	for i := range sha256.Size {
		s.finds("link of the head", last, anyhow, func(_ *badger.Txn, l *storage.LogState) { l.Head.Link[i] ^= 1 })
		s.finds("link of what was trimmed", first, anyhow, func(_ *badger.Txn, l *storage.LogState) { l.Trimmed.Link[i] ^= 1 })
	}
}

// Somebody who writes a record anew, with its checksum, digest and link, is found by the
// next one, or by the head. Who writes all of those anew is found by whoever noted a head.
func TestRewritingRecords(t *testing.T) {
	s := newTampering(t)
	for from := uint64(first); from <= last; from++ {
		for to := from; to <= last; to++ {
			want := to + 1
			if to == last {
				want = last // of which the database knows the link
			}
			s.finds(fmt.Sprintf("rewritten from %d to %d", from, to), want, []storage.Breakage{storage.Altered}, func(txn *badger.Txn, l *storage.LogState) {
				head := s.rewrite(txn, l, from, to)
				if head == l.Head.Link {
					t.Error("a rewritten record has the link that it had")
				}
			})
		}
	}
	// All of it, the head too: nothing is left to see it by but what was noted elsewhere.
	var noted, now storage.Link
	if err := s.verify(func(txn *badger.Txn, l *storage.LogState) {
		noted = l.Head.Link
		l.Head.Link = s.rewrite(txn, l, first, last)
		now = l.Head.Link
	}); err != nil || noted == now {
		t.Errorf("%v, %s then and %s now", err, noted, now)
	}
}

// rewrite replaces the value of a record, and makes digests and links right for those up to
// another one. It returns the link of that.
func (s *tampering) rewrite(txn *badger.Txn, l *storage.LogState, from, to uint64) storage.Link {
	s.Helper()
	snap := &snapshot{txn: txn}
	link := l.Trimmed.Link
	if from > first {
		p, err := snap.place(from - 1)
		if err != nil {
			s.Fatal(err)
		}
		link = p.Link
	}
	for sequence := from; sequence <= to; sequence++ {
		p, err := snap.place(sequence)
		if err != nil {
			s.Fatal(err)
		}
		key, pkey := recordKey(p.EntryKey, sequence), placeKey(sequence)
		value := s.value(txn, key)
		if sequence == from {
			before := len(value)
			m := new(storagev1.LogRecord)
			if err := proto.Unmarshal(value[headerBytes+recordRoom:], m); err != nil {
				s.Fatal(err)
			}
			m.Time++ // as long as it was
			if value, err = newRecordAfter(recordRoom, m); err != nil || len(value) != before {
				s.Fatal(err, len(value), before)
			}
			p.Time = time.Unix(0, m.GetTime()).UTC()
		}
		p.Digest = sha256.Sum256(value[headerBytes+recordRoom:])
		link = storage.NextLink(link, &p.Logged)
		binary.BigEndian.PutUint64(value[headerBytes:], sequence)
		copy(value[headerBytes+sequenceBytes:], link[:])
		place, err := newRecordAfter(linkBytes, &storagev1.LogPlace{
			Kind: []byte(p.Kind), Key: []byte(p.Key), Digest: p.Digest[:], Time: p.Time.UnixNano(), Bytes: p.bytes,
		})
		if err != nil {
			s.Fatal(err)
		}
		copy(place[headerBytes:], link[:])
		seal(value, key, p.Revision)
		seal(place, pkey, p.Revision)
		s.set(txn, key, value)
		s.set(txn, pkey, place)
	}
	return link
}

// A log whose latest records are missing is not opened.
func TestLogCutOffAtOpen(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, Options{Dir: dir})
	for i := range 3 {
		if err := s.Append(t.Context(), []storage.Record{logging(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Update(func(txn *badger.Txn) error {
		return errors.Join(txn.Delete(placeKey(3)), txn.Delete(recordKey(logging("2").EntryKey, 3)))
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(Options{Dir: dir}); !errors.Is(err, ErrCorrupted) {
		t.Errorf("Open: %v, %v", s, err)
	}
}

// Who follows the log is not told what is not what was appended.
func TestFollowingABrokenLog(t *testing.T) {
	s := openIn(t, Options{})
	for i := range 4 {
		if err := s.Append(t.Context(), []storage.Record{logging(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	key := recordKey(plimsoll.EntryKey{Kind: plimsoll.KindDecision, Key: "2"}, 3)
	s.damage(t, func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if err != nil {
			return err
		}
		value, err := item.ValueCopy(nil)
		if err != nil {
			return err
		}
		value[len(value)-1] ^= 1
		return txn.Set(key, reseal(key, value))
	})
	for after, want := range map[uint64]uint64{0: 2, 1: 2, 2: 2, 3: 4} {
		got := after
		for e, err := range s.Log(t.Context(), after) {
			if err != nil {
				if !errors.Is(err, storage.ErrLogBroken) {
					t.Errorf("after %d: %v", after, err)
				}
				break
			}
			if got = e.Sequence; got == 4 {
				break
			}
		}
		if got != want {
			t.Errorf("after %d, records up to %d were read", after, got)
		}
	}
}
