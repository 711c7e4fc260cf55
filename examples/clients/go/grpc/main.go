// Command grpc calls Plimsoll with grpc-go, against a server such as `plimsoll dev`.
package main

import (
	"context"
	"fmt"
	"log"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func main() {
	if err := call(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func call(ctx context.Context) error {
	// An answer to containerd's List may have 16 MiB; grpc-go takes 4 unless told.
	conn, err := grpc.NewClient("127.0.0.1:1876", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(17<<20)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx = metadata.AppendToOutgoingContext(ctx, "containerd-namespace", "default")

	var page plimsollv1.ListContainersResponse
	err = conn.Invoke(ctx, "/plimsoll.v1.ContainerService/ListContainers", &plimsollv1.ListContainersRequest{}, &page)
	if err != nil {
		return err
	}
	fmt.Println(len(page.GetContainers()), "containers")

	// A change that the rules deny: it takes a label away that they want.
	err = conn.Invoke(ctx, "/containerd.v1.Containers/Update", &containerdv1.UpdateContainerRequest{
		Container: &containerdv1.Container{Id: "web"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels.team"}},
	}, &containerdv1.UpdateContainerResponse{})
	for _, detail := range status.Convert(err).Details() {
		if verdict, ok := detail.(*plimsollv1.Verdict); ok {
			fmt.Println(status.Code(err), len(verdict.GetViolations()), "of", verdict.GetViolationCount(), "violations")
		}
	}
	return nil
}
