package service_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll/service"
)

const console = "https://console.example.com"

// sendFrom sends a request as browsers do for a page of origin.
func sendFrom(t *testing.T, srv *httptest.Server, method, path, origin string, header map[string]string) (status int, answered http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode, res.Header
}

// onPlainAndTLS runs test against a service of options in plain text and over TLS.
func onPlainAndTLS(t *testing.T, options service.Options, test func(t *testing.T, srv *httptest.Server)) {
	t.Run("plain", func(t *testing.T) { test(t, newFixture(t, nil, options).serve(t)) })
	t.Run("tls", func(t *testing.T) {
		srv := httptest.NewUnstartedServer(newFixture(t, nil, options).Handler())
		srv.EnableHTTP2 = true
		srv.StartTLS()
		t.Cleanup(srv.Close)
		test(t, srv)
	})
}

func TestCORSPreflight(t *testing.T) {
	for _, test := range []struct {
		name    string
		origins []string // configured
		origin  string   // of the page
		method  string
		headers string // that the page wants to send; sorted, as browsers do
		allowed bool
	}{
		{"connect", []string{console}, console, "POST", "connect-protocol-version,connect-timeout-ms,content-type", true},
		{"grpc-web", []string{console}, console, "POST", "content-type,grpc-timeout,x-grpc-web,x-user-agent", true},
		{"headers of Plimsoll", []string{console}, console, "POST", "containerd-namespace,content-type,plimsoll-dry-run,plimsoll-if-revision,plimsoll-request-id", true},
		{"second of several", []string{"https://a.example", console}, console, "POST", "content-type", true},
		{"another header", []string{console}, console, "POST", "content-type,x-other", false},
		{"another method", []string{console}, console, "DELETE", "content-type", false},
		{"another origin", []string{console}, "https://evil.example.com", "POST", "content-type", false},
		{"another scheme", []string{console}, "http://console.example.com", "POST", "content-type", false},
		{"another port", []string{console}, console + ":8443", "POST", "content-type", false},
		{"a longer name", []string{console}, console + ".evil.example", "POST", "content-type", false},
		{"this machine", []string{console}, "http://localhost:3000", "POST", "content-type", false},
		{"null", []string{console}, "null", "POST", "content-type", false},
		{"no pattern", []string{"*", "https://*.example.com"}, console, "POST", "content-type", false},
		{"off", nil, console, "POST", "content-type", false},
		{"off, this machine", nil, "http://localhost:3000", "POST", "content-type", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			onPlainAndTLS(t, service.Options{CORSOrigins: test.origins}, func(t *testing.T, srv *httptest.Server) {
				status, answered := sendFrom(t, srv, http.MethodOptions, procedures+"List", test.origin, map[string]string{
					"Access-Control-Request-Method": test.method, "Access-Control-Request-Headers": test.headers,
				})
				if !test.allowed {
					for name, values := range answered {
						if strings.HasPrefix(name, "Access-Control-") {
							t.Errorf("%s: %s", name, values)
						}
					}
					return
				}
				for name, want := range map[string]string{
					"Access-Control-Allow-Origin": test.origin, "Access-Control-Allow-Methods": test.method,
					"Access-Control-Allow-Headers": test.headers, "Access-Control-Allow-Credentials": "", "Access-Control-Max-Age": "7200",
				} {
					if got := answered.Get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				if status != http.StatusNoContent {
					t.Errorf("status %d, want %d", status, http.StatusNoContent)
				}
			})
		})
	}
}

// What a configured origin may send is answered, and the page may read the answer
// with its headers; errors, too.
func TestCORSCalls(t *testing.T) {
	onPlainAndTLS(t, service.Options{CORSOrigins: []string{console}}, func(t *testing.T, srv *httptest.Server) {
		for name, c := range clientsOf(t, srv) {
			t.Run(name, func(t *testing.T) {
				header := http.Header{"Origin": {console}}
				_, answered, err := c.create(t.Context(), header, container("web"))
				if err != nil {
					t.Fatal(err)
				}
				if got := answered.Get("access-control-allow-origin"); got != console {
					t.Errorf("allowed origin %q", got)
				}
				exposed := strings.Split(strings.ToLower(answered.Get("access-control-expose-headers")), ", ")
				for _, want := range []string{
					"plimsoll-revision", "plimsoll-decision", "plimsoll-warning", "plimsoll-patch", "grpc-status", "grpc-message", "grpc-status-details-bin",
				} {
					if !slices.Contains(exposed, want) {
						t.Errorf("%s is not exposed: %s", want, exposed)
					}
				}
				_, answered, err = c.create(t.Context(), header, container("denied", "policy", "1"))
				failed(t, err, connect.CodePermissionDenied)
				if got := answered.Get("access-control-allow-origin"); got != console {
					t.Errorf("with an error: allowed origin %q", got)
				}
				if _, err := c.delete(t.Context(), header, "web"); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
}

// Origins that are not configured are as if CORS were off: foreign ones are refused
// in plain text, and no browser lets a page read the answer.
func TestCORSOthers(t *testing.T) {
	onPlainAndTLS(t, service.Options{CORSOrigins: []string{console}}, func(t *testing.T, srv *httptest.Server) {
		for _, contentType := range []string{
			"application/json", "application/proto", "application/connect+proto", "application/grpc", "application/grpc-web+proto", "text/plain",
		} {
			for origin, foreign := range map[string]bool{"https://evil.example": true, "null": true, console + ":444": true, "http://localhost:3000": false} {
				status, answered := sendFrom(t, srv, http.MethodPost, procedures+"List", origin, map[string]string{"Content-Type": contentType})
				if got := answered.Get("Access-Control-Allow-Origin"); got != "" {
					t.Errorf("%s from %s: allowed origin %q", contentType, origin, got)
				}
				if refused := status == http.StatusForbidden; refused != (foreign && srv.TLS == nil) {
					t.Errorf("%s from %s: status %d", contentType, origin, status)
				}
			}
		}
	})
}

// Probes are as ever.
func TestCORSProbes(t *testing.T) {
	onPlainAndTLS(t, service.Options{CORSOrigins: []string{console}}, func(t *testing.T, srv *httptest.Server) {
		for _, path := range []string{"/livez", "/readyz"} {
			status, answered := sendFrom(t, srv, http.MethodGet, path, "http://localhost:3000", nil)
			if status != http.StatusOK || answered.Get("Vary") != "" {
				t.Errorf("%s: status %d, header %v", path, status, answered)
			}
		}
	})
}
