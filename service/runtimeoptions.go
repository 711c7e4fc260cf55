package service

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"

	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	runtimeoptions "github.com/containerd/containerd/api/types/runtimeoptions/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
)

// knownOptions are the types of runtime options that rules are shown as JSON. They name
// programs that a shim runs on the host, and in protobuf's encoding no rule could read
// them. All but runc's and its like, such as gVisor and Kata, have the second type.
var knownOptions = map[string]func() proto.Message{
	"containerd.runc.v1.Options": func() proto.Message { return new(runcoptions.Options) },
	"runtimeoptions.v1.Options":  func() proto.Message { return new(runtimeoptions.Options) },
}

// readOptions returns runtime options as a JSON object with all fields of their type,
// under the names of its proto; nil if the type is none that is known here. It refuses
// what it cannot show in full: a field that rules do not see must not reach a shim.
func readOptions(options plimsoll.Any) (json.RawMessage, error) {
	refuse := func(format string, args ...any) (json.RawMessage, error) {
		return nil, &plimsoll.RequestError{Field: "container.runtime.options", Problem: fmt.Sprintf(format, args...)}
	}
	// A shim takes what follows the last slash for the type's name.
	name := path.Base(options.TypeURL)
	newMessage, known := knownOptions[name]
	if !known {
		return nil, nil
	}
	message := newMessage()
	if err := proto.Unmarshal(options.Value, message); err != nil {
		return refuse("payload is no %s", name)
	}
	if len(message.ProtoReflect().GetUnknown()) > 0 {
		return refuse("payload has fields that %s does not have here, and that rules could not see", name)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(message)
	if err != nil {
		return refuse("payload is no %s", name)
	}
	var compact bytes.Buffer // protojson's white space differs from run to run
	if err := json.Compact(&compact, text); err != nil {
		return nil, fmt.Errorf("runtime options: %w", err)
	}
	return compact.Bytes(), nil
}
