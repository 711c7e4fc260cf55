package service

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	"connectrpc.com/connect"
)

// counter counts what is read of an endless gzip stream of zeros.
type counter struct {
	member []byte
	rest   []byte
	read   int
}

func (c *counter) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		c.rest = c.member // members of gzip may follow each other without end
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	c.read += n
	return n, nil
}

// A decompressor gives and takes no more than its bound asks for, however often it
// is used.
func TestBoundedGzip(t *testing.T) {
	const limit = 10 << 10
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z := &boundedGzip{max: limit}
	for range 3 {
		bomb := &counter{member: member.Bytes()}
		if err := z.Reset(bomb); err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, z)
		if connect.CodeOf(err) != connect.CodeResourceExhausted {
			t.Errorf("got %v, want RESOURCE_EXHAUSTED", err)
		}
		if n > limit+1 || bomb.read > limit {
			t.Errorf("gave %d bytes for %d, want at most %d", n, bomb.read, limit+1)
		}
	}

	var small bytes.Buffer
	w.Reset(&small)
	if _, err := w.Write(make([]byte, limit)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Reset(&small); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, z); n != limit || err != nil {
		t.Errorf("gave %d bytes (%v), want all %d", n, err, limit)
	}
}
