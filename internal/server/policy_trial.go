package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/policy/policytest"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// trial is a service of its own over an empty store in memory, to make one mutation and
// see what comes of it. What comes of it is what would on a server: it is the same code,
// called without a network. A trial is for one goroutine at a time.
type trial struct {
	service  *service.Service
	handler  http.Handler
	store    *memstore.Store
	manifest ManifestReader
	user     plimsoll.User

	mu       sync.Mutex
	decision *plimsoll.Decision // the latest
}

// trialTimeout bounds a mutation of which all rules have a part.
const trialTimeout = 2 * toolTimeout

func newTrial(manifest ManifestReader, timeout time.Duration) *trial {
	t := &trial{store: memstore.New(), manifest: manifest, user: plimsoll.User{Via: "anonymous"}}
	t.service = service.New(t.store, service.Options{
		MutationTimeout: timeout, OpenNamespaceLabels: true,
		OnDecision: func(d plimsoll.Decision) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.decision = &d
		},
	})
	t.handler = t.service.Handler()
	t.judgeBy(service.Ruleset{Policies: admitAll{}, Validators: admitAll{}})
	return t
}

func (t *trial) close() error { return t.store.Close() }

// judgeBy makes rules those of mutations from now on. A new trial admits everything, so
// that the state which a mutation meets can be made.
func (t *trial) judgeBy(rules service.Ruleset) { t.service.SetRuleset(&rules) }

// namespaceOr is the first of namespaces that is not empty, else the default.
func namespaceOr(namespaces ...string) string {
	for _, namespace := range namespaces {
		if namespace != "" {
			return namespace
		}
	}
	return DefaultConfig().DefaultNamespace
}

// seed stores a container that is there before the mutation.
func (t *trial) seed(ctx context.Context, namespace string, manifest json.RawMessage) (*plimsollv1.Container, error) {
	own, change, err := t.manifest(manifest, nil)
	if err != nil {
		return nil, err
	}
	namespace = namespaceOr(own, namespace)
	if err := t.mutate(ctx, namespace, change); err != nil {
		return nil, err
	}
	res, err := t.client(namespace).GetContainer(ctx, &plimsollv1.GetContainerRequest{Id: change.GetCreate().GetContainer().GetId()})
	return res.GetContainer(), err
}

// label makes a namespace with labels.
func (t *trial) label(ctx context.Context, namespace string, labels map[string]string) error {
	const create = "/containerd.services.namespaces.v1.Namespaces/Create"
	client := connect.NewClient[namespacesapi.CreateNamespaceRequest, namespacesapi.CreateNamespaceResponse](
		t.http(namespace), inProcessURL+create)
	_, err := client.CallUnary(ctx, connect.NewRequest(&namespacesapi.CreateNamespaceRequest{
		Namespace: &namespacesapi.Namespace{Name: namespace, Labels: labels},
	}))
	return err
}

// mutate makes a change. The error is that of the call.
func (t *trial) mutate(ctx context.Context, namespace string, change *plimsollv1.ReviewRequest) error {
	t.mu.Lock()
	t.decision = nil
	t.mu.Unlock()
	var (
		client  = t.client(namespace)
		results []*plimsollv1.BatchResult
		err     error
	)
	switch op := change.GetOperation().(type) {
	case *plimsollv1.ReviewRequest_Create:
		var res *plimsollv1.BatchCreateResponse
		res, err = client.BatchCreate(ctx, &plimsollv1.BatchCreateRequest{Operations: []*plimsollv1.CreateOperation{op.Create}})
		results = res.GetResults()
	case *plimsollv1.ReviewRequest_Update:
		var res *plimsollv1.BatchUpdateResponse
		res, err = client.BatchUpdate(ctx, &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{op.Update}})
		results = res.GetResults()
	case *plimsollv1.ReviewRequest_Delete:
		var res *plimsollv1.BatchDeleteResponse
		res, err = client.BatchDelete(ctx, &plimsollv1.BatchDeleteRequest{Operations: []*plimsollv1.DeleteOperation{op.Delete}})
		results = res.GetResults()
	default:
		return errors.New("the update changes nothing")
	}
	if failed := (*connect.Error)(nil); errors.As(err, &failed) {
		return errors.New(strings.TrimPrefix(failed.Message(), "operation 0: "))
	}
	for _, r := range results {
		if r.GetMessage() != "" {
			return errors.New(r.GetMessage())
		}
	}
	return err
}

// try makes the change and says what came of it.
func (t *trial) try(ctx context.Context, namespace string, change *plimsollv1.ReviewRequest) policytest.Finding {
	err := t.mutate(ctx, namespace, change)
	d := t.last()
	if d == nil { // refused before there was anything to decide
		return policytest.Finding{Outcome: plimsoll.OutcomeFailed, Err: err}
	}
	return policytest.Finding{Outcome: d.Outcome, Verdict: d.Verdict, Patches: d.Patches, Err: d.Err}
}

// last is the decision about the latest mutation; nil if it came to none.
func (t *trial) last() *plimsoll.Decision {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.decision
}

func (t *trial) client(namespace string) plimsollv1connect.ContainerServiceClient {
	return plimsollv1connect.NewContainerServiceClient(t.http(namespace), inProcessURL)
}

func (t *trial) http(namespace string) *http.Client {
	return &http.Client{Transport: inProcess{t, namespace}}
}

// inProcess carries requests to the service's handler by calling it.
type inProcess struct {
	*trial
	namespace string
}

const inProcessURL = "http://trial"

// RoundTrip implements [http.RoundTripper].
func (p inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(service.WithUser(req.Context(), p.user))
	req.Header.Set(service.HeaderNamespace, p.namespace)
	w := &response{header: http.Header{}, code: http.StatusOK}
	p.handler.ServeHTTP(w, req)
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.code, http.StatusText(w.code)), StatusCode: w.code,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: req,
	}, nil
}

// response is an answer that is kept in memory.
type response struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) WriteHeader(code int)        { r.code = code }
func (r *response) Write(p []byte) (int, error) { return r.body.Write(p) }
