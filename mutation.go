package plimsoll

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Operation is what a mutation does to a container. Its values are those that
// policies and validators see.
type Operation string

// The operations.
const (
	OperationCreate Operation = "CREATE"
	OperationUpdate Operation = "UPDATE"
	OperationDelete Operation = "DELETE"
)

// User is who asks, as far as the connection tells.
type User struct {
	// Name is empty for an anonymous caller.
	Name   string   `json:"name"`
	Groups []string `json:"groups"`
	// Via says how the name is known: mtls, token, unix or anonymous.
	Via string `json:"via"`
}

// Mutation is a request to change one container.
type Mutation struct {
	Operation Operation
	Key       Key
	// Container is the requested state; nil on delete. On update only the fields
	// that Mask names are looked at.
	Container *Container
	// Mask names the fields that an update replaces: see [MaskPaths]. It is never
	// empty: an API whose callers may leave it out names all it can express.
	Mask []string
	// CheckRuntime makes an update fail when Container.Runtime.Name differs from
	// the stored one, as containerd does for updates without a mask. CheckSnapshotter
	// does the same for Container.Snapshotter, in APIs that have one.
	CheckRuntime     bool
	CheckSnapshotter bool
	// DefaultSnapshotter, if set, is what an update gives to a container that has a
	// snapshot key and no snapshotter, in APIs that know no snapshotters.
	DefaultSnapshotter string
	// MaskError, if set, is what is wrong with the mask that the caller sent. Merge
	// returns it once it knows that the container exists: containerd looks at a mask
	// only then (core/metadata/containers.go, Update).
	MaskError error
	// IfRevision, when set, makes the mutation conditional: the container must
	// be at that revision, 0 meaning that it must not exist.
	IfRevision *Revision
	// OutcomeOnly says that the caller is told what became of the mutation, and not
	// shown the container.
	OutcomeOnly bool
	// DryRun asks for the verdict and the resulting container, and no commit.
	DryRun    bool
	User      User
	RequestID string
	// BreakGlass, if set, is why what the rules say is to be overridden.
	BreakGlass string `json:",omitempty"`
}

// MaskPaths are the update mask paths that Merge understands. labels.KEY and
// extensions.KEY take everything after the first dot as the key, so keys may
// contain dots.
var MaskPaths = []string{"labels", "labels.KEY", "image", "spec", "rootfs", "extensions", "extensions.KEY"}

// Merge returns the container that m asks for, given the stored one (nil if there
// is none), or the reason why there can be none: [ErrExists], [ErrNotFound],
// [ErrStaleRevision], or a [RequestError]. The result is complete, apart from the
// revision that the store gives it, and shares nothing with stored. On delete it
// is the container to be removed.
//
// Merge checks what depends on the stored container: existence, revision and
// immutable fields. What can be checked without it is the API's business.
func (m *Mutation) Merge(stored *Container, now time.Time) (*Container, error) {
	switch {
	case m.Operation == OperationCreate && stored != nil:
		return nil, fmt.Errorf("%s: %w", m.Key, ErrExists)
	case m.Operation != OperationCreate && stored == nil:
		return nil, fmt.Errorf("%s: %w", m.Key, ErrNotFound)
	}
	if err := m.checkRevision(stored); err != nil {
		return nil, err
	}

	now = now.UTC()
	switch m.Operation {
	case OperationCreate:
		c := m.Container.Clone()
		c.ID = m.Key.ID
		c.Labels, c.Extensions = withoutEmpty(c.Labels), withoutZero(c.Extensions)
		c.CreatedAt, c.UpdatedAt = now, now
		return c, nil
	case OperationUpdate:
		c, err := m.update(stored)
		if err != nil {
			return nil, err
		}
		c.UpdatedAt = now
		if !now.After(stored.UpdatedAt) { // a clock that went back must not hide a change
			c.UpdatedAt = stored.UpdatedAt.Add(time.Nanosecond)
		}
		return c, nil
	case OperationDelete:
		return stored.Clone(), nil
	}
	return nil, fmt.Errorf("unknown operation %q", m.Operation)
}

