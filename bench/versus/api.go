package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	containers "github.com/containerd/containerd/api/services/containers/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
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
	// summaries is list for somebody who does not want the specs.
	summaries(ctx context.Context, filter string) (int, error)
	// ids is list for somebody who only wants to know which they are.
	ids(ctx context.Context, filter string) (int, error)
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

// summaries lists whole containers: there is no other way.
func (a containerdAPI) summaries(ctx context.Context, filter string) (int, error) {
	return a.list(ctx, filter)
}

// ids lists whole containers as well.
func (a containerdAPI) ids(ctx context.Context, filter string) (int, error) {
	return a.list(ctx, filter)
}

// plimsollAPI is containerd's API, but for what only Plimsoll's own can do.
type plimsollAPI struct {
	containerdAPI
	conn *grpc.ClientConn
}

func newPlimsollAPI(conn *grpc.ClientConn) api {
	return plimsollAPI{containerdAPI{containers.NewContainersClient(conn)}, conn}
}

// summaries is what is answered unless more is asked for.
func (a plimsollAPI) summaries(ctx context.Context, filter string) (int, error) {
	return a.pages(ctx, &plimsollv1.ListContainersRequest{Filters: []string{filter}, PageSize: 1000})
}

func (a plimsollAPI) ids(ctx context.Context, filter string) (int, error) {
	return a.pages(ctx, &plimsollv1.ListContainersRequest{
		Filters: []string{filter}, PageSize: 1000, ReadMask: &fieldmaskpb.FieldMask{Paths: []string{"id"}},
	})
}

func (a plimsollAPI) pages(ctx context.Context, request *plimsollv1.ListContainersRequest) (found int, err error) {
	for {
		answer := new(plimsollv1.ListContainersResponse)
		if err := a.conn.Invoke(ctx, "/plimsoll.v1.ContainerService/ListContainers", request, answer); err != nil {
			return 0, err
		}
		found += len(answer.GetContainers())
		if request.PageToken = answer.GetNextPageToken(); request.GetPageToken() == "" {
			return found, nil
		}
	}
}

func isThe(wanted, got string, err error) error {
	if err == nil && got != wanted {
		return fmt.Errorf("asked for container %q and got %q", wanted, got)
	}
	return err
}
