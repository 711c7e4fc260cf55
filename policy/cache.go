package policy

import (
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// ruleCache keeps what rules and functions were evaluated to, for the length of one
// evaluation. OPA's own is a tree with maps at every node, built anew each time; this
// is one table per frame, whose memory is reused.
type ruleCache struct {
	frames []cacheFrame
	depth  int // of the active frame; those above are spare
}

// cacheFrame is what holds at one level of nested with keywords.
type cacheFrame struct {
	entries []cacheEntry
	newest  map[int]int // by hash: the position, from 1, of the last entry
	terms   []*ast.Term // of all keys, one after the other
}

type cacheEntry struct {
	from, to  int // the key, in terms
	value     *ast.Term
	undefined bool
	next      int // the position of an older entry with the same hash; 0 if there is none
}

var _ topdown.VirtualCache = (*ruleCache)(nil)

var ruleCaches = sync.Pool{New: func() any { return &ruleCache{frames: []cacheFrame{newCacheFrame()}} }}

func newCacheFrame() cacheFrame {
	return cacheFrame{newest: map[int]int{}}
}

// maxReused bounds the entries of a frame whose memory is reused, so that one large
// evaluation is not paid for ever after.
const maxReused = 1024

// release empties c and keeps its memory for others.
func (c *ruleCache) release() {
	c.reset()
	ruleCaches.Put(c)
}

// reset drops everything: values may be of the input.
func (c *ruleCache) reset() {
	for i := range c.frames {
		c.frames[i].reset()
	}
	c.depth = 0
}

func (f *cacheFrame) reset() {
	if len(f.entries) > maxReused {
		*f = newCacheFrame()
		return
	}
	clear(f.entries)
	clear(f.terms)
	clear(f.newest)
	f.entries, f.terms = f.entries[:0], f.terms[:0]
}

func (f *cacheFrame) find(hash int, ref ast.Ref) *cacheEntry {
	for at := f.newest[hash]; at != 0; at = f.entries[at-1].next {
		if e := &f.entries[at-1]; f.key(e).Equal(ref) {
			return e
		}
	}
	return nil
}

func (f *cacheFrame) key(e *cacheEntry) ast.Ref { return f.terms[e.from:e.to] }

// Push begins a frame with nothing in it.
func (c *ruleCache) Push() {
	c.depth++
	if c.depth == len(c.frames) {
		c.frames = append(c.frames, newCacheFrame())
	}
}

// Pop drops the active frame.
func (c *ruleCache) Pop() {
	c.frames[c.depth].reset()
	c.depth--
}

// Get returns the value of ref, or whether it is known to have none.
func (c *ruleCache) Get(ref ast.Ref) (value *ast.Term, undefined bool) {
	e := c.frames[c.depth].find(ref.Hash(), ref)
	switch {
	case e == nil:
		return nil, false
	case e.undefined:
		return nil, true
	}
	return e.value, false
}

// Put keeps the value of ref, or with nil that it has none. It does not keep ref,
// which OPA writes over.
func (c *ruleCache) Put(ref ast.Ref, value *ast.Term) {
	f := &c.frames[c.depth]
	hash := ref.Hash()
	e := f.find(hash, ref)
	if e == nil {
		from := len(f.terms)
		f.terms = append(f.terms, ref...)
		f.entries = append(f.entries, cacheEntry{from: from, to: len(f.terms), next: f.newest[hash]})
		f.newest[hash] = len(f.entries)
		e = &f.entries[len(f.entries)-1]
	}
	if value != nil {
		e.value = value
	} else {
		e.undefined = true
	}
}

// Keys returns the references that have a value in the active frame.
func (c *ruleCache) Keys() []ast.Ref {
	f := &c.frames[c.depth]
	var keys []ast.Ref
	for i := range f.entries {
		if e := &f.entries[i]; e.value != nil {
			keys = append(keys, append(ast.Ref(nil), f.key(e)...))
		}
	}
	return keys
}
