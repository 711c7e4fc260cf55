package service

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/plimsoll-project/plimsoll"
	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
)

// containersV1 is the original API, containerd.v1.Containers. It shows id, labels,
// image, runtime name, spec and snapshot key of a container, and leaves the rest
// alone.
type containersV1 struct {
	*Service
}

// maskPathsV1 are the update mask paths of this API, and mutableV1 those that an
// empty mask stands for.
var (
	maskPathsV1 = []string{"labels", "labels.KEY", "image", "spec", "rootfs"}
	mutableV1   = []string{"labels", "image", "spec", "rootfs"}
)

// filterFieldsV1 are the fields that this API's filters know.
var filterFieldsV1 = []string{"id", "image", "runtime", "labels.KEY"}

// Get implements containerd.v1.Containers.
func (s containersV1) Get(ctx context.Context, req *containerdv1.GetContainerRequest) (*containerdv1.GetContainerResponse, error) {
	c, err := s.get(ctx, req.GetId())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	answerRevision(ctx, c.Revision)
	return &containerdv1.GetContainerResponse{Container: toV1(c)}, nil
}

// List implements containerd.v1.Containers.
func (s containersV1) List(ctx context.Context, req *containerdv1.ListContainersRequest) (*containerdv1.ListContainersResponse, error) {
	containers, err := s.list(ctx, req.GetFilter())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &containerdv1.ListContainersResponse{Containers: containers}, nil
}

func (s containersV1) list(ctx context.Context, filter string) ([]*containerdv1.Container, error) {
	query, err := parseFilter(filter, filterFieldsV1, filterFieldV1)
	if err != nil {
		return nil, err
	}
	if query.Namespace, err = s.namespace(requestHeader(ctx)); err != nil {
		return nil, err
	}
	query.WithPayloads = true
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	var (
		containers []*containerdv1.Container
		size       int
	)
	for c, err := range view.Scan(ctx, query) {
		if err != nil {
			return nil, err
		}
		v := toV1(c)
		if size += proto.Size(v); size > MaxListBytes {
			return nil, plimsoll.ErrResponseTooLarge
		}
		containers = append(containers, v)
	}
	return containers, nil
}

// Create implements containerd.v1.Containers.
func (s containersV1) Create(ctx context.Context, req *containerdv1.CreateContainerRequest) (*containerdv1.CreateContainerResponse, error) {
	if req.GetContainer() == nil {
		return nil, s.connectError(ctx, errNoContainer, nil)
	}
	m, err := s.newMutation(ctx, plimsoll.OperationCreate, req.GetContainer().GetId())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	m.Container = fromV1(req.GetContainer())
	if m.Container.SnapshotKey != "" {
		m.Container.Snapshotter = s.options.DefaultSnapshotter
	}
	c, err := s.answer(ctx, m)
	if err != nil {
		return nil, err
	}
	return &containerdv1.CreateContainerResponse{Container: toV1(c)}, nil
}

// Update implements containerd.v1.Containers.
func (s containersV1) Update(ctx context.Context, req *containerdv1.UpdateContainerRequest) (*containerdv1.UpdateContainerResponse, error) {
	m, err := s.newUpdate(ctx, req)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	c, err := s.answer(ctx, m)
	if err != nil {
		return nil, err
	}
	return &containerdv1.UpdateContainerResponse{Container: toV1(c)}, nil
}

func (s containersV1) newUpdate(ctx context.Context, req *containerdv1.UpdateContainerRequest) (*plimsoll.Mutation, error) {
	if req.GetContainer() == nil {
		return nil, errNoContainer
	}
	if err := checkLookup("container.id", req.GetContainer().GetId()); err != nil {
		return nil, err
	}
	m, err := s.newMutation(ctx, plimsoll.OperationUpdate, req.GetContainer().GetId())
	if err != nil {
		return nil, err
	}
	m.Container, m.DefaultSnapshotter = fromV1(req.GetContainer()), s.options.DefaultSnapshotter
	m.Mask, err = parseMask(req.GetUpdateMask().GetPaths(), maskPathsV1)
	if len(m.Mask) == 0 {
		m.Mask, m.CheckRuntime = slices.Clone(mutableV1), true
	}
	return m, err
}

// Delete implements containerd.v1.Containers.
func (s containersV1) Delete(ctx context.Context, req *containerdv1.DeleteContainerRequest) (*emptypb.Empty, error) {
	if err := checkLookup("id", req.GetId()); err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	m, err := s.newMutation(ctx, plimsoll.OperationDelete, req.GetId())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	if _, err := s.answer(ctx, m); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

var errNoContainer = &plimsoll.RequestError{Field: "container", Problem: "the request has no container"}

// maxMaskPaths bounds an update mask.
const maxMaskPaths = 1024

// parseMask checks an update mask against the paths that an API allows, and drops
// repetitions. A path in valid that ends in .KEY allows any key.
func parseMask(paths, valid []string) ([]string, error) {
	if len(paths) > maxMaskPaths {
		return nil, &plimsoll.RequestError{Field: "update_mask", Problem: fmt.Sprintf("has more than %d paths", maxMaskPaths)}
	}
	var mask []string
	for _, path := range paths {
		field, key, keyed := strings.Cut(path, ".")
		if keyed {
			field += ".KEY"
		}
		if !slices.Contains(valid, field) || keyed && key == "" {
			return nil, plimsoll.UnknownMaskPath(path, valid)
		}
		if !slices.Contains(mask, path) {
			mask = append(mask, path)
		}
	}
	return mask, nil
}

// filterFieldV1 is what filters of this API see of a container.
func filterFieldV1(c *plimsoll.Container, path []string) (string, bool) {
	switch path[0] {
	case "id":
		return c.ID, true
	case "image":
		return c.Image, c.Image != ""
	case "runtime":
		return c.Runtime.Name, true
	case "labels":
		value, ok := c.Labels[strings.Join(path[1:], ".")]
		return value, ok
	}
	return "", false
}

// toV1 and fromV1 convert without copying payloads: messages and containers are
// each used by one request only.
func toV1(c *plimsoll.Container) *containerdv1.Container {
	v := &containerdv1.Container{
		Id: c.ID, Labels: c.Labels, Image: c.Image, Runtime: c.Runtime.Name, Rootfs: c.SnapshotKey,
	}
	if !c.Spec.IsZero() {
		v.Spec = &anypb.Any{TypeUrl: c.Spec.TypeURL, Value: c.Spec.Value}
	}
	return v
}

func fromV1(v *containerdv1.Container) *plimsoll.Container {
	return &plimsoll.Container{
		ID: v.GetId(), Labels: v.GetLabels(), Image: v.GetImage(), Runtime: plimsoll.Runtime{Name: v.GetRuntime()},
		Spec: plimsoll.Any{TypeURL: v.GetSpec().GetTypeUrl(), Value: v.GetSpec().GetValue()}, SnapshotKey: v.GetRootfs(),
	}
}
