package server

import "bytes"

// maxSaid bounds what is kept of what a validator writes to standard error.
const maxSaid = 4 << 10

// said keeps the first that is written to it.
type said struct{ bytes.Buffer }

// Write implements [io.Writer].
func (s *said) Write(p []byte) (int, error) {
	_, _ = s.Buffer.Write(p[:min(len(p), maxSaid-s.Len())])
	return len(p), nil
}

// take returns what was written, and forgets it.
func (s *said) take() string {
	text := s.String()
	s.Reset()
	return text
}
