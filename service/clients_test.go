package service_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// failure is an error as a client of any protocol sees it.
type failure struct {
	code    connect.Code
	message string
	details []proto.Message
	// trailer is how many bytes the error takes in HTTP trailers or headers.
	trailer int
}

func (f *failure) Error() string { return f.code.String() + ": " + f.message }

// invoker calls one method of containerd.v1.Containers in some protocol.
type invoker func(ctx context.Context, method string, header http.Header, req, res proto.Message) (http.Header, error)

// client is the API in some protocol. It returns response headers and, as an error,
// a failure.
type client struct{ invoke invoker }

func (c client) create(ctx context.Context, h http.Header, container *containerdv1.Container) (*containerdv1.Container, http.Header, error) {
	var res containerdv1.CreateContainerResponse
	header, err := c.invoke(ctx, "Create", h, &containerdv1.CreateContainerRequest{Container: container}, &res)
	return res.GetContainer(), header, err
}

func (c client) get(ctx context.Context, h http.Header, id string) (*containerdv1.Container, http.Header, error) {
	var res containerdv1.GetContainerResponse
	header, err := c.invoke(ctx, "Get", h, &containerdv1.GetContainerRequest{Id: id}, &res)
	return res.GetContainer(), header, err
}

func (c client) list(ctx context.Context, h http.Header, filter string) ([]*containerdv1.Container, error) {
	var res containerdv1.ListContainersResponse
	_, err := c.invoke(ctx, "List", h, &containerdv1.ListContainersRequest{Filter: filter}, &res)
	return res.GetContainers(), err
}

func (c client) update(ctx context.Context, h http.Header, container *containerdv1.Container, mask ...string) (*containerdv1.Container, http.Header, error) {
	var res containerdv1.UpdateContainerResponse
	req := &containerdv1.UpdateContainerRequest{Container: container}
	if len(mask) > 0 {
		req.UpdateMask = &fieldmaskpb.FieldMask{Paths: mask}
	}
	header, err := c.invoke(ctx, "Update", h, req, &res)
	return res.GetContainer(), header, err
}

func (c client) delete(ctx context.Context, h http.Header, id string) (http.Header, error) {
	return c.invoke(ctx, "Delete", h, &containerdv1.DeleteContainerRequest{Id: id}, &emptypb.Empty{})
}

