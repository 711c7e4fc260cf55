package service

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"connectrpc.com/connect"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// containerdNamespaces is containerd's namespaces API (core/metadata/namespaces.go and
// plugins/services/namespaces). A namespace is there from its first container on, or
// when it is created here, until it is deleted. It differs from containerd's in that an
// update of a namespace that is not there fails, instead of making one, and in that the
// mask path labels works.
type containerdNamespaces struct {
	*Service
}

func (s containerdNamespaces) service(options ...connect.HandlerOption) *rpcService {
	r := newRPCService("containerd.services.namespaces.v1.Namespaces", options...)
	unary(r, "Get", s.Get)
	unary(r, "List", s.List)
	unary(r, "Create", s.Create)
	unary(r, "Update", s.Update)
	unary(r, "Delete", s.Delete)
	return r
}

// maxNamespaceBytes bounds the labels of a namespace together: rules see them with
// every mutation.
const maxNamespaceBytes = 64 << 10

// Get implements containerd.services.namespaces.v1.Namespaces. A namespace that is not
// there has no labels: clients look up defaults in the labels of a namespace before
// they make the first container in it.
func (s containerdNamespaces) Get(ctx context.Context, req *namespacesapi.GetNamespaceRequest) (*namespacesapi.GetNamespaceResponse, error) {
	if err := checkID("name", req.GetName()); err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	defer func() { _ = view.Close() }()
	ns, err := loadNamespace(ctx, view, req.GetName())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &namespacesapi.GetNamespaceResponse{Namespace: toNamespace(ns.name, ns.labels)}, nil
}

func toNamespace(name string, labels map[string]string) *namespacesapi.Namespace {
	return &namespacesapi.Namespace{Name: name, Labels: labels}
}

// List implements containerd.services.namespaces.v1.Namespaces. Its filter, which
// containerd ignores, has the fields name and labels.KEY.
func (s containerdNamespaces) List(ctx context.Context, req *namespacesapi.ListNamespacesRequest) (*namespacesapi.ListNamespacesResponse, error) {
	namespaces, err := s.list(ctx, req.GetFilter())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &namespacesapi.ListNamespacesResponse{Namespaces: namespaces}, nil
}

