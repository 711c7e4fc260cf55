package service

import (
	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/plimsoll-project/plimsoll"
)

// toContainerd and fromContainerd convert without copying payloads: messages and
// containers are each used by one request only.
func toContainerd(c *plimsoll.Container) *containersapi.Container {
	v := &containersapi.Container{
		ID: c.ID, Labels: c.Labels, Image: c.Image,
		Runtime: &containersapi.Container_Runtime{Name: c.Runtime.Name, Options: toAny(c.Runtime.Options)},
		Spec:    toAny(c.Spec), Snapshotter: c.Snapshotter, SnapshotKey: c.SnapshotKey,
		CreatedAt: toTimestamp(c.CreatedAt), UpdatedAt: toTimestamp(c.UpdatedAt), Sandbox: c.SandboxID,
	}
	if len(c.Extensions) > 0 {
		v.Extensions = make(map[string]*anypb.Any, len(c.Extensions))
		for key, ext := range c.Extensions {
			v.Extensions[key] = &anypb.Any{TypeUrl: ext.TypeURL, Value: ext.Value}
		}
	}
	return v
}

// fromContainerd leaves out the timestamps: the service sets them.
func fromContainerd(v *containersapi.Container) *plimsoll.Container {
	c := &plimsoll.Container{
		ID: v.GetID(), Labels: v.GetLabels(), Image: v.GetImage(),
		Runtime: plimsoll.Runtime{Name: v.GetRuntime().GetName(), Options: fromAny(v.GetRuntime().GetOptions())},
		Spec:    fromAny(v.GetSpec()), Snapshotter: v.GetSnapshotter(), SnapshotKey: v.GetSnapshotKey(), SandboxID: v.GetSandbox(),
	}
	if len(v.GetExtensions()) > 0 {
		c.Extensions = make(map[string]plimsoll.Any, len(v.GetExtensions()))
		for key, ext := range v.GetExtensions() {
			c.Extensions[key] = fromAny(ext)
		}
	}
	return c
}
