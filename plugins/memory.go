package plugins

import "github.com/tetratelabs/wazero/experimental"

// linearMemory backs the memory of one instance. It bounds the memory, and it can
// do what wasm cannot: give memory back, so that an instance is after each call
// as large as it was before.
//
// wazero takes the length of a memory from what the allocator returns. So a shrink
// is asked for as a growth by one page, which Reallocate answers with less. The
// caller checks that it came to pass, and drops the instance otherwise.
type linearMemory struct {
	limit uint64 // in bytes; what wasm may grow to
	buf   []byte // all that wasm sees; what is after it, up to its capacity, is zero
	// shrinkTo makes the next Reallocate a shrink, if it is not 0.
	shrinkTo uint64
}

var _ experimental.LinearMemory = (*linearMemory)(nil)

// Allocate implements experimental.MemoryAllocator, for the one memory that a
// validator has.
func (m *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements experimental.LinearMemory.
func (m *linearMemory) Reallocate(size uint64) []byte {
	switch {
	case m.shrinkTo != 0:
		clear(m.buf[m.shrinkTo:])
		m.buf = m.buf[:m.shrinkTo]
		m.shrinkTo = 0
	case size > m.limit:
		return nil
	case size <= uint64(cap(m.buf)):
		m.buf = m.buf[:size]
	default:
		// Doubling keeps the cost of growing page by page linear.
		grown := make([]byte, size, min(m.limit, max(size, 2*uint64(cap(m.buf)))))
		copy(grown, m.buf)
		m.buf = grown
	}
	return m.buf
}

// Free implements experimental.LinearMemory.
func (m *linearMemory) Free() { m.buf = nil }
