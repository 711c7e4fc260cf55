package main

import (
	"context"
	"fmt"
	"slices"

	"connectrpc.com/connect"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
)

// namespaces lists the server's namespaces through containerd's own API, sorted.
func (c *client) namespaces(ctx context.Context) ([]string, error) {
	list := connect.NewClient[namespacesapi.ListNamespacesRequest, namespacesapi.ListNamespacesResponse](
		c.http, c.base+"/containerd.services.namespaces.v1.Namespaces/List", connect.WithInterceptors(&c.courier))
	res, err := list.CallUnary(ctx, connect.NewRequest(&namespacesapi.ListNamespacesRequest{}))
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	return namesOf(res.Msg), nil
}

func namesOf(res *namespacesapi.ListNamespacesResponse) []string {
	var names []string
	for _, namespace := range res.GetNamespaces() {
		names = append(names, namespace.GetName())
	}
	slices.Sort(names)
	return names
}
