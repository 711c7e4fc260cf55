package plimsoll

import (
	"bytes"
	"maps"
	"slices"
)

// Changed names the fields in which two states of a container differ, sorted: image,
// spec, snapshotter, snapshot_key, and labels.KEY and extensions.KEY for single ones.
func Changed(before, after *Container) []string {
	var changed []string
	add := func(path string, differs bool) {
		if differs {
			changed = append(changed, path)
		}
	}
	for key := range union(before.Labels, after.Labels) {
		add("labels."+key, before.Labels[key] != after.Labels[key])
	}
	for key := range union(before.Extensions, after.Extensions) {
		a, had := before.Extensions[key]
		b, has := after.Extensions[key]
		add("extensions."+key, had != has || !a.Equal(b))
	}
	add("image", before.Image != after.Image)
	add("spec", !before.Spec.Equal(after.Spec))
	add("snapshotter", before.Snapshotter != after.Snapshotter)
	add("snapshot_key", before.SnapshotKey != after.SnapshotKey)
	slices.Sort(changed)
	return changed
}

func union[V any](a, b map[string]V) map[string]struct{} {
	keys := make(map[string]struct{}, max(len(a), len(b)))
	for key := range maps.Keys(a) {
		keys[key] = struct{}{}
	}
	for key := range maps.Keys(b) {
		keys[key] = struct{}{}
	}
	return keys
}

// Equal reports whether two payloads are the same, byte for byte.
func (a Any) Equal(b Any) bool { return a.TypeURL == b.TypeURL && bytes.Equal(a.Value, b.Value) }
