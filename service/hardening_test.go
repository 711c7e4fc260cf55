package service_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/plimsoll-project/plimsoll"
	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// enveloped is a message of the gRPC protocols.
func enveloped(flags byte, message []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message)))
	return append(out, message...)
}

// createJSON is a request as curl would send it.
const createJSON = `{"container":{"id":%q,"labels":{"team":"core"},"runtime":"io.containerd.runc.v2",
	"spec":{"@type":"` + specType + `","value":{"ociVersion":"1.2.0","big":18446744073709551615}}}}`

// send sends a request and returns its HTTP status, the code of a Connect error or
// gRPC status, and the body.
func send(t *testing.T, method, url string, header map[string]string, body []byte) (status int, code, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := jsonFailure(data); err == nil && f.message != "" {
		code = f.code.String()
	}
	for _, h := range []http.Header{res.Header, res.Trailer} { // of a gRPC error without and with a body
		if s := h.Get("Grpc-Status"); s != "" {
			code = "grpc " + s
		}
	}
	return res.StatusCode, code, string(data)
}

// stillServes checks that srv answers a normal request.
func stillServes(t *testing.T, srv *httptest.Server) {
	t.Helper()
	status, _, answer := send(t, http.MethodPost, srv.URL+procedures+"List", map[string]string{"Content-Type": "application/json"}, []byte("{}"))
	if status != http.StatusOK {
		t.Errorf("a normal request gets status %d: %s", status, answer)
	}
}

func TestBadRequests(t *testing.T) {
	const (
		jsonType  = "application/json"
		protoType = "application/proto"
		grpcType  = "application/grpc"
		webType   = "application/grpc-web+proto"
	)
	create := procedures + "Create"
	large := strings.Repeat("x", service.DefaultMaxRequestBytes)
	deep := `{"container":` + strings.Repeat(`{"x":`, 500_000)
	tests := []struct {
		name, method, path, contentType, encoding string
		body                                      string
		status                                    int
		code, says                                string
	}{
		{"GET", "GET", create, "", "", "", 405, "", ""},
		{"PUT", "PUT", create, jsonType, "", "{}", 405, "", ""},
		{"DELETE", "DELETE", create, jsonType, "", "{}", 405, "", ""},
		{"no content type", "POST", create, "", "", "{}", 415, "", ""},
		{"HTML", "POST", create, "text/html", "", "{}", 415, "", ""},
		{"form", "POST", create, "application/x-www-form-urlencoded", "", "a=b", 415, "", ""},
		{"JSON in another charset", "POST", create, "application/json; charset=latin1", "", "{}", 415, "", ""},
		{"gRPC in an unknown codec", "POST", create, "application/grpc+thrift", "", "", 415, "", ""},
		{"unknown path", "POST", "/x", jsonType, "", "{}", 404, "", "nothing is served at /x"},
		{"path with HTML", "GET", "/<script>", "", "", "", 404, "", "%3Cscript%3E"},
		{"unknown method", "POST", procedures + "Truncate", jsonType, "", "{}", 404, "", ""},
		{"unknown service", "POST", "/containerd.v2.Containers/Get", jsonType, "", "{}", 404, "", ""},

		{"empty JSON body", "POST", create, jsonType, "", "", 400, "invalid_argument", "zero-length"},
		{"garbage as JSON", "POST", create, jsonType, "", "\x00\xff", 400, "invalid_argument", ""},
		{"JSON of another shape", "POST", create, jsonType, "", `[1]`, 400, "invalid_argument", ""},
		{"unknown field", "POST", create, jsonType, "", `{"contaner":{}}`, 400, "invalid_argument", `unknown field \"contaner\"`},
		{"deep JSON", "POST", create, jsonType, "", deep, 400, "invalid_argument", ""},
		{"garbage as proto", "POST", create, protoType, "", "\xff\xff\xff\xff", 400, "invalid_argument", ""},
		{"proto of invalid UTF-8", "POST", create, protoType, "", "\x0a\x03\x0a\x01\xff", 400, "invalid_argument", "UTF-8"},
		{"JSON as proto", "POST", create, protoType, "", "{}", 400, "invalid_argument", ""},
		{"too large", "POST", create, jsonType, "", `{"x":"` + large + `"}`, 429, "resource_exhausted", ""},
		{"too large by far", "POST", create, protoType, "", large + large, 429, "resource_exhausted", ""},

		{"not gzip", "POST", create, jsonType, "gzip", "{}", 400, "invalid_argument", ""},
		{"gzip cut off", "POST", create, jsonType, "gzip", string(gzipped(t, []byte("{}"))[:20]), 400, "invalid_argument", ""},
		{"gzip of too much", "POST", create, jsonType, "gzip", string(gzipped(t, []byte(large+large))), 429, "resource_exhausted", "decompression"},
		{"unknown compression", "POST", create, jsonType, "zstd", "{}", 501, "unimplemented", "gzip"},

		{"gRPC without envelope", "POST", create, webType, "", "\x00", 200, "grpc 13", ""},
		{"gRPC with more than one message", "POST", create, webType, "", string(enveloped(0, nil)) + string(enveloped(0, nil)), 200, "grpc 12", ""},
		{"gRPC that promises 4 GiB", "POST", create, webType, "", "\x00\xff\xff\xff\xff", 200, "grpc 8", ""},
		{"gRPC with unknown flags", "POST", create, webType, "", string(enveloped(0x7f, nil)), 200, "grpc 13", ""},
		{"gRPC over HTTP/1.1, no container", "POST", create, grpcType, "", string(enveloped(0, nil)), 200, "grpc 3", ""},
	}
	f := newFixture(t, nil, service.Options{})
	srv := f.serve(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check := f.unchanged(t)
			header := map[string]string{"Content-Encoding": test.encoding}
			if test.contentType != "" {
				header["Content-Type"] = test.contentType
			}
			status, code, answer := send(t, test.method, srv.URL+test.path, header, []byte(test.body))
			if status != test.status || code != test.code || !strings.Contains(answer, test.says) {
				t.Errorf("got status %d, code %q, %.200q; want %d, %q, and it to say %q", status, code, answer, test.status, test.code, test.says)
			}
			check()
			stillServes(t, srv)
		})
	}
}

