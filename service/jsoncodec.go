package service

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
)

// maxMessageDepth bounds the nesting of messages in JSON. protojson's time is
// quadratic in the depth of nested Anys.
const maxMessageDepth = 64

// JSONCodec is Connect's JSON codec, extended to payloads of types that are not
// registered: in containerd's APIs an Any carries JSON, which stock protojson
// refuses. Such an Any is written and read as
//
//	{"@type": URL, "value": X}
//
// where X is the payload itself if that is a JSON object, else its base64. Anys of
// registered types are as in protojson. Unknown fields are errors.
//
// The payload goes through byte for byte, but for white space around it: numbers
// keep their precision and members their order.
type JSONCodec struct{ name string }

// JSONCodecs returns the codec under the names by which Connect looks for JSON.
func JSONCodecs() []JSONCodec {
	return []JSONCodec{{"json"}, {"json; charset=utf-8"}}
}

// Name implements connect.Codec.
func (c JSONCodec) Name() string { return c.name }

// IsBinary tells Connect that the encoding is text.
func (c JSONCodec) IsBinary() bool { return false }

// Marshal implements connect.Codec.
func (c JSONCodec) Marshal(message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is not a protobuf message", message)
	}
	if hasUnregistered(m.ProtoReflect()) {
		m = proto.Clone(m)
		eachUnregistered(m.ProtoReflect(), func(a *anypb.Any) error {
			a.Value = wrapPayload(a.GetValue())
			return nil
		})
	}
	data, err := protojson.MarshalOptions{Resolver: payloadResolver{}}.Marshal(m)
	if err != nil {
		return nil, err
	}
	return rewriteAnys(data, m.ProtoReflect().Descriptor(), payloadToJSON)
}

// MarshalStable implements Connect's optional interface for requests that may be
// cached, such as GET.
func (c JSONCodec) MarshalStable(message any) ([]byte, error) {
	data, err := c.Marshal(message)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}

// Unmarshal implements connect.Codec.
func (c JSONCodec) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is not a protobuf message", message)
	}
	if len(data) == 0 {
		return errors.New("zero-length payload is not a valid JSON object")
	}
	data, err := rewriteAnys(data, m.ProtoReflect().Descriptor(), payloadFromJSON)
	if err != nil {
		return err
	}
	options := protojson.UnmarshalOptions{Resolver: payloadResolver{}, RecursionLimit: maxMessageDepth}
	if err := options.Unmarshal(data, m); err != nil {
		return err
	}
	return eachUnregistered(m.ProtoReflect(), func(a *anypb.Any) (err error) {
		a.Value, err = unwrapPayload(a.GetValue())
		return err
	})
}

// protojson asks for the message type of each Any. For types that are not
// registered it gets payloadType, a message with one bytes field "value", so that
// it reads and writes {"@type": URL, "value": base64}. The Any's real payload is
// wrapped into such a message before marshaling and unwrapped after unmarshaling.
var payloadType = newPayloadType()

func newPayloadType() protoreflect.MessageType {
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("plimsoll/payload.proto"), Package: proto.String("plimsoll"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("Payload"),
			Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("value"), Number: proto.Int32(1),
				Type:  descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum(),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}},
		}},
	}, nil)
	if err != nil {
		panic(err) // the descriptor above is constant
	}
	return dynamicpb.NewMessageType(file.Messages().Get(0))
}

func wrapPayload(payload []byte) []byte {
	m := payloadType.New()
	m.Set(payloadType.Descriptor().Fields().Get(0), protoreflect.ValueOfBytes(payload))
	wrapped, err := proto.Marshal(m.Interface())
	if err != nil {
		panic(err) // a bytes field always marshals
	}
	return wrapped
}

func unwrapPayload(wrapped []byte) ([]byte, error) {
	m := payloadType.New()
	if err := proto.Unmarshal(wrapped, m.Interface()); err != nil {
		return nil, err
	}
	return m.Get(payloadType.Descriptor().Fields().Get(0)).Bytes(), nil
}

type payloadResolver struct{}

func (payloadResolver) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if mt, err := protoregistry.GlobalTypes.FindMessageByURL(url); err == nil {
		return mt, nil
	}
	return payloadType, nil
}

func (payloadResolver) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	return protoregistry.GlobalTypes.FindMessageByName(name)
}

func (payloadResolver) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return protoregistry.GlobalTypes.FindExtensionByName(name)
}

func (payloadResolver) FindExtensionByNumber(message protoreflect.FullName, field protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return protoregistry.GlobalTypes.FindExtensionByNumber(message, field)
}

func isRegistered(url string) bool {
	_, err := protoregistry.GlobalTypes.FindMessageByURL(url)
	return err == nil
}

var errStop = errors.New("stop")

func hasUnregistered(m protoreflect.Message) bool {
	return eachUnregistered(m, func(*anypb.Any) error { return errStop }) != nil
}

// eachUnregistered calls f with every Any in m whose type is not registered. It
// does not look into the payloads of others.
func eachUnregistered(m protoreflect.Message, f func(*anypb.Any) error) error {
	if a, ok := m.Interface().(*anypb.Any); ok {
		if a.GetTypeUrl() == "" || isRegistered(a.GetTypeUrl()) {
			return nil
		}
		return f(a)
	}
	var err error
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			if fd.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					err = eachUnregistered(v.Message(), f)
					return err == nil
				})
			}
		case fd.Message() == nil:
		case fd.IsList():
			for i := 0; i < v.List().Len() && err == nil; i++ {
				err = eachUnregistered(v.List().Get(i).Message(), f)
			}
		default:
			err = eachUnregistered(v.Message(), f)
		}
		return err == nil
	})
	return err
}

