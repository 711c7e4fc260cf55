package storage

import (
	"cmp"
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

// Touch is what a write does: it turns the container that is under a key before into the
// one that is there after, either of which may be nil.
type Touch struct {
	Key           plimsoll.Key
	Before, After *plimsoll.Container
}

// TouchedBy reports whether t changes anything that was read.
func (f *Footprint) TouchedBy(t Touch) bool {
	if _, ok := f.keys[t.Key]; ok {
		return true
	}
	if len(f.ranges) == 0 {
		return false
	}
	if _, ok := f.ranges[scanned{namespace: t.Key.Namespace}]; ok {
		return true
	}
	for _, c := range []*plimsoll.Container{t.Before, t.After} {
		for _, term := range Terms(c) {
			if _, ok := f.ranges[scanned{t.Key.Namespace, true, term}]; ok {
				return true
			}
		}
	}
	return false
}
