package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// appliedTo returns stored with the fields that the manifest gives. Labels and
// extensions are taken one by one: those that the manifest does not name stay, and a
// label with an empty value goes.
func (m *manifest) appliedTo(stored *plimsollv1.Container) *plimsollv1.Container {
	merged, wanted := proto.CloneOf(stored), proto.CloneOf(m.container)
	for field := range m.given {
		switch field {
		case "labels":
			if merged.Labels == nil {
				merged.Labels = map[string]string{}
			}
			maps.Copy(merged.Labels, wanted.GetLabels())
			maps.DeleteFunc(merged.Labels, func(_, value string) bool { return value == "" })
		case "extensions":
			if merged.Extensions == nil {
				merged.Extensions = map[string]*anypb.Any{}
			}
			maps.Copy(merged.Extensions, wanted.GetExtensions())
		case "image":
			merged.Image = wanted.GetImage()
		case "runtime":
			if wanted.GetRuntime().GetOptions() == nil && wanted.GetRuntime().GetName() == stored.GetRuntime().GetName() {
				break // a name alone says nothing about options
			}
			merged.Runtime = wanted.GetRuntime()
		case "spec":
			merged.Spec = wanted.GetSpec()
		case "snapshotter":
			merged.Snapshotter = wanted.GetSnapshotter()
		case "snapshot_key":
			merged.SnapshotKey = wanted.GetSnapshotKey()
		case "sandbox_id":
			merged.SandboxId = wanted.GetSandboxId()
		}
	}
	return merged
}

// updateTo returns what makes stored as wanted, whatever else happens: it names only
// the fields that differ, and is only for stored as it is. Nil if nothing differs.
//
// Fields that never change are named, too: see neverChanges.
func updateTo(wanted, stored *plimsollv1.Container) *plimsollv1.UpdateOperation {
	var paths []string
	add := func(path string, differs bool) {
		if differs {
			paths = append(paths, path)
		}
	}
	for _, key := range keysOf(stored.GetLabels(), wanted.GetLabels()) {
		add("labels."+key, stored.GetLabels()[key] != wanted.GetLabels()[key])
	}
	add("image", stored.GetImage() != wanted.GetImage())
	add("runtime", stored.GetRuntime().GetName() != wanted.GetRuntime().GetName() ||
		!equalPayload(stored.GetRuntime().GetOptions(), wanted.GetRuntime().GetOptions()))
	add("spec", !equalPayload(stored.GetSpec(), wanted.GetSpec()))
	add("snapshotter", stored.GetSnapshotter() != wanted.GetSnapshotter())
	add("snapshot_key", stored.GetSnapshotKey() != wanted.GetSnapshotKey())
	for _, key := range keysOf(stored.GetExtensions(), wanted.GetExtensions()) {
		add("extensions."+key, !equalPayload(stored.GetExtensions()[key], wanted.GetExtensions()[key]))
	}
	add("sandbox_id", stored.GetSandboxId() != wanted.GetSandboxId())
	if len(paths) == 0 {
		return nil
	}
	changed := proto.CloneOf(wanted)
	changed.Id = stored.GetId()
	if !slices.Contains(paths, "spec") {
		changed.Spec = nil // it may be large
	}
	return &plimsollv1.UpdateOperation{
		Container: changed, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}, IfRevision: proto.Uint64(stored.GetRevision()),
	}
}

// neverChanges is the error of an update that names what never changes.
func neverChanges(op *plimsollv1.UpdateOperation) error {
	for _, path := range op.GetUpdateMask().GetPaths() {
		switch path {
		case "runtime", "snapshotter", "sandbox_id":
			return fmt.Errorf("the %s of container %q never changes: delete it and create it anew", path, op.GetContainer().GetId())
		}
	}
	return nil
}

func keysOf[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// equalPayload reports whether two payloads say the same. Of JSON neither white
// space, nor the order of members, nor how a fraction is written does: YAML has its
// own way with each.
func equalPayload(a, b *anypb.Any) bool {
	if (a == nil) != (b == nil) || a.GetTypeUrl() != b.GetTypeUrl() {
		return false
	}
	if bytes.Equal(a.GetValue(), b.GetValue()) {
		return true
	}
	x, err := exactJSON(a.GetValue())
	if err != nil {
		return false
	}
	y, err := exactJSON(b.GetValue())
	return err == nil && sameJSON(x, y)
}

// sameJSON compares what exactJSON returns.
func sameJSON(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, sameJSON)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameJSON)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(a, b)
	}
	return a == b
}

// sameNumber compares integers digit by digit, which no floating-point number may
// have room for, and others as what floating-point makes of them.
func sameNumber(a, b json.Number) bool {
	if a == b || !strings.ContainsAny(a.String()+b.String(), ".eE") {
		return a == b
	}
	x, err := a.Float64()
	if err != nil {
		return false
	}
	y, err := b.Float64()
	return err == nil && x == y
}

// exactJSON decodes JSON and leaves numbers as they are written.
func exactJSON(data []byte) (value any, err error) {
	if !json.Valid(data) {
		return nil, errors.New("no JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}
