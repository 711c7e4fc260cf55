package plimsoll

import (
	"context"
	"iter"
)

// Others are the containers other than the one a mutation is about, as rules may ask for
// them: at the revision that the mutation commits against, with what mutations before it
// in the same batch make of them. What is read joins what must not change before the
// commit, so that an answer still holds when the mutation takes effect.
//
// They are for one goroutine at a time.
type Others interface {
	// Container returns a container, or nil if there is none, or it is the one that the
	// mutation is about.
	Container(ctx context.Context, key Key, withPayloads bool) (*Container, error)

	// Containers yields those that selection selects, in bytewise order of their IDs,
	// namespace by namespace. An error ends the sequence; one that wraps
	// [ErrInvalidRequest] says what is wrong with the selection.
	Containers(ctx context.Context, selection Selection) iter.Seq2[FoundContainer, error]
}

// FoundContainer is a container that was found, and where.
type FoundContainer struct {
	Namespace string
	*Container
}

// Selection says which containers to find: those that match everything in it.
type Selection struct {
	// Namespace is where; [AllNamespaces] means in all there are.
	Namespace string
	// Filter is one in containerd's grammar; empty matches all.
	Filter string
	// Equal are fields and the values they must have. The fields are id, image,
	// runtime, snapshotter, rootfs, sandbox_id, and labels.KEY.
	Equal map[string]string
	// WithPayloads asks for complete containers. Without it, spec, runtime options and
	// extensions have their types only.
	WithPayloads bool
}

// AllNamespaces stands for every namespace in a [Selection].
const AllNamespaces = "*"
