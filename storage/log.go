package storage

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plimsoll-project/plimsoll"
)

// Record is something to be kept in the log, such as a decision. It never changes.
type Record struct {
	// EntryKey is what it is found by: see [View.Record]. Within a kind, each record should
	// have a key of its own; if several have the same, all of them are kept. A key has no
	// zero bytes.
	plimsoll.EntryKey
	// Time is when it came about: what its age counts from. Required.
	Time time.Time
	// Value is known to whoever wrote it.
	Value []byte
}

// Logged is a record in the log.
type Logged struct {
	Record
	// Sequence is its number: from 1, without gaps, over all kinds.
	Sequence uint64
	// Revision is that of the commit that it came with, or else that of the store at that
	// time.
	Revision plimsoll.Revision
	// Digest is the SHA-256 of the value in the form in which the store keeps it, which may
	// be compressed: so nothing of what is kept can be altered.
	Digest [sha256.Size]byte
	// Link chains it to the record before: see [NextLink].
	Link Link
}

// Position is where e is in the log.
func (e *Logged) Position() Position { return Position{e.Sequence, e.Link} }

// Clone returns a copy that shares nothing with e.
func (e *Logged) Clone() *Logged {
	d := *e
	d.Value = append([]byte(nil), e.Value...)
	return &d
}

// Link is a link of the chain that the log is: the hash of a record and of the link before
// it. Whoever knows one knows that no record up to it was altered, removed or reordered
// since. The link before the first record is all zeros.
type Link [sha256.Size]byte

// String returns l in hexadecimal.
func (l Link) String() string { return hex.EncodeToString(l[:]) }

// ParseLink reads what String returns.
func ParseLink(text string) (l Link, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(l) {
		return Link{}, fmt.Errorf("a link has %d hexadecimal digits", 2*len(l))
	}
	copy(l[:], b)
	return l, nil
}

// linkDomain is what the hashed text of a link starts with: no other hash is of such text.
const linkDomain = "plimsoll log 1\n"

// NextLink returns the link of a record, given the one before it. That is the SHA-256 of
//
//	"plimsoll log 1\n"     15 bytes
//	the link before        32 bytes
//	sequence               8 bytes, big endian, as are all integers here
//	revision               8 bytes
//	time                   8 bytes: nanoseconds since 1970, UTC
//	length of the kind     4 bytes
//	kind
//	length of the key      4 bytes
//	key
//	digest of the value    32 bytes
//
// The Value and the Link of e are not looked at.
func NextLink(before Link, e *Logged) Link {
	b := make([]byte, 0, 256)
	b = append(b, linkDomain...)
	b = append(b, before[:]...)
	b = binary.BigEndian.AppendUint64(b, e.Sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Revision))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixNano())) //nolint:gosec // its bits
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Kind)))       //nolint:gosec // bounded: see ValidateRecords
	b = append(b, e.Kind...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Key))) //nolint:gosec // likewise
	b = append(b, e.Key...)
	b = append(b, e.Digest[:]...)
	return sha256.Sum256(b)
}

// Position is a place in the log: after the record with that sequence, which has that link.
// The zero value is the place before the first record.
type Position struct {
	Sequence uint64
	Link     Link
}

// Check reports, as a [LogError], if e does not come right after p.
func (p Position) Check(e *Logged) error {
	switch {
	case e.Sequence > p.Sequence+1:
		return &LogError{p.Sequence + 1, Removed, "the record is missing"}
	case e.Sequence != p.Sequence+1:
		return &LogError{p.Sequence + 1, Reordered, fmt.Sprintf("the record here is %d", e.Sequence)}
	case NextLink(p.Link, e) != e.Link:
		return &LogError{e.Sequence, Altered, "its link is not that of the record and of the link before"}
	}
	return nil
}

// LogState says how far the log goes.
type LogState struct {
	// Head is the place after the latest record.
	Head Position
	// Trimmed is the place after the latest record that is not kept any more: those that
	// are follow on it. Its sequence is how many were trimmed.
	Trimmed Position
	// TrimmedRevision is the revision of that record: those that are kept have that one at
	// least.
	TrimmedRevision plimsoll.Revision
	// TrimmedAt is when records were last trimmed; zero if never.
	TrimmedAt time.Time
	// Bytes is about what the records that are kept take in the store.
	Bytes uint64
}

// Kept is how many records are kept.
func (s LogState) Kept() uint64 { return s.Head.Sequence - s.Trimmed.Sequence }

// Retention says what of the log is to be kept.
type Retention struct {
	// Since, if set, lets go of records that are older.
	Since time.Time
	// Bytes, if not 0, lets go of the oldest records, until no more than that is left.
	Bytes uint64
}

// Keeps reports whether a record of that time is to be kept, if records that take bytes
// are left with it.
func (r Retention) Keeps(at time.Time, bytes uint64) bool {
	return !at.Before(r.Since) && (r.Bytes == 0 || bytes <= r.Bytes)
}

// Breakage is in which way a log is broken.
type Breakage string

// The ways in which a log can be broken.
const (
	// Altered: a record is not what was appended.
	Altered Breakage = "altered"
	// Removed: a record is missing, and later ones are there.
	Removed Breakage = "removed"
	// Reordered: a record is where another one was.
	Reordered Breakage = "reordered"
	// Inserted: there is a record that was never appended.
	Inserted Breakage = "inserted"
	// CutOff: the latest records are missing.
	CutOff Breakage = "cut off"
)

// ErrLogBroken says that the log is not what was appended: see [LogError].
var ErrLogBroken = errors.New("the log is broken")

// LogError says where and how a log is broken. It is an [ErrLogBroken].
type LogError struct {
	// Sequence is that of the first record that is not what it was.
	Sequence uint64
	Breakage Breakage
	// Problem says what was found. It has nothing of what is stored but names.
	Problem string
}

// Error implements error.
func (e *LogError) Error() string {
	return fmt.Sprintf("the log is broken at record %d (%s): %s", e.Sequence, e.Breakage, e.Problem)
}

// Unwrap makes a LogError an [ErrLogBroken].
func (e *LogError) Unwrap() error { return ErrLogBroken }

// maxRecordName bounds the kind and the key of a record, together.
const maxRecordName = 4 << 10

// MaxRecordBytes bounds the value of a record.
const MaxRecordBytes = 1<<20 - 1<<10

// times that can be told in nanoseconds since 1970.
var (
	firstRecordTime = time.Unix(0, 0)
	lastRecordTime  = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

// ValidateRecords reports what is wrong with the form of records.
func ValidateRecords(records []Record) error {
	for i, r := range records {
		switch {
		case r.Kind == "":
			return fmt.Errorf("record %d must have a kind", i)
		case strings.ContainsRune(r.Key, 0):
			return fmt.Errorf("record %d has a key with a zero byte", i)
		case len(r.Kind)+len(r.Key) > maxRecordName:
			return fmt.Errorf("record %d has a kind and a key of %d bytes, and %d are possible", i, len(r.Kind)+len(r.Key), maxRecordName)
		case len(r.Value) > MaxRecordBytes:
			return fmt.Errorf("record %d has %d bytes, and %d are possible", i, len(r.Value), MaxRecordBytes)
		case r.Time.Before(firstRecordTime) || r.Time.After(lastRecordTime):
			return fmt.Errorf("record %d must have a time", i)
		}
	}
	return nil
}
