package server

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
)

// An input that is written down reads back as what rules see.
func TestReadInput(t *testing.T) {
	in := &plimsoll.Input{
		Operation: plimsoll.OperationUpdate, Namespace: "batch", NamespaceLabels: map[string]string{"tier": "prod"}, DryRun: true,
		User:       plimsoll.User{Name: "uid:1", Groups: []string{"gid:1"}, Via: "unix"},
		UpdateMask: []string{"image"}, RequestID: "r",
		RuntimeOptions: json.RawMessage(`{"binary_name":"runc"}`),
		Object: &plimsoll.Container{
			ID: "web", Labels: map[string]string{"team": "core"}, Image: "i",
			Runtime: plimsoll.Runtime{Name: "runc", Options: plimsoll.Any{TypeURL: "o"}},
			Spec:    plimsoll.Any{TypeURL: "s", Value: []byte(`{"a":18446744073709551615}`)}, Snapshotter: "overlayfs", SnapshotKey: "web",
			Extensions: map[string]plimsoll.Any{"e": {TypeURL: "t", Value: []byte{0, 1}}}, SandboxID: "pod",
		},
		Old: &plimsoll.Container{ID: "web", Spec: plimsoll.Any{TypeURL: "s", Value: []byte(`{}`)}},
	}
	want, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	read, err := readInput(want)
	if err != nil {
		t.Fatal(err)
	}
	have, err := read.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(have)); diff != "" {
		t.Errorf("the document (-want +have):\n%s", diff)
	}
}

func TestReadInputErrors(t *testing.T) {
	tests := map[string]struct{ document, want string }{
		"unknown field":   {`{"operation": "CREATE", "objekt": {}}`, `input: unknown field "objekt"`},
		"wrong type":      {`{"operation": "CREATE", "object": {"id": 7}}`, "input: object.id cannot be a number"},
		"other version":   {`{"version": 2}`, "input: version is 2, but this program knows version 1"},
		"no operation":    {`{"object": {}}`, `input: operation is "", want one of CREATE, UPDATE, DELETE`},
		"no object":       {`{"operation": "CREATE"}`, "input: object is missing"},
		"old on create":   {`{"operation": "CREATE", "object": {}, "old_object": {}}`, "input: old_object is what is stored: null on CREATE and nothing else"},
		"no old":          {`{"operation": "UPDATE", "object": {}}`, "input: old_object is what is stored: null on CREATE and nothing else"},
		"spec is no spec": {`{"operation": "CREATE", "object": {"spec": []}}`, "input: object: spec: want an object"},
		"bad base64":      {`{"operation": "CREATE", "object": {"spec": {"base64": "?"}}}`, "input: object: spec: illegal base64 data at input byte 0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := readInput(json.RawMessage(test.document))
			if err == nil || err.Error() != test.want {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
}
