package main

import (
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// How long a request may be, and how many values and names it may have: several times
// what people write, and what can be read with the fuel that a binding has by default.
const (
	maxRequest = 128 << 10
	maxSize    = 5_000
	specType   = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
)

// judge answers a request with a verdict, whatever the request is: what cannot be read
// is refused.
func judge(request []byte) []byte {
	r := &report{settings: &settings{}}
	spec := place{name: "spec"}
	if len(request) > maxRequest || size(request) > maxSize {
		r.violation("spec.too_large", spec, "the spec is too large to be looked at", "keep it below 125 kB and 5,000 values")
		return r.verdict()
	}
	document, err := parse(request, requestFields)
	if err != nil {
		unreadable(r, spec, err)
		return r.verdict()
	}
	root := place{value: document}
	if r.settings, err = readSettings(root.at("settings")); err != nil {
		// The host has had them checked.
		r.violation("settings", root.at("settings"), err.Error(), "")
		return r.verdict()
	}
	if root.at("operation").text() == "DELETE" { // which makes nothing less safe
		return r.verdict()
	}
	object := root.at("object")
	spec.value = object.at("spec").value
	// containerd gives the runtime the payload whatever its type is called.
	if t := object.at("spec_type").text(); t != specType {
		r.violation("spec.type", place{name: "spec_type"}, "Kata runs OCI runtime specs, not "+quoted(t), "use "+specType)
	}
	if payload := spec.at("base64"); !spec.is('{') || len(spec.value.members) == 1 && !payload.absent() {
		r.violation("spec.not_json", spec, "it is not a JSON object", "give an OCI runtime spec")
		return r.verdict()
	}
	checkSpec(spec, r)
	return r.verdict()
}

func unreadable(r *report, spec place, err error) {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		r.violation("json.duplicate_key", spec, err.Error(), "give it once: readers differ in which they take")
		return
	}
	r.violation("json.unreadable", spec, "it cannot be read as JSON: "+err.Error(), "use UTF-8 and no deep nesting")
}

func checkSpec(spec place, r *report) {
	checkSchema(spec, specFields, r)
	// virtcontainers takes these for given.
	for _, name := range []string{"process", "root", "linux"} {
		if spec.at(name).absent() {
			r.violation("spec.missing", spec.at(name), "Kata cannot do without it", "give an OCI spec for Linux")
		}
	}
	if linux := spec.at("linux"); !linux.absent() && linux.at("resources").absent() {
		r.violation("spec.missing", linux.at("resources"), "Kata cannot do without it", "give {}, if there is nothing to say")
	}
	pod := checkContainerType(spec.at("annotations"), r)
	checkAnnotations(spec.at("annotations"), pod, r)
	checkProcess(spec.at("process"), r)
	checkMounts(spec.at("mounts"), r)
	checkHooks(spec.at("hooks"), r)
	if linux := spec.at("linux"); !linux.absent() {
		checkLinux(linux, r)
	}
}

// judgeSettings answers with what is wrong with settings, beyond what their schema says.
func judgeSettings(document []byte) []byte {
	r := &report{settings: &settings{}}
	v, err := parse(document, everything)
	if err == nil {
		_, err = readSettings(place{value: v})
	}
	if err != nil {
		var wrong *settingError
		at := place{}
		if errors.As(err, &wrong) {
			at.name = wrong.at
		}
		r.violation("settings", at, err.Error(), "")
	}
	return r.verdict()
}
