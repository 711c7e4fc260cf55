package bundles

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry"
)

// Options say how bundles are fetched. The zero value means the defaults.
type Options struct {
	// PlainHTTP allows plain HTTP beyond loopback.
	PlainHTTP bool
	// MaxBytes bounds a bundle, packed. Default: [DefaultMaxBytes].
	MaxBytes int64
	// Timeout bounds one fetch. Default: [DefaultTimeout].
	Timeout time.Duration
}

// The defaults of [Options].
const (
	DefaultMaxBytes = 16 << 20
	DefaultTimeout  = 30 * time.Second
)

func (o Options) orDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	return o
}

// ErrNotModified is the error of a fetch that found what the caller has.
var ErrNotModified = errors.New("not modified")

// Source is where a bundle is.
type Source interface {
	// Name is how the source is shown: without scheme, and without a query, which may be
	// secret.
	Name() string
	// Fetch returns the bundle, a .tar.gz archive, and its version. known is the version
	// that the caller has, or empty; if there is no other the error is [ErrNotModified].
	Fetch(ctx context.Context, known string) (content []byte, version string, err error)
}

// IsRemote reports whether a path of policies means one elsewhere.
func IsRemote(reference string) bool { return strings.Contains(reference, "://") }

// Parse understands oci://REGISTRY/REPOSITORY:TAG, oci://REGISTRY/REPOSITORY@sha256:DIGEST
// and https:// and http:// URLs. Plain HTTP is refused beyond loopback, unless options
// allow it.
func Parse(reference string, options Options) (Source, error) {
	options = options.orDefaults()
	scheme, rest, _ := strings.Cut(reference, "://")
	switch scheme {
	case "oci":
		return parseOCI(rest, options)
	case "https", "http":
		return parseURL(reference, options)
	}
	return nil, fmt.Errorf("scheme %q is none of oci, https, http", scheme)
}

func parseOCI(reference string, options Options) (*ociSource, error) {
	ref, err := registry.ParseReference(reference)
	if err != nil {
		return nil, fmt.Errorf("%q is not REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST: %w", reference, err)
	}
	if ref.Reference == "" {
		return nil, fmt.Errorf("%q names no tag and no digest", reference)
	}
	return &ociSource{reference: ref, options: options, plain: options.PlainHTTP || isLoopback(ref.Host())}, nil
}

func parseURL(text string, options Options) (*httpSource, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL") // err may show what is secret
	case u.Host == "" || strings.Trim(u.Path, "/") == "":
		return nil, fmt.Errorf("%s does not say where on a server the bundle is", u.Redacted())
	case u.User != nil:
		return nil, errors.New("a URL must not have a password in it: it would show in processes' arguments")
	case u.Scheme == "http" && !options.PlainHTTP && !isLoopback(u.Host):
		return nil, fmt.Errorf("http://%s: plain HTTP is refused beyond this machine: use https", u.Host)
	}
	s := &httpSource{url: u, options: options}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // documented to be one
	transport.DisableCompression = true                          // what is compressed is the bundle
	s.client = &http.Client{Transport: transport, CheckRedirect: s.checkRedirect}
	return s, nil
}

func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// cleanName joins the parts of a name that files are reported under.
func cleanName(parts ...string) string { return strings.TrimPrefix(path.Join(parts...), "/") }
