package server

import (
	"io"
	"strings"
	"unicode"
)

// maxSaid bounds what is passed on of what a validator says.
const maxSaid = 4 << 10

// said passes on the first that a validator writes to standard error, without what only
// terminals read.
type said struct {
	to   io.Writer
	left int // bytes
}

// newSaid returns a writer to w; nil if that is nil.
func newSaid(w io.Writer) io.Writer {
	if w == nil {
		return nil
	}
	return &said{to: w, left: maxSaid}
}

// Write implements [io.Writer]. It never fails: what a tool cannot show makes no
// difference to a verdict.
func (s *said) Write(p []byte) (int, error) {
	shown := p[:min(len(p), s.left)]
	s.left -= len(shown)
	_, _ = io.WriteString(s.to, strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, string(shown)))
	return len(p), nil
}
