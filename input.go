package plimsoll

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"sync"
)

// InputVersion is the version of the input document, its "version" field.
const InputVersion = 1

// Input is what policies and validators see of a mutation: the final, merged
// object, the stored one, and who asks for what. Both get the same document, so a
// rule can be moved from one to the other.
//
// Make one with fields set and do not change it afterwards. It is safe for
// concurrent use.
type Input struct {
	Operation Operation
	Namespace string
	// NamespaceLabels are the labels of the namespace.
	NamespaceLabels map[string]string
	DryRun          bool
	User            User
	// Object is the state after the merge; on delete the one to be removed.
	Object *Container
	// Old is the stored state; nil on create.
	Old *Container
	// RuntimeOptions, if set, is the runtime options of both in JSON, for whoever
	// cannot read their payload. They never change.
	RuntimeOptions json.RawMessage
	UpdateMask     []string
	RequestID      string
	// Others are what rules may ask about the other containers; nil if nothing. They
	// are not part of the document.
	Others Others

	metadata, whole document
	objectEnd       int // in metadata: where the spec of the object would be

	specOnce sync.Once
	isObject bool // the payload of Object's spec is a JSON object
}

// WithObject returns an input that differs in the object only.
func (in *Input) WithObject(object *Container) *Input {
	return &Input{
		Operation: in.Operation, Namespace: in.Namespace, NamespaceLabels: in.NamespaceLabels, DryRun: in.DryRun, User: in.User,
		Object: object, Old: in.Old, RuntimeOptions: in.RuntimeOptions, UpdateMask: in.UpdateMask, RequestID: in.RequestID,
		Others: in.Others,
	}
}

// WithOthers returns an input that differs in the others only.
func (in *Input) WithOthers(others Others) *Input {
	out := in.WithObject(in.Object)
	out.Others = others
	return out
}

// document is one that is written when it is first asked for.
type document struct {
	once sync.Once
	json []byte
	err  error
}

// JSON returns the input document. Payloads that are JSON objects are spliced in
// byte for byte, so a rule judges exactly what will be stored. The result is
// shared and must not be modified.
func (in *Input) JSON() ([]byte, error) {
	in.whole.once.Do(func() { in.whole.json, in.whole.err = in.encode() })
	return in.whole.json, in.whole.err
}

// MetadataJSON returns the input document without the specs of its objects, which are by
// far the largest part, for whoever does not look at them. It is cheaper to make. The
// result is shared and must not be modified.
func (in *Input) MetadataJSON() ([]byte, error) {
	in.metadata.once.Do(func() { in.metadata.json, in.metadata.err = in.encodeMetadata() })
	return in.metadata.json, in.metadata.err
}

// inputHeader is the document without its objects. The JSON Schema of the whole,
// which the policy checker reads, is policy/input.schema.json.
type inputHeader struct {
	Version         int               `json:"version"`
	Operation       Operation         `json:"operation"`
	Namespace       string            `json:"namespace"`
	NamespaceLabels map[string]string `json:"namespace_labels"`
	DryRun          bool              `json:"dry_run"`
	User            User              `json:"user"`
	UpdateMask      []string          `json:"update_mask"`
	RequestID       string            `json:"request_id"`
}

// inputObject is a container in the document, without its spec.
type inputObject struct {
	ID          string                     `json:"id"`
	Labels      map[string]string          `json:"labels"`
	Image       string                     `json:"image"`
	Runtime     string                     `json:"runtime"`
	OptionsType string                     `json:"runtime_options_type"`
	Options     json.RawMessage            `json:"runtime_options,omitempty"`
	Rootfs      string                     `json:"rootfs"`
	Snapshotter string                     `json:"snapshotter"`
	ExtTypes    map[string]string          `json:"extension_types"`
	Extensions  map[string]json.RawMessage `json:"extensions,omitzero"`
	SandboxID   string                     `json:"sandbox_id"`
	SpecType    string                     `json:"spec_type"`
}

func (in *Input) header() inputHeader {
	header := inputHeader{
		Version: InputVersion, Operation: in.Operation, Namespace: in.Namespace, NamespaceLabels: in.NamespaceLabels, DryRun: in.DryRun,
		User: in.User, UpdateMask: in.UpdateMask, RequestID: in.RequestID,
	}
	// Rules may count on arrays and objects where the schema says so.
	if header.User.Groups == nil {
		header.User.Groups = []string{}
	}
	if header.NamespaceLabels == nil {
		header.NamespaceLabels = map[string]string{}
	}
	if header.UpdateMask == nil {
		header.UpdateMask = []string{}
	}
	return header
}

