package plimsoll

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Revision counts the commits of a store. The first commit has revision 1; 0
// means "never".
type Revision uint64

// Key identifies a container: an ID is unique within its namespace.
type Key struct {
	Namespace string
	ID        string
}

// String names the container as people read it in messages.
func (k Key) String() string { return fmt.Sprintf("container %q in namespace %q", k.ID, k.Namespace) }

// Any is an opaque payload with the URL of its type, the content of a
// google.protobuf.Any. OCI specs travel as JSON inside one, with the type URL
// types.containerd.io/opencontainers/runtime-spec/1/Spec.
type Any struct {
	TypeURL string
	Value   []byte
}

// IsZero reports whether neither a type nor a payload is set.
func (a Any) IsZero() bool { return a.TypeURL == "" && len(a.Value) == 0 }

// IsJSONObject reports whether the payload is one JSON object. Such a payload is
// shown to policies and validators as it is; any other as base64.
func (a Any) IsJSONObject() bool {
	v := bytes.TrimLeft(a.Value, " \t\r\n")
	return len(v) > 0 && v[0] == '{' && json.Valid(v)
}

// Runtime names what will run a container, such as io.containerd.runc.v2, with
// options only that runtime understands.
type Runtime struct {
	Name    string
	Options Any
}

// Container is the metadata of one container. It is the one record behind every
// containers API: each API shows the fields that it can express.
type Container struct {
	// ID is unique within a namespace and never changes.
	ID string
	// Labels are the caller's own. Values are never empty: an empty value means
	// that the label is absent.
	Labels map[string]string
	// Image is the reference the container was made from; may be empty.
	Image string
	// Runtime never changes after the container was created.
	Runtime Runtime
	// Spec is what the runtime is asked to run.
	Spec Any
	// Snapshotter and SnapshotKey name the container's root filesystem. The
	// original containerd.v1 API calls SnapshotKey rootfs.
	Snapshotter string
	SnapshotKey string
	// Extensions are payloads of clients, by name. None is zero: that means that the
	// extension is absent.
	Extensions map[string]Any
	// SandboxID is the sandbox (pod) that the container belongs to, if any.
	SandboxID string
	// CreatedAt and UpdatedAt are in UTC and set by the service.
	CreatedAt time.Time
	UpdatedAt time.Time
	// Revision is that of the commit which last wrote the container; 0 before it
	// is stored. Stores set it.
	Revision Revision
}

// Clone returns a copy that shares no map and no byte slice with c.
func (c *Container) Clone() *Container {
	if c == nil {
		return nil
	}
	d := *c
	d.Labels = maps.Clone(c.Labels)
	d.Runtime.Options = c.Runtime.Options.clone()
	d.Spec = c.Spec.clone()
	if c.Extensions != nil {
		d.Extensions = make(map[string]Any, len(c.Extensions))
		for name, ext := range c.Extensions {
			d.Extensions[name] = ext.clone()
		}
	}
	return &d
}

func (a Any) clone() Any { return Any{TypeURL: a.TypeURL, Value: slices.Clone(a.Value)} }
