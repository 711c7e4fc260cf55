package plimsoll

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// partInput is an input in which every member says something.
func partInput() *Input {
	object := &Container{
		ID: "web", Labels: map[string]string{"team": "core"}, Image: "nginx", SnapshotKey: "web", Snapshotter: "overlayfs", SandboxID: "pod",
		Runtime:    Runtime{Name: "runc", Options: Any{TypeURL: "o", Value: []byte(`{"a":1}`)}},
		Spec:       Any{TypeURL: "t", Value: []byte(` {"n": 1e0, "n":"<&>"} `)},
		Extensions: map[string]Any{"x": {TypeURL: "e", Value: []byte("\x00")}},
	}
	old := object.Clone()
	old.Spec.Value = []byte("old")
	return &Input{
		Operation: OperationUpdate, Namespace: "default", NamespaceLabels: map[string]string{"a": "b"}, User: User{Name: "ada", Via: "unix"},
		Object: object, Old: old, UpdateMask: []string{"spec"}, RequestID: "r",
	}
}

// TestPartOfEachPath compares each path alone with what the whole document has there.
func TestPartOfEachPath(t *testing.T) {
	whole, err := partInput().JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range InputPaths() {
		t.Run(path, func(t *testing.T) {
			part, err := NewInputPart([]string{path})
			if err != nil {
				t.Fatal(err)
			}
			doc, err := partInput().PartJSON(part)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(only(t, whole, "version", path), decoded(t, doc)); diff != "" {
				t.Errorf("part (-want +got):\n%s", diff)
			}
		})
	}
}

// only returns the members at paths of a document, and nothing else.
func only(t *testing.T, doc []byte, paths ...string) map[string]any {
	t.Helper()
	whole, part := decoded(t, doc), map[string]any{}
	for _, path := range paths {
		first, second, nested := strings.Cut(path, ".")
		if !nested {
			part[first] = whole[first]
			continue
		}
		part[first] = map[string]any{second: whole[first].(map[string]any)[second]}
	}
	return part
}

func decoded(t *testing.T, doc []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return v
}

// TestPartOfEverything makes sure that no member of the document is without a path.
func TestPartOfEverything(t *testing.T) {
	part, err := NewInputPart(InputPaths())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := partInput().PartJSON(part)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := partInput().JSON()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, whole), decoded(t, doc)); diff != "" {
		t.Errorf("part (-whole +part):\n%s", diff)
	}
}

func TestPartJSON(t *testing.T) {
	for _, test := range []struct {
		name  string
		paths []string
		old   *Container
		want  string
	}{
		{
			"the spec goes in byte for byte",
			[]string{"object.spec", "operation"},
			nil,
			`{"version":1,"operation":"UPDATE","object":{"spec":{"n": 1e0, "n":"<&>"}}}`,
		},
		{"a path twice", []string{"version", "operation", "operation"}, nil, `{"version":1,"operation":"UPDATE"}`},
		{
			"in one order",
			[]string{"object.spec", "object.runtime", "object.id"},
			nil,
			`{"version":1,"object":{"id":"web","runtime":"runc","spec":{"n": 1e0, "n":"<&>"}}}`,
		},
		{"nothing was stored", []string{"old_object.spec"}, nil, `{"version":1,"old_object":null}`},
		{
			"another spec was stored",
			[]string{"object.spec", "old_object.spec"},
			&Container{Spec: Any{Value: []byte("[]")}},
			`{"version":1,"object":{"spec":{"n": 1e0, "n":"<&>"}},"old_object":{"spec":{"base64":"W10="}}}`,
		},
		{
			"the same spec was stored",
			[]string{"object.spec", "old_object.spec"},
			partInput().Object,
			`{"version":1,"object":{"spec":{"n": 1e0, "n":"<&>"}},"old_object":{"spec":{"n": 1e0, "n":"<&>"}}}`,
		},
		{"nothing", nil, nil, `{"version":1}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			part, err := NewInputPart(test.paths)
			if err != nil {
				t.Fatal(err)
			}
			in := partInput()
			in.Old = test.old
			doc, err := in.PartJSON(part)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(doc)); diff != "" {
				t.Errorf("part (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPartRefusesUnknownPaths(t *testing.T) {
	for _, path := range []string{"", "objects", "object.", "object.specs", "object.spec.mounts", "user.name", ".", "settings"} {
		if part, err := NewInputPart([]string{"operation", path}); err == nil {
			t.Errorf("%q is taken: %+v", path, part)
		}
	}
}
