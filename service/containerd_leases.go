package service

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	leasesapi "github.com/containerd/containerd/api/services/leases/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// containerdLeases is containerd's leases API (core/metadata/leases.go). Clients take a
// lease around what they create, lest it be collected before it is complete. Plimsoll
// collects nothing: a lease is a note that is kept until it is deleted or expires.
type containerdLeases struct {
	*Service
}

func (s containerdLeases) service(options ...connect.HandlerOption) *rpcService {
	r := newRPCService("containerd.services.leases.v1.Leases", options...)
	unary(r, "Create", s.Create)
	unary(r, "Delete", s.Delete)
	unary(r, "List", s.List)
	unary(r, "AddResource", s.AddResource)
	unary(r, "DeleteResource", s.DeleteResource)
	unary(r, "ListResources", s.ListResources)
	return r
}

// labelExpire is the label that says when a lease ends (core/metadata/gc.go).
const labelExpire = "containerd.io/gc.expire"

// Bounds on leases.
const (
	maxLeaseIDBytes = 256
	maxLeaseBytes   = 64 << 10 // labels and resources together
	maxLeases       = 1024     // that are deleted with their namespace
)

func leaseKey(namespace, id string) plimsoll.EntryKey {
	return plimsoll.EntryKey{Kind: plimsoll.KindLease, Key: namespace + "/" + id}
}

// Create implements containerd.services.leases.v1.Leases.
func (s containerdLeases) Create(ctx context.Context, req *leasesapi.CreateRequest) (*leasesapi.CreateResponse, error) {
	id := req.GetID()
	if id == "" {
		id = rand.Text()
	}
	record := &storagev1.Lease{
		Labels: withoutEmptyLabels(req.GetLabels()), CreatedAt: timestamppb.New(s.options.Now().UTC()),
	}
	err := s.change(ctx, id, plimsoll.OperationCreate, func(stored *storagev1.Lease) (*storagev1.Lease, error) {
		if stored != nil {
			return nil, fmt.Errorf("lease %q: %w", id, plimsoll.ErrExists)
		}
		return record, nil
	})
	if err != nil {
		return nil, err
	}
	return &leasesapi.CreateResponse{Lease: toLease(id, record)}, nil
}

func toLease(id string, record *storagev1.Lease) *leasesapi.Lease {
	return &leasesapi.Lease{ID: id, Labels: record.GetLabels(), CreatedAt: record.GetCreatedAt()}
}

