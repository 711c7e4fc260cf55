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
	"google.golang.org/protobuf/types/known/anypb"
	"sigs.k8s.io/yaml"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// ociSpecType is the type of a spec that does not name one.
const ociSpecType = "types.containerd.io/opencontainers/runtime-spec/1/Spec"

// readManifests reads containers from a file, or from stdin if path is "-": YAML
// documents or JSON, with the fields of containerd.v1.Container. A spec without
// "@type" is taken for an OCI runtime spec.
func readManifests(path string, stdin io.Reader) ([]*containerdv1.Container, error) {
	data, err := readFile(path, stdin)
	if err != nil {
		return nil, err
	}
	var containers []*containerdv1.Container
	for i, document := range splitYAML(data) {
		object, err := toJSON(document)
		if err == nil && string(object) == "null" {
			continue // nothing but comments
		}
		var c *containerdv1.Container
		if err == nil {
			c, err = parseContainer(object)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, document %d: %w", nameOf(path), i+1, err)
		}
		containers = append(containers, c)
	}
	if len(containers) == 0 {
		return nil, fmt.Errorf("%s: no container in it", nameOf(path))
	}
	return containers, nil
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

func parseContainer(object []byte) (*containerdv1.Container, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, errors.New("a container is an object with fields such as id, image and spec")
	}
	var spec *anypb.Any
	if raw, ok := members["spec"]; ok {
		var err error
		if spec, err = parseSpec(raw); err != nil {
			return nil, fmt.Errorf("spec: %w", err)
		}
		delete(members, "spec")
	}
	if err := checkFields(members); err != nil {
		return nil, err
	}
	rest, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	c := &containerdv1.Container{}
	if err := service.JSONCodecs()[0].Unmarshal(rest, c); err != nil {
		return nil, withoutPosition(err)
	}
	c.Spec = spec
	return c, nil
}

// checkFields refuses fields that a container does not have.
func checkFields(members map[string]json.RawMessage) error {
	var known []string
	fields := (&containerdv1.Container{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		known = append(known, fields.Get(i).JSONName())
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown field %q; known are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
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
