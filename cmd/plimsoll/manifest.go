package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

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
		c, err := parseManifest(document)
		if err != nil {
			return nil, fmt.Errorf("%s, document %d: %w", path, i+1, err)
		}
		containers = append(containers, c)
	}
	if len(containers) == 0 {
		return nil, fmt.Errorf("%s: no container in it", path)
	}
	return containers, nil
}

func readFile(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(path)
}

func parseManifest(document []byte) (*containerdv1.Container, error) {
	var members map[string]json.RawMessage
	if err := unmarshalYAML(document, &members); err != nil {
		return nil, err
	}
	if spec, ok := members["spec"]; ok {
		var err error
		if members["spec"], err = typedSpec(spec); err != nil {
			return nil, err
		}
	}
	typed, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	c := &containerdv1.Container{}
	if err := service.JSONCodecs()[0].Unmarshal(typed, c); err != nil {
		return nil, err
	}
	return c, nil
}

// typedSpec wraps an OCI runtime spec into the JSON of an Any; an Any it leaves.
func typedSpec(spec json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(spec, &members); err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	if _, ok := members["@type"]; ok {
		return spec, nil
	}
	return json.Marshal(map[string]any{"@type": ociSpecType, "value": spec})
}

// readSpec reads an OCI runtime spec, or the JSON of an Any, from a file.
func readSpec(path string, stdin io.Reader) (*containerdv1.Container, error) {
	data, err := readFile(path, stdin)
	if err != nil {
		return nil, err
	}
	var spec json.RawMessage
	if err := unmarshalYAML(data, &spec); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	document, err := json.Marshal(map[string]json.RawMessage{"spec": spec})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c, err := parseManifest(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// unmarshalYAML leaves JSON as it is, so that what is sent is what was written.
func unmarshalYAML(data []byte, into any) error {
	if trimmed := bytes.TrimSpace(data); bytes.HasPrefix(trimmed, []byte("{")) && json.Valid(trimmed) {
		return json.Unmarshal(trimmed, into)
	}
	converted, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return err
	}
	return json.Unmarshal(converted, into)
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
