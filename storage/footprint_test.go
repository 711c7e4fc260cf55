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