func (m *Mutation) checkRevision(stored *Container) error {
	if m.IfRevision == nil {
		return nil
	}
	var have Revision
	if stored != nil {
		have = stored.Revision
	}
	if have != *m.IfRevision {
		return fmt.Errorf("%s is at revision %d, not %d: %w", m.Key, have, *m.IfRevision, ErrStaleRevision)
	}
	return nil
}

func (m *Mutation) update(stored *Container) (*Container, error) {
	want := m.Container.Clone()
	if m.CheckRuntime && want.Runtime.Name != stored.Runtime.Name {
		return nil, immutable("runtime", stored.Runtime.Name, want.Runtime.Name)
	}
	if m.CheckSnapshotter && want.Snapshotter != stored.Snapshotter {
		return nil, immutable("snapshotter", stored.Snapshotter, want.Snapshotter)
	}
	if m.MaskError != nil {
		return nil, m.MaskError
	}
	c := stored.Clone()
	for _, path := range m.Mask {
		field, key, keyed := strings.Cut(path, ".")
		switch {
		case field == "labels" && keyed:
			c.Labels = setOrDelete(c.Labels, key, want.Labels[key], want.Labels[key] == "")
		case field == "extensions" && keyed:
			c.Extensions = setOrDelete(c.Extensions, key, want.Extensions[key], want.Extensions[key].IsZero())
		case path == "labels":
			c.Labels = want.Labels
		case path == "extensions":
			c.Extensions = want.Extensions
		case path == "image":
			c.Image = want.Image
		case path == "spec":
			c.Spec = want.Spec
		case path == "rootfs":
			c.SnapshotKey = want.SnapshotKey
		default:
			return nil, UnknownMaskPath(path, MaskPaths)
		}
	}
	c.Labels, c.Extensions = withoutEmpty(c.Labels), withoutZero(c.Extensions)
	if c.SnapshotKey != "" && c.Snapshotter == "" {
		c.Snapshotter = m.DefaultSnapshotter
	}
	return c, nil
}

// immutable is the error for an update that names another value than the stored one.
func immutable(field, stored, want string) error {
	return &RequestError{Field: "container." + field, Problem: fmt.Sprintf(
		"%s is immutable: it is %q and cannot become %q; send the stored %[1]s, or name the fields to change in update_mask",
		field, stored, want)}
}

// UnknownMaskPath is the error for an update mask path that is not one of valid.
func UnknownMaskPath(path string, valid []string) error {
	problem := fmt.Sprintf("unknown path %q", path)
	switch path {
	case "id", "runtime", "snapshotter", "sandbox_id", "created_at", "updated_at", "revision":
		problem = fmt.Sprintf("%s cannot be changed", path)
	}
	return &RequestError{Field: "update_mask", Problem: problem + "; valid paths are " + strings.Join(valid, ", ")}
}

func setOrDelete[V any](m map[string]V, key string, value V, remove bool) map[string]V {
	if remove {
		delete(m, key)
		return m
	}
	if m == nil {
		m = make(map[string]V, 1)
	}
	m[key] = value
	return m
}

// withoutEmpty drops labels with an empty value, as containerd does when it reads
// them back (metadata/boltutil), so that what is answered is what is stored.
func withoutEmpty(labels map[string]string) map[string]string {
	if slices.Contains(slices.Collect(maps.Values(labels)), "") {
		maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	}
	if len(labels) == 0 {
		return nil
	}
	return labels
}

// withoutZero drops extensions with neither type nor payload: they are absent, as
// labels with an empty value are.
func withoutZero(extensions map[string]Any) map[string]Any {
	maps.DeleteFunc(extensions, func(_ string, ext Any) bool { return ext.IsZero() })
	if len(extensions) == 0 {
		return nil
	}
	return extensions
}
