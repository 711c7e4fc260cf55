package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// maxMessageDepth bounds the nesting of messages in JSON.
const maxMessageDepth = 64

// JSONCodec is Connect's JSON codec, extended to what containerd's APIs carry and
// stock protojson refuses. Unknown fields are errors. It is safe for concurrent use.
//
// An Any whose type is not registered, as that of every OCI spec, is
//
//	{"@type": URL, "value": X}
//
// where X is the payload itself if that is a JSON object, else its base64. The
// payload goes through byte for byte, but for white space around it: numbers keep
// their precision and members their order.
//
// An Any of a registered type is as in protojson, with two exceptions. A type that
// may itself hold Anys is given as base64: protojson's time is quadratic in their
// nesting. And a payload that is not valid for its type is written as base64 too,
// so that it cannot hide what it is listed with; it is not read back.
//
// A FieldMask is a string of paths, as in protojson, but what follows the first dot
// is the key of a map and taken as it is: labels.example.org/team. A key with
// upper-case letters is refused there, because clients that know only protojson
// write team_name as teamName. The form {"paths": ["labels.teamName"]} takes any.
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
	if holdsAny(m.ProtoReflect().Descriptor(), nil) {
		m = proto.Clone(m)
		if err := eachAny(m.ProtoReflect(), func(a *anypb.Any) error {
			a.Value = wrapPayload(a.GetValue())
			return nil
		}); err != nil {
			return nil, err
		}
	}
	data, err := protojson.MarshalOptions{Resolver: payloadResolver{}}.Marshal(m)
	if err != nil {
		return nil, err
	}
	return rewriteJSON(data, m.ProtoReflect().Descriptor(), rewriter{any: writeAny})
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
	data, err := rewriteJSON(data, m.ProtoReflect().Descriptor(), rewriter{any: readAny, mask: readMask})
	if err != nil {
		return err
	}
	options := protojson.UnmarshalOptions{Resolver: payloadResolver{}, RecursionLimit: maxMessageDepth}
	if err := options.Unmarshal(data, m); err != nil {
		return err
	}
	if err := eachMessage(m.ProtoReflect(), unwrapMask); err != nil {
		return err
	}
	return eachAny(m.ProtoReflect(), func(a *anypb.Any) (err error) {
		a.Value, err = unwrapPayload(a.GetValue())
		return err
	})
}

// protojson asks for the message type of each Any. It always gets payloadType, a
// message with one bytes field "value", so that it reads and writes
// {"@type": URL, "value": base64}. The Any's real payload is wrapped into such a
// message before marshaling and unwrapped after unmarshaling; writeAny and readAny
// say what becomes of the base64.
var (
	payloadType  = newPayloadType()
	payloadField = payloadType.Descriptor().Fields().Get(0)
)

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
	m.Set(payloadField, protoreflect.ValueOfBytes(payload))
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
	return m.Get(payloadField).Bytes(), nil
}

type payloadResolver struct{}

func (payloadResolver) FindMessageByURL(string) (protoreflect.MessageType, error) {
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

const (
	anyName  protoreflect.FullName = "google.protobuf.Any"
	maskName protoreflect.FullName = "google.protobuf.FieldMask"
)

// holdsAny reports whether messages of type md can contain an Any, or be one. seen
// are the types on the way there.
func holdsAny(md protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if md.FullName() == anyName {
		return true
	}
	if seen == nil {
		seen = map[protoreflect.FullName]bool{}
	}
	if seen[md.FullName()] {
		return false
	}
	seen[md.FullName()] = true
	for i := range md.Fields().Len() {
		if field := md.Fields().Get(i).Message(); field != nil && holdsAny(field, seen) {
			return true
		}
	}
	return false
}

// eachAny calls f with every Any in m that has a type.
func eachAny(m protoreflect.Message, f func(*anypb.Any) error) error {
	return eachMessage(m, func(m proto.Message) error {
		if a, ok := m.(*anypb.Any); ok && a.GetTypeUrl() != "" {
			return f(a)
		}
		return nil
	})
}

// eachMessage calls f with m and every message in it, but not with what the
// payloads of Anys hold.
func eachMessage(m protoreflect.Message, f func(proto.Message) error) error {
	err := f(m.Interface())
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case err != nil:
		case fd.IsMap():
			if fd.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					err = eachMessage(v.Message(), f)
					return err == nil
				})
			}
		case fd.Message() == nil:
		case fd.IsList():
			for i := 0; i < v.List().Len() && err == nil; i++ {
				err = eachMessage(v.List().Get(i).Message(), f)
			}
		default:
			err = eachMessage(v.Message(), f)
		}
		return err == nil
	})
	return err
}

// unwrapMask undoes what readMask did to a FieldMask.
func unwrapMask(m proto.Message) error {
	mask, ok := m.(*fieldmaskpb.FieldMask)
	if !ok {
		return nil
	}
	for i, path := range mask.GetPaths() {
		var err error
		if mask.Paths[i], err = unwrapPath(path); err != nil {
			return err
		}
	}
	return nil
}