func (s containerdNamespaces) list(ctx context.Context, text string) ([]*namespacesapi.Namespace, error) {
	filter, _, err := parseContainerdFilters([]string{text})
	if err != nil {
		return nil, err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	var (
		namespaces []*namespacesapi.Namespace
		size       int
	)
	for entry, err := range view.Entries(ctx, plimsoll.KindNamespace, "", "") {
		if err != nil {
			return nil, err
		}
		ns, err := decodeNamespace(entry)
		if err != nil {
			return nil, err
		}
		selected := matchesFields(filter, func(path []string) (string, bool) {
			switch path[0] {
			case "name":
				return ns.name, true
			case "labels":
				return labelField(ns.labels, path[1:])
			}
			return "", false
		})
		if !selected {
			continue
		}
		v := toNamespace(ns.name, ns.labels)
		if size += proto.Size(v); size > MaxListBytes {
			return nil, plimsoll.ErrResponseTooLarge
		}
		namespaces = append(namespaces, v)
	}
	return namespaces, nil
}

var errNoNamespaceGiven = &plimsoll.RequestError{Field: "namespace", Problem: "the request has no namespace"}

// Create implements containerd.services.namespaces.v1.Namespaces.
func (s containerdNamespaces) Create(ctx context.Context, req *namespacesapi.CreateNamespaceRequest) (*namespacesapi.CreateNamespaceResponse, error) {
	name, labels := req.GetNamespace().GetName(), withoutEmptyLabels(req.GetNamespace().GetLabels())
	err := s.change(ctx, name, func(entry *plimsoll.Entry) (plimsoll.Operation, map[string]string, error) {
		if req.GetNamespace() == nil {
			return "", nil, errNoNamespaceGiven
		}
		if err := checkNamespace(name, req.GetNamespace().GetLabels()); err != nil {
			return "", nil, err
		}
		if entry != nil {
			return "", nil, fmt.Errorf("namespace %q: %w", name, plimsoll.ErrExists)
		}
		return plimsoll.OperationCreate, labels, nil
	})
	if err != nil {
		return nil, err
	}
	return &namespacesapi.CreateNamespaceResponse{Namespace: toNamespace(name, labels)}, nil
}

// Update implements containerd.services.namespaces.v1.Namespaces.
func (s containerdNamespaces) Update(ctx context.Context, req *namespacesapi.UpdateNamespaceRequest) (*namespacesapi.UpdateNamespaceResponse, error) {
	name, paths := req.GetNamespace().GetName(), req.GetUpdateMask().GetPaths()
	var labels map[string]string
	err := s.change(ctx, name, func(entry *plimsoll.Entry) (plimsoll.Operation, map[string]string, error) {
		if req.GetNamespace() == nil {
			return "", nil, errNoNamespaceGiven
		}
		if entry == nil {
			return "", nil, fmt.Errorf("namespace %q: %w", clip(name, maxMetadataBytes), plimsoll.ErrNotFound)
		}
		stored, err := decodeNamespace(entry)
		if err != nil {
			return "", nil, err
		}
		if labels, err = mergeLabels(stored.labels, req.GetNamespace().GetLabels(), paths); err != nil {
			return "", nil, err
		}
		return plimsoll.OperationUpdate, labels, checkNamespace(name, labels)
	})
	if err != nil {
		return nil, err
	}
	return &namespacesapi.UpdateNamespaceResponse{Namespace: toNamespace(name, labels)}, nil
}

// mergeLabels applies an update mask to labels. Without one all are replaced.
func mergeLabels(stored, want map[string]string, paths []string) (map[string]string, error) {
	if len(paths) > maxMaskPaths {
		return nil, &plimsoll.RequestError{Field: "update_mask", Problem: fmt.Sprintf("has more than %d paths", maxMaskPaths)}
	}
	if len(paths) == 0 {
		paths = []string{"labels"}
	}
	labels := maps.Clone(stored)
	for _, path := range paths {
		field, key, keyed := strings.Cut(path, ".")
		switch {
		case path == "labels":
			labels = maps.Clone(want)
		case field == "labels" && keyed && key != "":
			if labels == nil {
				labels = make(map[string]string, 1)
			}
			labels[key] = want[key]
		default:
			return nil, &plimsoll.RequestError{Field: "update_mask", Problem: fmt.Sprintf(
				"cannot update %q field; valid paths are labels, labels.KEY", clip(path, maxMetadataBytes))}
		}
	}
	return withoutEmptyLabels(labels), nil
}

// withoutEmptyLabels returns labels without those that are empty, which is to say absent.
func withoutEmptyLabels(labels map[string]string) map[string]string {
	kept := maps.Clone(labels)
	maps.DeleteFunc(kept, func(key, value string) bool { return key != "" && value == "" })
	return kept
}

func checkNamespace(name string, labels map[string]string) error {
	if err := checkID("namespace.name", name); err != nil {
		return err
	}
	size := 0
	for key, value := range labels {
		size += len(key) + len(value)
	}
	if err := checkSize("namespace.labels", size, maxNamespaceBytes); err != nil {
		return err
	}
	return checkLabels("namespace.labels", labels)
}

// Delete implements containerd.services.namespaces.v1.Namespaces. Leases in the
// namespace go with it; containers keep it from going.
func (s containerdNamespaces) Delete(ctx context.Context, req *namespacesapi.DeleteNamespaceRequest) (*emptypb.Empty, error) {
	change, err := s.newEntryChange(ctx)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	change.decide = func(ctx context.Context, view storage.View) ([]storage.Write, error) {
		return s.deleteNamespace(ctx, view, change, req.GetName())
	}
	revision, err := s.commitEntry(ctx, change)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	answerEntry(ctx, revision)
	return &emptypb.Empty{}, nil
}

func (s containerdNamespaces) deleteNamespace(ctx context.Context, view storage.View, change *entryChange, name string) ([]storage.Write, error) {
	key := namespaceKey(name)
	notFound := fmt.Errorf("namespace %q: %w", clip(name, maxMetadataBytes), plimsoll.ErrNotFound)
	if checkID("name", name) != nil {
		return nil, notFound
	}
	entry, err := findEntry(ctx, view, key)
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return nil, notFound
	}
	if err := change.checkRevision(key, entry); err != nil {
		return nil, err
	}
	if err := s.mayLabel(ctx, entry, nil); err != nil { // it can come into being again, without them
		return nil, err
	}
	// The whole range is read, so that a container which is created meanwhile is a
	// conflict; and who creates it has read the namespace.
	for _, err := range view.Scan(ctx, storage.Query{Namespace: name}) {
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("namespace %q must be empty, but it still has containers: %w", name, plimsoll.ErrFailedPrecondition)
	}
	writes := []storage.Write{{Operation: plimsoll.OperationDelete, Namespace: name, Entry: entry}}
	for lease, err := range view.Entries(ctx, plimsoll.KindLease, name+"/", "") {
		if err != nil {
			return nil, err
		}
		if len(writes) > maxLeases {
			return nil, fmt.Errorf("namespace %q still has more than %d leases: %w", name, maxLeases, plimsoll.ErrFailedPrecondition)
		}
		writes = append(writes, storage.Write{Operation: plimsoll.OperationDelete, Namespace: name, Entry: lease})
	}
	return writes, nil
}

// mayLabel refuses to change the labels of a namespace for those who are not operators:
// rules see them, and whoever could change them could choose the rules.
func (s containerdNamespaces) mayLabel(ctx context.Context, entry *plimsoll.Entry, labels map[string]string) error {
	if s.options.OpenNamespaceLabels {
		return nil
	}
	var stored map[string]string
	if entry != nil {
		ns, err := decodeNamespace(entry)
		if err != nil {
			return err
		}
		stored = ns.labels
	}
	if maps.Equal(stored, labels) {
		return nil
	}
	return requireOperator(ctx)
}

// change commits what decide makes of a namespace: an operation and its labels.
func (s containerdNamespaces) change(ctx context.Context, name string,
	decide func(entry *plimsoll.Entry) (plimsoll.Operation, map[string]string, error),
) error {
	change, err := s.newEntryChange(ctx)
	if err != nil {
		return s.connectError(ctx, err, nil)
	}
	change.decide = func(ctx context.Context, view storage.View) ([]storage.Write, error) {
		key := namespaceKey(name)
		entry, err := findEntry(ctx, view, key)
		if err != nil {
			return nil, err
		}
		operation, labels, err := decide(entry)
		if err != nil {
			return nil, err
		}
		if err := change.checkRevision(key, entry); err != nil {
			return nil, err
		}
		if err := s.mayLabel(ctx, entry, labels); err != nil {
			return nil, err
		}
		value, err := proto.Marshal(&storagev1.Namespace{Labels: labels})
		if err != nil {
			return nil, fmt.Errorf("record of namespace %q: %w", name, err)
		}
		return []storage.Write{{Operation: operation, Namespace: name, Entry: &plimsoll.Entry{EntryKey: key, Value: value}}}, nil
	}
	revision, err := s.commitEntry(ctx, change)
	if err != nil {
		return s.connectError(ctx, err, nil)
	}
	answerEntry(ctx, revision)
	return nil
}
