package plimsoll

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A document that is read makes the same document again.
func TestParseInput(t *testing.T) {
	c := &Container{
		ID: "web", Image: "nginx", Labels: map[string]string{"team": "core"}, Snapshotter: "s", SnapshotKey: "k", SandboxID: "b",
		Runtime: Runtime{Name: "runc", Options: Any{TypeURL: "o", Value: []byte(`{"root":"/x"}`)}},
		Spec:    Any{TypeURL: "t", Value: []byte(`{"n":18446744073709551615,"a":1e400,"a":2,"html":"<&>"}`)},
		Extensions: map[string]Any{
			"x": {TypeURL: "e", Value: []byte("\x00\x01")}, "y": {TypeURL: "f", Value: []byte(`{"a": 1}`)},
		},
	}
	old := c.Clone()
	old.Labels, old.Spec.Value = nil, []byte("no JSON")
	for name, in := range map[string]*Input{
		"create": {Operation: OperationCreate, Namespace: "default", NamespaceLabels: map[string]string{"a": "b"}, Object: c, DryRun: true},
		"update": {
			Operation: OperationUpdate, Namespace: "n", Object: c, Old: old, UpdateMask: []string{"labels"}, RequestID: "r",
			User: User{Name: "ada", Groups: []string{"g"}, Via: "mtls"},
		},
		"delete": {Operation: OperationDelete, Namespace: "n", Object: c, Old: c},
		"plain":  {Operation: OperationCreate, Object: &Container{ID: "x"}},
		"given":  {Operation: OperationCreate, Object: c, RuntimeOptions: []byte(`{"BinaryName":"crun"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := in.JSON()
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseInput(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := again.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("document (-want +got):\n%s", d)
			}
		})
	}
	for name, document := range map[string]string{
		"no JSON": `{`, "another version": `{"version": 2, "object": {}}`, "no object": `{"version": 1}`, "a list": `[]`,
	} {
		if in, err := ParseInput([]byte(document)); err == nil {
			t.Errorf("%s: is %v", name, in)
		}
	}
}

func FuzzParseInput(f *testing.F) {
	f.Add([]byte(`{"version":1,"operation":"CREATE","object":{"id":"x","spec":{"a":1},"extension_types":{"x":"y"}},"old_object":null}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		in, err := ParseInput(document)
		if err != nil {
			return
		}
		first, err := in.JSON()
		if err != nil {
			return // such as a payload that JSON cannot hold
		}
		again, err := ParseInput(first)
		if err != nil {
			t.Fatalf("%v, of %s", err, first)
		}
		if second, err := again.JSON(); err != nil || string(first) != string(second) {
			t.Errorf("%s\nbecame\n%s\n%v", first, second, err)
		}
	})
}
