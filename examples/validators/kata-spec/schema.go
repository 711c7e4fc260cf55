package main

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// field is a member that is looked at, and what it must be: of an array, what its items
// must be.
type field struct {
	name   string
	kind   jsontext.Kind
	items  jsontext.Kind // of an array
	values jsontext.Kind // of an object with any names
	fields []field       // of an object, or of the items of an array
	all    bool          // everything in it is looked at
}

// everything is a document of which nothing is left out.
var everything = &field{all: true}

// ofMember is what is wanted of a member, nil for nothing.
func (f *field) ofMember(name string) *field {
	if f.all {
		return f
	}
	for i := range f.fields {
		if f.fields[i].name == name {
			return &f.fields[i]
		}
	}
	return nil
}

func (f *field) ofItems() *field {
	if f.all {
		return f
	}
	if f.items == '{' {
		return &field{kind: '{', fields: f.fields}
	}
	return nil
}

// requestFields are those of a request.
var requestFields = &field{fields: []field{
	{name: "operation"},
	{name: "object", fields: []field{{name: "spec_type"}, {name: "spec", fields: specFields}}},
	{name: "settings", all: true},
}}

var (
	hookFields   = []field{{name: "path", kind: '"'}, {name: "args", kind: '[', items: '"'}}
	deviceFields = []field{{name: "path", kind: '"'}, {name: "type", kind: '"'}, {name: "major", kind: '0'}, {name: "minor", kind: '0'}}
	specFields   = []field{
		{name: "process", kind: '{', fields: []field{
			{name: "args", kind: '[', items: '"'}, {name: "env", kind: '[', items: '"'}, {name: "selinuxLabel", kind: '"'},
		}},
		{name: "root", kind: '{', fields: []field{{name: "path", kind: '"'}}},
		{name: "mounts", kind: '[', items: '{', fields: []field{
			{name: "destination", kind: '"'}, {name: "source", kind: '"'}, {name: "type", kind: '"'}, {name: "options", kind: '[', items: '"'},
		}},
		{name: "hooks", kind: '{', fields: hooksFields()},
		{name: "annotations", kind: '{', values: '"'},
		{name: "linux", kind: '{', fields: []field{
			{name: "namespaces", kind: '[', items: '{', fields: []field{{name: "type", kind: '"'}, {name: "path", kind: '"'}}},
			{name: "devices", kind: '[', items: '{', fields: deviceFields},
			{name: "seccomp", kind: '{'}, // whether it is there
			{name: "resources", kind: '{', fields: []field{
				{name: "cpu", kind: '{', fields: []field{{name: "cpus", kind: '"'}}},
				{name: "devices", kind: '[', items: '{'},
				{name: "pids", kind: '{'},
				{name: "blockIO", kind: '{'},
				{name: "network", kind: '{'},
			}},
		}},
	}
)

var hookStages = []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}

func hooksFields() []field {
	var all []field
	for _, stage := range hookStages {
		all = append(all, field{name: stage, kind: '[', items: '{', fields: hookFields})
	}
	return all
}

var kindNames = map[jsontext.Kind]string{'{': "an object", '[': "an array", '"': "a string", '0': "a number"}

// checkSchema finds what the runtime's decoder would refuse, and names that it takes for
// others than they look: encoding/json does not mind case.
func checkSchema(object place, fields []field, r *report) {
	for member := range object.members() {
		for _, f := range fields {
			switch {
			case f.name == member.name:
				checkField(member, f, r)
			case len(f.name) <= len(member.name) && strings.EqualFold(f.name, member.name) && !has(fields, member.name):
				r.violation("json.key_case", member, "to Kata it is "+quoted(f.name), "write it as "+quoted(f.name))
			}
		}
	}
}

func has(fields []field, name string) bool {
	for _, f := range fields {
		if f.name == name {
			return true
		}
	}
	return false
}

func checkField(at place, f field, r *report) {
	if !isKind(at, f.kind, r) || at.absent() {
		return
	}
	if f.kind == '{' {
		checkSchema(at, f.fields, r)
		for member := range at.members() {
			if f.values != 0 {
				isKind(member, f.values, r)
			}
		}
	}
	for item := range at.items() {
		if isKind(item, f.items, r) && item.is('{') {
			checkSchema(item, f.fields, r)
		}
	}
}

func isKind(at place, want jsontext.Kind, r *report) bool {
	if at.absent() || at.is(want) {
		return true
	}
	r.violation("spec.type_mismatch", at, "it must be "+kindNames[want], "write it as "+kindNames[want])
	return false
}
