package policy

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// InputSchema is the JSON Schema (draft 7) of the input document, for editors and
// other checkers. See [plimsoll.Input].
//
//go:embed input.schema.json
var InputSchema []byte

// schemas makes the checker apply the schema to input in every module.
func schemas() (*ast.SchemaSet, error) {
	var schema, exemption map[string]any
	if err := json.Unmarshal(InputSchema, &schema); err != nil {
		return nil, fmt.Errorf("reading the input schema: %w", err)
	}
	if err := json.Unmarshal(ExemptionSchema, &exemption); err != nil {
		return nil, fmt.Errorf("reading the schema of exemptions: %w", err)
	}
	if err := withExemptions(schema, exemption); err != nil {
		return nil, err
	}
	set := ast.NewSchemaSet()
	set.Put(ast.SchemaRootRef, schema)
	return set, nil
}

// containerFields are the fields of input.object and input.old_object, sorted.
var containerFields = func() []string {
	var schema struct {
		Definitions struct {
			Container struct {
				Properties map[string]any `json:"properties"`
			} `json:"container"`
		} `json:"definitions"`
	}
	if err := json.Unmarshal(InputSchema, &schema); err != nil {
		panic(err) // embedded: a test would have failed
	}
	return slices.Sorted(maps.Keys(schema.Definitions.Container.Properties))
}()
