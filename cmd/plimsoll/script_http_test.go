package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"aead.dev/minisign"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"
)

// headerFlags collects -H 'KEY: VALUE'.
type headerFlags http.Header

func (headerFlags) String() string { return "" }

func (h headerFlags) Set(text string) error {
	key, value, ok := strings.Cut(text, ":")
	if !ok {
		return fmt.Errorf("%q is not KEY: VALUE", text)
	}
	http.Header(h).Add(key, strings.TrimSpace(value))
	return nil
}

// httpCommand makes a request over HTTP/1.1 and prints status, headers of interest
// and body:
//
//	http [-X METHOD] [-H 'KEY: VALUE']… [-d BODY|-d @FILE] [-unix SOCKET] [-ca FILE] URL
//
// That there is no answer is a failure, and must be one with "!".
func httpCommand(ts *testscript.TestScript, neg bool, args []string) {
	header := http.Header{}
	flags := flag.NewFlagSet("http", flag.ContinueOnError)
	verb := flags.String("X", "", "")
	data := flags.String("d", "", "")
	socket := flags.String("unix", "", "")
	ca := flags.String("ca", "", "")
	flags.Var(headerFlags(header), "H", "")
	ts.Check(flags.Parse(args))
	var body io.Reader
	if *data != "" {
		body = bytes.NewReader(contentOf(ts, *data))
	}
	if *verb == "" {
		*verb = http.MethodGet
		if body != nil {
			*verb = http.MethodPost
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, *verb, flags.Arg(0), body)
	ts.Check(err)
	req.Header = header
	transport := &http.Transport{}
	if *socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", *socket)
		}
	}
	if *ca != "" {
		transport.TLSClientConfig = trusting(ts, *ca)
	}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if (err != nil) != neg {
		ts.Fatalf("error is %v", err)
	}
	if err != nil {
		_, _ = fmt.Fprintln(ts.Stderr(), err)
		return
	}
	defer res.Body.Close()
	printResponse(ts, res)
}

func printResponse(ts *testscript.TestScript, res *http.Response) {
	w := ts.Stdout()
	fmt.Fprintln(w, res.Proto, res.Status)
	for _, key := range slices.Sorted(maps.Keys(res.Header)) {
		if key == "Allow" || key == "Accept-Post" || key == "Content-Type" || strings.HasPrefix(key, "Plimsoll-") {
			for _, value := range res.Header[key] {
				fmt.Fprintf(w, "%s: %s\n", strings.ToLower(key), value)
			}
		}
	}
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	fmt.Fprintf(w, "\n%s\n", bytes.TrimSpace(body))
}

// silentCommand accepts connections and says nothing.
func silentCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: silent NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// webserverCommand serves nothing but 404s.
func webserverCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: webserver NAME")
	}
	web := httptest.NewServer(http.NotFoundHandler())
	ts.Defer(web.Close)
	ts.Setenv(args[0], web.Listener.Addr().String())
}

func registryCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: registry NAME")
	}
	web := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	ts.Defer(web.Close)
	ts.Setenv(args[0], web.Listener.Addr().String())
}

func minisignCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: minisign NAME")
	}
	public, private, err := minisign.GenerateKey(nil)
	ts.Check(err)
	secret, err := private.MarshalText()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".key"), secret, 0o600))
	text, err := public.MarshalText()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pub"), text, 0o600))
}

// bodyCommand makes a request body that means no good:
//
//	body large FILE      5 MiB of a Create request
//	body gzip-bomb FILE  128 MiB of white space in less than 1
//	body json-bomb FILE  Anys within Anys, 10,000 deep
//	body deep-spec FILE  a spec of arrays within arrays, 10,000 deep
//	body large-spec FILE a spec of 2 MiB
func bodyCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: body KIND FILE")
	}
	const (
		head = `{"container": {"id": "x", "runtime": "io.containerd.runc.v2", "spec": {"@type": "types.containerd.io/opencontainers/runtime-spec/1/Spec", "value": `
		tail = `}}}`
		deep = 10_000
	)
	var body string
	switch kind := args[0]; kind {
	case "large":
		body = head + `{"x": "` + strings.Repeat("x", 5<<20) + `"}` + tail
	case "large-spec":
		body = head + `{"x": "` + strings.Repeat("x", 2<<20) + `"}` + tail
	case "deep-spec":
		body = head + `{"x": ` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `}` + tail
	case "json-bomb":
		nested := `{"@type": "type.googleapis.com/google.protobuf.Any", "value": `
		body = `{"container": {"id": "x", "spec": ` + strings.Repeat(nested, deep) + `{}` + strings.Repeat("}", deep) + `}}`
	case "gzip-bomb":
		var out bytes.Buffer
		z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		ts.Check(err)
		_, err = io.CopyN(z, spaces{}, 128<<20)
		ts.Check(err)
		ts.Check(z.Close())
		body = out.String()
	default:
		ts.Fatalf("no kind %q", kind)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(body), 0o600))
}

// spaces is a reader of white space without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// certificateCommand makes ca.pem, and server.pem and server.key of a server on
// loopback that the authority vouches for.
func certificateCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: certificate DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		ts.Check(err)
		return key
	}
	write := func(name, kind string, der []byte) {
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		ts.Check(os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test server"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caKey, serverKey := newKey(), newKey()
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	ts.Check(err)
	serverDER, err := x509.CreateCertificate(rand.Reader, server, ca, serverKey.Public(), caKey)
	ts.Check(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	ts.Check(err)
	write("ca.pem", "CERTIFICATE", caDER)
	write("server.pem", "CERTIFICATE", serverDER)
	write("server.key", "PRIVATE KEY", keyDER)
}
