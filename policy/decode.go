package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/plimsoll-project/plimsoll"
)

// maxNumber bounds the length and the decimal exponent of numbers. Nothing larger
// fits a float64, while OPA's exact arithmetic would be made to compute, or to
// panic on, numbers of a billion digits.
const maxNumber = 400

// decoder turns JSON into the values that OPA evaluates, in one pass and with no
// map in between. Its buffers are reused: it serves one document at a time.
type decoder struct {
	json jsontext.Decoder
	// lenient makes the last of equal keys count and repairs invalid UTF-8.
	lenient bool
	text    []byte // scratch, for strings with escapes
	short   map[string]*ast.Term
	// members and elements are stacks: of the object or array that is being read,
	// those above the height at which it began.
	members  [][2]*ast.Term
	elements []*ast.Term
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// decode returns the value of the JSON document doc, without what is not in f.
// Errors are [plimsoll.RequestError]s.
func decode(doc []byte, f *footprint, lenient bool) (ast.Value, error) {
	d := decoders.Get().(*decoder) //nolint:forcetypeassert // holds nothing else
	defer decoders.Put(d)
	d.json.Reset(bytes.NewBuffer(doc), jsontext.AllowDuplicateNames(lenient), jsontext.AllowInvalidUTF8(lenient))
	d.lenient = lenient
	d.members, d.elements = d.members[:0], d.elements[:0]
	term, err := d.value(f)
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return nil, d.explain(err)
	}
	return term.Value, nil
}

// end makes sure that there is nothing after the document.
func (d *decoder) end() error {
	switch _, err := d.json.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return errors.New("more than one value")
}

func (d *decoder) value(f *footprint) (*ast.Term, error) {
	switch d.json.PeekKind() {
	case '{':
		return d.object(f)
	case '[':
		return d.array()
	}
	raw, err := d.json.ReadValue()
	if err != nil {
		return nil, err
	}
	switch raw.Kind() {
	case '"':
		s, err := d.unquote(raw)
		return d.term(s), err
	case '0':
		return number(raw)
	case 't':
		return ast.InternedTerm(true), nil
	case 'f':
		return ast.InternedTerm(false), nil
	}
	return ast.InternedNullTerm, nil
}

func (d *decoder) object(f *footprint) (*ast.Term, error) {
	if _, err := d.json.ReadToken(); err != nil {
		return nil, err
	}
	base := len(d.members)
	for d.json.PeekKind() != '}' {
		raw, err := d.json.ReadValue()
		if err != nil {
			return nil, err
		}
		name, err := d.unquote(raw)
		if err != nil {
			return nil, err
		}
		below := f.child(name)
		if below == nil {
			if err := d.json.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		key := d.term(name)
		value, err := d.value(below)
		if err != nil {
			return nil, err
		}
		d.members = append(d.members, [2]*ast.Term{key, value})
	}
	if _, err := d.json.ReadToken(); err != nil {
		return nil, err
	}
	members := d.members[base:]
	d.members = d.members[:base]
	if !d.lenient {
		return ast.ObjectTerm(members...), nil // copies them
	}
	object := ast.NewObjectWithCapacity(len(members))
	for _, m := range members {
		object.Insert(m[0], m[1])
	}
	return ast.NewTerm(object), nil
}

func (d *decoder) array() (*ast.Term, error) {
	if _, err := d.json.ReadToken(); err != nil {
		return nil, err
	}
	base := len(d.elements)
	for d.json.PeekKind() != ']' {
		// A reference with constant keys sees nothing of an array, so this could be
		// left out where the footprint is not whole. Such input is rare.
		value, err := d.value(&footprint{whole: true})
		if err != nil {
			return nil, err
		}
		d.elements = append(d.elements, value)
	}
	if _, err := d.json.ReadToken(); err != nil {
		return nil, err
	}
	elements := append([]*ast.Term(nil), d.elements[base:]...) // NewArray keeps them
	d.elements = d.elements[:base]
	return ast.NewTerm(ast.NewArray(elements...)), nil
}

// Strings that specs repeat (keys, capabilities, mount options) are short.
const (
	maxShort = 32   // bytes
	maxKept  = 1024 // strings
)

// term returns the term of s. Short ones are shared, also between documents: terms
// of strings never change.
func (d *decoder) term(s []byte) *ast.Term {
	if len(s) > maxShort {
		return ast.StringTerm(string(s))
	}
	if term := d.short[string(s)]; term != nil {
		return term
	}
	if d.short == nil || len(d.short) == maxKept {
		d.short = make(map[string]*ast.Term)
	}
	kept := string(s)
	d.short[kept] = ast.StringTerm(kept)
	return d.short[kept]
}

// unquote returns what the JSON string raw says, valid until the next call.
func (d *decoder) unquote(raw jsontext.Value) ([]byte, error) {
	if bytes.IndexByte(raw, '\\') < 0 && !d.lenient {
		return raw[1 : len(raw)-1], nil
	}
	var err error
	d.text, err = jsontext.AppendUnquote(d.text[:0], raw)
	if d.lenient { // the text is repaired all the same
		err = nil
	}
	return d.text, err
}

var errNumber = fmt.Errorf("number out of range: no more than %d digits and a decimal exponent within ±%[1]d, please", maxNumber)

func number(raw []byte) (*ast.Term, error) {
	if len(raw) > maxNumber {
		return nil, errNumber
	}
	if e := bytes.IndexAny(raw, "eE"); e >= 0 {
		exponent, err := strconv.Atoi(string(raw[e+1:]))
		if err != nil || exponent > maxNumber || exponent < -maxNumber {
			return nil, errNumber
		}
	}
	return ast.NewTerm(ast.Number(raw)), nil
}

// explain makes a request error of err: the document is made of payloads that
// callers sent.
func (d *decoder) explain(err error) error {
	at := d.json.StackPointer()
	problem := err.Error()
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		at, problem = syntax.JSONPointer, syntax.Err.Error()
	}
	var field []string
	for token := range at.Tokens() {
		field = append(field, token)
	}
	if len(field) > 0 && field[0] == "object" { // as in violations
		field = field[1:]
	}
	return &plimsoll.RequestError{Field: strings.Join(field, "."), Problem: problem}
}
