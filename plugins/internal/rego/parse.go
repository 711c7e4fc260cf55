package rego

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

const (
	maxNesting  = 64
	maxExponent = 4 // digits of it
	// maxMembers is the size of a set or object.
	maxMembers = 1_024
	// Fuel for a member of a set or object, and for a pair of one hash: numbers are
	// compared as decimal numbers of any length, which takes microseconds.
	memberCost   = 10_000
	pairCost     = 10_000
	pairByteCost = 250
)

// parse reads a value as OPA's opa_value_dump writes it.
func parse(text []byte, charge func(uint64)) (ast.Value, error) {
	if len(text) > MaxOperand {
		return nil, fmt.Errorf("it has more than %d bytes", MaxOperand)
	}
	p := parser{rest: text, charge: charge}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.next() != 0 || len(p.rest) > 0 {
		return nil, errors.New("there is more than one value")
	}
	return v, nil
}

type parser struct {
	rest   []byte
	charge func(uint64)
}

var errNotValue = errors.New("it is not a value")

// next passes over space and returns the byte that follows, 0 at the end.
func (p *parser) next() byte {
	for len(p.rest) > 0 {
		switch c := p.rest[0]; c {
		case ' ', '\t', '\n', '\r':
			p.rest = p.rest[1:]
		default:
			return c
		}
	}
	return 0
}

// take passes over word, if it comes next.
func (p *parser) take(word string) bool {
	if p.next(); len(p.rest) < len(word) || string(p.rest[:len(word)]) != word {
		return false
	}
	p.rest = p.rest[len(word):]
	return true
}

func (p *parser) value(depth int) (ast.Value, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("it nests deeper than %d", maxNesting)
	}
	switch c := p.next(); {
	case c == '[':
		return p.array(depth + 1)
	case c == '{':
		return p.braces(depth + 1)
	case c == '"':
		return p.text()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case p.take("true"):
		return ast.Boolean(true), nil
	case p.take("false"):
		return ast.Boolean(false), nil
	case p.take("null"):
		return ast.Null{}, nil
	case p.take("set()"):
		return ast.NewSet(), nil
	}
	return nil, errNotValue
}

func (p *parser) array(depth int) (ast.Value, error) {
	p.take("[")
	var elements []*ast.Term
	for !p.take("]") {
		if len(elements) > 0 && !p.take(",") {
			return nil, errNotValue
		}
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		elements = append(elements, ast.NewTerm(v))
	}
	return ast.NewArray(elements...), nil
}

// braces reads an object or a set: which it is shows after the first member.
func (p *parser) braces(depth int) (ast.Value, error) {
	size := len(p.rest)
	p.take("{")
	if p.take("}") {
		return ast.NewObject(), nil
	}
	var keys, values []*ast.Term
	for {
		if len(keys) == maxMembers {
			return nil, fmt.Errorf("a set or object has more than %d members", maxMembers)
		}
		key, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		keys = append(keys, ast.NewTerm(key))
		if p.take(":") {
			v, err := p.value(depth)
			if err != nil {
				return nil, err
			}
			values = append(values, ast.NewTerm(v))
		}
		if p.take("}") {
			break
		}
		if !p.take(",") {
			return nil, errNotValue
		}
	}
	p.chargeMembers(keys, size-len(p.rest))
	switch len(values) {
	case 0:
		return ast.NewSet(keys...), nil
	case len(keys):
		members := make([][2]*ast.Term, len(keys))
		for i := range keys {
			members[i] = [2]*ast.Term{keys[i], values[i]}
		}
		return ast.NewObject(members...), nil
	}
	return nil, errNotValue
}

// chargeMembers pays for putting members, which take that many bytes as text, into a
// set or object: for sorting them, and for comparing each with all others of its hash.
// OPA hashes numbers by their whole part, so those are easy to choose.
func (p *parser) chargeMembers(members []*ast.Term, size int) {
	alike := map[int]uint64{}
	for _, m := range members {
		alike[m.Value.Hash()]++
	}
	pairs := uint64(0)
	for _, n := range alike {
		pairs += n * (n - 1) / 2
	}
	p.charge(uint64(len(members))*memberCost + pairs*(pairCost+pairByteCost*uint64(size/len(members))))
}

func (p *parser) text() (ast.Value, error) {
	end := 1
	for ; end < len(p.rest) && p.rest[end] != '"'; end++ {
		if p.rest[end] == '\\' {
			end++
		}
	}
	if end >= len(p.rest) {
		return nil, errNotValue
	}
	var s string
	if json.Unmarshal(p.rest[:end+1], &s) != nil {
		return nil, errNotValue
	}
	p.rest = p.rest[end+1:]
	return ast.String(s), nil
}

func (p *parser) number() (ast.Value, error) {
	end := 0
	for end < len(p.rest) && isNumeric(p.rest[end]) {
		end++
	}
	var n json.Number
	if json.Unmarshal(p.rest[:end], &n) != nil {
		return nil, errNotValue
	}
	if end > maxDigits {
		return nil, fmt.Errorf("a number has more than %d digits", maxDigits)
	}
	if at := strings.IndexAny(string(n), "eE"); at >= 0 && len(strings.TrimLeft(string(n[at+1:]), "+-0")) > maxExponent {
		return nil, fmt.Errorf("a number has an exponent of more than %d digits", maxExponent) // OPA panics when it compares such
	}
	p.rest = p.rest[end:]
	return ast.Number(n), nil
}

func isNumeric(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}
