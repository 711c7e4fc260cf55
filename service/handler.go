package service

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	connectcors "connectrpc.com/cors"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"github.com/rs/cors"

	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
)

// compressMinBytes is the size from which responses are compressed for clients that
// accept it. Below, compressing costs more than it saves on any local link.
const compressMinBytes = 64 << 10

// Handler serves the APIs over Connect, gRPC and gRPC-Web, and with them gRPC
// health checking, gRPC server reflection, /livez, /readyz and /metrics. It works behind
// HTTP/1.1 and HTTP/2; gRPC needs the latter.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	options := connect.WithConditionalHandlerOptions(func(spec connect.Spec) []connect.HandlerOption {
		return s.handlerOptions(s.maxRequestBytes(spec.Procedure))
	})
	mux.Handle(containerdv1connect.NewContainersHandler(containersV1{s}, options))
	mux.Handle(plimsollv1connect.NewContainerServiceHandler(plimsollV1{s}, options))
	mux.Handle(plimsollv1connect.NewDecisionServiceHandler(decisionsV1{s}, options))
	mux.Handle(plimsollv1connect.NewExemptionServiceHandler(exemptionsV1{s}, options))
	names := []string{
		containerdv1connect.ContainersName, plimsollv1connect.ContainerServiceName, plimsollv1connect.DecisionServiceName,
		plimsollv1connect.ExemptionServiceName,
	}
	if s.options.Rulesets != nil {
		mux.Handle(plimsollv1connect.NewPolicyServiceHandler(policiesV1{s}, options))
		mux.Handle(plimsollv1connect.NewRolloutServiceHandler(rolloutV1{s}, options))
		names = append(names, plimsollv1connect.PolicyServiceName, plimsollv1connect.RolloutServiceName)
	}
	for _, r := range s.containerdServices(options) {
		names = append(names, r.name)
		for procedure, handler := range r.handlers {
			mux.Handle(procedure, handler)
		}
	}
	mux.Handle(grpchealth.NewHandler(healthChecker{s, names}, options))
	reflector := grpcreflect.NewStaticReflector(append(slices.Clone(names), grpchealth.HealthV1ServiceName)...)
	mux.Handle(grpcreflect.NewHandlerV1(reflector, options))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector, options))

	// Probes are no business of web pages, so CORS leaves them alone.
	root := http.NewServeMux()
	root.Handle("/", s.allowOrigins(mux))
	root.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	root.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Ready(r.Context()); err != nil {
			http.Error(w, "not ready: "+statusOf(err).reason, http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n"+s.quarantineNotes())
	})
	root.Handle("GET /metrics", s.metricsHandler())
	mux.Handle("/", s.unserved(names, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf("nothing is served at %s; the API is at /%s/, health at /livez and /readyz, metrics at /metrics",
			r.URL.EscapedPath(), containerdv1connect.ContainersName), http.StatusNotFound)
	})))
	return s.refuseForeignPages(s.boundRequests(withController(root)))
}

// quarantineNotes are lines about the validators that are in quarantine for some callers.
// They are no reason not to be ready: other callers do not notice, and a caller must not be
// able to take a server out of service.
func (s *Service) quarantineNotes() string {
	if s.options.Rulesets == nil {
		return ""
	}
	callers := map[string]int{}
	for _, q := range s.options.Rulesets.Status().Quarantines {
		callers[q.Validator]++
	}
	var notes strings.Builder
	for _, name := range slices.Sorted(maps.Keys(callers)) {
		fmt.Fprintf(&notes, "validator %s is in quarantine for %d of its callers\n", name, callers[name])
	}
	return notes.String()
}

// corsMaxAge is how long browsers may keep what they were allowed; Chromium keeps
// it no longer than that.
const corsMaxAge = 2 * time.Hour

