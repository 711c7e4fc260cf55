package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// daemon is a running containerd, of which only the metadata of containers is
// read.
type daemon struct {
	*grpc.ClientConn
	address string
}

// maxContainerdMessage is how large containerd's own clients let a message be
// (defaults.DefaultMaxRecvMsgSize).
const maxContainerdMessage = 16 << 20

// dialContainerd prepares to talk to a containerd. Nothing is sent yet.
func dialContainerd(address string) (*daemon, error) {
	if path, ok := strings.CutPrefix(address, "unix://"); !ok || !strings.HasPrefix(path, "/") {
		return nil, usagef("--from %q is no unix:///PATH, such as unix:///run/containerd/containerd.sock", address)
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxContainerdMessage)))
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	return &daemon{conn, address}, nil
}

// containers yields the containers of a namespace, or if that is empty of all, which
// each must come within the timeout.
func (d *daemon) containers(ctx context.Context, namespace string, timeout time.Duration) iter.Seq2[*manifest, error] {
	return func(yield func(*manifest, error) bool) {
		namespaces := []string{namespace}
		if namespace == "" {
			var err error
			if namespaces, err = d.namespaces(ctx, timeout); err != nil {
				yield(nil, d.failed(err))
				return
			}
		}
		for _, ns := range namespaces {
			for m, err := range d.containersOf(ctx, ns, timeout) {
				if err != nil {
					err = d.failed(err)
				}
				if !yield(m, err) || err != nil {
					return
				}
			}
		}
	}
}

func (d *daemon) failed(err error) error {
	if status.Code(err) == codes.Canceled || status.Code(err) == codes.DeadlineExceeded {
		return fmt.Errorf("containerd at %s: interrupted, or no answer in the time that --timeout gives", d.address)
	}
	return fmt.Errorf("containerd at %s: %s; is it running, and may you read its socket?", d.address, status.Convert(err).Message())
}

func (d *daemon) namespaces(ctx context.Context, timeout time.Duration) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	res, err := namespacesapi.NewNamespacesClient(d).List(ctx, &namespacesapi.ListNamespacesRequest{})
	if err != nil {
		return nil, err
	}
	return namesOf(res), nil
}

func (d *daemon) containersOf(ctx context.Context, namespace string, timeout time.Duration) iter.Seq2[*manifest, error] {
	return func(yield func(*manifest, error) bool) {
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(ctx, service.HeaderNamespace, namespace))
		defer cancel()
		patience := time.AfterFunc(timeout, cancel)
		defer patience.Stop()
		stream, err := containersapi.NewContainersClient(d).ListStream(ctx, &containersapi.ListContainersRequest{})
		if err != nil {
			yield(nil, err)
			return
		}
		for {
			message, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			patience.Stop() // what is done with it takes its own time
			if !yield(&manifest{namespace: namespace, container: fromContainerd(message.GetContainer())}, nil) {
				return
			}
			patience.Reset(timeout)
		}
	}
}

// fromContainerd converts a record. Times are left out: here it is new.
func fromContainerd(c *containersapi.Container) *plimsollv1.Container {
	return &plimsollv1.Container{
		Id: c.GetID(), Labels: c.GetLabels(), Image: c.GetImage(),
		Runtime: &plimsollv1.Runtime{Name: c.GetRuntime().GetName(), Options: c.GetRuntime().GetOptions()},
		Spec:    c.GetSpec(), Snapshotter: c.GetSnapshotter(), SnapshotKey: c.GetSnapshotKey(),
		Extensions: c.GetExtensions(), SandboxId: c.GetSandbox(),
	}
}
