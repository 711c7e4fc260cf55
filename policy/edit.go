package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// editKind is what an edit does.
type editKind int

const (
	put    editKind = iota // makes the value what is at the path
	remove                 // a member of an object
	push                   // the value, to the end of the array at the path
)

// edit is one change that a patch asks for. Merge objects and operations of RFC 6902
// both become edits, for which it can be said whether they are at odds. What shifts the
// elements of an array replaces the array.
type edit struct {
	path  []string
	kind  editKind
	value any
}

// touched is the path of what e changes.
func (e edit) touched() []string {
	if e.kind == push {
		return append(slices.Clone(e.path), "-")
	}
	return e.path
}

// check refuses edits of what cannot be patched, and makes an empty label or image what
// it is elsewhere: none.
func (e *edit) check() error {
	field := e.path[0]
	if err := checkPatchable(field); err != nil {
		return err
	}
	text, isText := e.value.(string)
	switch {
	case field == specField && len(e.path) == 1:
		return errors.New("patches the spec as a whole, but only what is inside of it can be patched")
	case field == specField:
		return nil
	case field == labelsField && len(e.path) == 1:
		return errors.New("patches the labels as a whole, but only single ones can be patched")
	case field == labelsField && len(e.path) > 2, e.kind == push, e.kind == put && !isText, field == imageField && len(e.path) > 1:
		return fmt.Errorf("makes %s something else than a string", strings.Join(e.path[:min(2, len(e.path))], "."))
	case field == labelsField && text == "":
		*e = edit{path: e.path, kind: remove}
	case field == imageField && e.kind == remove:
		*e = edit{path: e.path, value: ""}
	}
	return nil
}

func checkPatchable(field string) error {
	if slices.Contains(patchable, field) {
		return nil
	}
	return fmt.Errorf("patches %s, which cannot be patched: %s", field, wrongField(ast.String(field), asStrings(patchable)))
}

// merge returns the edits of a merge object (RFC 7396) of what is at a path.
func (d *draft) merge(path []string, patch map[string]any) ([]edit, error) {
	var edits []edit
	for _, key := range slices.Sorted(maps.Keys(patch)) {
		at := append(slices.Clone(path), key)
		object, isObject := patch[key].(map[string]any)
		if !isObject {
			kind := put
			if patch[key] == nil {
				kind = remove
			}
			edits = append(edits, edit{path: at, kind: kind, value: patch[key]})
			continue
		}
		have, there, err := d.lookup(at)
		if err != nil {
			return nil, err
		}
		if _, alsoObject := have.(map[string]any); !alsoObject {
			object = withoutNulls(object)
			if there || len(object) == 0 {
				edits = append(edits, edit{path: at, value: object})
				continue
			}
		}
		below, err := d.merge(at, object)
		if err != nil {
			return nil, err
		}
		edits = append(edits, below...)
	}
	return edits, nil
}

// withoutNulls is a merge object where there is nothing to remove.
func withoutNulls(object map[string]any) map[string]any {
	kept := make(map[string]any, len(object))
	for key, value := range object {
		if below, ok := value.(map[string]any); ok {
			value = withoutNulls(below)
		}
		if value != nil {
			kept[key] = value
		}
	}
	return kept
}

// operations returns the edits of operations (RFC 6902), each on what those before it
// made of the draft. The draft itself stays as it is.
func (d *draft) operations(list []any) ([]edit, error) {
	work, err := d.clone()
	if err != nil {
		return nil, err
	}
	o := &operator{draft: work}
	for i, v := range list {
		operation, ok := v.(map[string]any)
		if !ok || operation["op"] == nil {
			return nil, fmt.Errorf("gave an array whose element %d is no operation: want {\"op\": …, \"path\": …}", i)
		}
		if err := o.operation(operation); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i, err)
		}
	}
	return o.edits, nil
}

// operator carries out operations, and remembers what they do.
type operator struct {
	*draft
	edits []edit
}

func (o *operator) do(e edit) error {
	if err := e.check(); err != nil {
		return err
	}
	o.edits = append(o.edits, e)
	return o.apply(e)
}

