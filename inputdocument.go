package plimsoll

import (
	"encoding/json"
	"errors"
	"fmt"
)

// inputDocument is the document as a whole, to read it.
type inputDocument struct {
	inputHeader
	Object *inputContainer `json:"object"`
	Old    *inputContainer `json:"old_object"`
}

// inputContainer is a container in the document.
type inputContainer struct {
	inputObject
	Spec json.RawMessage `json:"spec"`
}

// ParseInput makes an input of a document that [Input.JSON] wrote, or that was made of one
// by hiding values in it. Its documents are equal to the one it was made of. Payloads are
// what the document shows of them: of those that are no JSON objects that is their base64,
// in an object.
func ParseInput(document []byte) (*Input, error) {
	var d inputDocument
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, errors.New("the input document cannot be read") // err may quote it
	}
	if d.Version != InputVersion {
		return nil, fmt.Errorf("the input document is of version %d, and %d is known", d.Version, InputVersion)
	}
	if d.Object == nil {
		return nil, errors.New("the input document has no object")
	}
	return &Input{
		Operation: d.Operation, Namespace: d.Namespace, NamespaceLabels: d.NamespaceLabels, DryRun: d.DryRun, User: d.User,
		Object: d.Object.container(), Old: d.Old.container(), RuntimeOptions: d.Object.Options,
		UpdateMask: d.UpdateMask, RequestID: d.RequestID,
	}, nil
}

func (c *inputContainer) container() *Container {
	if c == nil {
		return nil
	}
	out := &Container{
		ID: c.ID, Labels: c.Labels, Image: c.Image, Runtime: Runtime{Name: c.Runtime, Options: Any{TypeURL: c.OptionsType}},
		SnapshotKey: c.Rootfs, Snapshotter: c.Snapshotter, SandboxID: c.SandboxID, Spec: Any{TypeURL: c.SpecType, Value: c.Spec},
	}
	for name, typeURL := range c.ExtTypes {
		if out.Extensions == nil {
			out.Extensions = map[string]Any{}
		}
		out.Extensions[name] = Any{TypeURL: typeURL, Value: c.Extensions[name]}
	}
	return out
}
