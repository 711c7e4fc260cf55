package service

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// namespaceRecord is a namespace as stored. One comes into being with its first
// container, as in containerd, or when a client creates it.
type namespaceRecord struct {
	name   string
	labels map[string]string
	exists bool
}

func namespaceKey(name string) plimsoll.EntryKey {
	return plimsoll.EntryKey{Kind: plimsoll.KindNamespace, Key: name}
}

// loadNamespace reads a namespace. One that is not there is not an error: it is empty.
func loadNamespace(ctx context.Context, view storage.View, name string) (*namespaceRecord, error) {
	entry, err := view.Entry(ctx, namespaceKey(name))
	if errors.Is(err, plimsoll.ErrNotFound) {
		return &namespaceRecord{name: name}, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeNamespace(entry)
}

func decodeNamespace(entry *plimsoll.Entry) (*namespaceRecord, error) {
	var record storagev1.Namespace
	if err := proto.Unmarshal(entry.Value, &record); err != nil {
		return nil, fmt.Errorf("record of namespace %q: %w", entry.Key, err)
	}
	return &namespaceRecord{name: entry.Key, labels: record.GetLabels(), exists: true}, nil
}

// creation is the write of a namespace without labels, which a decision has as its
// consequence.
func (n *namespaceRecord) creation(decision string) storage.Write {
	return storage.Write{
		Operation: plimsoll.OperationCreate, Namespace: n.name, Entry: &plimsoll.Entry{EntryKey: namespaceKey(n.name)},
		Decision: decision,
	}
}