func TestGoodRequests(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	srv := f.serve(t)
	wire, err := proto.Marshal(&containerdv1.CreateContainerRequest{Container: container("proto")})
	if err != nil {
		t.Fatal(err)
	}
	body := func(id string) []byte { return fmt.Appendf(nil, createJSON, id) }
	for _, test := range []struct {
		name   string
		header map[string]string
		body   []byte
	}{
		{"JSON", map[string]string{"Content-Type": "application/json"}, body("a")},
		{"JSON with a charset", map[string]string{"Content-Type": "application/json; charset=utf-8"}, body("b")},
		{"JSON with a charset, otherwise", map[string]string{"Content-Type": "application/json;charset=UTF-8"}, body("c")},
		{"JSON, compressed", map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}, gzipped(t, body("d"))},
		{"JSON, compressed answer", map[string]string{"Content-Type": "application/json", "Accept-Encoding": "gzip"}, body("e")},
		{"proto, compressed", map[string]string{"Content-Type": "application/proto", "Content-Encoding": "gzip"}, gzipped(t, wire)},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, _, answer := send(t, http.MethodPost, srv.URL+procedures+"Create", test.header, test.body)
			if status != http.StatusOK {
				t.Fatalf("status %d: %s", status, answer)
			}
			want := `"value":{"ociVersion":"1.2.0","big":18446744073709551615}`
			if strings.HasPrefix(test.header["Content-Type"], "application/json") && !strings.Contains(answer, want) {
				t.Errorf("answer %s does not have the spec as it was sent", answer)
			}
		})
	}
	if _, all := f.contents(t); len(all) != 6 {
		t.Errorf("%d containers are stored, want 6", len(all))
	}
}

// A gzip bomb is given up on as soon as it is larger than a request may be, though
// the body itself is well within the bounds.
func TestGzipBomb(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	mebi := gzipped(t, make([]byte, 1<<20)) // about 1 KiB, and members of gzip may follow each other
	body := bytes.Repeat(mebi, 2048)
	srv := f.serve(t)
	for _, contentType := range []string{"application/json", "application/proto"} {
		status, code, answer := send(t, http.MethodPost, srv.URL+procedures+"Create",
			map[string]string{"Content-Type": contentType, "Content-Encoding": "gzip"}, body)
		if status != http.StatusTooManyRequests || code != "resource_exhausted" {
			t.Errorf("%s: status %d, code %q: %s", contentType, status, code, answer)
		}
		stillServes(t, srv)
	}
	_, code, _ := send(t, http.MethodPost, srv.URL+procedures+"Create",
		map[string]string{"Content-Type": "application/grpc-web+proto", "Grpc-Encoding": "gzip"}, enveloped(1, body))
	if want := fmt.Sprintf("grpc %d", codes.ResourceExhausted); code != want {
		t.Errorf("gRPC-Web: code %q, want %q", code, want)
	}
	stillServes(t, srv)
}

// A gRPC client that asks for what is not there is told so, in its own terms.
func TestUnimplemented(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	conn, err := grpc.NewClient("passthrough:///"+f.serve(t).Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, method := range []string{procedures + "Truncate", "/containerd.services.tasks.v1.Tasks/Get", "/x/y"} {
		err := conn.Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{})
		if code := grpcstatus.Code(err); code != codes.Unimplemented {
			t.Errorf("%s: %v, want UNIMPLEMENTED", method, err)
		}
	}
}

// A panic outside of the pipeline costs one request, and its text goes to the log.
func TestPanicOfAStore(t *testing.T) {
	f := newFixture(t, &store{Store: memstore.New(), view: func(context.Context) (storage.View, error) {
		panic("storage trouble")
	}}, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	for range 2 {
		_, _, err := c.get(t.Context(), nil, "web")
		if e := failed(t, err, connect.CodeInternal); strings.Contains(e.message, "storage trouble") {
			t.Errorf("the caller is told %q", e.message)
		}
	}
	if !strings.Contains(f.log.String(), "storage trouble") {
		t.Errorf("the log lacks the panic:\n%s", f.log.String())
	}
}

// A caller that goes away while its request is judged leaves nothing behind.
func TestCallerThatGoesAway(t *testing.T) {
	f := newFixture(t, nil, service.Options{MaxInFlight: 1})
	c := clientsOf(t, f.serve(t))["connect/http1"]
	entered := make(chan struct{})
	f.SetRuleset(rules(admit, judgeFunc(func(ctx context.Context, _ *plimsoll.Input) (plimsoll.Verdict, error) {
		close(entered)
		<-ctx.Done()
		return plimsoll.Verdict{}, ctx.Err()
	})))
	check := f.unchanged(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-entered
		cancel()
	}()
	_, _, err := c.create(ctx, nil, container("web"))
	failed(t, err, connect.CodeCanceled)
	f.SetRuleset(labelRules())
	check()
	if _, _, err := c.create(t.Context(), nil, container("web")); err != nil { // its turn is free again
		t.Errorf("the next request: %v", err)
	}
}
