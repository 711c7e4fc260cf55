// Command connect is a tour of Plimsoll's API with connect-go, against a server such
// as `plimsoll dev`. connect.WithGRPC() makes the same clients speak gRPC.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
)

const baseURL = "http://127.0.0.1:1876"

func main() {
	if err := tour(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func tour(ctx context.Context) error {
	service := plimsollv1connect.NewContainerServiceClient(http.DefaultClient, baseURL)
	containers := containerdv1connect.NewContainersClient(http.DefaultClient, baseURL)

	// Headers travel in the context.
	ctx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set("containerd-namespace", "default")

	page, err := service.ListContainers(ctx, &plimsollv1.ListContainersRequest{Filters: []string{"labels.team==core"}})
	if err != nil {
		return err
	}
	for _, c := range page.GetContainers() {
		fmt.Println(c.GetId(), c.GetImage())
	}

	// A change that the rules deny, and everything they have against it.
	_, err = containers.Update(ctx, &containerdv1.UpdateContainerRequest{
		Container:  &containerdv1.Container{Id: "web", Labels: map[string]string{"team": "nobody"}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels.team"}},
	})
	for _, v := range violations(err) {
		fmt.Printf("%s: %s; %s\n", v.GetField(), v.GetMessage(), v.GetFix())
	}

	// Every change from now on. To go on after a break, ask with the last revision.
	watching, stop := context.WithCancel(ctx)
	defer stop()
	watch, err := service.Watch(watching, &plimsollv1.WatchRequest{AfterRevision: new(page.GetRevision())})
	if err != nil {
		return err
	}
	defer func() { _ = watch.Close() }()
	_, err = containers.Update(ctx, &containerdv1.UpdateContainerRequest{
		Container:  &containerdv1.Container{Id: "web", Labels: map[string]string{"tier": "front"}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels.tier"}},
	})
	if err != nil {
		return err
	}
	for watch.Receive() {
		for _, event := range watch.Msg().GetCommit().GetEvents() {
			fmt.Println("changed", event.GetContainer().GetId(), strings.Join(event.GetChanged(), " "))
			return nil
		}
	}
	return watch.Err()
}

// violations are those of a denial; none if err is something else.
func violations(err error) []*plimsollv1.Violation {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return nil
	}
	for _, detail := range e.Details() {
		if value, err := detail.Value(); err == nil {
			if verdict, ok := value.(*plimsollv1.Verdict); ok {
				return verdict.GetViolations()
			}
		}
	}
	return nil
}
