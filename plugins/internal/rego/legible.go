package rego

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Legible returns a JSON document in which OPA's parser finds nothing that it gives up
// on: bytes that are not UTF-8 and surrogates without a pair become U+FFFD, as they do
// where Go, and so container runtimes and OPA itself, read the document. It changes
// nothing in nearly all documents, and then returns doc itself.
func Legible(doc []byte) []byte {
	if !utf8.Valid(doc) {
		doc = []byte(string([]rune(string(doc)))) // one U+FFFD for each byte, as in Go's JSON
	}
	if !bytes.Contains(doc, []byte(`\ud`)) && !bytes.Contains(doc, []byte(`\uD`)) {
		return doc
	}
	out := make([]byte, 0, len(doc))
	for len(doc) > 0 {
		at := bytes.IndexByte(doc, '\\')
		if at < 0 {
			break
		}
		out, doc = append(out, doc[:at]...), doc[at:]
		first, second := escaped(doc), rune(-1)
		if first >= 0 {
			second = escaped(doc[6:])
		}
		switch {
		case !utf16.IsSurrogate(first): // two bytes, or the first two of an escape
			n := min(2, len(doc))
			out, doc = append(out, doc[:n]...), doc[n:]
		case utf16.DecodeRune(first, second) != utf8.RuneError:
			out, doc = append(out, doc[:12]...), doc[12:]
		default:
			out, doc = append(out, `\ufffd`...), doc[6:]
		}
	}
	return append(out, doc...)
}

// escaped is the number in the \u escape that b begins with, or -1.
func escaped(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
