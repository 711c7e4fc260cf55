package sink

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var two = [][]byte{[]byte(`{"n":1}`), []byte(`{"n":2}`)}

// received is what a server that takes decision logs as OPA sends them has read.
func received(t *testing.T, r *http.Request) []map[string]int {
	t.Helper()
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%s %v", r.Method, r.Header)
	}
	body, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Error(err)
		return nil
	}
	var events []map[string]int
	if err := json.NewDecoder(body).Decode(&events); err != nil {
		t.Error(err)
	}
	return events
}

func newHTTP(t *testing.T, base string, o HTTPOptions) *HTTP {
	t.Helper()
	var err error
	if o.URL, err = url.Parse(base + "/logs?sig=SECRET"); err != nil {
		t.Fatal(err)
	}
	h, err := NewHTTP(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func TestHTTP(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("TOKEN1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var paths, tokens []string
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if got := received(t, r); len(got) != 2 || got[0]["n"] != 1 || got[1]["n"] != 2 {
			t.Errorf("%v", got)
		}
		paths, tokens = append(paths, r.URL.String()), append(tokens, r.Header.Get("Authorization"))
	}))
	defer web.Close()
	h := newHTTP(t, web.URL, HTTPOptions{TokenFile: token})
	if err := h.Send(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	// A token that is replaced is used at once.
	if err := os.WriteFile(token, []byte("TOKEN2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Send(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	if strings.Join(paths, " ") != "/logs?sig=SECRET /logs?sig=SECRET" || strings.Join(tokens, " ") != "Bearer TOKEN1 Bearer TOKEN2" {
		t.Error(paths, tokens)
	}
}

// Failures are told in a way that the courier can act on, and without anything secret.
func TestHTTPFailures(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
		check   func(error) bool
	}{
		{"refused", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "SECRET", http.StatusUnauthorized) }, "the answer is 401 Unauthorized", nil},
		{"busy", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "429", func(err error) bool {
			later, ok := errors.AsType[*RetryAfterError](err)
			return ok && later.After == 17*time.Second
		}},
		{"busy until", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		}, "503", func(err error) bool {
			later, ok := errors.AsType[*RetryAfterError](err)
			return ok && later.After > 50*time.Minute
		}},
		{"busy for ever", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "99999999999")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "429", func(err error) bool {
			later, ok := errors.AsType[*RetryAfterError](err)
			return ok && later.After == maxRetryAfter
		}},
		{"busy in no way that can be read", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "soon")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "429", func(err error) bool { return !errors.As(err, new(*RetryAfterError)) }},
		{"too large", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) }, "413", func(err error) bool { return errors.Is(err, ErrTooLarge) }},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/logs" {
				t.Error("the redirect was followed")
			}
			http.Redirect(w, r, "/SECRET", http.StatusTemporaryRedirect)
		}, "307", nil},
		{"cut off in the middle", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, 4))
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.Close()
		}, "EOF", nil},
		{"slow", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, "there was no answer in time", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			web := httptest.NewServer(test.handler)
			defer web.Close()
			timeout := time.Minute
			if test.name == "slow" {
				timeout = 20 * time.Millisecond
			}
			err := newHTTP(t, web.URL, HTTPOptions{Timeout: timeout}).Send(t.Context(), two)
			if err == nil || !strings.Contains(err.Error(), test.want) && !strings.Contains(err.Error(), "connection reset") || strings.Contains(err.Error(), "SECRET") {
				t.Fatalf("%v, want %q", err, test.want)
			}
			if test.check != nil && !test.check(err) {
				t.Errorf("%#v", err)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		web := httptest.NewServer(http.NotFoundHandler())
		web.Close()
		err := newHTTP(t, web.URL, HTTPOptions{}).Send(t.Context(), two)
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Error(err)
		}
	})
}