// clientsOf returns clients of srv in every protocol, by name.
func clientsOf(t *testing.T, srv *httptest.Server) map[string]client {
	t.Helper()
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.Protocols = new(http.Protocols)
	creds := insecure.NewCredentials()
	if srv.TLS != nil {
		base = srv.Client().Transport.(*http.Transport).Clone()
		creds = credentials.NewTLS(&tls.Config{RootCAs: base.TLSClientConfig.RootCAs, ServerName: "example.com"})
		base.Protocols = new(http.Protocols)
		base.Protocols.SetHTTP2(true)
	} else {
		base.Protocols.SetUnencryptedHTTP2(true)
	}
	http1 := base.Clone()
	http1.Protocols = new(http.Protocols)
	http1.Protocols.SetHTTP1(true)
	if http1.TLSClientConfig != nil {
		http1.TLSClientConfig.NextProtos = nil // or TLS would agree on HTTP/2
	}
	t.Cleanup(base.CloseIdleConnections)
	t.Cleanup(http1.CloseIdleConnections)
	conn, err := grpc.NewClient("passthrough:///"+srv.Listener.Addr().String(), grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	h1, h2 := &http.Client{Transport: http1}, &http.Client{Transport: base}
	return map[string]client{
		"connect/http1":  {connectInvoker(h1, srv.URL)},
		"connect/http2":  {connectInvoker(h2, srv.URL)},
		"json/http1":     {jsonInvoker(h1, srv.URL)},
		"json/http2":     {jsonInvoker(h2, srv.URL)},
		"grpc-web/http1": {connectInvoker(h1, srv.URL, connect.WithGRPCWeb())},
		"grpc-web/http2": {connectInvoker(h2, srv.URL, connect.WithGRPCWeb())},
		"grpc":           {grpcInvoker(conn)},
	}
}

const procedures = "/containerd.v1.Containers/"

// connectInvoker calls through connect-go.
func connectInvoker(httpClient *http.Client, url string, options ...connect.ClientOption) invoker {
	return func(ctx context.Context, method string, header http.Header, req, res proto.Message) (http.Header, error) {
		ctx, info := connect.NewClientContext(ctx)
		for name, values := range header {
			info.RequestHeader()[name] = values
		}
		var err error
		switch res.(type) {
		case *containerdv1.CreateContainerResponse:
			err = unary[containerdv1.CreateContainerRequest, containerdv1.CreateContainerResponse](ctx, httpClient, url+procedures+method, req, res, options)
		case *containerdv1.GetContainerResponse:
			err = unary[containerdv1.GetContainerRequest, containerdv1.GetContainerResponse](ctx, httpClient, url+procedures+method, req, res, options)
		case *containerdv1.ListContainersResponse:
			err = unary[containerdv1.ListContainersRequest, containerdv1.ListContainersResponse](ctx, httpClient, url+procedures+method, req, res, options)
		case *containerdv1.UpdateContainerResponse:
			err = unary[containerdv1.UpdateContainerRequest, containerdv1.UpdateContainerResponse](ctx, httpClient, url+procedures+method, req, res, options)
		default:
			err = unary[containerdv1.DeleteContainerRequest, emptypb.Empty](ctx, httpClient, url+procedures+method, req, res, options)
		}
		if err == nil {
			return info.ResponseHeader(), nil
		}
		var e *connect.Error
		if !errors.As(err, &e) {
			return nil, err
		}
		f := &failure{code: e.Code(), message: e.Message()}
		for _, d := range e.Details() {
			m, err := d.Value()
			if err != nil {
				return nil, err
			}
			f.details = append(f.details, m)
		}
		return e.Meta(), f
	}
}

func unary[Req, Res any](ctx context.Context, httpClient *http.Client, url string, req, res proto.Message, options []connect.ClientOption) error {
	got, err := connect.NewClient[Req, Res](httpClient, url, options...).CallUnary(ctx, connect.NewRequest(any(req).(*Req)))
	if err == nil {
		proto.Merge(res, any(got.Msg).(proto.Message))
	}
	return err
}

// grpcInvoker calls through grpc-go.
func grpcInvoker(conn *grpc.ClientConn) invoker {
	return func(ctx context.Context, method string, header http.Header, req, res proto.Message) (http.Header, error) {
		for name, values := range header {
			for _, v := range values {
				ctx = metadata.AppendToOutgoingContext(ctx, name, v)
			}
		}
		var head, trail metadata.MD
		err := conn.Invoke(ctx, procedures+method, req, res, grpc.Header(&head), grpc.Trailer(&trail))
		got := http.Header{}
		for name, values := range metadata.Join(head, trail) {
			for _, v := range values {
				got.Add(name, v)
			}
		}
		if err == nil {
			return got, nil
		}
		s := grpcstatus.Convert(err)
		f := &failure{code: connect.Code(s.Code()), message: s.Message()}
		for _, d := range s.Details() {
			if err, bad := d.(error); bad {
				return nil, err
			}
			f.details = append(f.details, d.(proto.Message))
		}
		status, err := proto.Marshal(s.Proto())
		f.trailer = len(s.Message()) + base64.StdEncoding.EncodedLen(len(status))
		return got, errors.Join(err, f)
	}
}

// jsonInvoker calls as curl would: it posts JSON.
func jsonInvoker(httpClient *http.Client, url string) invoker {
	return func(ctx context.Context, method string, header http.Header, req, res proto.Message) (http.Header, error) {
		codec := service.JSONCodecs()[0]
		body, err := codec.Marshal(req)
		if err != nil {
			return nil, err
		}
		status, got, answer, err := post(ctx, httpClient, url+procedures+method, "application/json", header, body)
		if err != nil {
			return nil, err
		}
		if status == http.StatusOK {
			return got, codec.Unmarshal(answer, res)
		}
		f, err := jsonFailure(answer)
		return got, errors.Join(err, f)
	}
}

func post(ctx context.Context, httpClient *http.Client, url, contentType string, header http.Header, body []byte) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	for name, values := range header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("Content-Type", contentType)
	res, err := httpClient.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, answer, err
}

// jsonFailure reads the JSON of a Connect error.
func jsonFailure(answer []byte) (*failure, error) {
	var e struct {
		Code    connect.Code
		Message string
		Details []struct{ Type, Value string }
	}
	if err := json.Unmarshal(answer, &e); err != nil {
		return nil, err
	}
	f := &failure{code: e.Code, message: e.Message}
	for _, d := range e.Details {
		mt, err := protoregistry.GlobalTypes.FindMessageByURL("type.googleapis.com/" + d.Type)
		if err != nil {
			return nil, err
		}
		value, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(d.Value, "="))
		if err != nil {
			return nil, err
		}
		m := mt.New().Interface()
		if err := proto.Unmarshal(value, m); err != nil {
			return nil, err
		}
		f.details = append(f.details, m)
	}
	return f, nil
}

// failed returns err as a failure with the code that is wanted.
func failed(t *testing.T, err error, want connect.Code) *failure {
	t.Helper()
	var f *failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a failure with code %v", err, want)
	}
	if f.code != want {
		t.Fatalf("got code %v (%s), want %v", f.code, f.message, want)
	}
	return f
}

// detail returns the first detail of type M, which must be there.
func detail[M proto.Message](t *testing.T, f *failure) M {
	t.Helper()
	for _, d := range f.details {
		if m, ok := d.(M); ok {
			return m
		}
	}
	var none M
	t.Fatalf("%v has no detail of type %T, only %v", f, none, f.details)
	return none
}
