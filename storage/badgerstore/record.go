package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
)

// Format is the version of the data directory and of all its records.
const Format = 2

// ErrCorrupted says that stored data is not what was written. The data directory
// needs to be restored from a backup.
var ErrCorrupted = errors.New("the database is damaged")

// headerBytes is the length of a record before its content.
const headerBytes = 13

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newRecord encodes m and leaves room for the header, which seal fills in.
func newRecord(m proto.Message) ([]byte, error) {
	record := make([]byte, headerBytes, headerBytes+proto.Size(m))
	return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(record, m)
}

// seal fills in the header of record, which is about to be written under key.
func seal(record, key []byte, revision plimsoll.Revision) {
	record[0] = Format
	binary.BigEndian.PutUint64(record[5:], uint64(revision))
	binary.BigEndian.PutUint32(record[1:], checksum(key, record))
}

func checksum(key, record []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, record[5:])
}

// openRecord checks a record that was read under key and returns its revision and
// content, which is part of record.
func openRecord(key, record []byte) (plimsoll.Revision, []byte, error) {
	switch {
	case len(record) < headerBytes:
		return 0, nil, corrupted(key, "it is cut short, at %d bytes", len(record))
	case record[0] != Format:
		return 0, nil, corrupted(key, "its format is %d and not %d", record[0], Format)
	case binary.BigEndian.Uint32(record[1:]) != checksum(key, record):
		return 0, nil, corrupted(key, "its checksum does not match")
	}
	return plimsoll.Revision(binary.BigEndian.Uint64(record[5:])), record[headerBytes:], nil
}

// decodeRecord checks a record and decodes its content into m.
func decodeRecord(key, record []byte, m proto.Message) (plimsoll.Revision, error) {
	revision, content, err := openRecord(key, record)
	if err != nil {
		return 0, err
	}
	if err := proto.Unmarshal(content, m); err != nil {
		return 0, corrupted(key, "%v", err)
	}
	return revision, nil
}

// corrupted says what is wrong with the record under key. Keys hold names and
// hashes, never label values.
func corrupted(key []byte, format string, args ...any) error {
	return fmt.Errorf("%w: record %q: %s", ErrCorrupted, key, fmt.Sprintf(format, args...))
}
