package sink

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// HTTPOptions are the settings of an [HTTP].
type HTTPOptions struct {
	// URL is where events are sent. It never shows up in errors or logs as a whole.
	URL *url.URL
	// TokenFile, if set, is a file with a bearer token, which is read for each request.
	TokenFile string
	// CAFile, if set, is a PEM file with the authorities to trust.
	CAFile string
	// Timeout bounds one request. Default: 30 s.
	Timeout time.Duration
}

// HTTP sends events to an HTTP server as OPA does: each batch as a JSON array in gzip.
type HTTP struct {
	options HTTPOptions
	client  *http.Client
	now     func() time.Time
}

// NewHTTP returns a sink.
func NewHTTP(o HTTPOptions) (*HTTP, error) {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.MaxConnsPerHost, transport.DisableCompression = 1, true
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in it", o.CAFile)
		}
	}
	h := &HTTP{options: o, now: time.Now}
	h.client = &http.Client{
		Transport: transport, Timeout: o.Timeout,
		// Elsewhere there is nobody who was meant to have it, nor the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if _, err := h.token(); err != nil { // to say now what is wrong with it
		return nil, err
	}
	return h, nil
}

// token is the bearer token; empty if there is none.
func (h *HTTP) token() (string, error) {
	if h.options.TokenFile == "" {
		return "", nil
	}
	content, err := os.ReadFile(h.options.TokenFile)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(content))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s: there is no token in it: one line of ASCII without spaces", h.options.TokenFile)
	}
	return token, nil
}

// Send implements [Sink].
func (h *HTTP) Send(ctx context.Context, events [][]byte) error {
	body, err := arrayOf(events)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.options.URL.String(), bytes.NewReader(body))
	if err != nil {
		return withoutURL(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("User-Agent", "plimsoll")
	token, err := h.token()
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := h.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = res.Body.Close() }()
	const maxAnswer = 64 << 10 // of an answer that is read, to be able to use the connection again
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	return h.errorOf(res)
}

// errorOf is what an answer means; nil if events were taken. Its text is not told: nobody
// knows what is in it.
func (h *HTTP) errorOf(res *http.Response) error {
	err := fmt.Errorf("the answer is %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: %w", err, ErrTooLarge)
	}
	if after := h.retryAfter(res.Header.Get("Retry-After")); after > 0 {
		return &RetryAfterError{err, after}
	}
	return err
}

// retryAfter reads a header: seconds, or a time.
func (h *HTTP) retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(h.now())
	}
	return 0
}

// withoutURL is an error of net/http without the URL, in which there may be secrets.
func withoutURL(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		if failed.Timeout() {
			return errors.New("there was no answer in time")
		}
		return failed.Err
	}
	return err
}

// arrayOf is a JSON array of events, in gzip.
func arrayOf(events [][]byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	separator := "["
	for _, e := range events {
		if _, err := io.WriteString(w, separator); err != nil {
			return nil, err
		}
		if _, err := w.Write(e); err != nil {
			return nil, err
		}
		separator = ","
	}
	_, err := io.WriteString(w, "]")
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

// Close implements [Sink].
func (h *HTTP) Close() error {
	h.client.CloseIdleConnections()
	return nil
}
