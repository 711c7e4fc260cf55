package server

import (
	"bufio"
	"net"
	"sync"
	"time"
)

const (
	// readBuffer is what one system call reads at most.
	readBuffer = 32 << 10
	// maxPending bounds what waits to be written while a system call writes.
	maxPending = 64 << 10
	// closeTime is how long Close waits for what is still to be written.
	closeTime = 250 * time.Millisecond
)

// bufferedListener accepts connections that need fewer system calls: net/http reads
// each HTTP/2 frame in two of them, and writes each answer in one or more.
type bufferedListener struct{ net.Listener }

func (l bufferedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newBufferedConn(c), nil
}

// bufferedConn is a connection that reads ahead, and writes in the background: at
// once if nothing is being written, and else together with what has come meanwhile.
// Nothing waits for more to come.
//
// Write returns once the bytes are to be written next. When writing them fails the
// connection is closed, and later writes give that error. Deadlines are those of the
// connection beneath. Its buffers take up to about 160 KiB.
type bufferedConn struct {
	net.Conn
	reading sync.Mutex
	reader  *bufio.Reader

	mu      sync.Mutex
	changed sync.Cond // any of:
	pending []byte    // to be written next
	writing bool      // flush runs
	err     error     // why nothing can be written any more

	spare []byte // the memory of what was written last
}

func newBufferedConn(c net.Conn) *bufferedConn {
	b := &bufferedConn{Conn: c, reader: bufio.NewReaderSize(c, readBuffer)}
	b.changed.L = &b.mu
	return b
}

func (c *bufferedConn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	return c.reader.Read(p)
}

func (c *bufferedConn) Write(p []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if c.err != nil {
			return n, c.err
		}
		some := min(len(p)-n, maxPending-len(c.pending))
		c.pending = append(c.pending, p[n:n+some]...)
		n += some
		if len(c.pending) > 0 && !c.writing {
			c.writing = true
			go c.flush()
		}
		if n == len(p) {
			return n, nil
		}
		c.changed.Wait()
	}
}

// flush writes until nothing is pending.
func (c *bufferedConn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) > 0 {
		p := c.pending
		c.pending = c.spare[:0]
		c.changed.Broadcast()
		c.mu.Unlock()
		_, err := c.Conn.Write(p)
		if err != nil {
			_ = c.Conn.Close() // whoever reads learns of it
		}
		c.mu.Lock()
		c.spare = p
		if err != nil {
			c.pending = nil
			c.fail(err)
		}
	}
	c.writing = false
	c.changed.Broadcast()
}

// fail makes err the reason why nothing can be written any more, if there is none. It
// is called with mu held.
func (c *bufferedConn) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.changed.Broadcast()
}

// finish refuses writes from now on, and waits until those before are through. It is
// called with mu held.
func (c *bufferedConn) finish() {
	c.fail(net.ErrClosed)
	for c.writing {
		c.changed.Wait()
	}
}

// CloseWrite tells the other side that nothing more comes, after all that was
// written. Not all connections can do that.
func (c *bufferedConn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish()
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the connection after all that was written, unless the other side
// takes longer than closeTime to receive it.
func (c *bufferedConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing {
		_ = c.SetWriteDeadline(time.Now().Add(closeTime)) // if it fails, so will flush
	}
	c.finish()
	return c.Conn.Close()
}
