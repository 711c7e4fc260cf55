package masking

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// place is what is known of a value from where it is.
type place int

const (
	plain  place = iota
	secret       // all of it is to be hidden
	opaque       // nobody knows what its strings mean
	env          // an environment
	args         // a command's arguments
)

// below is the place of a member of an object.
func (p place) below(key []byte) place {
	switch string(key) {
	case "extensions", "runtime_options":
		return opaque
	case "base64":
		return secret
	}
	if isSecretKey(key) {
		return secret
	}
	switch p {
	case opaque:
		return opaque
	case env: // by name
		return secret
	case plain, secret, args:
	}
	switch string(key) {
	case "env":
		return env
	case "args", "command", "cmd", "entrypoint":
		return args
	}
	return plain
}

// Document returns a JSON document with secrets hidden: an input document, or any other.
// Its members and their order stay, white space need not. doc is not changed.
func Document(doc []byte) ([]byte, error) { return mask(doc, plain) }

// Payload is Document for something that nobody knows the meaning of, such as an
// extension.
func Payload(doc []byte) ([]byte, error) { return mask(doc, opaque) }

func mask(doc []byte, at place) ([]byte, error) {
	m := maskers.Get().(*masker) //nolint:forcetypeassert // holds nothing else
	defer maskers.Put(m)
	m.json.Reset(bytes.NewBuffer(doc), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	m.out = make([]byte, 0, len(doc))
	defer func() { m.out = nil }()
	if err := m.value(at); err != nil {
		return nil, fmt.Errorf("no JSON to hide secrets in, at byte %d", m.json.InputOffset()) // err may quote it
	}
	return m.out, nil
}

var maskers = sync.Pool{New: func() any { return new(masker) }}

// masker writes a document with secrets hidden, in one pass.
type masker struct {
	json jsontext.Decoder
	out  []byte
	text []byte // scratch, for strings with escapes
}

func (m *masker) value(at place) error {
	switch kind := m.json.PeekKind(); {
	case at == secret && (kind == '{' || kind == '['):
		m.hide()
		return m.json.SkipValue()
	case kind == '{':
		return m.object(at)
	case kind == '[':
		return m.array(at)
	}
	raw, err := m.json.ReadValue()
	if err != nil {
		return err
	}
	switch raw.Kind() {
	case '"':
		m.string(raw, at)
	case 'n':
		m.out = append(m.out, raw...)
	default: // a number, true or false
		if at == secret {
			m.hide()
		} else {
			m.out = append(m.out, raw...)
		}
	}
	return nil
}

func (m *masker) hide() { m.out = append(m.out, `"`+Mask+`"`...) }

func (m *masker) object(at place) error {
	if _, err := m.json.ReadToken(); err != nil {
		return err
	}
	m.out = append(m.out, '{')
	for first := true; m.json.PeekKind() != '}'; first = false {
		if !first {
			m.out = append(m.out, ',')
		}
		raw, err := m.json.ReadValue()
		if err != nil {
			return err
		}
		m.out = append(append(m.out, raw...), ':')
		if err := m.value(at.below(m.unquote(raw))); err != nil {
			return err
		}
	}
	m.out = append(m.out, '}')
	_, err := m.json.ReadToken()
	return err
}

func (m *masker) array(at place) error {
	if _, err := m.json.ReadToken(); err != nil {
		return err
	}
	m.out = append(m.out, '[')
	var arguments arguments
	for first := true; m.json.PeekKind() != ']'; first = false {
		if !first {
			m.out = append(m.out, ',')
		}
		if kind := m.json.PeekKind(); at != args || kind != '"' {
			below := at
			if at == args && arguments.isNext() {
				below = secret
			}
			if err := m.value(below); err != nil {
				return err
			}
			continue
		}
		raw, err := m.json.ReadValue()
		if err != nil {
			return err
		}
		m.write(raw, arguments.mask(string(m.unquote(raw))))
	}
	m.out = append(m.out, ']')
	_, err := m.json.ReadToken()
	return err
}

// string writes a string that is in a place.
func (m *masker) string(raw jsontext.Value, at place) {
	s := m.unquote(raw)
	switch {
	case len(s) == 0:
		m.out = append(m.out, raw...)
	case at == secret || at == opaque:
		m.hide()
	case at == env:
		m.write(raw, Env(string(s)))
	case at == args:
		m.write(raw, new(arguments).mask(string(s)))
	case !isSuspect(s):
		m.out = append(m.out, raw...)
	default:
		m.write(raw, Text(string(s)))
	}
}

// write writes shown, which is what is shown of raw.
func (m *masker) write(raw jsontext.Value, shown string) {
	if len(shown) == len(raw)-2 && string(raw[1:len(raw)-1]) == shown {
		m.out = append(m.out, raw...)
		return
	}
	m.out, _ = jsontext.AppendQuote(m.out, shown) // invalid UTF-8 is replaced
}

// unquote returns what the JSON string raw says, valid until the next call.
func (m *masker) unquote(raw jsontext.Value) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	m.text, _ = jsontext.AppendUnquote(m.text[:0], raw)
	return m.text
}

// Cut shortens s, which may be JSON, to limit bytes at most, at a border between
// characters. What was cut off is told by dots.
func Cut(s []byte, limit int) []byte {
	const dots = "…"
	if len(s) <= limit {
		return s
	}
	end := limit - len(dots)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return append(slices.Clone(s[:end]), dots...)
}

// At returns a JSON value as Document would show it in a field, such as labels.token or
// spec.process.env[2].
func At(field string, value []byte) ([]byte, error) {
	at := plain
	for key := range strings.FieldsFuncSeq(field, func(r rune) bool { return strings.ContainsRune(`.[]"`, r) }) {
		if strings.Trim(key, "0123456789") == "" {
			continue // an index, which changes nothing
		}
		if at != secret {
			at = at.below([]byte(key))
		}
	}
	return mask(value, at)
}
