package plimsoll

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
)

// Others are the containers other than the one a mutation is about, as rules may ask for
// them: at the revision that the mutation commits against, with what mutations before it
// in the same batch make of them. What is read joins what must not change before the
// commit, so that an answer still holds when the mutation takes effect.
//
// They are for one goroutine at a time. An error that wraps [ErrInvalidRequest] says what
// is wrong with a selection; any other means that the containers cannot be read.
type Others interface {
	// Container returns a container, or nil if there is none, or it is the one that the
	// mutation is about.
	Container(ctx context.Context, key Key, withPayloads bool) (*OtherContainer, error)

	// Containers yields those that selection selects, in bytewise order of their
	// namespaces and IDs. An error ends the sequence.
	Containers(ctx context.Context, selection Selection) iter.Seq2[*OtherContainer, error]

	// Count returns how many there are of them. It reads less than Containers.
	Count(ctx context.Context, selection Selection) (int, error)
}

// OtherContainer is a container, and where it is.
type OtherContainer struct {
	Namespace string
	*Container
	// RuntimeOptions, if set, is the runtime options in JSON, as in [Input].
	RuntimeOptions json.RawMessage
}

// JSON returns the container as a document: that of input.object, and its namespace. If
// it was read without payloads, it has no spec, no runtime_options and no extensions.
func (c *OtherContainer) JSON(withPayloads bool) ([]byte, error) {
	namespace, err := json.Marshal(c.Namespace)
	if err != nil {
		return nil, err
	}
	doc := append([]byte(`{"namespace":`), namespace...)
	object, err := appendMetadata(nil, c.Container, c.RuntimeOptions, withPayloads)
	if err != nil {
		return nil, err
	}
	doc = append(append(doc, ','), object[1:]...)
	if withPayloads {
		doc = append(appendSpec(doc[:len(doc)-1], c.Spec), '}')
	}
	return doc, nil
}

// Selection says which containers to find: those that match everything in it.
type Selection struct {
	// Namespace is where; [AllNamespaces] means in all there are.
	Namespace string
	// Filter is one in containerd's grammar, with the fields of the filters of
	// plimsoll.v1; empty matches all.
	Filter string
	// Equal are fields and the values they must have. The fields are those of
	// [SelectionFields] and labels.KEY.
	Equal map[string]string
	// WithPayloads asks for complete containers. Without it, spec, runtime options and
	// extensions have their types only.
	WithPayloads bool
}

// AllNamespaces stands for every namespace in a [Selection].
const AllNamespaces = "*"

// SelectionFields are the fields besides labels that a [Selection] can be by.
var SelectionFields = []string{"id", "image", "rootfs", "runtime", "sandbox_id", "snapshotter"}

// Field returns one of the fields that a [Selection] can be by, and whether there are
// fields of that name. A label that is not there is empty.
func (c *Container) Field(name string) (value string, known bool) {
	if key, ok := strings.CutPrefix(name, "labels."); ok {
		return c.Labels[key], true
	}
	switch name {
	case "id":
		return c.ID, true
	case "image":
		return c.Image, true
	case "rootfs":
		return c.SnapshotKey, true
	case "runtime":
		return c.Runtime.Name, true
	case "sandbox_id":
		return c.SandboxID, true
	case "snapshotter":
		return c.Snapshotter, true
	}
	return "", false
}
