package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/plimsoll-project/plimsoll"
)

// inputDocument is what rules see, as somebody writes it down: see
// policy/input.schema.json. What is left out is empty.
type inputDocument struct {
	Version         int                `json:"version"`
	Operation       plimsoll.Operation `json:"operation"`
	Namespace       string             `json:"namespace"`
	NamespaceLabels map[string]string  `json:"namespace_labels"`
	DryRun          bool               `json:"dry_run"`
	User            *plimsoll.User     `json:"user"`
	Object          *inputContainer    `json:"object"`
	OldObject       *inputContainer    `json:"old_object"`
	UpdateMask      []string           `json:"update_mask"`
	RequestID       string             `json:"request_id"`
}

type inputContainer struct {
	ID             string                     `json:"id"`
	Labels         map[string]string          `json:"labels"`
	Image          string                     `json:"image"`
	Runtime        string                     `json:"runtime"`
	OptionsType    string                     `json:"runtime_options_type"`
	Options        json.RawMessage            `json:"runtime_options"`
	Rootfs         string                     `json:"rootfs"`
	Snapshotter    string                     `json:"snapshotter"`
	ExtensionTypes map[string]string          `json:"extension_types"`
	Extensions     map[string]json.RawMessage `json:"extensions"`
	SandboxID      string                     `json:"sandbox_id"`
	SpecType       string                     `json:"spec_type"`
	Spec           json.RawMessage            `json:"spec"`
}

const ociSpecType = "types.containerd.io/opencontainers/runtime-spec/1/Spec"

// readInput makes an input of a document. On delete the object may be left out: it is
// the old one.
func readInput(document json.RawMessage) (*plimsoll.Input, error) {
	var d inputDocument
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, fmt.Errorf("input: %s cannot be a %s", wrong.Field, wrong.Value)
		}
		return nil, fmt.Errorf("input: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return d.input()
}

// input makes an input of a document. What it changes in it is of no use to others.
func (d *inputDocument) input() (*plimsoll.Input, error) {
	if d.Version != 0 && d.Version != plimsoll.InputVersion {
		return nil, fmt.Errorf("input: version is %d, but this program knows version %d", d.Version, plimsoll.InputVersion)
	}
	if d.Operation == plimsoll.OperationDelete {
		if d.Object == nil {
			d.Object = d.OldObject
		}
		if d.OldObject == nil {
			d.OldObject = d.Object
		}
	}
	switch {
	case d.Operation != plimsoll.OperationCreate && d.Operation != plimsoll.OperationUpdate && d.Operation != plimsoll.OperationDelete:
		return nil, fmt.Errorf("input: operation is %q, want one of CREATE, UPDATE, DELETE", d.Operation)
	case d.Object == nil:
		return nil, errors.New("input: object is missing")
	case (d.Operation == plimsoll.OperationCreate) != (d.OldObject == nil):
		return nil, errors.New("input: old_object is what is stored: null on CREATE and nothing else")
	}
	in := &plimsoll.Input{
		Operation: d.Operation, Namespace: namespaceOr(d.Namespace), NamespaceLabels: d.NamespaceLabels, DryRun: d.DryRun,
		User: plimsoll.User{Via: "anonymous"}, UpdateMask: d.UpdateMask, RequestID: d.RequestID, RuntimeOptions: d.Object.Options,
	}
	if d.User != nil {
		in.User = *d.User
	}
	var err error
	if in.Object, err = d.Object.container(); err != nil {
		return nil, fmt.Errorf("input: object: %w", err)
	}
	if in.Old, err = d.OldObject.container(); err != nil {
		return nil, fmt.Errorf("input: old_object: %w", err)
	}
	return in, nil
}

func (c *inputContainer) container() (*plimsoll.Container, error) {
	if c == nil {
		return nil, nil
	}
	result := &plimsoll.Container{
		ID: c.ID, Labels: c.Labels, Image: c.Image, Runtime: plimsoll.Runtime{Name: c.Runtime, Options: plimsoll.Any{TypeURL: c.OptionsType}},
		Snapshotter: c.Snapshotter, SnapshotKey: c.Rootfs, SandboxID: c.SandboxID, Extensions: map[string]plimsoll.Any{},
	}
	var err error
	if result.Spec, err = payload(c.SpecType, c.Spec); err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	if result.Spec.TypeURL == "" {
		result.Spec.TypeURL = ociSpecType
	}
	for name, value := range c.Extensions {
		if result.Extensions[name], err = payload(c.ExtensionTypes[name], value); err != nil {
			return nil, fmt.Errorf("extensions.%s: %w", name, err)
		}
	}
	return result, nil
}

// payload reads what rules see of a payload: itself, or {"base64": …} if it is no JSON
// object.
func payload(typeURL string, value json.RawMessage) (plimsoll.Any, error) {
	if len(value) == 0 || string(value) == "null" {
		value = json.RawMessage("{}")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(value, &members); err != nil {
		return plimsoll.Any{}, errors.New("want an object")
	}
	var encoded string
	if raw, ok := members["base64"]; ok && len(members) == 1 && json.Unmarshal(raw, &encoded) == nil {
		decoded, err := base64.StdEncoding.DecodeString(encoded)
		return plimsoll.Any{TypeURL: typeURL, Value: decoded}, err
	}
	return plimsoll.Any{TypeURL: typeURL, Value: value}, nil
}

// substitute judges another input than the one that it is given. What that says of other
// containers is kept: it comes from a store.
type substitute struct {
	judge plimsoll.Judge
	input *plimsoll.Input
}

// Judge implements [plimsoll.Judge].
func (s substitute) Judge(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
	s.input.Others = in.Others
	return s.judge.Judge(ctx, s.input)
}
