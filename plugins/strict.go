package plugins

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// decodeObject decodes each member of a JSON object into the destination of that
// name. It goes on after a problem, so that all of them can be told at once, each
// with its path. A null member is as good as an absent one.
func decodeObject(path string, raw []byte, members map[string]any) []error {
	var object map[string]json.RawMessage
	if err := decodeMember(path, raw, &object); err != nil {
		return []error{err}
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(object)) {
		dst, known := members[key]
		if !known {
			errs = append(errs, fmt.Errorf("%sunknown key %q%s", prefix(path), key,
				suggestion(key, slices.Collect(maps.Keys(members)))))
			continue
		}
		if err := decodeMember(join(path, key), object[key], dst); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func decodeMember(path string, raw []byte, dst any) error {
	err := json.Unmarshal(raw, dst)
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		err = fmt.Errorf("want %s, got %s", kindOf(mismatch.Type), mismatch.Value)
	}
	if err != nil {
		return fmt.Errorf("%s%w", prefix(path), err)
	}
	return nil
}

// kindOf is a Go type in the words of JSON.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	default:
		return "a whole number in range"
	}
}

// suggestion ends an error about an unknown word.
func suggestion(word string, known []string) string {
	slices.Sort(known)
	for _, k := range known {
		if levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(k)) <= max(1, len(k)/3) {
			return fmt.Sprintf("; did you mean %q?", k)
		}
	}
	return "; known are " + strings.Join(known, ", ")
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func prefix(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}
