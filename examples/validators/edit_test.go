package validators_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// An edit changes one place of a spec. Its path is of keys and indices with slashes
// between; "-" stands for the place behind the last item of an array. No JSON deletes.
type edit struct{ path, json string }

// edited applies edits to a spec.
func edited(t testing.TB, spec []byte, edits ...edit) []byte {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(spec))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		var err error
		if doc, err = e.apply(doc, strings.Split(e.path, "/")); err != nil {
			t.Fatalf("%s: %v", e.path, err)
		}
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// apply returns at as it is after the edit, which is at path below it.
func (e edit) apply(at any, path []string) (any, error) {
	if len(path) == 0 {
		return json.RawMessage(e.json), nil
	}
	switch at := at.(type) {
	case nil:
		return e.apply(map[string]any{}, path)
	case map[string]any:
		if len(path) == 1 && e.json == "" {
			if _, ok := at[path[0]]; !ok {
				return nil, fmt.Errorf("%q is not there to be deleted", path[0])
			}
			delete(at, path[0])
			return at, nil
		}
		below, err := e.apply(at[path[0]], path[1:])
		at[path[0]] = below
		return at, err
	case []any:
		if path[0] == "-" {
			at = append(at, nil)
			path[0] = strconv.Itoa(len(at) - 1)
		}
		i, err := strconv.Atoi(path[0])
		if err != nil || i >= len(at) {
			return nil, fmt.Errorf("%q is no index", path[0])
		}
		if len(path) == 1 && e.json == "" {
			return append(at[:i], at[i+1:]...), nil
		}
		at[i], err = e.apply(at[i], path[1:])
		return at, err
	default:
		return nil, fmt.Errorf("%T has nothing below it", at)
	}
}
