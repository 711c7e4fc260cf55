package plugins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// compileSchema compiles the JSON Schema of a validator's settings; nil, which
// allows everything, if there is none.
func compileSchema(raw json.RawMessage) (*jsonschema.Schema, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	const url = "plimsoll:settings"
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{}) // a schema reads neither files nor the network
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	schema, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("settings: it is not a JSON Schema: %w", err)
	}
	return schema, nil
}

// checkSettings reports every way in which settings do not satisfy schema.
func checkSettings(at string, schema *jsonschema.Schema, settings json.RawMessage) []error {
	if schema == nil {
		return nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(settings))
	if err != nil {
		return []error{fmt.Errorf("%s: %w", at, err)}
	}
	err = schema.Validate(doc)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		if err != nil {
			return []error{fmt.Errorf("%s: %w", at, err)}
		}
		return nil
	}
	printer := message.NewPrinter(language.English)
	var errs []error
	var leaves func(e *jsonschema.ValidationError)
	leaves = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			leaves(cause)
		}
		if len(e.Causes) == 0 {
			where := strings.Join(slices.Concat([]string{at}, e.InstanceLocation), ".")
			errs = append(errs, fmt.Errorf("%s: %s", where, e.ErrorKind.LocalizedString(printer)))
		}
	}
	leaves(invalid)
	return errs
}
