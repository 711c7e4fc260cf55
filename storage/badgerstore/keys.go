package badgerstore

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// The first byte of each kind of key: see the package documentation.
const (
	kindMetadata = 'm'
	kindPayload  = 'p'
	kindIndex    = 'i'
	kindEvent    = 'e'
	kindHistory  = 'h'
	kindEntry    = 'n'
	kindRecord   = 'd'
	kindPlace    = 'l'
	kindMeta     = 'r'
)

var metaKey = []byte{kindMeta}

// maxNameBytes bounds a namespace and ID together: Badger's keys end at 65,000
// bytes, and identifiers that are any use are far below.
const maxNameBytes = 16 << 10

func appendLen(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// namespacePrefix is what the metadata keys of a namespace start with; the rest is
// the ID, so that they sort by it.
func namespacePrefix(namespace string) []byte {
	return appendLen([]byte{kindMetadata}, namespace)
}

func metadataKey(key plimsoll.Key) []byte {
	return append(namespacePrefix(key.Namespace), key.ID...)
}

func payloadKey(key plimsoll.Key, chunk uint32) []byte {
	b := appendLen([]byte{kindPayload}, key.Namespace)
	b = appendLen(b, key.ID)
	return binary.BigEndian.AppendUint32(b, chunk)
}

const termBytes = 16

// termPrefix is what the index keys of a term start with; the rest is the ID.
func termPrefix(namespace string, term storage.Term) []byte {
	hash := sha256.Sum256(append(appendLen(nil, term.Field), term.Value...))
	return append(appendLen([]byte{kindIndex}, namespace), hash[:termBytes]...)
}

func indexKey(key plimsoll.Key, term storage.Term) []byte {
	return append(termPrefix(key.Namespace, term), key.ID...)
}

// entryPrefix is what the keys of a kind of entries start with; the rest is the
// entry's own key, so that they sort by it.
func entryPrefix(kind plimsoll.EntryKind) []byte {
	return appendLen([]byte{kindEntry}, string(kind))
}

func entryKey(key plimsoll.EntryKey) []byte {
	return append(entryPrefix(key.Kind), key.Key...)
}

// recordPrefix is what the keys of a kind of records of the log start with; the rest is the
// record's own key, so that they sort by it, and its sequence.
func recordPrefix(kind plimsoll.EntryKind) []byte {
	return appendLen([]byte{kindRecord}, string(kind))
}

const sequenceBytes = 8

func recordKey(key plimsoll.EntryKey, sequence uint64) []byte {
	b := append(recordPrefix(key.Kind), key.Key...)
	return binary.BigEndian.AppendUint64(b, sequence)
}

// splitSequence takes the sequence off the end of the key of a record.
func splitSequence(key []byte) (rest []byte, sequence uint64, ok bool) {
	n := len(key) - sequenceBytes
	if n < 0 {
		return nil, 0, false
	}
	return key[:n], binary.BigEndian.Uint64(key[n:]), true
}

// placeKey is the key of a place in the log.
func placeKey(sequence uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindPlace}, sequence)
}

// historyPrefix is what the history keys of a container start with; the rest is the
// place of an event.
func historyPrefix(key plimsoll.Key) []byte {
	b := appendLen([]byte{kindHistory}, key.Namespace)
	return appendLen(b, key.ID)
}

func historyKey(key plimsoll.Key, place eventPlace) []byte {
	return place.appendTo(historyPrefix(key))
}

// splitName takes a namespace off an encoded key after its first byte.
func splitName(b []byte) (name string, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, false
	}
	b = b[size:]
	return string(b[:n]), b[n:], true
}

// eventPlace is where an event is in the history: revisions from 1, writes of one
// commit from 0.
type eventPlace struct {
	revision plimsoll.Revision
	seq      uint32
}

// placeBytes is the length of an encoded place.
const placeBytes = 12

func (p eventPlace) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(p.revision))
	return binary.BigEndian.AppendUint32(b, p.seq)
}

func (p eventPlace) key() []byte { return p.appendTo([]byte{kindEvent}) }

func parsePlace(b []byte) (eventPlace, bool) {
	if len(b) != placeBytes {
		return eventPlace{}, false
	}
	return eventPlace{
		revision: plimsoll.Revision(binary.BigEndian.Uint64(b)),
		seq:      binary.BigEndian.Uint32(b[8:]),
	}, true
}

func parseEventKey(b []byte) (eventPlace, bool) {
	if len(b) == 0 || b[0] != kindEvent {
		return eventPlace{}, false
	}
	return parsePlace(b[1:])
}

// before reports whether p comes before q.
func (p eventPlace) before(q eventPlace) bool {
	return p.revision < q.revision || p.revision == q.revision && p.seq < q.seq
}

// endOf is the place after all events of a revision.
func endOf(revision plimsoll.Revision) eventPlace { return eventPlace{revision, math.MaxUint32} }

// isEnd reports whether p is the end of its revision.
func (p eventPlace) isEnd() bool { return p.seq == math.MaxUint32 }

// follows reports whether p comes right after last: nothing is missing in between. A
// commit must have been read to its end before the next one follows.
func (p eventPlace) follows(last eventPlace) bool {
	if last.isEnd() {
		return p == eventPlace{last.revision + 1, 0}
	}
	return p == eventPlace{last.revision, last.seq + 1}
}
