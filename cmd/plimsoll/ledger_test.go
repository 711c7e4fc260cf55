package main

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	"github.com/plimsoll-project/plimsoll/service"
)

// ledger is what clients know of the containers of a namespace: what they were told
// is stored, and what they asked for without getting an answer.
type ledger struct {
	namespace string

	mu      sync.Mutex
	entries map[string]*entry
	acks    int
}

// entry is one container. nil stands for none.
type entry struct {
	acknowledged *containerdv1.Container
	// unanswered is what a request that has no answer yet asked for. Whether it was
	// stored nobody knows.
	unanswered *containerdv1.Container
	open       bool // there is such a request
}

func newLedger(namespace string) *ledger {
	return &ledger{namespace: namespace, entries: map[string]*entry{}}
}

// ask notes that a request is about to be made which would make the container be c,
// or be gone.
func (l *ledger) ask(id string, c *containerdv1.Container) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil {
		e = &entry{}
		l.entries[id] = e
	}
	e.unanswered, e.open = c, true
}

// acknowledge notes that the request succeeded, and returns how many have.
func (l *ledger) acknowledge(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	e.acknowledged, e.unanswered, e.open = e.unanswered, nil, false
	l.acks++
	return l.acks
}

// refuse notes that the request never reached a server.
func (l *ledger) refuse(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[id].unanswered, l.entries[id].open = nil, false
}

// check compares with what is stored: everything acknowledged is there, byte for
// byte, and nothing is there that nobody asked for, or only in part. What a request
// without an answer asked for may be there or not; what is found counts from now on.
func (l *ledger) check(ctx context.Context, t *testing.T, client containerdv1connect.ContainersClient) {
	t.Helper()
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set(service.HeaderNamespace, l.namespace)
	res, err := client.List(ctx, &containerdv1.ListContainersRequest{})
	if err != nil {
		t.Fatalf("list %s: %v", l.namespace, err)
	}
	stored := map[string]*containerdv1.Container{}
	for _, c := range res.GetContainers() {
		stored[c.GetId()] = c
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.entries {
		got := stored[id]
		delete(stored, id)
		switch {
		case same(got, e.acknowledged):
		case e.open && same(got, e.unanswered):
		default:
			t.Errorf("%s/%s is not what was acknowledged (-acknowledged +stored):\n%s", l.namespace, id,
				cmp.Diff(e.acknowledged, got, protocmp.Transform()))
		}
		e.acknowledged, e.unanswered, e.open = got, nil, false
	}
	for id := range stored {
		t.Errorf("%s/%s is stored, and nobody asked for it", l.namespace, id)
	}
}

func same(a, b *containerdv1.Container) bool {
	if a == nil || b == nil {
		return a == b
	}
	return proto.Equal(a, b)
}

func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := 0
	for _, e := range l.entries {
		if e.open {
			open++
		}
	}
	return fmt.Sprintf("%s: %d acknowledged, %d without an answer", l.namespace, l.acks, open)
}
