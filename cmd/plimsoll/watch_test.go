package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/anypb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
)

// A hundred watchers follow ten thousand mutations (fewer under the race detector)
// while the server is killed and stopped in between: each sees each commit whole, once
// and in order.
func TestWatchers(t *testing.T) {
	t.Parallel()
	const watchers, perBatch, restarts = 100, 20, 4
	mutations := 10_000
	if raceEnabled {
		mutations = 1_000
	}
	site := newSite(t)
	p := site.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // only keeps a test that fails from hanging
	defer cancel()

	var last atomic.Uint64 // the last revision, once all is written
	seen := make([]*watchLog, watchers)
	var following sync.WaitGroup
	for i := range seen {
		seen[i] = &watchLog{}
		// Some share a connection and some do not, as clients do.
		client := watchClient(t, site.socket)
		following.Go(func() {
			if err := seen[i].follow(ctx, client, &last); err != nil {
				t.Errorf("watcher %d: %v", i, err)
			}
		})
	}

	writer := watchClient(t, site.socket)
	batches := mutations / perBatch
	for i := range batches {
		if i > 0 && i%(batches/(restarts+1)) == 0 {
			signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[i%2]
			if err := p.stop(signal); err != nil {
				t.Error(err)
			}
			p = site.start(t)
		}
		req := &plimsollv1.BatchCreateRequest{}
		for j := range perBatch {
			req.Operations = append(req.Operations, &plimsollv1.CreateOperation{Container: &plimsollv1.Container{
				Id: fmt.Sprintf("c-%d-%d", i, j), Labels: map[string]string{"owner": "nobody"},
				Runtime: &plimsollv1.Runtime{Name: "io.containerd.runc.v2"},
				Spec:    &anypb.Any{TypeUrl: ociSpecType, Value: []byte(`{"ociVersion": "1.3.0"}`)},
			}})
		}
		res, err := writer.BatchCreate(ctx, req)
		if err != nil || !res.GetCommitted() {
			t.Fatalf("batch %d: %v, %v", i, res, err)
		}
		if i == batches-1 {
			last.Store(res.GetResults()[0].GetRevision())
		}
	}
	// Those who have seen all of it are waiting for more.
	if res, err := writer.BatchDelete(ctx, &plimsollv1.BatchDeleteRequest{Operations: []*plimsollv1.DeleteOperation{{Id: "c-0-0"}}}); err != nil || !res.GetCommitted() {
		t.Fatal(res, err)
	}
	following.Wait()
	for i, log := range seen {
		if log.commits != batches || log.events != batches*perBatch {
			t.Errorf("watcher %d saw %d commits and %d events, want %d and %d", i, log.commits, log.events, batches, batches*perBatch)
		}
	}
}

// watchLog is what one watcher saw.
type watchLog struct {
	revision        uint64
	commits, events int
}

// follow watches until it has seen the last revision, taking the watch up again
// whenever it ends.
func (w *watchLog) follow(ctx context.Context, client plimsollv1connect.ContainerServiceClient, last *atomic.Uint64) error {
	for {
		err := w.watch(ctx, client, last)
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		switch connect.CodeOf(err) {
		case connect.CodeUnavailable, connect.CodeUnknown, connect.CodeInternal, connect.CodeCanceled, connect.CodeDeadlineExceeded:
			// The server is away, or went away in the middle of a message.
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		default:
			return err
		}
	}
}

func (w *watchLog) watch(ctx context.Context, client plimsollv1connect.ContainerServiceClient, last *atomic.Uint64) error {
	stream, err := client.Watch(ctx, &plimsollv1.WatchRequest{AfterRevision: &w.revision})
	if err != nil {
		return err
	}
	defer stream.Close()
	for stream.Receive() {
		m := stream.Msg()
		if end := last.Load(); end != 0 && m.GetRevision() > end || m.GetRevision() == end && end != 0 && m.GetCommit() == nil {
			return nil
		}
		if m.GetCommit() == nil {
			continue
		}
		if m.GetRevision() != w.revision+1 {
			return connect.NewError(connect.CodeDataLoss, fmt.Errorf("revision %d after %d", m.GetRevision(), w.revision))
		}
		w.revision = m.GetRevision()
		w.commits++
		w.events += len(m.GetCommit().GetEvents())
		if w.revision == last.Load() {
			return nil
		}
	}
	if stream.Err() == nil {
		return connect.NewError(connect.CodeUnavailable, io.ErrUnexpectedEOF)
	}
	return stream.Err()
}

