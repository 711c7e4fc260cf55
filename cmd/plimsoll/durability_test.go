package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
)

// writers is how many clients write at once.
const writers = 64

// TestKill kills the server again and again while clients write: what was
// acknowledged is there after each restart, and nothing is there in part. The log of
// decisions is sound, has one for every change, and goes on where it was. (That the process
// dies says nothing about power cuts: storage/badgerstore has that.)
func TestKill(t *testing.T) {
	t.Parallel()
	const rounds = 20
	var (
		site    = newSite(t)
		random  = rand.New(rand.NewPCG(1, 876))
		ledgers []*ledger
		head    *plimsollv1.LogPosition
		acks    int
	)
	for round := range rounds {
		p := site.start(t)
		client := h2cClient(t, "unix", site.socket)
		if round > 0 {
			ledgers[round-1].check(t.Context(), t, client)
		}
		head = site.verify(t, head, acks).GetHead()
		l := newLedger(fmt.Sprintf("round-%d", round))
		ledgers = append(ledgers, l)
		enough := make(chan struct{})
		load := startWriters(t, client, l, 1+random.IntN(400), enough)
		<-enough
		p.kill()
		for _, err := range load.wait() {
			if connect.IsWireError(err) {
				t.Errorf("round %d: %v", round, err)
			}
		}
		acks += l.acks
		t.Log(l)
	}
	p := site.start(t)
	client := h2cClient(t, "unix", site.socket)
	if r := site.verify(t, head, acks); r.GetDecisions() == r.GetAdmitted() {
		t.Error("no decision was recorded that denied")
	}
	for _, l := range ledgers {
		l.check(t.Context(), t, client)
	}
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

// TestTerminate ends the server by SIGTERM while clients write. Every request that
// reached it is answered, and properly: clients see no error but that nobody listens
// any more.
func TestTerminate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, network string
		newClient     func(t *testing.T, network, address string) containerdv1connect.ContainersClient
	}{
		{"http1 tcp", "tcp", http1Client},
		{"http1 unix", "unix", http1Client},
		{"h2c tcp", "tcp", h2cClient},
		{"h2c unix", "unix", h2cClient},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t)
			p := site.start(t)
			address := map[string]string{"tcp": p.address, "unix": site.socket}[test.network]
			l := newLedger("default")
			enough := make(chan struct{})
			load := startWriters(t, test.newClient(t, test.network, address), l, 500, enough)
			<-enough
			if err := p.stop(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			for _, err := range load.wait() {
				if refused := (*net.OpError)(nil); !errors.As(err, &refused) || refused.Op != "dial" {
					t.Errorf("a request was neither answered nor refused: %v", err)
				}
			}
			t.Log(l)

			site.start(t)
			l.check(t.Context(), t, h2cClient(t, "unix", site.socket))
		})
	}
}

// site is where a server lives: its data, its socket and its rules.
type site struct {
	dir, socket string
}

// newSite has a policy and a validator, both real and both quick to load.
func newSite(t *testing.T) *site {
	t.Helper()
	sockets, err := os.MkdirTemp("", "plimsoll")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	s := &site{dir: t.TempDir(), socket: filepath.Join(sockets, "s")}
	module, err := os.ReadFile("../../plugins/testdata/valid.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"policies.rego":   "package owners\n\ndeny contains \"no owner\" if not input.object.labels.owner\n",
		"valid.wasm":      string(module),
		"validators.yaml": fmt.Sprintf("validators: [{name: valid, module: valid.wasm, sha256: %x}]\n", sha256.Sum256(module)),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *site) start(t *testing.T) *process {
	t.Helper()
	cmd := exec.Command("plimsoll", "serve", "--listen", "127.0.0.1:0", "--socket", s.socket, "--data", "data",
		"--policies", "policies.rego", "--validators", "validators.yaml")
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "GORACE="+goRace)
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	p, err := startProcess(ctx, cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// verify checks the log of decisions: it has the head that was noted, and as many changes
// as were acknowledged, each with its decision.
func (s *site) verify(t *testing.T, noted *plimsollv1.LogPosition, acks int) *plimsollv1.LogReport {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.socket)
	}}
	defer transport.CloseIdleConnections()
	client := plimsollv1connect.NewDecisionServiceClient(&http.Client{Transport: transport}, "http://localhost")
	stream, err := client.VerifyDecisions(t.Context(), &plimsollv1.VerifyDecisionsRequest{Head: noted})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var report *plimsollv1.LogReport
	for stream.Receive() {
		report = stream.Msg().GetReport()
	}
	if err := stream.Err(); err != nil || report.GetBroken() != nil || report.GetChanges() < int64(acks) || report.GetHead().GetSequence() < noted.GetSequence() {
		t.Fatalf("%d changes were acknowledged, and the log was at %d: %v, %v", acks, noted.GetSequence(), report, err)
	}
	t.Logf("%d decisions, %d of them admitted, %d changes", report.GetDecisions(), report.GetAdmitted(), report.GetChanges())
	return report
}

// h2cClient is a client over HTTP/2 in plain text, all of whose requests share one
// connection.
func h2cClient(t *testing.T, network, address string) containerdv1connect.ContainersClient {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return newClient(t, &http.Transport{Protocols: &protocols}, network, address)
}

