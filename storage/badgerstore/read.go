package badgerstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
)

// The methods of snapshot in this file must be called in Store.read.

// metadata is a metadata record: a container without payloads, and how many there
// are of these.
type metadata struct {
	container   *plimsoll.Container
	chunks      uint32
	bytes       uint64 // in all chunks
	compression storagev1.Compression
	size        uint64 // of the payloads, not compressed
	// complete is the container with its payloads; nil if they were not read.
	complete *plimsoll.Container
	// stored is the payloads of complete as they are stored.
	stored []byte
}

func newMetadata(c *plimsoll.Container, m *storagev1.Container) *metadata {
	return &metadata{
		container: c, chunks: m.GetPayloadChunks(), bytes: m.GetPayloadBytes(),
		compression: m.GetPayloadCompression(), size: m.GetPayloadSize(),
	}
}

// orNil returns the container, nil if m is nil.
func (m *metadata) orNil() *plimsoll.Container {
	if m == nil {
		return nil
	}
	return m.container
}

// metadata reads the metadata of a container, nil if there is none.
func (s *snapshot) metadata(key plimsoll.Key) (*metadata, error) {
	var m *metadata
	k := metadataKey(key)
	err := s.get(k, func(value []byte) (err error) {
		m, err = parseMetadata(k, key.ID, value)
		return err
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	return m, err
}

func parseMetadata(key []byte, id string, value []byte) (*metadata, error) {
	var m storagev1.Container
	revision, err := decodeRecord(key, value, &m)
	if err != nil {
		return nil, err
	}
	return newMetadata(decodeMetadata(id, revision, &m), &m), nil
}

// complete returns m with its payloads.
func (s *snapshot) complete(key plimsoll.Key, m *metadata) (*metadata, error) {
	full := *m
	full.container = m.container.Clone()
	if err := s.addPayloads(key, &full); err != nil {
		return nil, err
	}
	full.container, full.complete = m.container, full.container
	return &full, nil
}

// addPayloads completes a container that was read from s. The chunks must be those
// that were written with the metadata.
func (s *snapshot) addPayloads(key plimsoll.Key, m *metadata) error {
	if m.chunks == 0 {
		return nil
	}
	encoded := make([]byte, 0, min(m.bytes, uint64(m.chunks)*chunkBytes))
	for chunk := range m.chunks {
		k := payloadKey(key, chunk)
		err := s.get(k, func(value []byte) error {
			revision, content, err := openRecord(k, value)
			if err == nil && revision != m.container.Revision {
				err = corrupted(k, "it is of revision %d, and its metadata of %d", revision, m.container.Revision)
			}
			encoded = append(encoded, content...)
			return err
		})
		if errors.Is(err, badger.ErrKeyNotFound) {
			return corrupted(k, "it is missing")
		}
		if err != nil {
			return err
		}
	}
	if uint64(len(encoded)) != m.bytes {
		return corrupted(metadataKey(key), "it says %d bytes of payloads, and there are %d", m.bytes, len(encoded))
	}
	m.stored = encoded
	encoded, err := decompress(encoded, m.compression, m.size)
	if err == nil {
		err = addPayloads(m.container, encoded)
	}
	if err != nil {
		return corrupted(payloadKey(key, 0), "%v", err)
	}
	return nil
}

// entry reads an entry, nil if there is none or it has expired.
func (s *snapshot) entry(key plimsoll.EntryKey, now time.Time) (e *plimsoll.Entry, err error) {
	item, err := s.txn.Get(entryKey(key))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the database: %w", err)
	}
	if e, err = parseEntry(key, item); err != nil || e.Expired(now) {
		return nil, err
	}
	return e, nil
}

func parseEntry(key plimsoll.EntryKey, item *badger.Item) (*plimsoll.Entry, error) {
	var (
		m        storagev1.Entry
		revision plimsoll.Revision
	)
	err := item.Value(func(value []byte) (err error) {
		revision, err = decodeRecord(item.Key(), value, &m)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &plimsoll.Entry{EntryKey: key, Value: m.GetValue(), ExpiresAt: decodeTime(m.GetExpiresAt()), Revision: revision}, nil
}

// get calls use with the value under key, which is valid only meanwhile.
func (s *snapshot) get(key []byte, use func(value []byte) error) error {
	item, err := s.txn.Get(key)
	if err == nil {
		err = item.Value(use)
	}
	switch {
	case err == nil, errors.Is(err, badger.ErrKeyNotFound), errors.Is(err, ErrCorrupted):
		return err
	}
	return fmt.Errorf("reading the database: %w", err)
}

// page calls visit for the entries from start on, as long as their keys have the
// prefix and visit returns true. Key and value are valid only during the call.
func (s *snapshot) page(prefix, start []byte, visit func(key []byte, item *badger.Item) (bool, error)) error {
	it := s.txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	for it.Seek(start); it.Valid(); it.Next() {
		more, err := visit(it.Item().Key(), it.Item())
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// after returns the first key that is greater than key.
func after(key []byte) []byte { return append(key[:len(key):len(key)], 0) }
