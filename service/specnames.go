package service

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// names says which names mean something in a JSON value, and below them. Nil stands
// for a value that is read as it is.
//
// Shims written in Go read specs with encoding/json, which takes any name that equals
// a field's after folding case: "Linux" is linux to them, and nothing to a rule that
// looks for linux. So a name that folds to a known one must be that one.
type names struct {
	// fields are of an object that Go reads into a struct.
	fields map[string]*names
	folded map[string]string // the names of fields, by what they fold to
	// each is of the elements of an array, and of the members of an object whose
	// names are the caller's, such as annotations.
	each *names
}

var ociNames = namesOf(reflect.TypeFor[specs.Spec]())

// namesOf returns the names that encoding/json knows when it reads into a t, which
// must not contain itself.
func namesOf(t reflect.Type) *names {
	switch t.Kind() {
	case reflect.Pointer:
		return namesOf(t.Elem())
	case reflect.Slice, reflect.Array, reflect.Map:
		if each := namesOf(t.Elem()); each != nil {
			return &names{each: each}
		}
	case reflect.Struct:
		n := &names{fields: make(map[string]*names), folded: make(map[string]string)}
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" {
				name = f.Name
			}
			n.fields[name] = namesOf(f.Type)
			n.folded[fold([]byte(name))] = name
		}
		return n
	default: // a value without names
	}
	return nil
}

// fold is the folding of encoding/json: each rune becomes the smallest that Unicode's
// simple folding takes for the same.
func fold(name []byte) string {
	return string(bytes.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name))
}

// check reads one value from d. Its error is d's, for what is not strict JSON, or
// says which name is not as it should be.
func (n *names) check(d *jsontext.Decoder) error {
	switch kind := d.PeekKind(); {
	case n != nil && kind == '{':
		return n.checkMembers(d)
	case n != nil && n.each != nil && kind == '[':
		return n.checkElements(d)
	}
	_, err := d.ReadValue()
	return err
}

func (n *names) checkElements(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		if err := n.each.check(d); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func (n *names) checkMembers(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil {
			return err
		}
		below := n.each
		if n.fields != nil {
			if below, err = n.field(d, name); err != nil {
				return err
			}
		}
		if err := below.check(d); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// field returns what is known below the field called raw, a JSON string.
func (n *names) field(d *jsontext.Decoder, raw jsontext.Value) (*names, error) {
	name := []byte(raw[1 : len(raw)-1])
	if bytes.IndexByte(name, '\\') >= 0 {
		var err error
		if name, err = jsontext.AppendUnquote(nil, raw); err != nil {
			return nil, err
		}
	}
	below, known := n.fields[string(name)]
	if known {
		return below, nil
	}
	if want, ok := n.folded[fold(name)]; ok {
		path := strings.Join(slices.Collect(d.StackPointer().Tokens()), ".")
		return nil, fmt.Errorf("programs in Go, such as runc, would take %q for %q, and others would not: write %[2]q", path, want)
	}
	return nil, nil
}