// http1Client is a client over HTTP/1.1 that keeps a connection for each writer.
func http1Client(t *testing.T, network, address string) containerdv1connect.ContainersClient {
	t.Helper()
	return newClient(t, &http.Transport{MaxIdleConnsPerHost: writers}, network, address)
}

func newClient(t *testing.T, transport *http.Transport, network, address string) containerdv1connect.ContainersClient {
	t.Helper()
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return containerdv1connect.NewContainersClient(&http.Client{Transport: transport}, "http://localhost")
}

// load is clients that write until a request fails.
type load struct {
	clients sync.WaitGroup
	mu      sync.Mutex
	errs    []error
}

// startWriters starts the clients. enough is closed when that many requests have
// been acknowledged; the clients go on.
func startWriters(t *testing.T, client containerdv1connect.ContainersClient, l *ledger, acks int, enough chan struct{}) *load {
	t.Helper()
	ctx := t.Context()
	var (
		run  load
		once sync.Once
	)
	acknowledged := func(id string) {
		if l.acknowledge(id) >= acks {
			once.Do(func() { close(enough) })
		}
	}
	for i := range writers {
		run.clients.Go(func() {
			w := writer{client: client, ledger: l, acknowledged: acknowledged, random: rand.New(rand.NewPCG(uint64(i), 1890))}
			err := w.run(ctx, i)
			run.mu.Lock()
			defer run.mu.Unlock()
			run.errs = append(run.errs, err)
			if connect.IsWireError(err) { // the server said no: nobody would ever say enough
				once.Do(func() { close(enough) })
			}
		})
	}
	return &run
}

// wait returns the errors that ended the clients.
func (r *load) wait() []error {
	r.clients.Wait()
	return r.errs
}

// writer creates containers, updates them, and deletes some.
type writer struct {
	client       containerdv1connect.ContainersClient
	ledger       *ledger
	acknowledged func(id string)
	random       *rand.Rand
}

func (w *writer) run(ctx context.Context, number int) error {
	for i := 0; ; i++ {
		c := &containerdv1.Container{
			Id:      fmt.Sprintf("c-%d-%d", number, i),
			Labels:  map[string]string{"owner": "nobody", "version": "1"},
			Image:   "example.org/image:1",
			Runtime: "io.containerd.runc.v2",
			Spec:    w.spec(),
			Rootfs:  "snapshot",
		}
		if err := w.try(ctx, c.GetId(), c, func(ctx context.Context) error {
			_, err := w.client.Create(ctx, &containerdv1.CreateContainerRequest{Container: c})
			return err
		}); err != nil {
			return err
		}
		if err := w.beRefused(ctx); err != nil {
			return err
		}
		updated := proto.CloneOf(c)
		updated.Labels["version"], updated.Spec = "2", w.spec()
		if err := w.try(ctx, c.GetId(), updated, func(ctx context.Context) error {
			_, err := w.client.Update(ctx, &containerdv1.UpdateContainerRequest{
				Container: updated, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels.version", "spec"}},
			})
			return err
		}); err != nil {
			return err
		}
		if i%3 != 0 {
			continue
		}
		if err := w.try(ctx, c.GetId(), nil, func(ctx context.Context) error {
			_, err := w.client.Delete(ctx, &containerdv1.DeleteContainerRequest{Id: c.GetId()})
			return err
		}); err != nil {
			return err
		}
	}
}

// beRefused makes a request that the policy denies: its decision is recorded on its own.
func (w *writer) beRefused(ctx context.Context) error {
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set(service.HeaderNamespace, w.ledger.namespace)
	_, err := w.client.Create(ctx, &containerdv1.CreateContainerRequest{Container: &containerdv1.Container{
		Id: "nobodys", Runtime: "io.containerd.runc.v2", Spec: w.spec(), Image: "example.org/image:1", Rootfs: "snapshot",
	}})
	if connect.CodeOf(err) == connect.CodePermissionDenied && connect.IsWireError(err) {
		return nil
	}
	if err == nil {
		err = errors.New("a container without an owner was let in")
	}
	return err
}

// try makes a request that would make the container be c, and keeps the ledger.
func (w *writer) try(ctx context.Context, id string, c *containerdv1.Container, request func(context.Context) error) error {
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set(service.HeaderNamespace, w.ledger.namespace)
	w.ledger.ask(id, c)
	err := request(ctx)
	var network *net.OpError
	switch {
	case err == nil:
		w.acknowledged(id)
	case connect.IsWireError(err), errors.As(err, &network) && network.Op == "dial":
		w.ledger.refuse(id)
	}
	return err
}

// spec is an OCI spec that no other container has, of half to four kilobytes.
func (w *writer) spec() *anypb.Any {
	text := fmt.Sprintf("%016x", w.random.Uint64())
	return &anypb.Any{TypeUrl: ociSpecType, Value: fmt.Appendf(nil, `{"ociVersion": "1.3.0", "hostname": %q}`,
		strings.Repeat(text, 32+w.random.IntN(224)))}
}
