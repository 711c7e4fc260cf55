package service

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/pkg/identifiers"
	"github.com/containerd/containerd/v2/pkg/labels"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plimsoll-project/plimsoll"
)

// ociSpecTypes are the type URLs under which an OCI runtime spec travels. The
// payload of such a spec must be JSON: containerd writes nothing else, and a
// runtime could read nothing else.
const ociSpecTypes = "types.containerd.io/opencontainers/runtime-spec/"

// maxSpecDepth bounds the nesting of a JSON spec. Real specs have a depth of 8;
// what parses a spec later, in any language, should not have to fear for its stack.
const maxSpecDepth = 64

// checkID checks an id or namespace by containerd's rules for identifiers
// (pkg/identifiers). field is its path in the request.
func checkID(field, id string) error {
	if err := identifiers.Validate(id); err != nil {
		return &plimsoll.RequestError{Field: field, Problem: withoutSuffix(err)}
	}
	return nil
}

// checkLookup checks the id of a container that is asked for. There is none with an
// id that Create refuses, and stores need not be asked for it.
func checkLookup(field, id string) error {
	if id == "" {
		return &plimsoll.RequestError{Field: field, Problem: "id is required"}
	}
	if identifiers.Validate(id) != nil {
		return fmt.Errorf("container %q: %w", clip(id, maxMetadataBytes), plimsoll.ErrNotFound)
	}
	return nil
}

// checkContainer checks what no rule has a say in: that a container is complete
// and within containerd's limits. A spec that is that of stored was checked when it was
// stored; nil if there is none.
func checkContainer(c, stored *plimsoll.Container) error {
	if err := checkID("container.id", c.ID); err != nil {
		return err
	}
	if err := checkLabels("container.labels", c.Labels); err != nil {
		return err
	}
	if c.Runtime.Name == "" {
		return &plimsoll.RequestError{
			Field: "container.runtime", Problem: "runtime is required, such as io.containerd.runc.v2",
		}
	}
	for _, f := range []struct{ name, value string }{
		{"runtime", c.Runtime.Name},
		{"image", c.Image},
		{"rootfs", c.SnapshotKey},
		{"spec.type_url", c.Spec.TypeURL},
		{"snapshotter", c.Snapshotter},
		{"sandbox", c.SandboxID},
		{"runtime.options.type_url", c.Runtime.Options.TypeURL},
	} {
		if err := checkSize("container."+f.name, len(f.value), maxNameBytes); err != nil {
			return err
		}
	}
	if c.SnapshotKey != "" && c.Snapshotter == "" {
		return &plimsoll.RequestError{Field: "container.snapshotter", Problem: "snapshotter is required with a snapshot key, such as overlayfs"}
	}
	if stored == nil || !c.Spec.Equal(stored.Spec) {
		if err := checkSpec(c.Spec); err != nil {
			return err
		}
	}
	if err := checkPayload("container.runtime.options", c.Runtime.Options, MaxOptionsBytes); err != nil {
		return err
	}
	if _, err := readOptions(c.Runtime.Options); err != nil {
		return err
	}
	if err := checkExtensions(c.Extensions); err != nil {
		return err
	}
	size := sizeOf(c)
	payloads := len(c.Spec.Value) + len(c.Runtime.Options.Value)
	for _, ext := range c.Extensions {
		payloads += len(ext.Value)
	}
	if err := checkSize("container without its payloads", size-payloads, MaxMetadataBytes); err != nil {
		return err
	}
	return checkSize("container", size, MaxContainerBytes)
}

func checkLabels(field string, all map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(all)) { // the same problem first, each time
		if key == "" {
			return &plimsoll.RequestError{Field: field, Problem: "a label has an empty key"}
		}
		if err := labels.Validate(key, all[key]); err != nil {
			return &plimsoll.RequestError{Field: field, Problem: withoutSuffix(err)}
		}
	}
	return nil
}

func checkExtensions(extensions map[string]plimsoll.Any) error {
	for _, key := range slices.Sorted(maps.Keys(extensions)) {
		if key == "" {
			return &plimsoll.RequestError{Field: "container.extensions", Problem: "an extension has an empty key"}
		}
		ext := extensions[key]
		if err := checkSize("container.extensions", len(key)+len(ext.TypeURL), maxNameBytes); err != nil {
			return err
		}
		if err := checkPayload("container.extensions."+key, ext, MaxExtensionBytes); err != nil {
			return err
		}
	}
	return nil
}

// checkPayload refuses a payload that is too large, or that is a JSON object which
// parsers may read in different ways. Any other is opaque.
func checkPayload(field string, payload plimsoll.Any, limit int) error {
	if err := checkSize(field, len(payload.Value), limit); err != nil {
		return err
	}
	if !payload.IsJSONObject() {
		return nil
	}
	if problem := jsonProblem(payload.Value, nil); problem != "" {
		return &plimsoll.RequestError{Field: field, Problem: "payload " + problem}
	}
	return nil
}

func checkSize(field string, size, limit int) error {
	if size > limit {
		return &plimsoll.RequestError{Field: field, Problem: fmt.Sprintf("has %d bytes; at most %d are allowed", size, limit)}
	}
	return nil
}

