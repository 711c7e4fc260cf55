package badgerstore

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

func fullContainer() *plimsoll.Container {
	return &plimsoll.Container{
		ID: "c", Labels: map[string]string{"k": "v", "bytes": "\xff\x00"}, Image: "image",
		Runtime:     plimsoll.Runtime{Name: "runc", Options: plimsoll.Any{TypeURL: "o", Value: []byte{1}}},
		Spec:        plimsoll.Any{TypeURL: "s", Value: []byte{2}},
		Snapshotter: "overlayfs", SnapshotKey: "key", SandboxID: "pod",
		Extensions: map[string]plimsoll.Any{"e": {TypeURL: "x", Value: []byte{3}}},
		CreatedAt:  time.Unix(1, 2).UTC(), UpdatedAt: time.Unix(3, 4).UTC(),
	}
}

func sealed(t testing.TB, key []byte, revision plimsoll.Revision, m proto.Message) []byte {
	t.Helper()
	r, err := newRecord(m)
	if err != nil {
		t.Fatal(err)
	}
	seal(r, key, revision)
	return r
}

func TestRecord(t *testing.T) {
	key := metadataKey(plimsoll.Key{Namespace: "n", ID: "c"})
	record := sealed(t, key, 7, encodeMetadata(fullContainer()))
	m, err := parseMetadata(key, "c", record)
	if err != nil {
		t.Fatal(err)
	}
	payloads, err := encodePayloads(fullContainer())
	if err != nil {
		t.Fatal(err)
	}
	if err := addPayloads(m.container, payloads); err != nil {
		t.Fatal(err)
	}
	want := fullContainer()
	want.Revision = 7
	if d := cmp.Diff(want, m.container); d != "" {
		t.Error(d)
	}
}

// Any single byte changed, and any length cut off, is noticed, and so is a record
// under another key.
func TestRecordDamage(t *testing.T) {
	key := metadataKey(plimsoll.Key{Namespace: "n", ID: "c"})
	record := sealed(t, key, 7, encodeMetadata(fullContainer()))
	check := func(what string, key, record []byte) {
		t.Helper()
		if _, err := parseMetadata(key, "c", record); !errors.Is(err, ErrCorrupted) {
			t.Errorf("%s: %v, want ErrCorrupted", what, err)
		}
	}
	for i := range record {
		flipped := bytes.Clone(record)
		flipped[i] ^= 0x10
		check("flipped", key, flipped)
		check("cut short", key, record[:i])
	}
	check("extended", key, append(bytes.Clone(record), 0))
	check("under another key", metadataKey(plimsoll.Key{Namespace: "n", ID: "d"}), record)
	check("of a newer format", key, append([]byte{Format + 1}, record[1:]...))
}

// FuzzOpenRecord: bytes that are accepted as a record are exactly those that would
// be written for their content.
func FuzzOpenRecord(f *testing.F) {
	key := []byte("mkey")
	f.Add(sealed(f, key, 7, encodeMetadata(fullContainer())))
	f.Add(sealed(f, key, 0, &storagev1.Meta{}))
	f.Add([]byte{})
	f.Add(make([]byte, headerBytes))
	f.Fuzz(func(t *testing.T, record []byte) {
		revision, content, err := openRecord(key, record)
		if err != nil {
			if !errors.Is(err, ErrCorrupted) {
				t.Errorf("%v is not ErrCorrupted", err)
			}
			return
		}
		again := append(make([]byte, headerBytes), content...)
		seal(again, key, revision)
		if !bytes.Equal(record, again) {
			t.Errorf("%x is accepted, and %x would be written", record, again)
		}
	})
}

// FuzzDecode: content with a proper checksum, as a newer or broken program might
// have written it, is decoded or refused, whatever it is.
func FuzzDecode(f *testing.F) {
	c := fullContainer()
	change := creating("c")
	seed := func(m proto.Message) {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	seed(encodeMetadata(c))
	seed(encodeEvent(&change, 0, c))
	seed(&storagev1.Meta{Containers: 3})
	prepared, err := prepareLog([]storage.Record{logging("id")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(prepared[0].place[headerBytes:])
	copy(prepared[0].value[headerBytes:], "\x00\x00\x00\x00\x00\x00\x00\x01")
	f.Add(prepared[0].value[headerBytes:])
	seed(&storagev1.Payloads{Spec: []byte("s"), Extensions: map[string][]byte{"none": []byte("x")}})
	f.Fuzz(func(t *testing.T, content []byte) {
		key := []byte("mkey")
		record := append(make([]byte, headerBytes), content...)
		seal(record, key, 1)
		if m, err := parseMetadata(key, "c", record); err == nil {
			again, err := parseMetadata(key, "c", sealed(t, key, 1, encodeMetadata(m.container)))
			if err != nil {
				t.Fatalf("what was decoded cannot be written and read again: %v", err)
			}
			if d := cmp.Diff(m.container, again.container, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("decoded, encoded and decoded: %s", d)
			}
		} else if !errors.Is(err, ErrCorrupted) {
			t.Errorf("%v is not ErrCorrupted", err)
		}
		rkey := recordKey(plimsoll.EntryKey{Kind: "k", Key: "key"}, 1)
		sealedAs := func(key []byte) []byte {
			record := append(make([]byte, headerBytes), content...)
			seal(record, key, 1)
			return record
		}
		if c, err := parseLogRecord("k", rkey, sealedAs(rkey)); err == nil {
			if c.Sequence != 1 || c.Key != "key" || c.Revision != 1 {
				t.Errorf("a record of the log is %+v", c)
			}
		} else if !errors.Is(err, ErrCorrupted) {
			t.Errorf("%v is not ErrCorrupted", err)
		}
		if p, err := parsePlaceRecord(placeKey(1), sealedAs(placeKey(1))); err == nil {
			again, err := newRecordAfter(linkBytes, &storagev1.LogPlace{
				Kind: []byte(p.Kind), Key: []byte(p.Key), Digest: p.Digest[:], Time: p.Time.UnixNano(), Bytes: p.bytes,
			})
			if err != nil || !bytes.Equal(again[headerBytes+linkBytes:], content[linkBytes:]) {
				t.Errorf("%x is accepted as a place, and %x would be written", content, again)
			}
		} else if !errors.Is(err, ErrCorrupted) {
			t.Errorf("%v is not ErrCorrupted", err)
		}
		var event storagev1.Event
		if _, err := decodeRecord(key, record, &event); err == nil {
			if e, err := decodeEvent(1, &event); err == nil && (e.Container == nil) == (e.Entry == nil) {
				t.Error("an event without a container")
			}
		}
		if err := addPayloads(fullContainer(), content); err == nil && proto.Unmarshal(content, new(storagev1.Payloads)) != nil {
			t.Error("payloads were taken that are none")
		}
	})
}
