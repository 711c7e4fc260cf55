package storage

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
)

func TestTerms(t *testing.T) {
	c := &plimsoll.Container{
		Image: "nginx", Runtime: plimsoll.Runtime{Name: "runc"}, Labels: map[string]string{"b": "2", "a": "1", "": "no key"},
	}
	want := []Term{
		{FieldImage, "nginx"}, {FieldLabel, "no key"}, {FieldLabel + "a", "1"}, {FieldLabel + "b", "2"}, {FieldRuntime, "runc"},
	}
	if d := cmp.Diff(want, Terms(c)); d != "" {
		t.Errorf("Terms: %s", d)
	}
	if terms := Terms(nil); len(terms) != 0 {
		t.Errorf("Terms(nil) = %v", terms)
	}
	for _, term := range want {
		if !term.Of(c) {
			t.Errorf("%v.Of is false for a container that has it", term)
		}
	}
	for _, term := range []Term{{FieldImage, ""}, {FieldRuntime, "runsc"}, {FieldLabel + "a", "2"}, {FieldLabel + "c", ""}, {"", "nginx"}, {"sandbox", ""}} {
		if term.Of(c) {
			t.Errorf("%v.Of is true for a container that does not have it", term)
		}
	}
}

func TestWriteSuits(t *testing.T) {
	for _, test := range []struct {
		operation plimsoll.Operation
		exists    bool
		suits     bool
	}{
		{plimsoll.OperationCreate, false, true},
		{plimsoll.OperationCreate, true, false},
		{plimsoll.OperationUpdate, true, true},
		{plimsoll.OperationUpdate, false, false},
		{plimsoll.OperationDelete, true, true},
		{plimsoll.OperationDelete, false, false},
	} {
		w := Write{Operation: test.operation, Namespace: "n", Container: &plimsoll.Container{ID: "c"}}
		if err := w.Suits(test.exists); (err == nil) != test.suits {
			t.Errorf("%s of a container with exists = %v: %v", test.operation, test.exists, err)
		}
	}
}

func TestEffects(t *testing.T) {
	key := func(id string) plimsoll.Key { return plimsoll.Key{Namespace: "n", ID: id} }
	labelled := func(id, team string) *plimsoll.Container {
		return &plimsoll.Container{ID: id, Labels: map[string]string{"team": team}}
	}
	var e, more Effects
	e.Add(Touch{Key: key("a"), Before: labelled("a", "old"), After: labelled("a", "new")})
	more.Add(Touch{Key: key("b"), Before: labelled("b", "gone")})
	e.Merge(&more)
	for name, test := range map[string]struct {
		read func(f *Footprint)
		want bool
	}{
		"nothing":                 {func(*Footprint) {}, false},
		"the key":                 {func(f *Footprint) { f.AddKey(key("a")) }, true},
		"the key of another":      {func(f *Footprint) { f.AddKey(key("b")) }, true},
		"another key":             {func(f *Footprint) { f.AddKey(key("c")) }, false},
		"its namespace":           {func(f *Footprint) { f.AddScan(Query{Namespace: "n"}) }, true},
		"another namespace":       {func(f *Footprint) { f.AddScan(Query{Namespace: "m"}) }, false},
		"where it was":            {func(f *Footprint) { f.AddScan(Query{Namespace: "n", Where: &Term{FieldLabel + "team", "old"}}) }, true},
		"where it is":             {func(f *Footprint) { f.AddScan(Query{Namespace: "n", Where: &Term{FieldLabel + "team", "new"}}) }, true},
		"where one was deleted":   {func(f *Footprint) { f.AddScan(Query{Namespace: "n", Where: &Term{FieldLabel + "team", "gone"}}) }, true},
		"where none is":           {func(f *Footprint) { f.AddScan(Query{Namespace: "n", Where: &Term{FieldLabel + "team", "x"}}) }, false},
		"the same term elsewhere": {func(f *Footprint) { f.AddScan(Query{Namespace: "m", Where: &Term{FieldLabel + "team", "new"}}) }, false},
	} {
		var f, merged Footprint
		test.read(&f)
		merged.Merge(&f)
		if e.On(&f) != test.want || e.On(&merged) != test.want {
			t.Errorf("%s: on is %v, and of a merged footprint %v, want %v", name, e.On(&f), e.On(&merged), test.want)
		}
	}
	for id, want := range map[string]bool{"a": true, "b": true, "c": false} {
		var other Effects
		other.Add(Touch{Key: key(id)})
		if e.Overlaps(&other) != want || other.Overlaps(&e) != want {
			t.Errorf("overlaps with %s is not %v", id, want)
		}
	}
	var none Effects
	if none.Overlaps(&e) || none.On(&Footprint{}) {
		t.Error("nothing has effects")
	}
}
