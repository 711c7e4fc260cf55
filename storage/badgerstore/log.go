package badgerstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// A record of the log is stored under its own key, and its place in the log under its
// sequence. Both begin with what only the committer knows, for which there is room:
//
//	record  header  sequence  link  LogRecord
//	place   header            link  LogPlace

const (
	linkBytes = sha256.Size
	// recordRoom is what comes before a LogRecord.
	recordRoom = sequenceBytes + linkBytes
)

// logRecord is a record that is ready to be appended but for its sequence and its link.
type logRecord struct {
	logged storage.Logged // without its value
	key    []byte         // of the record, with room for the sequence
	value  []byte
	place  []byte // what is stored for its place
	bytes  uint64 // what both take
}

// logBytes is about what a record and its place take.
func logBytes(kind plimsoll.EntryKind, key, value []byte) uint64 {
	const rest = 160 // of the place, digest, link and Badger's own among it
	return uint64(len(kind) + 2*len(key) + len(value) + rest)
}

// prepareLog encodes records, and computes their digests: all that takes time.
func prepareLog(records []storage.Record) ([]*logRecord, error) {
	prepared := make([]*logRecord, 0, len(records))
	for _, r := range records {
		stored := &storagev1.LogRecord{Size: uint64(len(r.Value)), Time: r.Time.UnixNano()}
		stored.Value, stored.Compression = compress(r.Value)
		p := &logRecord{key: recordKey(r.EntryKey, 0)}
		var err error
		if p.value, err = newRecordAfter(recordRoom, stored); err != nil {
			return nil, fmt.Errorf("encoding a record of the log: %w", err)
		}
		if len(p.value) >= valueThreshold {
			return nil, fmt.Errorf("a record of the log has %d bytes, and %d are possible", len(p.value), valueThreshold)
		}
		p.bytes = logBytes(r.Kind, p.key, p.value)
		p.logged.EntryKey, p.logged.Time = r.EntryKey, r.Time.UTC()
		p.logged.Digest = sha256.Sum256(p.value[headerBytes+recordRoom:])
		if p.place, err = newRecordAfter(linkBytes, &storagev1.LogPlace{
			Kind: []byte(r.Kind), Key: []byte(r.Key), Digest: p.logged.Digest[:], Time: r.Time.UnixNano(), Bytes: p.bytes,
		}); err != nil {
			return nil, fmt.Errorf("encoding a place in the log: %w", err)
		}
		prepared = append(prepared, p)
	}
	return prepared, nil
}

// newRecordAfter is newRecord with more room before the message.
func newRecordAfter(room int, m proto.Message) ([]byte, error) {
	record := make([]byte, headerBytes+room, headerBytes+room+proto.Size(m))
	return proto.MarshalOptions{UseCachedSize: true, Deterministic: true}.MarshalAppend(record, m)
}

// append puts a record at the end of the log.
func (b *batch) append(r *logRecord) {
	b.log.Head.Sequence++
	r.logged.Sequence, r.logged.Revision = b.log.Head.Sequence, b.revision
	link := storage.NextLink(b.log.Head.Link, &r.logged)
	b.log.Head.Link = link
	b.log.Bytes += r.bytes

	binary.BigEndian.PutUint64(r.key[len(r.key)-sequenceBytes:], r.logged.Sequence)
	binary.BigEndian.PutUint64(r.value[headerBytes:], r.logged.Sequence)
	copy(r.value[headerBytes+sequenceBytes:], link[:])
	copy(r.place[headerBytes:], link[:])
	b.put(record{key: r.key, value: r.value})
	b.put(record{key: placeKey(r.logged.Sequence), value: r.place})
}

// Append implements [storage.Store]. Records share transactions, and so syncs, with the
// commits that wait.
func (s *Store) Append(ctx context.Context, records []storage.Record) error {
	if err := storage.ValidateRecords(records); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	if err := s.usable(ctx); err != nil {
		return err
	}
	prepared, err := prepareLog(records)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	for len(prepared) > 0 {
		r := &request{ctx: ctx, footprint: new(storage.Footprint), done: make(chan answer, 1)}
		for len(prepared) > 0 && r.count+2 <= s.maxCount && r.bytes < s.maxBytes/2 { // each is far smaller than the other half
			r.log = append(r.log, prepared[0])
			r.append(prepared[0])
			prepared = prepared[1:]
		}
		if _, err := s.submit(r); err != nil {
			return fmt.Errorf("append: %w", err)
		}
	}
	return nil
}

// encodeLogState puts the state of the log into the record about the database.
func encodeLogState(l storage.LogState, m *storagev1.Meta) {
	m.LogSequence, m.LogLink = l.Head.Sequence, l.Head.Link[:]
	m.TrimmedSequence, m.TrimmedLink, m.TrimmedRevision = l.Trimmed.Sequence, l.Trimmed.Link[:], uint64(l.TrimmedRevision)
	if !l.TrimmedAt.IsZero() {
		m.TrimmedAt = l.TrimmedAt.UnixNano()
	}
	m.LogBytes = l.Bytes
}

