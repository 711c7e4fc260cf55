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
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	"github.com/plimsoll-project/plimsoll/internal/server"
	"github.com/plimsoll-project/plimsoll/service"
)

// clientFlags are the flags of all commands that talk to a server.
type clientFlags struct {
	address   string
	namespace string
	caCert    string
	timeout   time.Duration
	output    string
}

func (f *clientFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.address, "address", envOr("PLIMSOLL_ADDRESS", "http://"+server.DefaultListen),
		"`address` of the server: http://HOST:PORT, https://HOST:PORT or unix:///PATH")
	flags.StringVarP(&f.namespace, "namespace", "n", os.Getenv("PLIMSOLL_NAMESPACE"),
		"`namespace` of the containers (default: the server's)")
	flags.StringVar(&f.caCert, "ca-cert", "", "PEM `file` with the authority to trust for https (default: the system's)")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long one call may take")
	flags.StringVarP(&f.output, "output", "o", "table", "`format` of the output: table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// printer writes results to the command's standard output.
func (f *clientFlags) printer(cmd *cobra.Command) *printer {
	return &printer{w: cmd.OutOrStdout(), format: f.output}
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// mutationFlags are those of commands that change something.
type mutationFlags struct {
	dryRun     bool
	ifRevision string
}

func (f *mutationFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "judge, and show the result, but store nothing")
	cmd.Flags().StringVar(&f.ifRevision, "if-revision", "", "only if the container is at this `revision`; 0: only if there is none")
}

// failed gives the error of a mutation what its report needs to know. about names
// the container if there are several.
func (f *mutationFlags) failed(about string, err error) error {
	return &attemptError{about: about, dryRun: f.dryRun, err: err}
}

// call is one call to the server: the context to make it with, and its headers.
type call struct {
	context.Context
	info   connect.CallInfo
	client containerdv1connect.ContainersClient
}

func (f *clientFlags) call(ctx context.Context, mutation *mutationFlags) (*call, context.CancelFunc, error) {
	switch f.output {
	case "table", "json", "yaml":
	default:
		return nil, nil, usagef("--output %q is none of table, json, yaml", f.output)
	}
	if f.timeout <= 0 {
		return nil, nil, usagef("--timeout %s leaves no time at all", f.timeout)
	}
	httpClient, base, err := f.dial()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	ctx, info := connect.NewClientContext(ctx)
	if f.namespace != "" {
		info.RequestHeader().Set(service.HeaderNamespace, f.namespace)
	}
	if mutation != nil {
		if mutation.dryRun {
			info.RequestHeader().Set(service.HeaderDryRun, "true")
		}
		if mutation.ifRevision != "" {
			if _, err := strconv.ParseUint(mutation.ifRevision, 10, 64); err != nil {
				cancel()
				return nil, nil, usagef("--if-revision %q is no revision: a whole number, 0 for none", mutation.ifRevision)
			}
			info.RequestHeader().Set(service.HeaderIfRevision, mutation.ifRevision)
		}
	}
	client := containerdv1connect.NewContainersClient(httpClient, base)
	return &call{Context: ctx, info: info, client: client}, cancel, nil
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
