package service

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// sendTimeout is how long a caller may take to read one message of a stream.
const sendTimeout = 30 * time.Second

// listTimeout is how long a caller may take to read a list that is streamed. Its state is
// held meanwhile, and costs the store what is replaced since.
const listTimeout = 5 * time.Minute

var errSlowReader = fmt.Errorf("the list was not read within %s", listTimeout)

// patience with those who read a list that is streamed.
type patience time.Time

func newPatience() patience { return patience(time.Now()) }

func (p patience) check() error {
	if time.Since(time.Time(p)) > listTimeout {
		return errSlowReader
	}
	return nil
}

type controllerKey struct{}

// withController lets streams move the deadlines of their connection. The server's own
// are for requests that are answered at once.
func withController(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), controllerKey{}, http.NewResponseController(w))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// sender returns a function that sends messages, each of which the caller must read in
// its time. Between them the stream may stay open for good. Where deadlines cannot be
// set, the server's own apply.
func sender[M any](ctx context.Context, send func(*M) error) func(*M) error {
	controller, ok := ctx.Value(controllerKey{}).(*http.ResponseController)
	if !ok {
		return send
	}
	_ = controller.SetReadDeadline(time.Time{}) // the request has been read
	return func(m *M) error {
		_ = controller.SetWriteDeadline(time.Now().Add(sendTimeout))
		err := send(m)
		_ = controller.SetWriteDeadline(time.Time{})
		return err
	}
}
