package storage

import (
	"cmp"
	"maps"
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

// Of reports whether c has the term.
func (t Term) Of(c *plimsoll.Container) bool {
	switch t.Field {
	case FieldImage:
		return c.Image == t.Value
	case FieldRuntime:
		return c.Runtime.Name == t.Value
	}
	if len(t.Field) < len(FieldLabel) || t.Field[:len(FieldLabel)] != FieldLabel {
		return false
	}
	value, ok := c.Labels[t.Field[len(FieldLabel):]]
	return ok && value == t.Value
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
	slices.SortFunc(terms, func(a, b Term) int { return cmp.Compare(a.Field, b.Field) })
	return terms
}

// Footprint is what was read through a view: keys, found or not, and ranges. The
// zero value is empty and ready to use. It is not safe for concurrent use.
type Footprint struct {
	keys   map[plimsoll.Key]struct{}
	ranges map[scanned]struct{}
}

// scanned is a range: a whole namespace, or, if indexed, one index term of it.
type scanned struct {
	namespace string
	indexed   bool
	where     Term
}

// AddKey records that key was looked up.
func (f *Footprint) AddKey(key plimsoll.Key) {
	if f.keys == nil {
		f.keys = make(map[plimsoll.Key]struct{}, 1)
	}
	f.keys[key] = struct{}{}
}

// AddScan records that the range of query was scanned.
func (f *Footprint) AddScan(query Query) {
	r := scanned{namespace: query.Namespace}
	if query.Where != nil {
		r.indexed, r.where = true, *query.Where
	}
	if f.ranges == nil {
		f.ranges = make(map[scanned]struct{}, 1)
	}
	f.ranges[r] = struct{}{}
}

// AddEntry records that an entry was looked up.
func (f *Footprint) AddEntry(key plimsoll.EntryKey) { f.AddKey(entryKey(key)) }

// AddEntries records that all entries of a kind were scanned.
func (f *Footprint) AddEntries(kind plimsoll.EntryKind) {
	f.AddScan(Query{Namespace: entryRange(kind)})
}

// Len is how many keys and ranges there are.
func (f *Footprint) Len() int { return len(f.keys) + len(f.ranges) }

// Merge adds all of other to f.
func (f *Footprint) Merge(other *Footprint) {
	if f.keys == nil {
		f.keys = make(map[plimsoll.Key]struct{}, len(other.keys))
	}
	if f.ranges == nil {
		f.ranges = make(map[scanned]struct{}, len(other.ranges))
	}
	maps.Copy(f.keys, other.keys)
	maps.Copy(f.ranges, other.ranges)
}

// Touch is what a write does: it turns the container that is under a key before into the
// one that is there after, either of which may be nil.
type Touch struct {
	Key           plimsoll.Key
	Before, After *plimsoll.Container
}

// Effects are what writes change: the keys, and the ranges that what is under them is or
// was in. The zero value is none, and ready to use. It is not safe for concurrent use.
type Effects struct {
	keys   map[plimsoll.Key]struct{}
	ranges map[scanned]struct{}
}

// Add adds what a write does.
func (e *Effects) Add(t Touch) {
	if e.keys == nil {
		e.keys, e.ranges = map[plimsoll.Key]struct{}{}, map[scanned]struct{}{}
	}
	e.keys[t.Key] = struct{}{}
	e.ranges[scanned{namespace: t.Key.Namespace}] = struct{}{}
	for _, c := range []*plimsoll.Container{t.Before, t.After} {
		for _, term := range Terms(c) {
			e.ranges[scanned{t.Key.Namespace, true, term}] = struct{}{}
		}
	}
}

// Merge adds all of other to e.
func (e *Effects) Merge(other *Effects) {
	if e.keys == nil {
		e.keys, e.ranges = map[plimsoll.Key]struct{}{}, map[scanned]struct{}{}
	}
	maps.Copy(e.keys, other.keys)
	maps.Copy(e.ranges, other.ranges)
}

// On reports whether e changes anything that was read.
func (e *Effects) On(f *Footprint) bool {
	return intersect(e.keys, f.keys) || intersect(e.ranges, f.ranges)
}

// Overlaps reports whether e and other change the same key.
func (e *Effects) Overlaps(other *Effects) bool { return intersect(e.keys, other.keys) }

// intersect takes as long as the smaller of the two is large.
func intersect[K comparable](a, b map[K]struct{}) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	for key := range a {
		if _, ok := b[key]; ok {
			return true
		}
	}
	return false
}
