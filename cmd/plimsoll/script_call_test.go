package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	"github.com/plimsoll-project/plimsoll/service"
)

// callTimeout keeps a test that fails from hanging.
const callTimeout = time.Minute

// callCommand calls a method of containerd.v1.Containers at $address over $protocol:
// http+json (HTTP/1.1 as curl speaks it), connect, grpc or grpcweb. REQUEST is JSON,
// or @FILE. With $ca the connection is TLS.
//
// It prints the code and message, the headers that begin with plimsoll-, and the
// response or the error's details, in the same way for all protocols. An error is
// no failure: scripts look at what is printed.
func callCommand(ts *testscript.TestScript, neg bool, args []string) {
	header := http.Header{}
	for len(args) > 1 && args[0] == "-H" {
		key, value, _ := strings.Cut(args[1], ":")
		header.Add(key, strings.TrimSpace(value))
		args = args[2:]
	}
	if neg || len(args) != 2 {
		ts.Fatalf("usage: call [-H 'KEY: VALUE'] METHOD REQUEST")
	}
	m, ok := methods[args[0]]
	if !ok {
		ts.Fatalf("no method %q", args[0])
	}
	request := m.request()
	ts.Check(service.JSONCodecs()[0].Unmarshal(contentOf(ts, args[1]), request))

	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	c := caller{address: ts.Getenv("address"), method: args[0], header: header}
	if ca := ts.Getenv("ca"); ca != "" {
		c.tls = trusting(ts, ca)
	}
	var reply reply
	switch protocol := ts.Getenv("protocol"); protocol {
	case "http+json":
		reply = c.overHTTP(ctx, request)
	case "connect":
		reply = c.overConnect(ctx, request)
	case "grpcweb":
		reply = c.overConnect(ctx, request, connect.WithGRPCWeb())
	case "grpc":
		reply = c.overGRPC(ctx, request)
	default:
		ts.Fatalf("no protocol %q", protocol)
	}
	reply.print(ts.Stdout())
}

// contentOf is the text itself, or with @ the content of the file it names.
func contentOf(ts *testscript.TestScript, text string) []byte {
	if name, ok := strings.CutPrefix(text, "@"); ok {
		data, err := os.ReadFile(ts.MkAbs(name))
		ts.Check(err)
		return data
	}
	return []byte(text)
}

func trusting(ts *testscript.TestScript, ca string) *tls.Config {
	pem, err := os.ReadFile(ts.MkAbs(ca))
	ts.Check(err)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		ts.Fatalf("no certificate in %s", ca)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
}

// method is what a call needs to know of a method.
type method struct {
	request, response func() proto.Message
	call              func(containerdv1connect.ContainersClient, context.Context, proto.Message) (proto.Message, error)
}

var methods = map[string]method{
	"Get":    methodOf(containerdv1connect.ContainersClient.Get),
	"List":   methodOf(containerdv1connect.ContainersClient.List),
	"Create": methodOf(containerdv1connect.ContainersClient.Create),
	"Update": methodOf(containerdv1connect.ContainersClient.Update),
	"Delete": methodOf(containerdv1connect.ContainersClient.Delete),
}

func methodOf[Q, A any](call func(containerdv1connect.ContainersClient, context.Context, *Q) (*A, error)) method {
	return method{
		request:  func() proto.Message { return any(new(Q)).(proto.Message) },
		response: func() proto.Message { return any(new(A)).(proto.Message) },
		call: func(client containerdv1connect.ContainersClient, ctx context.Context, request proto.Message) (proto.Message, error) {
			response, err := call(client, ctx, any(request).(*Q))
			return any(response).(proto.Message), err
		},
	}
}

type caller struct {
	address string
	method  string
	header  http.Header
	tls     *tls.Config // nil for plain text
}

func (c caller) base() string {
	if c.tls != nil {
		return "https://" + c.address
	}
	return "http://" + c.address
}

func (c caller) client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c.tls, ForceAttemptHTTP2: true}}
}

// reply is what came back, whatever the protocol.
type reply struct {
	code    string // OK or Connect's name of the code
	message string
	header  http.Header
	body    proto.Message
	details []proto.Message
}

// overConnect calls with connect-go's client.
func (c caller) overConnect(ctx context.Context, request proto.Message, options ...connect.ClientOption) reply {
	ctx, info := connect.NewClientContext(ctx)
	maps.Copy(info.RequestHeader(), c.header)
	httpClient := c.client()
	defer httpClient.CloseIdleConnections()
	client := containerdv1connect.NewContainersClient(httpClient, c.base(), options...)
	response, err := methods[c.method].call(client, ctx, request)
	if err == nil {
		return reply{code: "OK", header: info.ResponseHeader(), body: response}
	}
	var failure *connect.Error
	if !errors.As(err, &failure) {
		return reply{code: "no answer", message: err.Error()}
	}
	r := reply{code: failure.Code().String(), message: failure.Message(), header: failure.Meta()}
	for _, d := range failure.Details() {
		value, err := d.Value()
		r.addDetail(value, err)
	}
	return r
}