// sizeOf is what a container takes, without the bytes between its fields.
func sizeOf(c *plimsoll.Container) int {
	size := len(c.ID) + len(c.Image) + len(c.Runtime.Name) + len(c.Snapshotter) + len(c.SnapshotKey) + len(c.SandboxID)
	for key, value := range c.Labels {
		size += len(key) + len(value)
	}
	for key, ext := range c.Extensions {
		size += len(key) + len(ext.TypeURL) + len(ext.Value)
	}
	for _, payload := range []plimsoll.Any{c.Spec, c.Runtime.Options} {
		size += len(payload.TypeURL) + len(payload.Value)
	}
	return size
}

// maxNameBytes bounds the fields that name something elsewhere. They are index
// keys, and no image reference or runtime comes near.
const maxNameBytes = 4096

// checkSpec refuses a spec that is missing, too large, or JSON that parsers may
// read in different ways: what the rules saw must be what the runtime will see.
func checkSpec(spec plimsoll.Any) error {
	refuse := func(format string, args ...any) error {
		return &plimsoll.RequestError{Field: "container.spec", Problem: fmt.Sprintf(format, args...)}
	}
	if spec.TypeURL == "" {
		return refuse("spec is required, with a type URL such as %s1/Spec", ociSpecTypes)
	}
	if len(spec.Value) > MaxSpecBytes {
		return refuse("spec has %d bytes; at most %d are allowed", len(spec.Value), MaxSpecBytes)
	}
	// A type URL may be prefixed with a host, and means the same. containerd never
	// does that, and rules that look for the type would not see it.
	if host, version, ok := strings.Cut(spec.TypeURL, ociSpecTypes); ok && host != "" {
		return refuse("the type URL of an OCI spec must be %s%s, not %q", ociSpecTypes, version, spec.TypeURL)
	}
	oci := strings.HasPrefix(spec.TypeURL, ociSpecTypes)
	if !oci && !spec.IsJSONObject() {
		return nil // opaque
	}
	if !bytes.HasPrefix(bytes.TrimLeft(spec.Value, " \t\r\n"), []byte("{")) {
		return refuse("spec of type %s must be a JSON object", spec.TypeURL)
	}
	// Whatever the type: containerd hands the payload to the shim without a look at it.
	if problem := jsonProblem(spec.Value, ociNames); problem != "" {
		return refuse("spec %s", problem)
	}
	return nil
}

// jsonProblem says what is wrong with a payload that is to be one JSON object which
// every parser reads alike, or nothing if it is.
func jsonProblem(value []byte, names *names) string {
	if err := checkStrictJSON(value, names); err != nil {
		return fmt.Sprintf("is not valid JSON: %v", err)
	}
	depth, extreme := measureJSON(value)
	if depth > maxSpecDepth {
		return fmt.Sprintf("is nested %d deep; at most %d levels are allowed", depth, maxSpecDepth)
	}
	if extreme != "" {
		return fmt.Sprintf("has the number %s; at most %d digits and a decimal exponent of %d are allowed",
			clip(extreme, maxMetadataBytes), maxSpecNumber, maxSpecNumber)
	}
	return ""
}

// checkStrictJSON accepts exactly one JSON value by RFC 7493 (I-JSON): valid
// UTF-8 and no duplicate names, of which one parser takes the first and another
// the last. Nor does it accept the known names in another case.
func checkStrictJSON(value []byte, names *names) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(value)) // which it reads in place
	if err := names.check(d); err != nil {
		return withoutPackage(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// maxSpecNumber bounds the digits and the decimal exponent of numbers in a JSON spec.
// No runtime could represent more, and rules that compute exactly would be made to
// work on numbers of a billion digits: package policy refuses them, too, and what it
// cannot judge should not be stored while it is off.
const maxSpecNumber = 400

// measureJSON returns how deep valid JSON is nested, and the first number in it that
// is beyond maxSpecNumber, if there is one.
func measureJSON(value []byte) (deepest int, extreme string) {
	depth := 0
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"':
			for i++; value[i] != '"'; i++ {
				if value[i] == '\\' {
					i++
				}
			}
		case c == '{', c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}', c == ']':
			depth--
		case c == '-', '0' <= c && c <= '9':
			number := value[i : i+numberLen(value[i:])]
			if extreme == "" && isExtreme(string(number)) {
				extreme = string(number)
			}
			i += len(number) - 1
		}
	}
	return deepest, extreme
}

// numberLen is the length of the JSON number at the start of value.
func numberLen(value []byte) int {
	n := bytes.IndexFunc(value, func(r rune) bool { return !strings.ContainsRune("+-.0123456789Ee", r) })
	if n < 0 {
		return len(value)
	}
	return n
}

func isExtreme(number string) bool {
	if len(number) > maxSpecNumber {
		return true
	}
	_, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	if exponent == "" {
		return false
	}
	n, err := strconv.Atoi(exponent)
	return err != nil || n > maxSpecNumber || n < -maxSpecNumber
}

// withoutSuffix drops the class that containerd's errors end in; ours say it.
func withoutSuffix(err error) string {
	return strings.TrimSuffix(err.Error(), ": invalid argument")
}

func withoutPackage(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "jsontext: "))
}
