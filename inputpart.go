package plimsoll

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// InputPart is a choice of members of the input document: all that somebody looks at.
// Make one with [NewInputPart]. It is immutable.
type InputPart struct {
	members     []string // of the document, without the objects
	object, old *objectPart
}

// objectPart is a choice of members of an object.
type objectPart struct {
	members  []string // without spec
	payloads bool     // runtime options or extensions are among them
	spec     bool
}

var (
	headerFields = fieldsOf[inputHeader]()
	objectFields = fieldsOf[inputObject]()
)

// payloadMembers are the members of an object that take payloads to write.
var payloadMembers = []string{"runtime_options", "extensions"}

// fieldsOf returns the fields of T by their names in JSON.
func fieldsOf[T any]() map[string]int {
	fields := map[string]int{}
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = i
	}
	return fields
}

// InputPaths returns the paths that an [InputPart] can be made of, sorted: the members
// of the document, and those of its objects, such as object.spec.
func InputPaths() []string {
	var paths []string
	for name := range headerFields {
		paths = append(paths, name)
	}
	for _, object := range []string{"object", "old_object"} {
		paths = append(paths, object, object+".spec")
		for name := range objectFields {
			paths = append(paths, object+"."+name)
		}
	}
	slices.Sort(paths)
	return paths
}

// NewInputPart returns the part with the members at paths. version is always a member.
// Paths that are not among [InputPaths] are an error.
func NewInputPart(paths []string) (*InputPart, error) {
	p := &InputPart{members: []string{"version"}}
	known := InputPaths()
	for _, path := range slices.Sorted(slices.Values(paths)) {
		if !slices.Contains(known, path) {
			return nil, fmt.Errorf("the input document has no %q", path)
		}
		switch object, member, _ := strings.Cut(path, "."); object {
		case "object":
			p.object = p.object.with(member)
		case "old_object":
			p.old = p.old.with(member)
		default:
			p.members = appendNew(p.members, path)
		}
	}
	return p, nil
}

// with returns p, which may be nil, and a member more. An empty one stands for all.
func (p *objectPart) with(member string) *objectPart {
	if p == nil {
		p = &objectPart{}
	}
	switch member {
	case "":
		for name := range objectFields {
			p.members = appendNew(p.members, name)
		}
		slices.Sort(p.members)
		p.spec, p.payloads = true, true
	case "spec":
		p.spec = true
	default:
		p.members = appendNew(p.members, member)
		p.payloads = p.payloads || slices.Contains(payloadMembers, member)
	}
	return p
}

func appendNew(list []string, name string) []string {
	if slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}

// PartJSON returns a part of the input document. What is in it is as in [Input.JSON], but
// for the order of members, which is the same for all inputs. The result belongs to
// the caller.
func (in *Input) PartJSON(part *InputPart) ([]byte, error) {
	doc, err := appendMembers(make([]byte, 0, in.partSize(part)), in.header(), headerFields, part.members)
	if err != nil {
		return nil, err
	}
	if part.object != nil {
		if doc, err = in.appendPart(append(doc, objectName...), in.Object, part.object); err != nil {
			return nil, err
		}
	}
	if part.old != nil {
		if doc, err = in.appendPart(append(doc, oldObjectName...), in.Old, part.old); err != nil {
			return nil, err
		}
	}
	return append(doc, '}'), nil
}

// partSize is about as large as the part is, if its payloads are as usual.
func (in *Input) partSize(part *InputPart) int {
	size := 512
	if part.object != nil && part.object.spec && in.Object != nil {
		size += len(in.Object.Spec.Value)
	}
	if part.old != nil && part.old.spec && in.Old != nil {
		size += len(in.Old.Spec.Value)
	}
	return size
}

func (in *Input) appendPart(doc []byte, c *Container, part *objectPart) ([]byte, error) {
	if c == nil {
		return append(doc, "null"...), nil
	}
	start := len(doc)
	doc, err := appendMembers(doc, newInputObject(c, in.RuntimeOptions, part.payloads), objectFields, part.members)
	if err != nil {
		return nil, err
	}
	if part.spec {
		doc = in.appendSpec(doc, c)
		doc[start] = '{' // in place of the comma, if it is the first one
	}
	return append(doc, '}'), nil
}

// appendMembers writes members of a struct as the beginning of an object.
func appendMembers[T any](doc []byte, from T, fields map[string]int, members []string) ([]byte, error) {
	value := reflect.ValueOf(from)
	for i, name := range members {
		if i == 0 {
			doc = append(doc, '{')
		} else {
			doc = append(doc, ',')
		}
		member, err := json.Marshal(value.Field(fields[name]).Interface())
		if err != nil {
			return nil, err
		}
		doc = append(append(append(append(doc, '"'), name...), `":`...), member...)
	}
	return doc, nil
}
