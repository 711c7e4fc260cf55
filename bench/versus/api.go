package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	containers "github.com/containerd/containerd/api/services/containers/v1"
	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
)

// record is a container, as far as the comparison varies it.
type record struct {
	id     string
	labels map[string]string
	spec   []byte
}

// What all records have in common. The starter policies admit it.
const (
	namespace   = "default"
	image       = "docker.io/library/nginx:1.29"
	runtimeName = "io.containerd.runc.v2"
	specType    = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
)

// api is a containers API over one connection. It is safe for concurrent use.
type api interface {
	create(ctx context.Context, r record) error
	get(ctx context.Context, id string) error
	// setLabel is an update of that label alone.
	setLabel(ctx context.Context, id, key, value string) error
	remove(ctx context.Context, id string) error
	// list returns how many containers match filter, once all have been received.
	list(ctx context.Context, filter string) (int, error)
}

// containerdAPI is containerd's API, containerd.services.containers.v1.
type containerdAPI struct{ containers.ContainersClient }

func newContainerdAPI(conn *grpc.ClientConn) api {
	return containerdAPI{containers.NewContainersClient(conn)}
}

func (a containerdAPI) create(ctx context.Context, r record) error {
	_, err := a.Create(ctx, &containers.CreateContainerRequest{Container: &containers.Container{
		ID: r.id, Labels: r.labels, Image: image, Runtime: &containers.Container_Runtime{Name: runtimeName},
		Snapshotter: "overlayfs", SnapshotKey: r.id, Spec: &anypb.Any{TypeUrl: specType, Value: r.spec},
	}})
	return err
}

func (a containerdAPI) get(ctx context.Context, id string) error {
	answer, err := a.Get(ctx, &containers.GetContainerRequest{ID: id})
	return isThe(id, answer.GetContainer().GetID(), err)
}

func (a containerdAPI) setLabel(ctx context.Context, id, key, value string) error {
	_, err := a.Update(ctx, &containers.UpdateContainerRequest{
		Container:  &containers.Container{ID: id, Labels: map[string]string{key: value}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels." + key}},
	})
	return err
}

func (a containerdAPI) remove(ctx context.Context, id string) error {
	_, err := a.Delete(ctx, &containers.DeleteContainerRequest{ID: id})
	return err
}

func (a containerdAPI) list(ctx context.Context, filter string) (int, error) {
	answer, err := a.List(ctx, &containers.ListContainersRequest{Filters: []string{filter}})
	return len(answer.GetContainers()), err
}

// v1API is the API that containerd began with, containerd.v1.
type v1API struct{ conn *grpc.ClientConn }

func newV1API(conn *grpc.ClientConn) api { return v1API{conn} }

func (a v1API) call(ctx context.Context, method string, request, answer any) error {
	return a.conn.Invoke(ctx, "/containerd.v1.Containers/"+method, request, answer)
}

func (a v1API) create(ctx context.Context, r record) error {
	return a.call(ctx, "Create", &containerdv1.CreateContainerRequest{Container: &containerdv1.Container{
		Id: r.id, Labels: r.labels, Image: image, Runtime: runtimeName,
		Rootfs: r.id, Spec: &anypb.Any{TypeUrl: specType, Value: r.spec},
	}}, new(containerdv1.CreateContainerResponse))
}

func (a v1API) get(ctx context.Context, id string) error {
	answer := new(containerdv1.GetContainerResponse)
	err := a.call(ctx, "Get", &containerdv1.GetContainerRequest{Id: id}, answer)
	return isThe(id, answer.GetContainer().GetId(), err)
}

func (a v1API) setLabel(ctx context.Context, id, key, value string) error {
	return a.call(ctx, "Update", &containerdv1.UpdateContainerRequest{
		Container:  &containerdv1.Container{Id: id, Labels: map[string]string{key: value}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels." + key}},
	}, new(containerdv1.UpdateContainerResponse))
}

func (a v1API) remove(ctx context.Context, id string) error {
	return a.call(ctx, "Delete", &containerdv1.DeleteContainerRequest{Id: id}, new(emptypb.Empty))
}

func (a v1API) list(ctx context.Context, filter string) (int, error) {
	answer := new(containerdv1.ListContainersResponse)
	err := a.call(ctx, "List", &containerdv1.ListContainersRequest{Filter: filter}, answer)
	return len(answer.GetContainers()), err
}

func isThe(wanted, got string, err error) error {
	if err == nil && got != wanted {
		return fmt.Errorf("asked for container %q and got %q", wanted, got)
	}
	return err
}
