package policy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/policy"
)

// schemaNode is what the documentation shows of a JSON Schema.
type schemaNode struct {
	Description string                `json:"description"`
	Type        string                `json:"type"`
	Const       any                   `json:"const"`
	Enum        []string              `json:"enum"`
	Required    []string              `json:"required"`
	Properties  map[string]schemaNode `json:"properties"`
	Items       *schemaNode           `json:"items"`
	Values      any                   `json:"additionalProperties"`
	Ref         string                `json:"$ref"`
	AnyOf       []schemaNode          `json:"anyOf"`
	Definitions map[string]schemaNode `json:"definitions"`
}

// kind says in words what a value is.
func (n schemaNode) kind() string {
	values, _ := n.Values.(map[string]any)
	switch {
	case n.Const != nil:
		return fmt.Sprint(n.Const)
	case len(n.Enum) > 0:
		return strings.Join(n.Enum, ", ")
	case n.Ref != "":
		return "a [container](#a-container)"
	case len(n.AnyOf) > 0:
		return n.AnyOf[0].kind() + " or null"
	case n.Items != nil:
		return "array of " + n.Items.Type + "s"
	case values["type"] != nil:
		return fmt.Sprintf("object of %ss", values["type"])
	}
	return n.Type
}

// rows writes the rows of a table for the fields of n.
func (n schemaNode) rows(b *strings.Builder, prefix string) {
	b.WriteString("| field | type | |\n|---|---|---|\n")
	n.fields(b, prefix)
}

func (n schemaNode) fields(b *strings.Builder, prefix string) {
	for _, name := range n.Required { // all are, and this is their order
		field := n.Properties[name]
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", prefix, name, field.kind(), field.Description)
		if field.Ref == "" {
			field.fields(b, prefix+name+".")
		}
	}
}

// The documentation of the input is what the schema says.
func TestInputDoc(t *testing.T) {
	var schema schemaNode
	if err := json.Unmarshal(policy.InputSchema, &schema); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# The input of policies and validators\n\n" +
		"<!-- Made from policy/input.schema.json by: go test ./policy -run InputDoc -update -->\n\n" +
		schema.Description + "\n\nAll fields are always there. Validators see the same document, and their settings. " +
		"[policies.md](policies.md#what-rules-see) has an example, and [input.schema.json](../policy/input.schema.json) is the schema for editors.\n\n")
	schema.rows(&b, "input.")
	b.WriteString("\n## A container\n\n`input.object`, `input.old_object`, and what [plimsoll.containers](context.md) gives, which has a `namespace` too.\n\n")
	schema.Definitions["container"].rows(&b, "")
	const path = "../docs/policy-input.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("docs/policy-input.md is stale; run: go test ./policy -run InputDoc -update\n%s", diff)
	}
}