const anyName protoreflect.FullName = "google.protobuf.Any"

// rewriteAnys copies the JSON of a message of type md, replacing the "value" of
// each Any of a type that is not registered by what rewrite makes of it. It follows
// the descriptor, so that nothing which only looks like an Any is touched.
func rewriteAnys(data []byte, md protoreflect.MessageDescriptor, rewrite func(jsontext.Value) (jsontext.Value, error)) ([]byte, error) {
	if !bytes.Contains(data, []byte("@type")) && !bytes.Contains(data, []byte(`\u`)) {
		return data, nil // no Any in it
	}
	r := anyRewriter{dec: jsontext.NewDecoder(bytes.NewReader(data)), rewrite: rewrite}
	r.out.Grow(len(data))
	if err := r.message(md); err != nil {
		return nil, withoutPackage(err)
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return r.out.Bytes(), nil
}

type anyRewriter struct {
	dec     *jsontext.Decoder
	out     bytes.Buffer
	rewrite func(jsontext.Value) (jsontext.Value, error)
}

// message copies the JSON of one message. JSON that does not have the shape of the
// message is copied as it is: protojson will say what is wrong with it.
func (r *anyRewriter) message(md protoreflect.MessageDescriptor) error {
	if r.dec.StackDepth() > 2*maxMessageDepth {
		return fmt.Errorf("messages are nested more than %d deep", maxMessageDepth)
	}
	if md == nil || r.dec.PeekKind() != '{' {
		return r.copyValue()
	}
	if md.FullName() == anyName {
		return r.any()
	}
	if len(md.FullName()) > len("google.protobuf.") && md.ParentFile().Package() == "google.protobuf" {
		return r.copyValue() // well-known types have a JSON of their own
	}
	return r.object('{', '}', func(name string) error {
		fd := md.Fields().ByJSONName(name)
		if fd == nil {
			fd = md.Fields().ByTextName(name)
		}
		switch {
		case fd == nil:
			return r.copyValue()
		case fd.IsMap():
			if r.dec.PeekKind() != '{' {
				return r.copyValue()
			}
			return r.object('{', '}', func(string) error { return r.message(fd.MapValue().Message()) })
		case fd.IsList():
			return r.list(fd.Message())
		}
		return r.message(fd.Message())
	})
}

func (r *anyRewriter) list(md protoreflect.MessageDescriptor) error {
	if md == nil || r.dec.PeekKind() != '[' {
		return r.copyValue()
	}
	return r.object('[', ']', func(string) error { return r.message(md) })
}

// object copies an object or array, leaving each value to copyMember.
func (r *anyRewriter) object(begin, end jsontext.Kind, copyMember func(name string) error) error {
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	r.out.WriteByte(byte(begin))
	for i := 0; r.dec.PeekKind() != end; i++ {
		if i > 0 {
			r.out.WriteByte(',')
		}
		name := ""
		if begin == '{' {
			raw, err := r.dec.ReadValue()
			if err != nil {
				return err
			}
			r.out.Write(raw)
			r.out.WriteByte(':')
			unquoted, err := jsontext.AppendUnquote(nil, raw)
			if err != nil {
				return err
			}
			name = string(unquoted)
		}
		if err := copyMember(name); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	r.out.WriteByte(byte(end))
	return err
}

func (r *anyRewriter) copyValue() error {
	raw, err := r.dec.ReadValue()
	r.out.Write(raw)
	return err
}

// any copies an Any. Its type may come after its value, so it is read as a whole.
// The payload of a registered type is left alone.
func (r *anyRewriter) any() error {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return err
	}
	var a struct {
		Type  string          `json:"@type"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(raw, &a); err != nil || a.Type == "" || a.Value == nil || isRegistered(a.Type) {
		r.out.Write(raw)
		return nil
	}
	value, err := r.rewrite(jsontext.Value(a.Value))
	if err != nil {
		return fmt.Errorf("value of %s: %w", a.Type, err)
	}
	members := jsontext.NewDecoder(bytes.NewReader(raw))
	copied := anyRewriter{dec: members}
	err = copied.object('{', '}', func(name string) error {
		if name != "value" {
			return copied.copyValue()
		}
		copied.out.Write(value)
		return members.SkipValue()
	})
	r.out.Write(copied.out.Bytes())
	return err
}

// payloadFromJSON makes base64 of a payload that is a JSON object.
func payloadFromJSON(value jsontext.Value) (jsontext.Value, error) {
	if value.Kind() != '{' {
		return value, nil // base64, or protojson's to refuse
	}
	return base64JSON(value), nil
}

func base64JSON(payload []byte) jsontext.Value {
	out := make([]byte, 0, base64.StdEncoding.EncodedLen(len(payload))+2)
	out = append(out, '"')
	out = base64.StdEncoding.AppendEncode(out, payload)
	return append(out, '"')
}

// payloadToJSON makes the JSON object of base64 that holds one. Payloads that
// could be read in more than one way stay base64.
func payloadToJSON(value jsontext.Value) (jsontext.Value, error) {
	encoded, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return nil, err
	}
	payload, err := base64.StdEncoding.AppendDecode(nil, encoded)
	if err != nil {
		return nil, err
	}
	object := bytes.TrimSpace(payload)
	if !bytes.HasPrefix(object, []byte("{")) || !jsontext.Value(object).IsValid() {
		return value, nil
	}
	return object, nil
}
