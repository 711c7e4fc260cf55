package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strconv"
	"strings"

	"github.com/plimsoll-project/plimsoll"
)

// draft is a container that is being patched, as a tree of JSON values: those of
// encoding/json, with numbers as they are written. The spec is read when it is first
// asked for. It shares nothing with the container.
type draft struct {
	of     *plimsoll.Container
	fields map[string]any
	budget *int // bytes that may still be copied, over all drafts of a round
}

// The fields that can be patched: single labels, the image, and what is inside of the
// spec. Id, namespace and runtime are what a container is known by; the snapshot was
// prepared before the container is created; extensions are between clients.
const (
	labelsField = "labels"
	imageField  = "image"
	specField   = "spec"
)

var patchable = []string{imageField, labelsField, specField}

func newDraft(c *plimsoll.Container, budget *int) *draft {
	labels := make(map[string]any, len(c.Labels))
	for key, value := range c.Labels {
		labels[key] = value
	}
	return &draft{of: c, fields: map[string]any{labelsField: labels, imageField: c.Image}, budget: budget}
}

var (
	errNoObject = errors.New("the spec is no JSON object, so nothing inside of it can be patched")
	errTooMuch  = fmt.Errorf("patches copy more than %d bytes in one round", maxPatchBytes)
)

// load makes sure that the field is there which a path begins with.
func (d *draft) load(path []string) error {
	if path[0] != specField || d.fields[specField] != nil {
		return nil
	}
	if !d.of.Spec.IsJSONObject() || checkJSON(d.of.Spec.Value) != nil {
		return errNoObject
	}
	if err := d.spend(len(d.of.Spec.Value)); err != nil {
		return err
	}
	var spec map[string]any
	reader := json.NewDecoder(bytes.NewReader(d.of.Spec.Value))
	reader.UseNumber()
	if err := reader.Decode(&spec); err != nil {
		return errNoObject // its text may quote the spec
	}
	d.fields[specField] = spec
	return nil
}

func (d *draft) spend(size int) error {
	if *d.budget -= size; *d.budget < 0 {
		return errTooMuch
	}
	return nil
}

// clone returns a copy to try operations on.
func (d *draft) clone() (*draft, error) {
	fields, err := d.copyOf(d.fields)
	if err != nil {
		return nil, err
	}
	return &draft{of: d.of, fields: fields.(map[string]any), budget: d.budget}, nil //nolint:forcetypeassert // a copy of one
}

// copyOf copies a value.
func (d *draft) copyOf(value any) (any, error) {
	const overhead = 16
	size := overhead
	if s, ok := value.(string); ok {
		size += len(s)
	}
	if err := d.spend(size); err != nil {
		return nil, err
	}
	var err error
	switch v := value.(type) {
	case map[string]any:
		object := make(map[string]any, len(v))
		for key, below := range v {
			if object[key], err = d.copyOf(below); err != nil {
				return nil, err
			}
		}
		return object, d.spend(len(v) * overhead)
	case []any:
		array := make([]any, len(v))
		for i, below := range v {
			if array[i], err = d.copyOf(below); err != nil {
				return nil, err
			}
		}
		return array, nil
	}
	return value, nil
}

// lookup returns what is at a path.
func (d *draft) lookup(path []string) (value any, there bool, err error) {
	if err := d.load(path); err != nil {
		return nil, false, err
	}
	value = d.fields
	for _, name := range path {
		switch v := value.(type) {
		case map[string]any:
			if value, there = v[name]; !there {
				return nil, false, nil
			}
		case []any:
			i, ok := indexOf(name, len(v))
			if !ok {
				return nil, false, nil
			}
			value = v[i]
		default:
			return nil, false, nil
		}
	}
	return value, true, nil
}

// indexOf reads an index of an array with n elements.
func indexOf(name string, n int) (int, bool) {
	i, err := strconv.Atoi(name)
	return i, err == nil && i >= 0 && i < n && strconv.Itoa(i) == name
}

var errNothingThere = errors.New("something above it is neither an object nor an array that has it")

// set makes value what is at a path, with the objects above it that are missing.
func (d *draft) set(path []string, value any) error {
	if err := d.load(path); err != nil {
		return err
	}
	value, err := d.copyOf(value)
	if err != nil {
		return err
	}
	above, last := path[:len(path)-1], path[len(path)-1]
	var node any = d.fields
	for _, name := range above {
		switch v := node.(type) {
		case map[string]any:
			if _, there := v[name]; !there {
				v[name] = map[string]any{}
			}
			node = v[name]
		case []any:
			i, ok := indexOf(name, len(v))
			if !ok {
				return errNothingThere
			}
			node = v[i]
		default:
			return errNothingThere
		}
	}
	switch v := node.(type) {
	case map[string]any:
		v[last] = value
		return nil
	case []any:
		if i, ok := indexOf(last, len(v)); ok {
			v[i] = value
			return nil
		}
	}
	return errNothingThere
}

// remove removes a member of an object.
func (d *draft) remove(path []string) error {
	parent, _, err := d.lookupParent(path)
	if object, ok := parent.(map[string]any); ok {
		delete(object, path[len(path)-1])
	}
	return err
}

func (d *draft) lookupParent(path []string) (any, bool, error) {
	if len(path) == 1 {
		return d.fields, true, d.load(path)
	}
	return d.lookup(path[:len(path)-1])
}

// container is what the draft has become. A spec in which nothing was changed stays as it
// is, byte for byte.
func (d *draft) container(specChanged bool) (*plimsoll.Container, error) {
	c := *d.of
	c.Image, _ = d.fields[imageField].(string)
	c.Labels = nil
	if labels, _ := d.fields[labelsField].(map[string]any); len(labels) > 0 {
		c.Labels = make(map[string]string, len(labels))
		for key, value := range labels {
			c.Labels[key], _ = value.(string)
		}
	}
	if maps.Equal(c.Labels, d.of.Labels) {
		c.Labels = d.of.Labels
	}
	if !specChanged {
		return &c, nil
	}
	spec, err := encoded(d.fields[specField])
	if err != nil {
		return nil, err
	}
	c.Spec.Value = spec
	return &c, d.spend(len(spec))
}

// encoded writes a value as JSON, numbers as they were.
func encoded(value any) ([]byte, error) {
	var b bytes.Buffer
	writer := json.NewEncoder(&b)
	writer.SetEscapeHTML(false)
	if err := writer.Encode(value); err != nil {
		return nil, errors.New("cannot be written as JSON") // its text may quote values
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// same reports whether two values are the same, 1 and 1.0 included.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, same)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(string(a), string(b))
	}
	return a == b
}

// sameNumber compares numbers within the bounds of maxNumber.
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	for _, n := range []string{a, b} {
		if _, err := number([]byte(n)); err != nil {
			return false
		}
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) == 0
}

// fieldOf writes a path as violations do: spec.mounts[2].destination.
func (d *draft) fieldOf(path []string) string {
	var b strings.Builder
	var node any = d.fields
	for i, name := range path {
		switch v := node.(type) {
		case []any:
			b.WriteString("[" + name + "]")
			node = nil
			if at, ok := indexOf(name, len(v)); ok {
				node = v[at]
			}
			continue
		case map[string]any:
			node = v[name]
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(name)
	}
	return b.String()
}
