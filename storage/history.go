package storage

import (
	"hash/maphash"
	"slices"

	"github.com/plimsoll-project/plimsoll"
)

// historySize bounds the memory of a History, to some twenty megabytes. A view
// that is older than that many writes cannot be checked any more and conflicts; at
// ten thousand writes a second that is after six seconds, longer than a mutation
// may take to be judged.
const historySize = 1 << 16

// maxTouchTerms bounds what is remembered of one write. A container with more
// index terms than that counts as touching every term of its namespace.
const maxTouchTerms = 64

// History remembers the latest writes, so that a commit can be checked against
// everything committed since its view was opened. Checking a footprint against
// writes, rather than each key against the database, costs no reads and covers
// ranges: this is backward validation in optimistic concurrency control (Kung and
// Robinson, "On Optimistic Methods for Concurrency Control", 1981).
//
// It may report a conflict where there is none, with the probability that two
// 64-bit hashes collide; it never misses one.
//
// It is not safe for concurrent use: it belongs to whoever orders commits.
type History struct {
	seed    maphash.Seed
	size    int               // how many touches are kept
	floor   plimsoll.Revision // writes up to here are forgotten
	touches []touch           // a ring, oldest at next once full
	next    int
}

// touch is what one write affected: a key, and the index terms that the container
// had before or has after. Terms are kept as hashes, because label values are
// chosen by callers and may be long.
type touch struct {
	revision plimsoll.Revision
	key      plimsoll.Key
	terms    []uint64
	anyTerm  bool // too many terms to keep
}

// NewHistory returns a History of a store that is at revision.
func NewHistory(revision plimsoll.Revision) *History {
	return &History{seed: maphash.MakeSeed(), size: historySize, floor: revision}
}

// Record remembers a write: before and after are the container's states, nil if
// there is none. Revisions must not decrease.
func (h *History) Record(revision plimsoll.Revision, key plimsoll.Key, before, after *plimsoll.Container) {
	t := touch{revision: revision, key: key}
	if terms := append(Terms(before), Terms(after)...); len(terms) > 2*maxTouchTerms {
		t.anyTerm = true
	} else {
		t.terms = make([]uint64, len(terms))
		for i, term := range terms {
			t.terms[i] = maphash.Comparable(h.seed, term)
		}
		slices.Sort(t.terms)
		t.terms = slices.Compact(t.terms) // an update keeps most of its terms
	}

	if len(h.touches) < h.size {
		h.touches = append(h.touches, t)
		return
	}
	h.floor = h.touches[h.next].revision
	h.touches[h.next] = t
	h.next = (h.next + 1) % h.size
}

// Conflicts reports whether anything in f, read at revision, or any of the keys in
// written was written since, or may have been.
func (h *History) Conflicts(f *Footprint, revision plimsoll.Revision, written ...plimsoll.Key) bool {
	if revision < h.floor {
		return true
	}
	// Newest first: the writes since a view are few.
	var reads *hashedFootprint
	for i := range h.touches {
		t := &h.touches[(h.next-1-i+2*len(h.touches))%len(h.touches)]
		if t.revision <= revision {
			return false
		}
		if reads == nil { // most often there is nothing newer, and nothing to hash
			reads = h.hash(f, written)
		}
		if reads.touchedBy(t) {
			return true
		}
	}
	return false
}

// hashedFootprint is a footprint whose ranges can be compared with touches. What a caller
// makes rules read may be many ranges, and what a write touches is little: so the ranges
// are looked up, and never walked through.
type hashedFootprint struct {
	keys    map[plimsoll.Key]struct{}
	written map[plimsoll.Key]struct{}
	whole   map[string]struct{}      // namespaces that were scanned
	some    map[string]struct{}      // namespaces of which an index was
	terms   map[hashedRange]struct{} // what of those
}

type hashedRange struct {
	namespace string
	term      uint64
}

func (h *History) hash(f *Footprint, written []plimsoll.Key) *hashedFootprint {
	hf := &hashedFootprint{
		keys: f.keys, written: make(map[plimsoll.Key]struct{}, len(written)),
		whole: map[string]struct{}{}, some: map[string]struct{}{}, terms: make(map[hashedRange]struct{}, len(f.ranges)),
	}
	for _, key := range written {
		hf.written[key] = struct{}{}
	}
	for r := range f.ranges {
		if !r.indexed {
			hf.whole[r.namespace] = struct{}{}
			continue
		}
		hf.some[r.namespace] = struct{}{}
		hf.terms[hashedRange{r.namespace, maphash.Comparable(h.seed, r.where)}] = struct{}{}
	}
	return hf
}

// touchedBy reports whether a committed write affects anything in f.
func (f *hashedFootprint) touchedBy(t *touch) bool {
	if _, ok := f.keys[t.key]; ok {
		return true
	}
	if _, ok := f.written[t.key]; ok {
		return true
	}
	if _, ok := f.whole[t.key.Namespace]; ok {
		return true
	}
	if _, ok := f.some[t.key.Namespace]; !ok {
		return false
	}
	return t.anyTerm || slices.ContainsFunc(t.terms, func(term uint64) bool {
		_, ok := f.terms[hashedRange{t.key.Namespace, term}]
		return ok
	})
}
