package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"sigs.k8s.io/yaml"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// ociSpecType is the type of a spec that does not name one.
const ociSpecType = "types.containerd.io/opencontainers/runtime-spec/1/Spec"

// manifest is a container as a file describes it.
type manifest struct {
	// namespace is where the file wants it; empty if it does not say.
	namespace string
	// container has the fields that the file gives, but for those that only the
	// server sets.
	container *plimsollv1.Container
	// given are the fields that the file gives, by their names in Container.
	given map[string]bool
}

// readManifests reads containers from a file, or from stdin if path is "-": YAML
// documents, JSON values one after the other, or what list prints. Fields are those
// of plimsoll.v1.Container; besides, a runtime may be just its name, rootfs is the
// key of a snapshot of overlayfs unless snapshotter says otherwise, namespace says where the container belongs, and a spec without
// "@type" is taken for an OCI runtime spec.
func readManifests(path string, stdin io.Reader) ([]*manifest, error) {
	data, err := readFile(path, stdin)
	if err != nil {
		return nil, err
	}
	documents, err := splitDocuments(data)
	if err != nil {
		return nil, fmt.Errorf("%s, document %d: %w", nameOf(path), len(documents)+1, err)
	}
	var manifests []*manifest
	for i, document := range documents {
		object, err := toJSON(document)
		if err == nil && string(object) == "null" {
			continue // nothing but comments
		}
		var listed []json.RawMessage
		if err == nil {
			listed, err = containersIn(object)
		}
		for j := 0; j < len(listed) && err == nil; j++ {
			var m *manifest
			if m, err = parseManifest(listed[j]); err == nil {
				manifests = append(manifests, m)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s, document %d: %w", nameOf(path), i+1, err)
		}
	}
	if len(manifests) == 0 {
		return nil, fmt.Errorf("%s: no container in it", nameOf(path))
	}
	return manifests, nil
}

// containersIn returns the containers of a document: those of a list, or it alone.
func containersIn(object []byte) ([]json.RawMessage, error) {
	var list struct {
		Containers *[]json.RawMessage `json:"containers"`
	}
	if err := json.Unmarshal(object, &list); err == nil && list.Containers != nil {
		return *list.Containers, nil
	}
	return []json.RawMessage{object}, nil
}

// readSpec reads an OCI runtime spec, or the JSON of an Any, from a file.
func readSpec(path string, stdin io.Reader) (*anypb.Any, error) {
	data, err := readFile(path, stdin)
	if err != nil {
		return nil, err
	}
	object, err := toJSON(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", nameOf(path), err)
	}
	spec, err := parseSpec(object)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", nameOf(path), err)
	}
	return spec, nil
}

func readFile(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(path)
}

func nameOf(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

// rootfsSnapshotter is that of a new container of which a file gives only the rootfs,
// as in containerd.v1: containerd's own default.
const rootfsSnapshotter = "overlayfs"

// parseManifest reads one container, as readManifests says.
func parseManifest(object []byte) (*manifest, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, errors.New("a container is an object with fields such as id, image and spec")
	}
	m := &manifest{container: &plimsollv1.Container{}, given: map[string]bool{}}
	if err := checkLabels(members["labels"]); err != nil {
		return nil, err
	}
	if raw, ok := members["namespace"]; ok {
		if err := json.Unmarshal(raw, &m.namespace); err != nil {
			return nil, errors.New("namespace: not a text")
		}
		delete(members, "namespace")
	}
	rootfs, isRootfs := members["rootfs"]
	if isRootfs {
		if members["snapshot_key"] != nil || members["snapshotKey"] != nil {
			return nil, errors.New("rootfs and snapshot_key are the same field: give one of them")
		}
		members["snapshot_key"] = rootfs
		delete(members, "rootfs")
	}
	if raw := bytes.TrimSpace(members["runtime"]); bytes.HasPrefix(raw, []byte(`"`)) {
		members["runtime"] = slices.Concat([]byte(`{"name":`), raw, []byte(`}`))
	}
	var spec *anypb.Any
	if raw, ok := members["spec"]; ok {
		var err error
		if spec, err = parseSpec(raw); err != nil {
			return nil, fmt.Errorf("spec: %w", err)
		}
		delete(members, "spec")
		m.given["spec"] = true
	}
	for name := range members {
		field, err := fieldOf(name)
		if err != nil {
			return nil, err
		}
		m.given[field] = true
	}
	rest, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	if err := service.JSONCodecs()[0].Unmarshal(rest, m.container); err != nil {
		return nil, withoutPosition(err)
	}
	m.container.Spec = spec
	if isRootfs && m.container.GetSnapshotKey() != "" && m.container.GetSnapshotter() == "" {
		m.container.Snapshotter = rootfsSnapshotter
	}
	clearOutput(m.container)
	return m, nil
}

