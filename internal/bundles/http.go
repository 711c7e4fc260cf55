package bundles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// httpSource is a bundle on a web server, as OPA's bundle API has them.
type httpSource struct {
	url     *url.URL
	options Options
	client  *http.Client
}

// Name implements [Source].
func (s *httpSource) Name() string { return cleanName(s.url.Host, s.url.Path) }

// Fetch implements [Source]. The version is the entity tag.
func (s *httpSource) Fetch(ctx context.Context, known string) ([]byte, string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), nil)
	if err != nil {
		return nil, "", errors.New("it is not a URL that can be asked for")
	}
	req.Header.Set("Prefer", "modes=snapshot") // and no deltas
	req.Header.Set("User-Agent", "plimsoll")
	if known != "" {
		req.Header.Set("If-None-Match", known)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, "", withoutURL(err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	switch {
	case res.StatusCode == http.StatusNotModified && known != "":
		return nil, known, ErrNotModified
	case res.StatusCode != http.StatusOK:
		return nil, "", fmt.Errorf("the server answers %s", res.Status)
	}
	content, err := io.ReadAll(io.LimitReader(res.Body, s.options.MaxBytes+1))
	if err != nil {
		return nil, "", withoutURL(err)
	}
	if int64(len(content)) > s.options.MaxBytes {
		return nil, "", fmt.Errorf("the bundle is larger than %d bytes", s.options.MaxBytes)
	}
	return content, res.Header.Get("ETag"), nil
}

const maxRedirects = 5

// checkRedirect keeps what began encrypted from ending in plain text.
func (s *httpSource) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if req.URL.Scheme != "https" && (s.url.Scheme == "https" || !s.options.PlainHTTP && !isLoopback(req.URL.Host)) {
		return fmt.Errorf("redirected to plain HTTP at %s", req.URL.Host)
	}
	return nil
}

// withoutURL leaves the URL out of an error of package http: its query may be secret.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
