package service

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect"
	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// containersName is the name of containerd's containers API of today.
const containersName = "containerd.services.containers.v1.Containers"

// containerdContainers is that API: the same records as those of containersV1, in full.
// The order of its checks, their codes, and what a mask or a filter means are those of
// containerd (core/metadata/containers.go and plugins/services/containers), without
// what containerd does by mistake.
type containerdContainers struct {
	*Service
}

func (s containerdContainers) service(options ...connect.HandlerOption) *rpcService {
	r := newRPCService(containersName, options...)
	unary(r, "Get", s.Get)
	unary(r, "List", s.List)
	serverStream(r, "ListStream", s.ListStream)
	unary(r, "Create", s.Create)
	unary(r, "Update", s.Update)
	unary(r, "Delete", s.Delete)
	return r
}

// containerdMask are the update mask paths of this API and what Merge calls them;
// containerdMutable is what an empty mask stands for.
var (
	containerdMask = map[string]string{
		"labels": "labels", "labels.KEY": "labels.KEY", "spec": "spec", "image": "image", "snapshotkey": "rootfs",
		"extensions": "extensions", "extensions.KEY": "extensions.KEY",
	}
	containerdMutable = []string{"labels", "spec", "extensions", "image", "rootfs"}
)

// errNoNamespace is the error for calls that name no namespace: containerd has no
// default (pkg/namespaces, NamespaceRequired).
var errNoNamespace = fmt.Errorf("namespace is required: %w", plimsoll.ErrFailedPrecondition)

// requiredNamespace returns the namespace of a call, which must name it.
func (s *Service) requiredNamespace(header http.Header) (string, error) {
	if header.Get(HeaderNamespace) == "" {
		return "", errNoNamespace
	}
	return s.namespace(header)
}

// Get implements containerd.services.containers.v1.Containers.
func (s containerdContainers) Get(ctx context.Context, req *containersapi.GetContainerRequest) (*containersapi.GetContainerResponse, error) {
	c, err := s.get(ctx, req.GetID())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	answerRevision(ctx, c.Revision)
	return &containersapi.GetContainerResponse{Container: toContainerd(c)}, nil
}