func (in *Input) encodeMetadata() ([]byte, error) {
	doc, err := json.Marshal(in.header())
	if err != nil {
		return nil, err
	}
	doc = append(doc[:len(doc)-1], objectName...)
	start := len(doc)
	if doc, err = appendMetadata(doc, in.Object, in.RuntimeOptions, true); err != nil {
		return nil, err
	}
	in.objectEnd = len(doc) - 1
	doc = append(doc, oldObjectName...)
	if in.Old != nil && in.Old == in.Object {
		doc = append(doc, doc[start:in.objectEnd+1]...)
	} else if doc, err = appendMetadata(doc, in.Old, in.RuntimeOptions, true); err != nil {
		return nil, err
	}
	return append(doc, '}'), nil
}

const objectName, oldObjectName, specName = `,"object":`, `,"old_object":`, `,"spec":`

// encode puts the specs into the document, as they are: encoding/json would validate and
// compact them again.
func (in *Input) encode() ([]byte, error) {
	doc, err := in.MetadataJSON()
	if err != nil {
		return nil, err
	}
	size := len(doc) + 64
	for _, c := range []*Container{in.Object, in.Old} {
		if c != nil {
			size += len(c.Spec.Value)
		}
	}
	whole := make([]byte, 0, size)
	whole = append(whole, doc[:in.objectEnd]...)
	start := len(whole)
	if in.Object != nil {
		whole = in.appendSpec(whole, in.Object)
	}
	end := len(whole)
	whole = append(whole, doc[in.objectEnd:len(doc)-2]...)
	switch {
	case in.Old == nil:
	case in.Object != nil && in.Old.Spec.Equal(in.Object.Spec):
		whole = append(whole, whole[start:end]...)
	default:
		whole = in.appendSpec(whole, in.Old)
	}
	return append(whole, doc[len(doc)-2:]...), nil
}

// appendSpec writes the spec of one of the objects. To find out whether it is JSON takes
// long, and mostly both have the same.
func (in *Input) appendSpec(doc []byte, c *Container) []byte {
	in.specOnce.Do(func() { in.isObject = in.Object != nil && in.Object.Spec.IsJSONObject() })
	isObject := in.isObject
	if in.Object == nil || c != in.Object && !c.Spec.Equal(in.Object.Spec) {
		isObject = c.Spec.IsJSONObject()
	}
	return appendValue(append(doc, specName...), c.Spec, isObject)
}

func appendSpec(doc []byte, spec Any) []byte {
	return appendPayload(append(doc, specName...), spec)
}

// appendMetadata writes a container without its spec; without payloads, without any.
func appendMetadata(doc []byte, c *Container, options json.RawMessage, withPayloads bool) ([]byte, error) {
	if c == nil {
		return append(doc, "null"...), nil
	}
	head, err := json.Marshal(newInputObject(c, options, withPayloads))
	return append(doc, head...), err
}

func newInputObject(c *Container, options json.RawMessage, withPayloads bool) inputObject {
	o := inputObject{
		ID: c.ID, Labels: c.Labels, Image: c.Image, Runtime: c.Runtime.Name, Rootfs: c.SnapshotKey,
		Snapshotter: c.Snapshotter, SandboxID: c.SandboxID, SpecType: c.Spec.TypeURL,
		OptionsType: c.Runtime.Options.TypeURL,
		ExtTypes:    make(map[string]string, len(c.Extensions)),
	}
	if o.Labels == nil {
		o.Labels = map[string]string{}
	}
	for name, ext := range c.Extensions {
		o.ExtTypes[name] = ext.TypeURL
	}
	if withPayloads {
		o.addPayloads(c, options)
	}
	return o
}

func (o *inputObject) addPayloads(c *Container, options json.RawMessage) {
	switch {
	case len(options) > 0:
		o.Options = options
	case !c.Runtime.Options.IsZero():
		o.Options = appendPayload(nil, c.Runtime.Options)
	default:
		o.Options = json.RawMessage("{}")
	}
	o.Extensions = make(map[string]json.RawMessage, len(c.Extensions))
	for name, ext := range c.Extensions {
		o.Extensions[name] = appendPayload(nil, ext)
	}
}

// appendPayload writes the payload itself if it is a JSON object, else its base64.
func appendPayload(doc []byte, a Any) []byte { return appendValue(doc, a, a.IsJSONObject()) }

func appendValue(doc []byte, a Any, isObject bool) []byte {
	if isObject {
		return append(doc, bytes.TrimSpace(a.Value)...)
	}
	doc = append(doc, `{"base64":"`...)
	doc = base64.StdEncoding.AppendEncode(doc, a.Value)
	return append(doc, `"}`...)
}
