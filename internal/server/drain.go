package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// drainTime is how long nobody must have sent anything for a server that stops to close
// the connections that are left: of clients that will not leave by themselves.
const drainTime = time.Second

// drain makes clients leave before connections are closed. Over HTTP/1.1 a server
// cannot close one that seems to be idle without the risk that a request is on its
// way: under load http.Server.Shutdown breaks half of them. What is safe is to
// answer, and to say with the answer that it was the last.
//
// Make one with newDrain. It is safe for concurrent use.
type drain struct {
	mu      sync.Mutex
	open    int                   // connections
	active  map[net.Conn]struct{} // those with a request that is not answered yet
	changed time.Time             // when one of them last became so, or was answered
	begun   bool                  // answers are now the last of their connections
	drained chan struct{}         // closed when begun and none was open
	once    sync.Once             // closes drained: one that was accepted at the last moment may be late
}

func newDrain() *drain {
	return &drain{drained: make(chan struct{}), active: make(map[net.Conn]struct{}), changed: time.Now()}
}

// connState is to be the server's ConnState.
func (d *drain) connState(c net.Conn, state http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch state {
	case http.StateNew:
		d.open++
	case http.StateClosed, http.StateHijacked:
		d.open--
		delete(d.active, c)
		d.settle()
	case http.StateActive:
		d.active[c] = struct{}{}
	case http.StateIdle:
		delete(d.active, c)
	}
	d.changed = time.Now()
}

// settle is called with mu held.
func (d *drain) settle() {
	if d.begun && d.open == 0 {
		d.once.Do(func() { close(d.drained) })
	}
}

// handler serves next. In HTTP/2 the header makes net/http send GOAWAY.
func (d *drain) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		last := d.begun
		d.mu.Unlock()
		if last {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// begin makes every answer from now on the last of its connection. No more connections
// may be accepted when it is called.
func (d *drain) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = true
	d.settle()
}

// wait returns when no connection is open any more, when nobody has sent anything for
// drainTime and all is answered, or when ctx is done.
func (d *drain) wait(ctx context.Context) {
	look := time.NewTicker(drainTime / 20)
	defer look.Stop()
	for !d.quiet() {
		select {
		case <-d.drained:
			return
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

func (d *drain) quiet() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.active) == 0 && time.Since(d.changed) >= drainTime
}