func (s containerdContainers) get(ctx context.Context, id string) (*plimsoll.Container, error) {
	ns, err := s.requiredNamespace(requestHeader(ctx))
	if err != nil {
		return nil, err
	}
	key := plimsoll.Key{Namespace: ns, ID: id}
	if checkLookup("id", id) != nil {
		return nil, fmt.Errorf("%s: %w", clip(key.String(), maxMetadataBytes), plimsoll.ErrNotFound)
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	return view.Get(ctx, key)
}

// List implements containerd.services.containers.v1.Containers.
func (s containerdContainers) List(ctx context.Context, req *containersapi.ListContainersRequest) (*containersapi.ListContainersResponse, error) {
	res, size := &containersapi.ListContainersResponse{}, 0
	err := s.scan(ctx, req.GetFilters(), func(c *containersapi.Container) error {
		if size += proto.Size(c); size > MaxListBytes {
			return plimsoll.ErrResponseTooLarge
		}
		res.Containers = append(res.Containers, c)
		return nil
	})
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return res, nil
}

// ListStream implements containerd.services.containers.v1.Containers. What it sends is
// the state at one revision, however long that takes.
func (s containerdContainers) ListStream(ctx context.Context, req *containersapi.ListContainersRequest, stream *connect.ServerStream[containersapi.ListContainerMessage]) error {
	send, patience := sender(ctx, stream.Send), newPatience()
	err := s.scan(ctx, req.GetFilters(), func(c *containersapi.Container) error {
		if err := patience.check(); err != nil {
			return err
		}
		return send(&containersapi.ListContainerMessage{Container: c})
	})
	if err != nil {
		return s.streamError(ctx, err)
	}
	return nil
}

// streamError is connectError for streams, whose errors may be those of sending.
func (s *Service) streamError(ctx context.Context, err error) error {
	if sending, ok := errors.AsType[*connect.Error](err); ok {
		return sending
	}
	return s.connectError(ctx, err, nil)
}

// scan calls each with the containers that any of texts selects, until it returns an
// error.
func (s containerdContainers) scan(ctx context.Context, texts []string, each func(*containersapi.Container) error) error {
	ns, err := s.requiredNamespace(requestHeader(ctx))
	if err != nil {
		return err
	}
	filter, term, err := parseContainerdFilters(texts)
	if err != nil {
		return err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = view.Close() }()
	query := storage.Query{Namespace: ns, Where: term, WithPayloads: true, Match: func(c *plimsoll.Container) bool {
		return matchesFields(filter, func(path []string) (string, bool) { return containerdField(c, path) })
	}}
	for c, err := range view.Scan(ctx, query) {
		if err != nil {
			return err
		}
		if err := each(toContainerd(c)); err != nil {
			return err
		}
	}
	return nil
}

// containerdField is what filters of this API see of a container (adaptContainer of
// core/metadata/adaptors.go).
func containerdField(c *plimsoll.Container, path []string) (string, bool) {
	switch path[0] {
	case "id":
		return c.ID, true
	case "image":
		return c.Image, c.Image != ""
	case "runtime":
		if len(path) > 1 && path[1] == "name" {
			return c.Runtime.Name, true
		}
	case "labels":
		return labelField(c.Labels, path[1:])
	}
	return "", false
}

// Create implements containerd.services.containers.v1.Containers.
func (s containerdContainers) Create(ctx context.Context, req *containersapi.CreateContainerRequest) (*containersapi.CreateContainerResponse, error) {
	m, err := s.newContainerdMutation(ctx, plimsoll.OperationCreate, req.GetContainer().GetID())
	if err == nil && req.GetContainer() == nil {
		err = errNoContainer
	}
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	m.Container = fromContainerd(req.GetContainer())
	c, err := s.answer(ctx, m)
	if err != nil {
		return nil, err
	}
	return &containersapi.CreateContainerResponse{Container: toContainerd(c)}, nil
}

func (s containerdContainers) newContainerdMutation(ctx context.Context, operation plimsoll.Operation, id string) (*plimsoll.Mutation, error) {
	if _, err := s.requiredNamespace(requestHeader(ctx)); err != nil {
		return nil, err
	}
	return s.newMutation(ctx, operation, id)
}

// Update implements containerd.services.containers.v1.Containers.
func (s containerdContainers) Update(ctx context.Context, req *containersapi.UpdateContainerRequest) (*containersapi.UpdateContainerResponse, error) {
	m, err := s.newUpdate(ctx, req)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	c, err := s.answer(ctx, m)
	if err != nil {
		return nil, err
	}
	return &containersapi.UpdateContainerResponse{Container: toContainerd(c)}, nil
}

func (s containerdContainers) newUpdate(ctx context.Context, req *containersapi.UpdateContainerRequest) (*plimsoll.Mutation, error) {
	id := req.GetContainer().GetID()
	if id == "" { // before the namespace, as containerd does
		return nil, &plimsoll.RequestError{Field: "container.id", Problem: "id is required"}
	}
	m, err := s.newContainerdMutation(ctx, plimsoll.OperationUpdate, id)
	if err != nil {
		return nil, err
	}
	if err := checkLookup("container.id", id); err != nil {
		return nil, err
	}
	m.Container = fromContainerd(req.GetContainer())
	m.Mask, m.MaskError = parseContainerdMask(id, req.GetUpdateMask().GetPaths())
	if len(req.GetUpdateMask().GetPaths()) == 0 {
		m.Mask, m.CheckRuntime, m.CheckSnapshotter = slices.Clone(containerdMutable), true, true
	}
	return m, nil
}

// parseContainerdMask translates an update mask, without repetitions.
func parseContainerdMask(id string, paths []string) ([]string, error) {
	if len(paths) > maxMaskPaths {
		return nil, &plimsoll.RequestError{Field: "update_mask", Problem: fmt.Sprintf("has more than %d paths", maxMaskPaths)}
	}
	var mask []string
	for _, path := range paths {
		field, key, keyed := strings.Cut(path, ".")
		if keyed {
			field += ".KEY"
		}
		internal, known := containerdMask[field]
		if !known || keyed && key == "" {
			return nil, &plimsoll.RequestError{Field: "update_mask", Problem: fmt.Sprintf(
				"cannot update %q field on %q; valid paths are labels, labels.KEY, image, spec, snapshotkey, extensions, extensions.KEY",
				clip(path, maxMetadataBytes), id)}
		}
		if internal = strings.TrimSuffix(internal, "KEY") + key; !slices.Contains(mask, internal) {
			mask = append(mask, internal)
		}
	}
	return mask, nil
}

// Delete implements containerd.services.containers.v1.Containers.
func (s containerdContainers) Delete(ctx context.Context, req *containersapi.DeleteContainerRequest) (*emptypb.Empty, error) {
	m, err := s.newContainerdMutation(ctx, plimsoll.OperationDelete, req.GetID())
	if err == nil && checkLookup("id", req.GetID()) != nil {
		err = fmt.Errorf("%s: %w", clip(m.Key.String(), maxMetadataBytes), plimsoll.ErrNotFound)
	}
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	if _, err := s.answer(ctx, m); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}
