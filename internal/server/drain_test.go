package server

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// serveDrain starts a server over HTTP/1.1 whose drain is d. get makes a request, and
// reports whether the answer says that it is the last of its connection.
func serveDrain(t *testing.T, d *drain) (get func() (last bool)) {
	t.Helper()
	web := httptest.NewUnstartedServer(d.handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok")
	})))
	web.Config.ConnState = d.connState
	web.Start()
	t.Cleanup(web.Close)
	client := web.Client()
	t.Cleanup(client.CloseIdleConnections)
	return func() bool {
		t.Helper()
		res, err := client.Get(web.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return res.Close
	}
}

func isDrained(d *drain) bool {
	select {
	case <-d.drained:
		return true
	default:
		return false
	}
}

func TestDrainWithoutConnections(t *testing.T) {
	d := newDrain()
	d.begin()
	d.wait(t.Context())
	if !isDrained(d) {
		t.Error("it waits for nobody")
	}
	// One that was accepted at the last moment does no harm.
	d.connState(nil, http.StateNew)
	d.connState(nil, http.StateClosed)
}

func TestDrainLetsClientsLeave(t *testing.T) {
	d := newDrain()
	get := serveDrain(t, d)
	if get() {
		t.Error("a connection is closed though nobody drains")
	}
	d.begin()
	if isDrained(d) {
		t.Error("drained while a connection is open")
	}
	if !get() {
		t.Error("an answer does not say that it is the last")
	}
	<-d.drained
}

func TestDrainWaitsNoLongerThanItMay(t *testing.T) {
	d := newDrain()
	get := serveDrain(t, d)
	get() // and the connection stays open
	d.begin()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d.wait(ctx)
	if isDrained(d) {
		t.Error("drained while a connection is open")
	}
}
