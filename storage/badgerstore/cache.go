package badgerstore

import (
	"hash/maphash"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/plimsoll-project/plimsoll"
)

// cache keeps containers that are read again and again, decoded: to read a payload
// takes a search in the tree, a checksum, decompressing and decoding, each time anew.
//
// It has only what is the latest state of a container, so an entry holds for every
// snapshot from the entry's own revision on. Commits replace what they write before
// anybody gets a snapshot of it. What a reader found in an older snapshot may have been
// written since: it is taken only if it was not.
//
// A container comes in when it is read for the second time, and commits only replace what
// is in: to keep what nobody asks for again costs more, in garbage collection, than
// reading it.
//
// It is safe for concurrent use. What is in it is never changed.
type cache struct {
	mu           sync.Mutex
	seed         maphash.Seed
	bytes, limit int64
	entries      *simplelru.LRU[plimsoll.Key, *metadata]
	// written is the revision of the last write to any of the keys with a hash.
	written [1 << 12]plimsoll.Revision
	// missed is the hash of the key that was last looked for in vain, by slot.
	missed [1 << 12]uint64
}

// maxCached bounds the number of entries; their bytes do before, mostly.
const maxCached = 1 << 20

func newCache(limit int64) (*cache, error) {
	c := &cache{seed: maphash.MakeSeed(), limit: limit}
	var err error
	c.entries, err = simplelru.NewLRU(maxCached, func(key plimsoll.Key, m *metadata) { c.bytes -= cachedBytes(key, m) })
	return c, err
}

// get returns what a snapshot of revision at has of a container, nil if that is not
// known.
func (c *cache) get(key plimsoll.Key, at plimsoll.Revision) *metadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := c.entries.Get(key); ok && m.container.Revision <= at {
		return m
	}
	return nil
}

// add takes what was read from a snapshot of revision at.
func (c *cache) add(key plimsoll.Key, at plimsoll.Revision, m *metadata) {
	c.mu.Lock()
	defer c.mu.Unlock()
	hash := maphash.Comparable(c.seed, key)
	slot := hash % uint64(len(c.written))
	switch {
	case c.written[slot] > at:
	case c.missed[slot] == hash, c.entries.Contains(key):
		c.put(key, m)
	default:
		c.missed[slot] = hash
	}
}

// commit takes what is written at a revision, before there is a snapshot of it; nil if
// the container is gone or is not to be kept.
func (c *cache) commit(key plimsoll.Key, revision plimsoll.Revision, m *metadata) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written[maphash.Comparable(c.seed, key)%uint64(len(c.written))] = revision
	c.put(key, m)
}

// put replaces an entry. One that would push out very many others is not kept.
func (c *cache) put(key plimsoll.Key, m *metadata) {
	c.entries.Remove(key)
	if m == nil || cachedBytes(key, m) > c.limit/8 {
		return
	}
	c.entries.Add(key, m)
	c.bytes += cachedBytes(key, m)
	for c.bytes > c.limit {
		c.entries.RemoveOldest()
	}
}

// cachedBytes is about what an entry takes.
func cachedBytes(key plimsoll.Key, m *metadata) int64 {
	const perEntry, perPair = 1024, 64
	size := perEntry + len(key.Namespace) + len(key.ID)
	for name, value := range m.container.Labels {
		size += perPair + len(name) + len(value)
	}
	if c := m.complete; c != nil {
		size += len(m.stored) + len(c.Spec.Value) + len(c.Runtime.Options.Value)
		for name, ext := range c.Extensions {
			size += 2*perPair + len(name) + len(ext.TypeURL) + len(ext.Value)
		}
	}
	return int64(size)
}

// lookup returns a container as of a snapshot, nil if there is none. It must be called
// in Store.read. The result must not be changed, and
// so be cloned for callers. Its complete is set if asked for.
func (s *Store) lookup(snap *snapshot, key plimsoll.Key, withPayloads bool) (*metadata, error) {
	m := s.cache.get(key, snap.revision)
	if m != nil && (m.complete != nil || !withPayloads) {
		return m, nil
	}
	var err error
	if m == nil {
		if m, err = snap.metadata(key); m == nil || err != nil {
			return nil, err
		}
	}
	if withPayloads {
		if m, err = snap.complete(key, m); err != nil {
			return nil, err
		}
	}
	s.cache.add(key, snap.revision, m)
	return m, nil
}