func TestTLS(t *testing.T) {
	web := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { received(t, r) }))
	defer web.Close()
	if err := newHTTP(t, web.URL, HTTPOptions{}).Send(t.Context(), two); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error("a certificate that nobody vouches for:", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, ca, web.Certificate().Raw)
	if err := newHTTP(t, web.URL, HTTPOptions{CAFile: ca}).Send(t.Context(), two); err != nil {
		t.Error(err)
	}
}

func TestFilesThatAreWrong(t *testing.T) {
	dir := t.TempDir()
	empty, several := filepath.Join(dir, "empty"), filepath.Join(dir, "several")
	for path, text := range map[string]string{empty: " \n", several: "a\nSECRET"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range []HTTPOptions{{TokenFile: empty}, {TokenFile: several}, {TokenFile: dir + "/none"}, {CAFile: empty}, {CAFile: dir + "/none"}} {
		o.URL = &url.URL{}
		if _, err := NewHTTP(o); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func lines(t *testing.T, paths ...string) []string {
	t.Helper()
	var all []string
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")...)
	}
	return all
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	if err := os.WriteFile(path, []byte(`{"n":0}`+"\n"+`{"n":`), 0o600); err != nil { // a crash
		t.Fatal(err)
	}
	f, err := NewFile(FileOptions{Path: path, MaxMegabytes: MinMegabytes, MaxFiles: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Send(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(lines(t, path), " "); got != `{"n":0} {"n": {"n":1} {"n":2}` {
		t.Error(got)
	}
	// It is rotated when it is full, and what comes together stays together.
	large := [][]byte{[]byte(`"` + strings.Repeat("x", 1<<20) + `"`), two[0]}
	for range 2 * MinMegabytes {
		if err := f.Send(t.Context(), large); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	if n := len(lines(t, all...)); n != 4+4*MinMegabytes {
		t.Errorf("%d lines", n)
	}
	for _, path := range all {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || info.Size() > MinMegabytes<<20 {
			t.Errorf("%v, %v", info, err)
		}
		if l := lines(t, path); l[len(l)-1] != string(two[0]) && l[len(l)-1] != string(two[1]) {
			t.Errorf("%s ends in the middle", path)
		}
	}
}

// A file that somebody moves away is made anew.
func TestFileMovedAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	f, err := NewFile(FileOptions{Path: path, MaxMegabytes: MinMegabytes})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for i := range 3 {
		if err := f.Send(t.Context(), two); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(lines(t, path+".1")) != 4 || len(lines(t, path)) != 2 {
		t.Error(lines(t, path+".1"), lines(t, path))
	}
	if _, err := NewFile(FileOptions{Path: filepath.Join(path, "x")}); err == nil {
		t.Error("a directory that is none")
	}
}

// A stream that nobody reads is given up on, and nothing comes in between what it was given.
func TestStream(t *testing.T) {
	r, w := io.Pipe()
	s := NewStream(w)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Send(ctx, two); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Send(t.Context(), two[:1]) }()
	scanner := bufio.NewScanner(r)
	var got []string
	for range 3 {
		scanner.Scan()
		got = append(got, scanner.Text())
	}
	if err := <-done; err != nil || strings.Join(got, " ") != `{"n":1} {"n":2} {"n":1}` {
		t.Error(got, err)
	}
	_ = r.Close()
	if err := s.Send(t.Context(), two); err == nil {
		t.Error("nobody reads, and that is no error")
	}
}

func writePEM(t *testing.T, path string, certificate []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A disk that hangs holds up nobody who stops.
func TestFileThatHangs(t *testing.T) {
	f, err := NewFile(FileOptions{Path: filepath.Join(t.TempDir(), "decisions.jsonl"), MaxMegabytes: MinMegabytes})
	if err != nil {
		t.Fatal(err)
	}
	held := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.lines.write(ctx, two, func([]byte) error { <-held; return nil }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := f.Send(ctx, two); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := f.Close(); err == nil {
		t.Error("it is closed while it is written to")
	}
	close(held)
	if err := f.Send(t.Context(), two); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