func decodeLogState(m *storagev1.Meta) storage.LogState {
	l := storage.LogState{
		Head: storage.Position{Sequence: m.GetLogSequence()}, Trimmed: storage.Position{Sequence: m.GetTrimmedSequence()},
		TrimmedRevision: plimsoll.Revision(m.GetTrimmedRevision()), Bytes: m.GetLogBytes(),
	}
	copy(l.Head.Link[:], m.GetLogLink())
	copy(l.Trimmed.Link[:], m.GetTrimmedLink())
	if at := m.GetTrimmedAt(); at != 0 {
		l.TrimmedAt = time.Unix(0, at).UTC()
	}
	return l
}

// place is a place in the log as it is stored.
type place struct {
	storage.Logged // without its value
	bytes          uint64
}

// parsePlaceRecord reads a place. What was not written just like that is corrupted.
func parsePlaceRecord(key, value []byte) (*place, error) {
	revision, content, err := openRecord(key, value)
	if err != nil {
		return nil, err
	}
	if len(key) != 1+sequenceBytes || key[0] != kindPlace || len(content) < linkBytes {
		return nil, corrupted(key, "it is not a place in the log")
	}
	var m storagev1.LogPlace
	if err := proto.Unmarshal(content[linkBytes:], &m); err != nil {
		return nil, corrupted(key, "%v", err)
	}
	again, err := proto.MarshalOptions{Deterministic: true}.Marshal(&m)
	if err != nil || len(m.GetDigest()) != sha256.Size || !bytes.Equal(again, content[linkBytes:]) || len(m.ProtoReflect().GetUnknown()) > 0 {
		return nil, corrupted(key, "it is not as it would be written")
	}
	p := &place{bytes: m.GetBytes()}
	p.EntryKey = plimsoll.EntryKey{Kind: plimsoll.EntryKind(m.GetKind()), Key: string(m.GetKey())}
	p.Time, p.Revision, p.Sequence = time.Unix(0, m.GetTime()).UTC(), revision, binary.BigEndian.Uint64(key[1:])
	copy(p.Link[:], content)
	copy(p.Digest[:], m.GetDigest())
	return p, nil
}

// content is a record of the log as it is stored under its own key.
type content struct {
	storage.Logged
	bytes uint64 // that it and its place should take
}

// errMoved says that a record of the log is under a key that is not its own.
var errMoved = errors.New("it is of another sequence than its key says")

// parseLogRecord reads a record of the log of a kind.
func parseLogRecord(kind plimsoll.EntryKind, key, value []byte) (*content, error) {
	own, sequence, ok := splitSequence(key[len(recordPrefix(kind)):])
	if !ok {
		return nil, corrupted(key, "the key is not one of a record of the log")
	}
	revision, stored, err := openRecord(key, value)
	if err != nil {
		return nil, err
	}
	if len(stored) < recordRoom {
		return nil, corrupted(key, "it is cut short")
	}
	if binary.BigEndian.Uint64(stored) != sequence {
		return nil, fmt.Errorf("%w: %w", corrupted(key, "it is of sequence %d", binary.BigEndian.Uint64(stored)), errMoved)
	}
	e := &content{bytes: logBytes(kind, key, value)}
	e.EntryKey = plimsoll.EntryKey{Kind: kind, Key: string(own)}
	e.Sequence, e.Revision = sequence, revision
	copy(e.Link[:], stored[sequenceBytes:])
	stored = stored[recordRoom:]
	e.Digest = sha256.Sum256(stored)
	var m storagev1.LogRecord
	if err := proto.Unmarshal(stored, &m); err != nil {
		return nil, corrupted(key, "%v", err)
	}
	e.Time = time.Unix(0, m.GetTime()).UTC()
	if e.Value, err = decompress(m.GetValue(), m.GetCompression(), m.GetSize()); err != nil {
		return nil, corrupted(key, "%v", err)
	}
	return e, nil
}

// checkHead compares what the database says of its log with the log's latest record: they
// were written together.
func (s *Store) checkHead() error {
	snap := s.acquire()
	defer s.give(snap)
	head, err := snap.head()
	if err != nil {
		return err
	}
	if head == nil {
		head = &place{Logged: storage.Logged{Sequence: snap.log.Trimmed.Sequence, Link: snap.log.Trimmed.Link}}
	}
	if head.Position() != snap.log.Head {
		return corrupted(metaKey, "it says that the log has %d records, and the latest one is %d, or another", snap.log.Head.Sequence, head.Sequence)
	}
	return nil
}

// head reads the place of the latest record; nil if none is kept.
func (s *snapshot) head() (*place, error) {
	it := s.txn.NewIterator(badger.IteratorOptions{Reverse: true, Prefix: []byte{kindPlace}})
	defer it.Close()
	if it.Seek(placeKey(math.MaxUint64)); !it.Valid() {
		return nil, nil
	}
	var p *place
	err := it.Item().Value(func(value []byte) (err error) {
		p, err = parsePlaceRecord(it.Item().Key(), value)
		return err
	})
	return p, err
}

// content reads the record at a place; nil if there is none.
func (s *snapshot) content(p *place) (c *content, err error) {
	key := recordKey(p.EntryKey, p.Sequence)
	err = s.get(key, func(value []byte) (err error) {
		c, err = parseLogRecord(p.Kind, key, value)
		return err
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	return c, err
}
