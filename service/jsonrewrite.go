package service

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
)

// rewriter copies the JSON of a message, replacing the JSON of each Any and, if
// mask is set, FieldMask in it. It follows the message's descriptor, so that
// nothing which only looks like an Any is touched.
type rewriter struct {
	any  func(jsontext.Value) (jsontext.Value, error)
	mask func(jsontext.Value) (jsontext.Value, error)

	dec *jsontext.Decoder
	out bytes.Buffer
}

// rewriteJSON runs r over the JSON of a message of type md. It refuses what is not
// strict JSON: one value, of valid UTF-8, without duplicate names.
func rewriteJSON(data []byte, md protoreflect.MessageDescriptor, r rewriter) ([]byte, error) {
	r.dec = jsontext.NewDecoder(bytes.NewBuffer(data))
	r.out.Grow(len(data))
	if err := r.message(md); err != nil {
		return nil, withoutPackage(err)
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return r.out.Bytes(), nil
}

// message copies the JSON of one message. JSON that does not have the shape of the
// message is copied as it is: protojson will say what is wrong with it.
func (r *rewriter) message(md protoreflect.MessageDescriptor) error {
	if r.dec.StackDepth() > 2*maxMessageDepth { // a message in a list or map takes two
		return fmt.Errorf("messages are nested more than %d deep", maxMessageDepth)
	}
	switch {
	case md == nil:
		return r.copyValue()
	case md.FullName() == anyName:
		return r.replaceValue(r.any)
	case md.FullName() == maskName && r.mask != nil:
		return r.replaceValue(r.mask)
	case r.dec.PeekKind() != '{', md.ParentFile().Package() == "google.protobuf":
		return r.copyValue() // well-known types have a JSON of their own
	}
	return r.members('{', '}', func(name string) error {
		fd := md.Fields().ByJSONName(name)
		if fd == nil {
			fd = md.Fields().ByTextName(name)
		}
		switch {
		case fd == nil:
			return r.copyValue()
		case fd.IsMap() && r.dec.PeekKind() == '{':
			return r.members('{', '}', func(string) error { return r.message(fd.MapValue().Message()) })
		case fd.IsList() && r.dec.PeekKind() == '[':
			return r.members('[', ']', func(string) error { return r.message(fd.Message()) })
		case fd.IsMap(), fd.IsList():
			return r.copyValue()
		}
		return r.message(fd.Message())
	})
}

// members copies an object or array, leaving each value to copyMember.
func (r *rewriter) members(begin, end jsontext.Kind, copyMember func(name string) error) error {
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

func (r *rewriter) copyValue() error {
	raw, err := r.dec.ReadValue()
	r.out.Write(raw)
	return err
}

func (r *rewriter) replaceValue(replace func(jsontext.Value) (jsontext.Value, error)) error {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return err
	}
	if raw, err = replace(raw); err != nil {
		return err
	}
	r.out.Write(raw)
	return nil
}

// writeAny makes of {"@type": URL, "value": base64} what is sent.
func writeAny(raw jsontext.Value) (jsontext.Value, error) {
	var a struct {
		Type  string `json:"@type"`
		Value []byte `json:"value"`
	}
	if err := json.Unmarshal(raw, &a); err != nil || a.Type == "" {
		return raw, err
	}
	mt, err := protoregistry.GlobalTypes.FindMessageByURL(a.Type)
	registered := err == nil
	if registered && !holdsAny(mt.Descriptor(), nil) {
		if out, err := protojson.Marshal(&anypb.Any{TypeUrl: a.Type, Value: a.Value}); err == nil {
			return out, nil
		}
	}
	object := jsontext.Value(bytes.Trim(a.Value, " \t\r\n"))
	if registered || !bytes.HasPrefix(object, []byte("{")) || !object.IsValid() {
		return raw, nil // payloads that could be read in more than one way stay base64
	}
	return appendAny(a.Type, object), nil
}

// readAny makes {"@type": URL, "value": base64} of what was received.
func readAny(raw jsontext.Value) (jsontext.Value, error) {
	if raw.Kind() != '{' {
		return raw, nil
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	var url string
	if t := members["@type"]; t != nil {
		if err := json.Unmarshal(t, &url); err != nil {
			return nil, fmt.Errorf("@type: %w", err)
		}
	}
	if url == "" {
		return raw, nil // an empty Any, or protojson's to refuse
	}
	value := members["value"]
	mt, err := protoregistry.GlobalTypes.FindMessageByURL(url)
	switch {
	case err != nil: // not registered
		if value.Kind() != '{' {
			return raw, nil // base64, or protojson's to refuse
		}
		if len(members) > 2 {
			return nil, fmt.Errorf("an Any of type %s has members beside \"@type\" and \"value\"", url)
		}
		return appendAny(url, base64JSON(value)), nil
	case holdsAny(mt.Descriptor(), nil):
		if value.Kind() != '"' && len(members) > 1 {
			return nil, fmt.Errorf("messages of type %s may hold further Anys: give the encoded message as base64 in \"value\"", url)
		}
		return raw, nil
	}
	var message anypb.Any
	if err := (protojson.UnmarshalOptions{RecursionLimit: maxMessageDepth}).Unmarshal(raw, &message); err != nil {
		return nil, err
	}
	return appendAny(url, base64JSON(message.GetValue())), nil
}

func appendAny(url string, value jsontext.Value) jsontext.Value {
	out := make([]byte, 0, len(url)+len(value)+len(`{"@type":"","value":}`))
	out = append(out, `{"@type":`...)
	out, _ = jsontext.AppendQuote(out, url) // invalid UTF-8 cannot be in a decoded string
	out = append(out, `,"value":`...)
	out = append(out, value...)
	return append(out, '}')
}

func base64JSON(payload []byte) jsontext.Value {
	out := make([]byte, 0, base64.StdEncoding.EncodedLen(len(payload))+2)
	out = append(out, '"')
	out = base64.StdEncoding.AppendEncode(out, payload)
	return append(out, '"')
}

// readMask makes of a FieldMask one that protojson accepts, whatever its paths are:
// unwrapPath gives them back.
func readMask(raw jsontext.Value) (jsontext.Value, error) {
	var mask struct {
		Paths []string `json:"paths"`
	}
	switch raw.Kind() {
	default:
		return raw, nil // protojson's to refuse
	case '{':
		if err := json.Unmarshal(raw, &mask, json.RejectUnknownMembers(true)); err != nil {
			return nil, err
		}
		if len(mask.Paths) > maxMaskPaths {
			return nil, errMaskPaths
		}
	case '"':
		var paths string
		if err := json.Unmarshal(raw, &paths); err != nil {
			return nil, err
		}
		if paths == "" {
			return raw, nil
		}
		if strings.Count(paths, ",") >= maxMaskPaths {
			return nil, errMaskPaths
		}
		for path := range strings.SplitSeq(paths, ",") {
			path, err := pathFromJSON(path)
			if err != nil {
				return nil, err
			}
			mask.Paths = append(mask.Paths, path)
		}
	}
	for i, path := range mask.Paths {
		mask.Paths[i] = "x" + hex.EncodeToString([]byte(path))
	}
	return json.Marshal(strings.Join(mask.Paths, ","))
}

// errMaskPaths comes before paths are read one by one: a few MiB of them would take
// a hundred times that.
var errMaskPaths = fmt.Errorf("a field mask has more than %d paths", maxMaskPaths)

func unwrapPath(path string) (string, error) {
	decoded, err := hex.DecodeString(strings.TrimPrefix(path, "x"))
	return string(decoded), err
}

// pathFromJSON reads a path of a FieldMask in its string form.
func pathFromJSON(path string) (string, error) {
	isUpper := func(r rune) bool { return 'A' <= r && r <= 'Z' }
	field, key, keyed := strings.Cut(path, ".")
	if strings.ContainsFunc(key, isUpper) {
		return "", fmt.Errorf("field mask path %q is ambiguous, as JSON clients write team_name as teamName; send {\"paths\": [%q]} instead", path, path)
	}
	var snake strings.Builder
	for _, r := range field {
		if isUpper(r) {
			snake.WriteByte('_')
			r += 'a' - 'A'
		}
		snake.WriteRune(r)
	}
	if keyed {
		snake.WriteString("." + key)
	}
	return snake.String(), nil
}
