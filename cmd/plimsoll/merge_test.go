package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func TestChange(t *testing.T) {
	stored := &plimsollv1.Container{
		Id: "web", Labels: map[string]string{"team": "core", "tier": "web"}, Image: "nginx",
		Runtime:     &plimsollv1.Runtime{Name: "r", Options: &anypb.Any{TypeUrl: "t", Value: []byte("o")}},
		Spec:        &anypb.Any{TypeUrl: ociSpecType, Value: []byte(`{"a": 1, "b": {"c": 18446744073709551615}}`)},
		Snapshotter: "overlayfs", SnapshotKey: "web", SandboxId: "pod",
		Extensions: map[string]*anypb.Any{"x": {TypeUrl: "t", Value: []byte("{}")}}, Revision: 7,
	}
	for _, test := range []struct {
		name, manifest string
		want           []string
	}{
		{"nothing", `{"id": "web"}`, nil},
		{"the same", `{"id": "web", "labels": {"team": "core"}, "image": "nginx", "runtime": "r", "snapshotter": "overlayfs"}`, nil},
		{"a spec in another order", `{"id": "web", "spec": {"b": {"c": 18446744073709551615}, "a": 1}}`, nil},
		{"a fraction in another form", `{"id": "web", "spec": {"b": {"c": 18446744073709551615}, "a": 1.0}}`, nil},
		{"a spec with another number", `{"id": "web", "spec": {"b": {"c": 18446744073709551614}, "a": 1}}`, []string{"spec"}},
		{"a spec of another type", `{"id": "web", "spec": {"@type": "t", "value": {"a": 1}}}`, []string{"spec"}},
		{"labels", `{"id": "web", "labels": {"team": "payments", "tier": "", "new": "x", "none": ""}}`, []string{"labels.new", "labels.team", "labels.tier"}},
		{"emptied", `{"id": "web", "image": "", "rootfs": ""}`, []string{"image", "snapshot_key"}},
		{"extensions", `{"id": "web", "extensions": {"x": {"@type": "t", "value": "AA=="}, "y": {"@type": "t", "value": {}}}}`, []string{"extensions.x", "extensions.y"}},
		{"what never changes", `{"id": "web", "runtime": "s", "sandboxId": "", "snapshotter": "native"}`, []string{"runtime", "snapshotter", "sandbox_id"}},
		{"runtime options", `{"id": "web", "runtime": {"name": "r", "options": {"@type": "t", "value": {}}}}`, []string{"runtime"}},
		{"what the server sets", `{"id": "web", "revision": "3", "createdAt": "2020-01-01T00:00:00Z"}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := parseManifest([]byte(test.manifest))
			if err != nil {
				t.Fatal(err)
			}
			update := m.change(stored).GetUpdate()
			if diff := cmp.Diff(test.want, update.GetUpdateMask().GetPaths()); diff != "" {
				t.Error(diff)
			}
			if update != nil && update.GetIfRevision() != 7 {
				t.Errorf("the update is for revision %d", update.GetIfRevision())
			}
			// What is so already needs no change.
			if again := m.change(m.appliedTo(stored)); again != nil {
				t.Errorf("the second time it changes %v", again)
			}
		})
	}
}

// A manifest that is written from a container reads as that container.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"id": "web", "labels": {"a": "b"}, "runtime": "r", "spec": {"x": [1.10]}, "rootfs": "k"}`))
	f.Add([]byte("id: web\nruntime: {name: r, options: {\"@type\": t, value: AAEC}}\n---\nid: b\nextensions: {x: {\"@type\": t, value: {}}}\n"))
	f.Add([]byte(`{"containers": [{"id": "a"}, {"id": "b"}], "revision": "7"}`))
	f.Add([]byte("{\"id\": \"a\"}\n{\"id\": \"b\", \"spec\": null}"))
	f.Add([]byte("{id: a, namespace: n}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, err := splitDocuments(data)
		if err != nil {
			return
		}
		for _, document := range documents {
			object, err := toJSON(document)
			if err != nil {
				continue
			}
			m, err := parseManifest(object)
			if err != nil {
				continue
			}
			text, err := yamlManifest(m.container)
			if err != nil {
				continue // what protobuf takes for a text and JSON does not
			}
			if object, err = toJSON(text); err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			again, err := parseManifest(object)
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			spec, specAgain := m.container.GetSpec(), again.container.GetSpec()
			if !equalPayload(spec, specAgain) {
				t.Errorf("the spec is %v, and again %v", spec, specAgain)
			}
			m.container.Spec, again.container.Spec = nil, nil
			for _, c := range []*plimsollv1.Container{m.container, again.container} {
				for _, extension := range c.GetExtensions() {
					if value, err := exactJSON(extension.GetValue()); err == nil && value != nil {
						extension.Value = nil // another way to write it
					}
				}
				if c.GetRuntime().GetOptions() != nil {
					c.Runtime.Options = nil
				}
			}
			if diff := cmp.Diff(m.container, again.container, protocmp.Transform()); diff != "" {
				t.Errorf("%s\n%s", diff, text)
			}
		}
	})
}
