package service_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/plimsoll-project/plimsoll/service"
)

// A page that points its own name at a loopback address is still of its own origin.
func TestForeignPages(t *testing.T) {
	srv := newFixture(t, nil, service.Options{}).serve(t)
	for origin, want := range map[string]int{
		"": http.StatusOK, "http://localhost:3000": http.StatusOK, "http://127.0.0.1:1876": http.StatusOK, "http://[::1]": http.StatusOK,
		"http://evil.example": http.StatusForbidden, "https://localhost.evil.example": http.StatusForbidden,
		"null": http.StatusForbidden, "http://10.0.0.7:1876": http.StatusForbidden, "://": http.StatusForbidden,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/containerd.v1.Containers/List", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "evil.example"
		req.Header.Set("Content-Type", "application/json")
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("Origin %q: status %d, want %d", origin, res.StatusCode, want)
		}
	}
}