// overGRPC calls with grpc-go's client.
func (c caller) overGRPC(ctx context.Context, request proto.Message) reply {
	transport := insecure.NewCredentials()
	if c.tls != nil {
		transport = credentials.NewTLS(c.tls)
	}
	conn, err := grpc.NewClient("passthrough:///"+c.address, grpc.WithTransportCredentials(transport))
	if err != nil {
		return reply{code: "no answer", message: err.Error()}
	}
	defer conn.Close()
	for key, values := range c.header {
		for _, value := range values {
			ctx = metadata.AppendToOutgoingContext(ctx, key, value)
		}
	}
	var header, trailer metadata.MD
	response := methods[c.method].response()
	err = conn.Invoke(ctx, "/"+containerdv1connect.ContainersName+"/"+c.method, request, response,
		grpc.Header(&header), grpc.Trailer(&trailer))
	r := reply{code: "OK", body: response, header: http.Header{}}
	for key, values := range metadata.Join(header, trailer) {
		r.header[http.CanonicalHeaderKey(key)] = values
	}
	if s := status.Convert(err); err != nil {
		r.code, r.message = connect.Code(s.Code()).String(), s.Message()
		for _, d := range s.Details() {
			value, _ := d.(proto.Message)
			err, _ := d.(error)
			r.addDetail(value, err)
		}
	}
	return r
}

// overHTTP posts JSON over HTTP/1.1 and knows of no library but the standard one.
func (c caller) overHTTP(ctx context.Context, request proto.Message) reply {
	body, err := service.JSONCodecs()[0].Marshal(request)
	if err != nil {
		return reply{code: "no request", message: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base()+"/"+containerdv1connect.ContainersName+"/"+c.method, bytes.NewReader(body))
	if err != nil {
		return reply{code: "no request", message: err.Error()}
	}
	maps.Copy(req.Header, c.header)
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c.tls}}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return reply{code: "no answer", message: err.Error()}
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil {
		return reply{code: "no answer", message: err.Error()}
	}
	r := reply{code: "OK", header: res.Header}
	if res.StatusCode == http.StatusOK {
		r.body = methods[c.method].response()
		if err := service.JSONCodecs()[0].Unmarshal(body, r.body); err != nil {
			return reply{code: "bad answer", message: err.Error()}
		}
		return r
	}
	r.code, r.message, r.details = connectError(body)
	return r
}

// connectError reads the JSON of an error of the Connect protocol.
func connectError(body []byte) (code, message string, details []proto.Message) {
	var failure struct {
		Code, Message string
		Details       []struct{ Type, Value string }
	}
	if err := json.Unmarshal(body, &failure); err != nil {
		return "bad answer", string(body), nil
	}
	var r reply
	for _, d := range failure.Details {
		r.addDetail(decodeDetail(d.Type, d.Value))
	}
	return failure.Code, failure.Message, r.details
}

func decodeDetail(name, value string) (proto.Message, error) {
	t, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	data, err := base64.RawStdEncoding.DecodeString(value)
	if err != nil {
		return nil, err
	}
	detail := t.New().Interface()
	return detail, proto.Unmarshal(data, detail)
}

func (r *reply) addDetail(detail proto.Message, err error) {
	if err != nil || detail == nil {
		r.code, r.message = "bad answer", fmt.Sprintf("detail: %v", err)
		return
	}
	r.details = append(r.details, detail)
}

func (r reply) print(w io.Writer) {
	fmt.Fprintln(w, strings.TrimSuffix(r.code+": "+r.message, ": "))
	for _, key := range slices.Sorted(maps.Keys(r.header)) {
		if strings.HasPrefix(key, "Plimsoll-") {
			for _, value := range r.header[key] {
				fmt.Fprintf(w, "%s: %s\n", strings.ToLower(key), value)
			}
		}
	}
	for _, detail := range r.details {
		fmt.Fprintf(w, "%s %s\n", detail.ProtoReflect().Descriptor().FullName(), indented(detail))
	}
	if r.code == "OK" {
		fmt.Fprintln(w, indented(r.body))
	}
}

// indented is the JSON of a message. protojson varies its white space on purpose.
func indented(m proto.Message) string {
	data, err := service.JSONCodecs()[0].Marshal(m)
	if err != nil {
		return err.Error()
	}
	var out bytes.Buffer
	if err := json.Indent(&out, data, "", "  "); err != nil {
		return err.Error()
	}
	return out.String()
}
