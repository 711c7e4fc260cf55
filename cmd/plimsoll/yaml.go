package main

import (
	"bytes"
	"encoding/json"

	"go.yaml.in/yaml/v3"
)

// jsonToYAML writes JSON as YAML. Members keep their order and numbers their
// digits: specs have integers that no floating-point number can hold.
func jsonToYAML(data []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	node, err := yamlNode(decoder)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// yamlNode reads the next JSON value.
func yamlNode(decoder *json.Decoder) (*yaml.Node, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	node := &yaml.Node{Kind: yaml.ScalarNode}
	switch token := token.(type) {
	case json.Delim:
		node.Kind = yaml.MappingNode
		if token == '[' {
			node.Kind = yaml.SequenceNode
		}
		for decoder.More() { // the name and the value of a member each count as one
			member, err := yamlNode(decoder)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, member)
		}
		_, err = decoder.Token() // the end of the object or array
		return node, err
	case json.Number:
		node.Value = token.String()
		return node, nil
	}
	if err := node.Encode(token); err != nil { // quotes what could be taken for something else
		return nil, err
	}
	if _, isText := token.(string); isText && node.Tag != "!!str" { // but for <<
		node.Tag, node.Style = "!!str", yaml.DoubleQuotedStyle
	}
	return node, nil
}