// allowOrigins tells browsers (CORS) that pages of the configured origins may call.
// The origins are compared as a whole: no pattern, and no empty list, means all.
func (s *Service) allowOrigins(next http.Handler) http.Handler {
	if len(s.options.CORSOrigins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowOriginFunc: s.isConfiguredOrigin,
		AllowedMethods:  connectcors.AllowedMethods(),
		AllowedHeaders:  append(connectcors.AllowedHeaders(), HeaderNamespace, HeaderDryRun, HeaderIfRevision, HeaderRequestID, HeaderBreakGlass),
		ExposedHeaders:  append(connectcors.ExposedHeaders(), HeaderRevision, HeaderDecision, HeaderWarning, HeaderPatch),
		MaxAge:          int(corsMaxAge.Seconds()),
	}).Handler(next)
}

func (s *Service) isConfiguredOrigin(origin string) bool {
	return slices.Contains(s.options.CORSOrigins, origin)
}

// containerdServices are those of containerd's services that have a meaning for what
// Plimsoll keeps.
func (s *Service) containerdServices(options ...connect.HandlerOption) []*rpcService {
	return []*rpcService{
		containerdContainers{s}.service(options...),
		containerdNamespaces{s}.service(options...),
		containerdLeases{s}.service(options...),
		containerdEvents{s}.service(options...),
		containerdIntrospection{s}.service(options...),
		containerdVersion{s}.service(options...),
	}
}

// refuseForeignPages refuses what a web page sends over plain text, unless the page
// is from this machine or of a configured origin. A page can point its own name at a loopback address (DNS
// rebinding), and is then of the same origin as the service as far as its browser
// knows. Over TLS the certificate would not be for that name. Other clients than
// browsers send no Origin.
func (s *Service) refuseForeignPages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" && r.TLS == nil && !isLocalOrigin(origin) && !s.isConfiguredOrigin(origin) {
			http.Error(w, "web pages from other machines may not call this service in plain text", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLocalOrigin(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Service) handlerOptions(maxBytes int) []connect.HandlerOption {
	options := []connect.HandlerOption{
		connect.WithReadMaxBytes(maxBytes),
		connect.WithCompressMinBytes(compressMinBytes),
		connect.WithCompression("gzip",
			func() connect.Decompressor { return &boundedGzip{max: int64(maxBytes)} },
			func() connect.Compressor { return gzip.NewWriter(io.Discard) }),
		connect.WithRecover(func(ctx context.Context, spec connect.Spec, _ http.Header, p any) error {
			return s.connectError(ctx, fmt.Errorf("panic in %s: %v\n%s", spec.Procedure, p, debug.Stack()), nil)
		}),
	}
	for _, codec := range JSONCodecs() {
		options = append(options, connect.WithCodec(codec))
	}
	return options
}

// boundedGzip decompresses at most max bytes. Connect's own bound on messages reads
// a larger one to its end, to report its size: a few MiB can keep it busy with
// gigabytes.
type boundedGzip struct {
	gzip.Reader
	max  int64
	read int64
}

func (b *boundedGzip) Reset(r io.Reader) error {
	b.read = 0
	return b.Reader.Reset(r)
}

func (b *boundedGzip) Read(p []byte) (int, error) {
	if b.read > b.max {
		return 0, connect.NewError(connect.CodeResourceExhausted,
			fmt.Errorf("message is larger than %d bytes after decompression", b.max))
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.max-b.read+1)])
	b.read += int64(n)
	return n, err
}

// healthChecker answers gRPC health checks: serving means that mutations can be
// judged and committed.
type healthChecker struct {
	*Service
	names []string // of the services that are served
}

func (h healthChecker) Check(ctx context.Context, req *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if req.Service != "" && !slices.Contains(h.names, req.Service) {
		return nil, connect.NewError(connect.CodeNotFound, fmt.Errorf("unknown service %s", req.Service))
	}
	status := grpchealth.StatusServing
	if h.Ready(ctx) != nil {
		status = grpchealth.StatusNotServing
	}
	return &grpchealth.CheckResponse{Status: status}, nil
}
