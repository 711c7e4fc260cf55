package storage

import (
	"fmt"
	"testing"

	"github.com/plimsoll-project/plimsoll"
)

func key(id string) plimsoll.Key { return plimsoll.Key{Namespace: "n", ID: id} }

func labelled(labels ...string) *plimsoll.Container {
	c := &plimsoll.Container{Labels: make(map[string]string)}
	for i := 0; i+1 < len(labels); i += 2 {
		c.Labels[labels[i]] = labels[i+1]
	}
	return c
}

func footprint(add ...func(*Footprint)) *Footprint {
	f := new(Footprint)
	for _, a := range add {
		a(f)
	}
	return f
}

func read(id string) func(*Footprint) { return func(f *Footprint) { f.AddKey(key(id)) } }

func scan(q Query) func(*Footprint) { return func(f *Footprint) { f.AddScan(q) } }

func TestHistoryConflicts(t *testing.T) {
	term := func(k, v string) *Term { return &Term{FieldLabel + k, v} }
	h := NewHistory(10)
	h.Record(11, key("a"), nil, labelled("x", "1"))
	h.Record(12, key("b"), labelled("x", "2"), labelled("x", "3"))
	h.Record(12, key("c"), labelled("y", "1"), nil)

	for name, test := range map[string]struct {
		footprint *Footprint
		at        plimsoll.Revision
		written   []plimsoll.Key
		want      bool
	}{
		"nothing":                            {footprint(), 10, nil, false},
		"key written since":                  {footprint(read("a")), 10, nil, true},
		"key written at that revision":       {footprint(read("a")), 11, nil, false},
		"second key of the latest commit":    {footprint(read("c")), 11, nil, true},
		"first key of the latest commit":     {footprint(read("b")), 11, nil, true},
		"one key of many":                    {footprint(read("q"), read("c"), read("r")), 11, nil, true},
		"key never written":                  {footprint(read("q")), 10, nil, false},
		"key to be written":                  {footprint(), 10, []plimsoll.Key{key("q"), key("a")}, true},
		"key to be written, seen":            {footprint(), 12, []plimsoll.Key{key("a")}, false},
		"namespace":                          {footprint(scan(Query{Namespace: "n"})), 11, nil, true},
		"another namespace":                  {footprint(scan(Query{Namespace: "m"})), 10, nil, false},
		"term that appeared":                 {footprint(scan(Query{Namespace: "n", Where: term("x", "1")})), 10, nil, true},
		"term that appeared, seen":           {footprint(scan(Query{Namespace: "n", Where: term("x", "1")})), 11, nil, false},
		"term that was replaced":             {footprint(scan(Query{Namespace: "n", Where: term("x", "2")})), 11, nil, true},
		"term that replaced it":              {footprint(scan(Query{Namespace: "n", Where: term("x", "3")})), 11, nil, true},
		"term that was deleted":              {footprint(scan(Query{Namespace: "n", Where: term("y", "1")})), 11, nil, true},
		"term of nobody":                     {footprint(scan(Query{Namespace: "n", Where: term("x", "4")})), 10, nil, false},
		"term in another namespace":          {footprint(scan(Query{Namespace: "m", Where: term("x", "1")})), 10, nil, false},
		"view from before the history began": {footprint(), 9, nil, true},
		"view at the latest revision":        {footprint(read("a"), scan(Query{Namespace: "n"})), 12, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := h.Conflicts(test.footprint, test.at, test.written...); got != test.want {
				t.Errorf("Conflicts = %v, want %v", got, test.want)
			}
		})
	}
}

// A history that is full forgets the oldest write for each new one, and what it has
// forgotten conflicts.
func TestHistoryForgets(t *testing.T) {
	h := NewHistory(0)
	h.size = 4
	for r := plimsoll.Revision(1); r <= 11; r++ {
		h.Record(r, key(fmt.Sprint(r)), nil, labelled())
		oldest := max(0, int(r)-h.size) // a view at that revision needs all that is kept
		for at := plimsoll.Revision(0); at <= r; at++ {
			if got, want := h.Conflicts(footprint(), at), int(at) < oldest; got != want {
				t.Errorf("after %d, an empty footprint at %d: Conflicts = %v, want %v", r, at, got, want)
			}
			for id := plimsoll.Revision(1); id <= r; id++ {
				got := h.Conflicts(footprint(read(fmt.Sprint(id))), at)
				if want := int(at) < oldest || id > at; got != want {
					t.Errorf("after %d, key %d at %d: Conflicts = %v, want %v", r, id, at, got, want)
				}
			}
		}
	}
}

// Half of a commit forgotten is all of it forgotten for older views, and none of it
// for views that have seen it.
func TestHistoryForgetsHalfACommit(t *testing.T) {
	h := NewHistory(0)
	h.size = 2
	h.Record(1, key("a"), nil, labelled())
	h.Record(1, key("b"), nil, labelled())
	h.Record(2, key("c"), nil, labelled())
	for at, want := range []bool{true, false, false} {
		if got := h.Conflicts(footprint(read("a")), plimsoll.Revision(at)); got != want {
			t.Errorf("view at %d: Conflicts = %v, want %v", at, got, want)
		}
	}
}

// Of a container with very many labels, single terms are not remembered; every one
// conflicts.
func TestHistoryManyTerms(t *testing.T) {
	many := labelled()
	for i := range 10 * maxTouchTerms {
		many.Labels[fmt.Sprint(i)] = "v"
	}
	h := NewHistory(0)
	h.Record(1, key("a"), nil, many)
	where := func(namespace, k string) *Footprint {
		return footprint(scan(Query{Namespace: namespace, Where: &Term{FieldLabel + k, "v"}}))
	}
	if !h.Conflicts(where("n", "7"), 0) {
		t.Error("a term of the container does not conflict")
	}
	if h.Conflicts(where("m", "7"), 0) {
		t.Error("a term in another namespace conflicts")
	}
	if h.Conflicts(footprint(read("b")), 0) {
		t.Error("another key conflicts")
	}
}
