package main

import (
	"bytes"
	"errors"
	"iter"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep a document may be nested.
const maxDepth = 100

var errTooDeep = errors.New("it is nested too deep")

// value is a value of JSON, without null: that counts as absent.
type value struct {
	kind    jsontext.Kind // '{', '[', '"', '0', 't' or 'f'
	text    string        // of a string or a number
	members []member
	items   []*value
	skipped bool // it has something in it that was not kept
}

type member struct {
	name  string
	value *value
}

// parse reads a document, and keeps of it what is wanted. Names that are there twice are
// an error, because readers differ in which they take.
func parse(document []byte, want *field) (*value, error) {
	p := parser{jsontext.NewDecoder(bytes.NewBuffer(document))}
	return p.value(want, 0)
}

// size is how many values and names a document has at most: before each is one of these.
func size(document []byte) int {
	n := 1
	for _, c := range document {
		if c == ',' || c == ':' || c == '[' || c == '{' {
			n++
		}
	}
	return n
}

type parser struct{ decoder *jsontext.Decoder }

func (p parser) value(want *field, depth int) (*value, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	kind := p.decoder.PeekKind()
	if want == nil && (kind == '{' || kind == '[') {
		raw, err := p.decoder.ReadValue()
		return &value{kind: kind, skipped: len(raw) > 2 && len(bytes.TrimSpace(raw[1:len(raw)-1])) > 0}, err
	}
	token, err := p.decoder.ReadToken()
	if err != nil {
		return nil, err
	}
	v := &value{kind: kind}
	switch kind {
	case 'n':
		return nil, nil
	case '"', '0':
		v.text = token.String()
	case '{':
		err = p.members(v, want, depth)
	case '[':
		err = p.items(v, want.ofItems(), depth)
	}
	return v, err
}

func (p parser) members(v *value, want *field, depth int) error {
	for p.decoder.PeekKind() != '}' {
		name, err := p.decoder.ReadToken()
		if err != nil {
			return err
		}
		m := member{name: name.String()} // the token is gone with the next
		if m.value, err = p.value(want.ofMember(m.name), depth+1); err != nil {
			return err
		}
		v.members = append(v.members, m)
	}
	_, err := p.decoder.ReadToken()
	return err
}

func (p parser) items(v *value, want *field, depth int) error {
	for p.decoder.PeekKind() != ']' {
		item, err := p.value(want, depth+1)
		if err != nil {
			return err
		}
		v.items = append(v.items, item)
	}
	_, err := p.decoder.ReadToken()
	return err
}

// place is where something is in a container, and what is there; value is nil if
// nothing is, and what has nothing below it has nothing at any name.
type place struct {
	value *value
	above *place
	name  string // empty of an item of an array, and where paths start
	index int
}

func (p place) at(name string) place {
	below := place{above: &p, name: name}
	if p.value == nil {
		return below
	}
	for _, m := range p.value.members {
		if m.name == name {
			below.value = m.value
		}
	}
	return below
}

// members are those of an object.
func (p place) members() iter.Seq[place] {
	return func(yield func(place) bool) {
		if p.value == nil {
			return
		}
		for _, m := range p.value.members {
			if !yield(place{value: m.value, above: &p, name: m.name}) {
				return
			}
		}
	}
}

// items are those of an array.
func (p place) items() iter.Seq[place] {
	return func(yield func(place) bool) {
		if p.value == nil {
			return
		}
		for i, item := range p.value.items {
			if !yield(place{value: item, above: &p, index: i}) {
				return
			}
		}
	}
}

// path is such as spec.mounts[2].destination, or spec.annotations["a.b"].
func (p place) path() string {
	switch {
	case p.above == nil:
		return p.name
	case p.above.is('['):
		return p.above.path() + "[" + strconv.Itoa(p.index) + "]"
	case !plain(p.name):
		return p.above.path() + "[" + strconv.Quote(p.name) + "]"
	case p.above.path() == "":
		return p.name
	}
	return p.above.path() + "." + p.name
}

func (p place) absent() bool { return p.value == nil }

func (p place) is(kind jsontext.Kind) bool { return p.value != nil && p.value.kind == kind }

// empty is whether there is nothing, or nothing in it.
func (p place) empty() bool {
	v := p.value
	return v == nil || v.text == "" && len(v.members) == 0 && len(v.items) == 0 && !v.skipped && v.kind != 't'
}

// text is the string that is there, or "".
func (p place) text() string {
	if !p.is('"') {
		return ""
	}
	return p.value.text
}

// texts are the strings of an array.
func (p place) texts() []string {
	var all []string
	for item := range p.items() {
		all = append(all, item.text())
	}
	return all
}

func plain(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}
