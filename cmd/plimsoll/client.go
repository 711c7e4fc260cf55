package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/internal/server"
)

// clientFlags are the flags of all commands that talk to a server.
type clientFlags struct {
	address   string
	namespace string
	caCert    string
	timeout   time.Duration
}

func (f *clientFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.address, "address", envOr("PLIMSOLL_ADDRESS", "http://"+server.DefaultListen),
		"`address` of the server: http://HOST:PORT, https://HOST:PORT or unix:///PATH")
	flags.StringVarP(&f.namespace, "namespace", "n", os.Getenv("PLIMSOLL_NAMESPACE"),
		"`namespace` of the containers (default: the server's)")
	flags.StringVar(&f.caCert, "ca-cert", "", "PEM `file` with the authority to trust for https (default: the system's)")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long one call may take")
	f.completeNamespaces(cmd)
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// client calls the services for containers and decisions in one namespace.
type client struct {
	plimsollv1connect.ContainerServiceClient
	plimsollv1connect.DecisionServiceClient
	// namespace is empty for the server's default.
	namespace string

	http    *http.Client
	base    string
	courier courier
}

// client returns a client of the server and namespace that the flags name. Nothing
// is sent yet. mutation may be nil.
func (f *clientFlags) client(mutation *mutationFlags) (*client, error) {
	if f.timeout <= 0 {
		return nil, usagef("--timeout %s leaves no time at all", f.timeout)
	}
	httpClient, base, err := f.dial()
	if err != nil {
		return nil, err
	}
	c := &client{http: httpClient, base: base, courier: courier{timeout: f.timeout}}
	if mutation != nil {
		if err := mutation.check(); err != nil {
			return nil, err
		}
		c.courier.dryRun, c.courier.ifRevision, c.courier.breakGlass = mutation.dryRun, mutation.ifRevision, mutation.breakGlass
		c.courier.requestIDs = &requestIDs{chosen: mutation.requestID}
	}
	return c.in(f.namespace), nil
}

// in returns the client for another namespace.
func (c *client) in(namespace string) *client {
	other := *c
	other.namespace, other.courier.namespace = namespace, namespace
	other.ContainerServiceClient = plimsollv1connect.NewContainerServiceClient(c.http, c.base, connect.WithInterceptors(&other.courier))
	other.DecisionServiceClient = plimsollv1connect.NewDecisionServiceClient(c.http, c.base, connect.WithInterceptors(&other.courier))
	return &other
}

// dial returns an HTTP client for the address, and the base URL to use with it.
func (f *clientFlags) dial() (*http.Client, string, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the address is meant as it is
	address := f.address
	if path, ok := strings.CutPrefix(address, "unix://"); ok && path != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		return &http.Client{Transport: transport}, "http://localhost", nil
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, "", usagef("--address %q is none of http://HOST:PORT, https://HOST:PORT, unix:///PATH", f.address)
	}
	if f.caCert != "" {
		pem, err := os.ReadFile(f.caCert)
		if err != nil {
			return nil, "", fmt.Errorf("--ca-cert: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, "", fmt.Errorf("--ca-cert %s: no certificate in it", f.caCert)
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return &http.Client{Transport: transport}, strings.TrimSuffix(address, "/"), nil
}