// Delete implements containerd.services.leases.v1.Leases. It is always synchronous:
// there is nothing to collect.
func (s containerdLeases) Delete(ctx context.Context, req *leasesapi.DeleteRequest) (*emptypb.Empty, error) {
	err := s.change(ctx, req.GetID(), plimsoll.OperationDelete, s.found(req.GetID(), func(*storagev1.Lease) error { return nil }))
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// List implements containerd.services.leases.v1.Leases. Filters have the fields id and
// labels.KEY.
func (s containerdLeases) List(ctx context.Context, req *leasesapi.ListRequest) (*leasesapi.ListResponse, error) {
	leases, err := s.list(ctx, req.GetFilters())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &leasesapi.ListResponse{Leases: leases}, nil
}

func (s containerdLeases) list(ctx context.Context, texts []string) ([]*leasesapi.Lease, error) {
	ns, err := s.requiredNamespace(requestHeader(ctx))
	if err != nil {
		return nil, err
	}
	filter, _, err := parseContainerdFilters(texts)
	if err != nil {
		return nil, err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	var (
		leases []*leasesapi.Lease
		size   int
	)
	for entry, err := range view.Entries(ctx, plimsoll.KindLease, ns+"/", "") {
		if err != nil {
			return nil, err
		}
		record, err := decodeLease(entry)
		if err != nil {
			return nil, err
		}
		id := strings.TrimPrefix(entry.Key, ns+"/")
		selected := matchesFields(filter, func(path []string) (string, bool) {
			switch path[0] {
			case "id":
				return id, true
			case "labels":
				return labelField(record.GetLabels(), path[1:])
			}
			return "", false
		})
		if !selected {
			continue
		}
		lease := toLease(id, record)
		if size += proto.Size(lease); size > MaxListBytes {
			return nil, plimsoll.ErrResponseTooLarge
		}
		leases = append(leases, lease)
	}
	return leases, nil
}

// AddResource implements containerd.services.leases.v1.Leases. A resource that is there
// is not added again.
func (s containerdLeases) AddResource(ctx context.Context, req *leasesapi.AddResourceRequest) (*emptypb.Empty, error) {
	resource, err := fromResource(req.GetResource())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	err = s.change(ctx, req.GetID(), plimsoll.OperationUpdate, s.found(req.GetID(), func(stored *storagev1.Lease) error {
		if !slices.ContainsFunc(stored.GetResources(), sameResource(resource)) {
			stored.Resources = append(stored.Resources, resource)
		}
		return nil
	}))
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// DeleteResource implements containerd.services.leases.v1.Leases. One that is not there
// is as good as deleted.
func (s containerdLeases) DeleteResource(ctx context.Context, req *leasesapi.DeleteResourceRequest) (*emptypb.Empty, error) {
	resource, err := fromResource(req.GetResource())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	err = s.change(ctx, req.GetID(), plimsoll.OperationUpdate, s.found(req.GetID(), func(stored *storagev1.Lease) error {
		stored.Resources = slices.DeleteFunc(stored.Resources, sameResource(resource))
		return nil
	}))
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

func fromResource(v *leasesapi.Resource) (*storagev1.LeaseResource, error) {
	if v.GetID() == "" || v.GetType() == "" {
		return nil, &plimsoll.RequestError{Field: "resource", Problem: "a resource needs an id and a type"}
	}
	return &storagev1.LeaseResource{Id: v.GetID(), Type: v.GetType()}, nil
}

func sameResource(a *storagev1.LeaseResource) func(*storagev1.LeaseResource) bool {
	return func(b *storagev1.LeaseResource) bool { return a.GetId() == b.GetId() && a.GetType() == b.GetType() }
}

// ListResources implements containerd.services.leases.v1.Leases.
func (s containerdLeases) ListResources(ctx context.Context, req *leasesapi.ListResourcesRequest) (*leasesapi.ListResourcesResponse, error) {
	record, err := s.get(ctx, req.GetID())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	res := &leasesapi.ListResourcesResponse{}
	for _, r := range record.GetResources() {
		res.Resources = append(res.Resources, &leasesapi.Resource{ID: r.GetId(), Type: r.GetType()})
	}
	return res, nil
}

func (s containerdLeases) get(ctx context.Context, id string) (*storagev1.Lease, error) {
	ns, err := s.requiredNamespace(requestHeader(ctx))
	if err != nil {
		return nil, err
	}
	if err := checkLeaseID(id); err != nil {
		return nil, err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	entry, err := view.Entry(ctx, leaseKey(ns, id))
	if err != nil {
		return nil, err
	}
	return decodeLease(entry)
}

func decodeLease(entry *plimsoll.Entry) (*storagev1.Lease, error) {
	record := &storagev1.Lease{}
	if err := proto.Unmarshal(entry.Value, record); err != nil {
		return nil, fmt.Errorf("record of lease %q: %w", entry.Key, err)
	}
	return record, nil
}

// found lets update change a lease that must be there.
func (s containerdLeases) found(id string, update func(stored *storagev1.Lease) error) func(*storagev1.Lease) (*storagev1.Lease, error) {
	return func(stored *storagev1.Lease) (*storagev1.Lease, error) {
		if stored == nil {
			return nil, fmt.Errorf("lease %q: %w", id, plimsoll.ErrNotFound)
		}
		return stored, update(stored)
	}
}

// change commits what decide makes of a lease, nil if there is none.
func (s containerdLeases) change(ctx context.Context, id string, operation plimsoll.Operation,
	decide func(stored *storagev1.Lease) (*storagev1.Lease, error),
) error {
	ns, err := s.requiredNamespace(requestHeader(ctx))
	if err != nil {
		return s.connectError(ctx, err, nil)
	}
	change, err := s.newEntryChange(ctx)
	if err == nil {
		err = checkLeaseID(id)
	}
	if err != nil {
		return s.connectError(ctx, err, nil)
	}
	key := leaseKey(ns, id)
	change.decide = func(ctx context.Context, view storage.View) ([]storage.Write, error) {
		entry, err := findEntry(ctx, view, key)
		if err != nil {
			return nil, err
		}
		var stored *storagev1.Lease
		if entry != nil {
			if stored, err = decodeLease(entry); err != nil {
				return nil, err
			}
		}
		record, err := decide(stored)
		if err != nil {
			return nil, err
		}
		if err := change.checkRevision(key, entry); err != nil {
			return nil, err
		}
		entry, err = encodeLease(key, record)
		if err != nil {
			return nil, err
		}
		return []storage.Write{{Operation: operation, Namespace: ns, Entry: entry}}, nil
	}
	revision, err := s.commitEntry(ctx, change)
	if err != nil {
		return s.connectError(ctx, err, nil)
	}
	answerEntry(ctx, revision)
	return nil
}

// checkLeaseID does not ask for identifiers: containerd's clients make lease ids of
// other characters, too.
func checkLeaseID(id string) error {
	if id == "" {
		return &plimsoll.RequestError{Field: "id", Problem: "id is required"}
	}
	return checkSize("id", len(id), maxLeaseIDBytes)
}

// encodeLease checks a lease, and makes it expire when its label says.
func encodeLease(key plimsoll.EntryKey, record *storagev1.Lease) (*plimsoll.Entry, error) {
	if err := checkLabels("labels", record.GetLabels()); err != nil {
		return nil, err
	}
	value, err := proto.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("record of %s: %w", key, err)
	}
	if err := checkSize("lease", len(value), maxLeaseBytes); err != nil {
		return nil, err
	}
	entry := &plimsoll.Entry{EntryKey: key, Value: value}
	if text, ok := record.GetLabels()[labelExpire]; ok {
		if entry.ExpiresAt, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, &plimsoll.RequestError{Field: "labels." + labelExpire, Problem: "is no time such as 2026-03-01T12:00:00Z (RFC 3339)"}
		}
	}
	return entry, nil
}