// apply carries out an edit. What it removes may be gone already.
func (d *draft) apply(e edit) error {
	switch e.kind {
	case put:
		return d.set(e.path, e.value)
	case remove:
		return d.remove(e.path)
	case push:
		have, _, err := d.lookup(e.path)
		array, ok := have.([]any)
		if err != nil || !ok {
			return errors.Join(err, errNothingThere)
		}
		return d.set(e.path, append(slices.Clip(array), e.value))
	}
	return nil
}

func (o *operator) operation(operation map[string]any) error {
	name, _ := operation["op"].(string)
	path, err := pointer(operation, "path")
	if err != nil {
		return err
	}
	value, hasValue := operation["value"]
	switch name {
	case "add", "replace", "test":
		if !hasValue {
			return fmt.Errorf("%s needs a value", name)
		}
	}
	switch name {
	case "add":
		return o.add(path, value)
	case "replace":
		if _, err := o.existing(path); err != nil {
			return err
		}
		return o.do(edit{path: path, value: value})
	case "remove":
		return o.removeExisting(path)
	case "test":
		have, err := o.existing(path)
		if err == nil && !same(have, value) {
			err = fmt.Errorf("test of %s fails", o.fieldOf(path))
		}
		return err
	case "copy", "move":
		return o.transfer(operation, path, name == "move")
	}
	return errors.New(wrongField(ast.String(name), asStrings([]string{"add", "remove", "replace", "move", "copy", "test"})))
}

func (o *operator) transfer(operation map[string]any, path []string, move bool) error {
	from, err := pointer(operation, "from")
	if err != nil {
		return err
	}
	value, err := o.existing(from)
	if err != nil {
		return err
	}
	if move {
		if len(path) > len(from) && slices.Equal(path[:len(from)], from) {
			return fmt.Errorf("cannot move %s into itself", o.fieldOf(from))
		}
		if err := o.removeExisting(from); err != nil {
			return err
		}
	}
	return o.add(path, value)
}

// existing returns what is at a path, which must be there.
func (o *operator) existing(path []string) (any, error) {
	if err := checkPatchable(path[0]); err != nil {
		return nil, err
	}
	value, there, err := o.lookup(path)
	if err == nil && !there {
		err = fmt.Errorf("there is no %s", o.fieldOf(path))
	}
	return value, err
}

func (o *operator) add(path []string, value any) error {
	if err := checkPatchable(path[0]); err != nil {
		return err
	}
	parent, _, err := o.lookupParent(path)
	if err != nil {
		return err
	}
	above, last := path[:len(path)-1], path[len(path)-1]
	switch v := parent.(type) {
	case map[string]any:
		return o.do(edit{path: path, value: value})
	case []any:
		if last == "-" || last == fmt.Sprint(len(v)) {
			return o.do(edit{path: above, kind: push, value: value})
		}
		if i, ok := indexOf(last, len(v)); ok {
			return o.do(edit{path: above, value: slices.Insert(slices.Clone(v), i, value)})
		}
	}
	return fmt.Errorf("there is nothing that %s could be added to", o.fieldOf(path))
}

func (o *operator) removeExisting(path []string) error {
	if _, err := o.existing(path); err != nil {
		return err
	}
	parent, _, err := o.lookupParent(path)
	if err != nil {
		return err
	}
	if array, ok := parent.([]any); ok {
		i, _ := indexOf(path[len(path)-1], len(array))
		return o.do(edit{path: path[:len(path)-1], value: slices.Delete(slices.Clone(array), i, i+1)})
	}
	return o.do(edit{path: path, kind: remove})
}

// pointer reads a JSON pointer (RFC 6901).
func pointer(operation map[string]any, key string) ([]string, error) {
	text, ok := operation[key].(string)
	if !ok || !strings.HasPrefix(text, "/") {
		return nil, fmt.Errorf("%s is no JSON pointer: want one such as /labels/tier", key)
	}
	path := strings.Split(text[1:], "/")
	for i, name := range path {
		path[i] = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
	}
	return path, nil
}