// fieldOf is the name of a field that may be written in lower case or in camel case.
func fieldOf(name string) (string, error) {
	var known []string
	fields := (&plimsollv1.Container{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if name == f.TextName() || name == f.JSONName() {
			return f.TextName(), nil
		}
		known = append(known, f.TextName())
	}
	return "", fmt.Errorf("unknown field %q; known are %s, and rootfs for snapshot_key", name, strings.Join(known, ", "))
}

// clearOutput takes away what only the server sets.
func clearOutput(c *plimsollv1.Container) {
	c.CreatedAt, c.UpdatedAt, c.Revision = nil, nil, 0
}

// checkLabels names labels whose values are no texts, as they easily are in YAML.
func checkLabels(raw json.RawMessage) error {
	var labels map[string]json.RawMessage
	if json.Unmarshal(raw, &labels) != nil {
		return nil //nolint:nilerr // what is no object at all, others say
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if !bytes.HasPrefix(labels[key], []byte(`"`)) {
			return fmt.Errorf("labels.%s: not a text: put the value in quotes (without them, YAML reads y, no, 1 and the like as something else)", key)
		}
	}
	return nil
}

// formatManifest is the container as a manifest that create and apply take, in JSON.
func formatManifest(c *plimsollv1.Container) ([]byte, error) {
	c = proto.CloneOf(c)
	clearOutput(c)
	return service.JSONCodecs()[0].Marshal(c)
}

// parseSpec makes an Any of an OCI runtime spec, or of the JSON of an Any. The bytes
// of a spec stay as they are.
func parseSpec(object []byte) (*anypb.Any, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil || members == nil {
		return nil, errors.New("a spec is an object: an OCI runtime spec, or {\"@type\": URL, \"value\": …}")
	}
	if _, typed := members["@type"]; !typed {
		return &anypb.Any{TypeUrl: ociSpecType, Value: bytes.TrimSpace(object)}, nil
	}
	spec := &anypb.Any{}
	if err := service.JSONCodecs()[0].Unmarshal(object, spec); err != nil {
		return nil, withoutPosition(err)
	}
	return spec, nil
}

// position is what protojson says before what is wrong: a place in the JSON, which
// is not where it is in the file.
var position = regexp.MustCompile(`^proto:[\s\x{a0}]*(?:syntax error )?\(line \d+:\d+\):\s*`)

func withoutPosition(err error) error {
	return errors.New(position.ReplaceAllString(err.Error(), ""))
}

// toJSON makes JSON of YAML. JSON it leaves as it is, so that what is sent is what
// was written.
func toJSON(document []byte) ([]byte, error) {
	trimmed := bytes.TrimSpace(document)
	if bytes.HasPrefix(trimmed, []byte("{")) && json.Valid(trimmed) {
		// Of two members with the same name one would be ignored in silence.
		return trimmed, checkMembers(trimmed)
	}
	converted, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ")
		return nil, errors.New(text)
	}
	return converted, nil
}

func checkMembers(object []byte) error {
	_, err := jsontext.NewDecoder(bytes.NewReader(object)).ReadValue()
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "jsontext: "))
	}
	return nil
}

// splitDocuments splits a stream into its documents, leaving out empty ones: YAML
// between lines of ---, or JSON values one after the other. Of a stream that is
// broken it returns the documents before that.
func splitDocuments(data []byte) ([][]byte, error) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		if documents, err := splitJSON(data); err == nil || !bytes.Contains(data, []byte("\n---")) {
			return documents, err
		}
	}
	return splitYAML(data), nil
}

// splitJSON splits JSON values. What does not even begin with one is left to YAML,
// in which {a: b} is an object, too.
func splitJSON(data []byte) ([][]byte, error) {
	var documents [][]byte
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		switch {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil && len(documents) == 0:
			return splitYAML(data), nil
		case err != nil:
			return documents, err
		}
		documents = append(documents, value)
	}
}

// splitYAML splits a stream into its documents, leaving out empty ones.
func splitYAML(data []byte) [][]byte {
	var (
		documents [][]byte
		document  bytes.Buffer
	)
	end := func() {
		if len(bytes.TrimSpace(document.Bytes())) > 0 {
			documents = append(documents, bytes.Clone(document.Bytes()))
		}
		document.Reset()
	}
	for line := range bytes.Lines(data) {
		if strings.TrimRight(string(line), " \t\r\n") == "---" {
			end()
			continue
		}
		document.Write(line)
	}
	end()
	return documents
}
