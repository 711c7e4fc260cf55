package service

import (
	"context"
	"fmt"
	"os"
	"path"

	"connectrpc.com/connect"
	introspectionapi "github.com/containerd/containerd/api/services/introspection/v1"
	versionapi "github.com/containerd/containerd/api/services/version/v1"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/plimsoll-project/plimsoll"
)

// containerdIntrospection is containerd's introspection API: which of containerd's
// services are here, under the names of its plugins.
type containerdIntrospection struct {
	*Service
}

func (s containerdIntrospection) service(options ...connect.HandlerOption) *rpcService {
	r := newRPCService("containerd.services.introspection.v1.Introspection", options...)
	unary(r, "Plugins", s.Plugins)
	unary(r, "Server", s.Server)
	unary(r, "PluginInfo", s.PluginInfo)
	return r
}

// pluginType is the type of the plugins that serve gRPC (plugins/types.go).
const pluginType = "io.containerd.grpc.v1"

// plugins are containerd's names for what is served.
var plugins = []string{"containers", "events", "introspection", "leases", "namespaces", "version"}

// Plugins implements containerd.services.introspection.v1.Introspection. Filters have
// the fields type and id.
func (s containerdIntrospection) Plugins(ctx context.Context, req *introspectionapi.PluginsRequest) (*introspectionapi.PluginsResponse, error) {
	filter, _, err := parseContainerdFilters(req.GetFilters())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	res := &introspectionapi.PluginsResponse{}
	for _, id := range plugins {
		selected := matchesFields(filter, func(path []string) (string, bool) {
			switch path[0] {
			case "type":
				return pluginType, true
			case "id":
				return id, true
			}
			return "", false
		})
		if selected {
			res.Plugins = append(res.Plugins, &introspectionapi.Plugin{Type: pluginType, ID: id})
		}
	}
	return res, nil
}

// Server implements containerd.services.introspection.v1.Introspection.
func (s containerdIntrospection) Server(context.Context, *emptypb.Empty) (*introspectionapi.ServerResponse, error) {
	return &introspectionapi.ServerResponse{UUID: s.options.ServerID, Pid: uint64(os.Getpid())}, nil //nolint:gosec // a process ID is not negative
}

// PluginInfo implements containerd.services.introspection.v1.Introspection.
func (s containerdIntrospection) PluginInfo(ctx context.Context, req *introspectionapi.PluginInfoRequest) (*introspectionapi.PluginInfoResponse, error) {
	for _, id := range plugins {
		if req.GetType() == pluginType && req.GetID() == id {
			return &introspectionapi.PluginInfoResponse{Plugin: &introspectionapi.Plugin{Type: pluginType, ID: id}}, nil
		}
	}
	err := fmt.Errorf("plugin %q: %w", clip(path.Join(req.GetType(), req.GetID()), maxMetadataBytes), plimsoll.ErrNotFound)
	return nil, s.connectError(ctx, err, nil)
}

// containerdVersion is containerd's version API. The version is Plimsoll's own.
type containerdVersion struct {
	*Service
}

func (s containerdVersion) service(options ...connect.HandlerOption) *rpcService {
	r := newRPCService("containerd.services.version.v1.Version", options...)
	unary(r, "Version", s.Version)
	return r
}

// Version implements containerd.services.version.v1.Version.
func (s containerdVersion) Version(context.Context, *emptypb.Empty) (*versionapi.VersionResponse, error) {
	return &versionapi.VersionResponse{Version: s.options.Version, Revision: s.options.Commit}, nil
}
