package service

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"connectrpc.com/connect"
)

// rpcService is a service over message types that are generated elsewhere. connect's
// generator would make a second copy of the messages, and protobuf's registry panics
// when a program has two of one name.
type rpcService struct {
	name     string // in full, as in protobuf
	handlers map[string]http.Handler
	options  []connect.HandlerOption
}

func newRPCService(name string, options ...connect.HandlerOption) *rpcService {
	return &rpcService{name: name, handlers: make(map[string]http.Handler), options: options}
}

func (r *rpcService) procedure(method string) string { return "/" + r.name + "/" + method }

// unary adds a method with one request and one answer.
func unary[Req, Res any](r *rpcService, method string, call func(context.Context, *Req) (*Res, error)) {
	procedure := r.procedure(method)
	r.handlers[procedure] = connect.NewUnaryHandlerSimple(procedure, call, r.options...)
}

// serverStream adds a method with one request and any number of answers.
func serverStream[Req, Res any](r *rpcService, method string, call func(context.Context, *Req, *connect.ServerStream[Res]) error) {
	procedure := r.procedure(method)
	r.handlers[procedure] = connect.NewServerStreamHandlerSimple(procedure, call, r.options...)
}

// containerdProcedure is what a call of any of containerd's services of today looks like.
var containerdProcedure = regexp.MustCompile(`^/(containerd\.(?:services|runtime|task)\.[A-Za-z0-9_.]+)/([A-Za-z0-9_]+)$`)

// unserved answers calls of those of containerd's services and methods that Plimsoll
// has no use for, in a way that its clients can read; other requests go on to next.
func (s *Service) unserved(served []string, next http.Handler) http.Handler {
	writer := connect.NewErrorWriter(s.handlerOptions(s.options.MaxRequestBytes)...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called := containerdProcedure.FindStringSubmatch(r.URL.Path)
		if called == nil || r.Method != http.MethodPost || !writer.IsSupported(r) {
			next.ServeHTTP(w, r)
			return
		}
		what := called[1]
		if slices.Contains(served, what) {
			what += "/" + called[2]
		}
		err := connect.NewError(connect.CodeUnimplemented, fmt.Errorf(
			"%s is not served: Plimsoll keeps the metadata of containers and runs none", clip(what, maxMetadataBytes)))
		_ = writer.Write(w, r, err) // a caller that is gone need not be told
	})
}
