package policy_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

// The schema and the document are written in two places. It is closed and all
// fields are required, so each has what the other has.
func TestSchema(t *testing.T) {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(policy.InputSchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("input.schema.json", raw); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("input.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	binary := create()
	binary.Object.Spec.Value = []byte{0, 1, 2}
	binary.Object.Extensions["binary"] = plimsoll.Any{TypeURL: "t", Value: []byte("x")}
	update := create()
	update.Operation, update.Old, update.UpdateMask = plimsoll.OperationUpdate, container(), []string{"labels.team"}
	update.User = plimsoll.User{Name: "alice", Groups: []string{"ops"}, Via: "mtls"}
	update.DryRun, update.RequestID = true, "r-1"
	remove := create()
	remove.Operation, remove.Old = plimsoll.OperationDelete, remove.Object
	for name, in := range map[string]*plimsoll.Input{
		"create": create(), "update": update, "delete": remove, "binary spec": binary,
		"bare": {Operation: plimsoll.OperationCreate, Object: &plimsoll.Container{}},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := in.JSON()
			if err != nil {
				t.Fatal(err)
			}
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(value); err != nil {
				t.Error(err)
			}
		})
	}

	fields := raw.(map[string]any)["properties"].(map[string]any)                                                               //nolint:forcetypeassert // or panic
	object := raw.(map[string]any)["definitions"].(map[string]any)["container"].(map[string]any)["properties"].(map[string]any) //nolint:forcetypeassert // or panic
	for name := range fields {
		usable(t, "input."+name)
	}
	for name := range object {
		usable(t, "input.object."+name)
		usable(t, "input.old_object."+name)
	}
	usable(t, "input.old_object == null")
	usable(t, "input.object.labels[\"a.b/c\"] == \"x\"")
	usable(t, "input.object.spec.what.ever[0] == 5")
	usable(t, "input.object.extensions.x.y")
	usable(t, "input.user.groups[_] == \"x\"")
}

// usable fails unless rules can say expression.
func usable(t *testing.T, expression string) {
	t.Helper()
	_, err := policy.Load(context.Background(), policy.Options{}, files("a.rego", "package a\n\ndeny contains \"x\" if "+expression+"\n"))
	if err != nil {
		t.Errorf("%s: %v", expression, strings.ReplaceAll(err.Error(), "\n", "\n\t"))
	}
}