func watchClient(t *testing.T, socket string) plimsollv1connect.ContainerServiceClient {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return plimsollv1connect.NewContainerServiceClient(&http.Client{Transport: transport}, "http://localhost", connect.WithGRPC())
}

// TestLostAnswer kills the server after a commit and before its answer arrives. The
// same request, sent again, has no second effect and gets the answer that was lost.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	p := site.start(t)
	swallow := swallowAnswers(t, site.socket)
	direct := watchClient(t, site.socket)
	for round := range 5 {
		after := uint64(round)
		stream, err := direct.Watch(t.Context(), &plimsollv1.WatchRequest{AfterRevision: &after})
		if err != nil {
			t.Fatal(err)
		}
		req := &plimsollv1.BatchCreateRequest{}
		for i := range 3 {
			req.Operations = append(req.Operations, &plimsollv1.CreateOperation{Container: &plimsollv1.Container{
				Id: fmt.Sprintf("c-%d-%d", round, i), Labels: map[string]string{"owner": "nobody"},
				Runtime: &plimsollv1.Runtime{Name: "io.containerd.runc.v2"},
				Spec:    &anypb.Any{TypeUrl: ociSpecType, Value: []byte(`{"ociVersion": "1.3.0"}`)},
			}})
		}
		send := func(client plimsollv1connect.ContainerServiceClient) (*plimsollv1.BatchCreateResponse, error) {
			ctx, info := connect.NewClientContext(t.Context())
			info.RequestHeader().Set(service.HeaderRequestID, fmt.Sprintf("round-%d", round))
			return client.BatchCreate(ctx, req)
		}
		lost := make(chan error, 1)
		go func() {
			_, err := send(swallow)
			lost <- err
		}()
		var committed *plimsollv1.WatchResponse
		for committed == nil && stream.Receive() {
			if stream.Msg().GetCommit() != nil {
				committed = stream.Msg()
			}
		}
		if committed == nil {
			t.Fatal(stream.Err())
		}
		p.kill()
		_ = stream.Close()
		if err := <-lost; err == nil {
			t.Fatal("the answer was not lost")
		}
		p = site.start(t)
		res, err := send(direct)
		if err != nil || !res.GetCommitted() {
			t.Fatalf("again: %v, %v", res, err)
		}
		for i, r := range res.GetResults() {
			e := committed.GetCommit().GetEvents()[i]
			if r.GetRevision() != committed.GetRevision() || r.GetVerdict().GetDecisionId() != e.GetDecisionId() {
				t.Errorf("answer %v is not that of event %v", r, e)
			}
		}
		list, err := direct.ListContainers(t.Context(), &plimsollv1.ListContainersRequest{})
		if err != nil || list.GetRevision() != uint64(round+1) || len(list.GetContainers()) != 3*(round+1) {
			t.Errorf("after round %d: %v, %v", round, list, err)
		}
	}
}

// swallowAnswers is a client whose requests arrive, and whose answers do not.
func swallowAnswers(t *testing.T, socket string) plimsollv1connect.ContainerServiceClient {
	t.Helper()
	dir, err := os.MkdirTemp("", "plimsoll")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.Close()
		_ = os.RemoveAll(dir)
	})
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := new(net.Dialer).DialContext(t.Context(), "unix", socket)
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in) }()
				_, _ = io.Copy(io.Discard, out) // until the server is gone
			}()
		}
	}()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return plimsollv1connect.NewContainerServiceClient(&http.Client{Transport: transport}, "http://localhost")
}
