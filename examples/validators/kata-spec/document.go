package main

import (
	"bytes"
	"errors"
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
}

type member struct {
	name  string
	value *value
}

// parse reads a document. Names that are there twice are an error, because readers
// differ in which they take.
func parse(document []byte) (*value, error) {
	return parseValue(jsontext.NewDecoder(bytes.NewReader(document)), 0)
}

func parseValue(d *jsontext.Decoder, depth int) (*value, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	v := &value{kind: token.Kind()}
	switch v.kind {
	case 'n':
		return nil, nil
	case '"', '0':
		v.text = token.String()
	case '{':
		err = v.parseMembers(d, depth)
	case '[':
		err = v.parseItems(d, depth)
	}
	return v, err
}

func (v *value) parseMembers(d *jsontext.Decoder, depth int) error {
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		m := member{name: name.String()} // the token is gone with the next
		if m.value, err = parseValue(d, depth+1); err != nil {
			return err
		}
		v.members = append(v.members, m)
	}
	_, err := d.ReadToken()
	return err
}

func (v *value) parseItems(d *jsontext.Decoder, depth int) error {
	for d.PeekKind() != ']' {
		item, err := parseValue(d, depth+1)
		if err != nil {
			return err
		}
		v.items = append(v.items, item)
	}
	_, err := d.ReadToken()
	return err
}

// place is where something is in a container, and what is there; value is nil if
// nothing is, and what has nothing below it has nothing at any name.
type place struct {
	value *value
	path  string
}

func (p place) at(name string) place {
	below := place{path: p.path + "." + name}
	if !plain(name) {
		below.path = p.path + "[" + strconv.Quote(name) + "]"
	}
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

func (p place) items() []place {
	if p.value == nil {
		return nil
	}
	var all []place
	for i, item := range p.value.items {
		all = append(all, place{value: item, path: p.path + "[" + strconv.Itoa(i) + "]"})
	}
	return all
}

func (p place) names() []string {
	if p.value == nil {
		return nil
	}
	var all []string
	for _, m := range p.value.members {
		all = append(all, m.name)
	}
	return all
}

func (p place) absent() bool { return p.value == nil }

func (p place) is(kind jsontext.Kind) bool { return p.value != nil && p.value.kind == kind }

// empty is whether there is nothing, or nothing in it.
func (p place) empty() bool {
	return p.value == nil || p.value.text == "" && len(p.value.members) == 0 && len(p.value.items) == 0 && p.value.kind != 't'
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
	for _, item := range p.items() {
		all = append(all, item.text())
	}
	return all
}

func plain(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}
