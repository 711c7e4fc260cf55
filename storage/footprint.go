package storage

import (
	"slices"

	"github.com/plimsoll-project/plimsoll"
)

// The indexed fields. A label's field is FieldLabel followed by its key.
const (
	FieldImage   = "image"
	FieldRuntime = "runtime"
	FieldLabel   = "labels."
)

// Term is an index entry: the containers whose field equals value.
type Term struct {
	Field string
	Value string
}

// Terms returns the index entries of a container, sorted by field. An image or
// runtime that is empty has an entry too.
func Terms(c *plimsoll.Container) []Term {
	if c == nil {
		return nil
	}
	terms := make([]Term, 0, 2+len(c.Labels))
	terms = append(terms, Term{FieldImage, c.Image}, Term{FieldRuntime, c.Runtime.Name})
	for key, value := range c.Labels {
		terms = append(terms, Term{FieldLabel + key, value})
	}
	slices.SortFunc(terms, func(a, b Term) int {
		switch {
		case a.Field < b.Field:
			return -1
		case a.Field > b.Field:
			return 1
		}
		return 0
	})
	return terms
}

// Footprint is what was read through a view: keys, found or not, and ranges.
type Footprint struct {
	keys   []plimsoll.Key
	ranges []scanned
}

// scanned is a range: a whole namespace, or one index term of it.
type scanned struct {
	namespace string
	where     *Term
}

// AddKey records that key was looked up.
func (f *Footprint) AddKey(key plimsoll.Key) {
	if !slices.Contains(f.keys, key) {
		f.keys = append(f.keys, key)
	}
}

// AddScan records that the range of query was scanned.
func (f *Footprint) AddScan(query Query) {
	r := scanned{namespace: query.Namespace}
	if query.Where != nil {
		where := *query.Where
		r.where = &where
	}
	f.ranges = append(f.ranges, r)
}

// touchedBy reports whether a committed change affects anything in f.
func (f *Footprint) touchedBy(t touch) bool {
	if slices.Contains(f.keys, t.key) {
		return true
	}
	for _, r := range f.ranges {
		if r.namespace == t.key.Namespace && (r.where == nil || slices.Contains(t.terms, *r.where)) {
			return true
		}
	}
	return false
}

// touch is what one write affected: a key, and the index terms that the container
// had before or has after.
type touch struct {
	revision plimsoll.Revision
	key      plimsoll.Key
	terms    []Term
}

// historySize bounds the memory of History. A view that is older than that many
// writes cannot be checked any more and conflicts; at ten thousand writes a second
// that is after six seconds, longer than a mutation may take to be judged.
const historySize = 1 << 16

// History remembers the latest writes, so that a commit can be checked against
// everything committed since its view was opened. Checking a footprint against
// writes, rather than each key against the database, costs no reads and covers
// ranges: this is backward validation in optimistic concurrency control (Kung and
// Robinson, "On Optimistic Methods for Concurrency Control", 1981).
//
// It is not safe for concurrent use: it belongs to whoever orders commits.
type History struct {
	floor   plimsoll.Revision // writes up to here are forgotten
	touches []touch           // a ring, oldest at next once full
	next    int
}

// NewHistory returns a History of a store that is at revision.
func NewHistory(revision plimsoll.Revision) *History {
	return &History{floor: revision}
}

// Record remembers a write: before and after are the container's states, nil if
// there is none. Revisions must not decrease.
func (h *History) Record(revision plimsoll.Revision, key plimsoll.Key, before, after *plimsoll.Container) {
	t := touch{revision: revision, key: key, terms: append(Terms(before), Terms(after)...)}
	if len(h.touches) < historySize {
		h.touches = append(h.touches, t)
		return
	}
	h.floor = h.touches[h.next].revision
	h.touches[h.next] = t
	h.next = (h.next + 1) % historySize
}

// Conflicts reports whether anything in f, read at revision, was written since, or
// may have been.
func (h *History) Conflicts(f *Footprint, revision plimsoll.Revision) bool {
	if revision < h.floor {
		return true
	}
	// Newest first: the writes since a view are few.
	for i := range len(h.touches) {
		t := h.touches[(h.next-1-i+2*len(h.touches))%len(h.touches)]
		if t.revision <= revision {
			return false
		}
		if f.touchedBy(t) {
			return true
		}
	}
	return false
}
