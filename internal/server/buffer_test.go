package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bufferedPair returns both ends of a connection, the second of them buffered.
func bufferedPair(t *testing.T, network, address string) (net.Conn, *bufferedConn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	c, err := bufferedListener{l}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return peer, c.(*bufferedConn)
}

// All that was written arrives, in order, before the end: whichever way that comes,
// and although the buffers are smaller.
func TestBufferedConnDelivers(t *testing.T) {
	sent := make([]byte, 10*maxPending)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	for _, network := range []string{"tcp", "unix"} {
		for name, end := range map[string]func(*bufferedConn) error{"Close": (*bufferedConn).Close, "CloseWrite": (*bufferedConn).CloseWrite} {
			t.Run(network+"/"+name, func(t *testing.T) {
				address := "127.0.0.1:0"
				if network == "unix" {
					address = socketPath(t)
				}
				peer, c := bufferedPair(t, network, address)
				go func() {
					for rest := sent; len(rest) > 0; {
						n, err := c.Write(rest[:min(len(rest), 1+len(rest)/3)])
						if err != nil {
							t.Error(err)
						}
						rest = rest[n:]
					}
					if err := end(c); err != nil {
						t.Error(err)
					}
				}()
				got, err := io.ReadAll(peer)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, sent) {
					t.Errorf("%d bytes arrived, not the %d that were sent", len(got), len(sent))
				}
				if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
					t.Errorf("a write after the end gives %d, %v", n, err)
				}
			})
		}
	}
}

// Writers at the same time neither mix nor lose bytes.
func TestBufferedConnConcurrentWrites(t *testing.T) {
	peer, c := bufferedPair(t, "unix", socketPath(t))
	const writers, each = 8, 1000
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for range each {
				if _, err := fmt.Fprintf(c, "%d%[1]d%[1]d%[1]d", w); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() {
		all.Wait()
		c.Close()
	}()
	got, err := io.ReadAll(peer)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for ; len(got) >= 4; got = got[4:] {
		counts[string(got[:4])]++
	}
	for w := range writers {
		if s := fmt.Sprintf("%d%[1]d%[1]d%[1]d", w); counts[s] != each {
			t.Errorf("%q arrived %d times, want %d", s, counts[s], each)
		}
	}
}

// A write goes out at once; those that come while it does go out together.
func TestBufferedConnCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer, end := net.Pipe() // where a write lasts until it is read
		c := newBufferedConn(end)
		for _, text := range []string{"a", "b", "c"} {
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		buf := make([]byte, 16)
		for _, want := range []string{"a", "bc"} {
			if n, err := peer.Read(buf); err != nil || string(buf[:n]) != want {
				t.Errorf("read %q, %v, want %q", buf[:n], err, want)
			}
		}
		_ = c.Close()
	})
}

// Who does not read makes writes wait and then fail, as deadlines say.
func TestBufferedConnWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer, end := net.Pipe()
		c := newBufferedConn(end)
		begun := time.Now()
		_ = c.SetWriteDeadline(begun.Add(time.Minute))
		n, err := c.Write(make([]byte, 3*maxPending))
		if n != 2*maxPending || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write gives %d, %v, want what is being written, what fits into the buffer and the deadline's error", n, err)
		}
		if got := time.Since(begun); got != time.Minute {
			t.Errorf("it failed after %s", got)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still open")
		}
		if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the other side reads %v", err)
		}
		_ = c.Close()
	})
}

// Close does not wait for long, and lets nobody else wait.
func TestBufferedConnCloseStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, end := net.Pipe()
		c := newBufferedConn(end)
		failed := make(chan error)
		go func() {
			_, err := c.Write(make([]byte, 3*maxPending))
			failed <- err
		}()
		synctest.Wait()
		begun := time.Now()
		go c.Close()
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the write that waited gives %v", err)
		}
		_ = c.Close()
		if got := time.Since(begun); got != closeTime {
			t.Errorf("closing took %s", got)
		}
	})
}

// A read that was interrupted, as net/http does, can be tried again.
func TestBufferedConnReadDeadline(t *testing.T) {
	peer, c := bufferedPair(t, "unix", socketPath(t))
	buf := make([]byte, 2)
	_ = c.SetReadDeadline(time.Unix(1, 0))
	if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading after the deadline gives %v", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	if _, err := io.WriteString(peer, "abc"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ab", "c"} {
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != want {
			t.Errorf("read %q, %v, want %q", buf[:n], err, want)
		}
	}
}
