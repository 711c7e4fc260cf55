package service

import (
	"encoding/json"
	"errors"
	"testing"

	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
)

func TestReadOptions(t *testing.T) {
	runc, err := proto.Marshal(&runcoptions.Options{BinaryName: "/tmp/x", SystemdCgroup: true})
	if err != nil {
		t.Fatal(err)
	}
	const name = "containerd.runc.v1.Options"
	for what, test := range map[string]struct {
		options plimsoll.Any
		binary  any // what rules see; nil if nothing
		refused bool
	}{
		"runc":              {plimsoll.Any{TypeURL: name, Value: runc}, "/tmp/x", false},
		"runc with a host":  {plimsoll.Any{TypeURL: "type.googleapis.com/" + name, Value: runc}, "/tmp/x", false},
		"runc's defaults":   {plimsoll.Any{TypeURL: name}, "", false},
		"an unknown field":  {plimsoll.Any{TypeURL: name, Value: []byte("\x42\x01x")}, nil, true}, // criu_path of old shims
		"no such message":   {plimsoll.Any{TypeURL: name, Value: []byte("\xff")}, nil, true},
		"JSON in its place": {plimsoll.Any{TypeURL: name, Value: []byte(`{"binary_name":"runc"}`)}, nil, true},
		"another type":      {plimsoll.Any{TypeURL: "example.org/options", Value: []byte("\xff")}, nil, false},
		"none":              {plimsoll.Any{}, nil, false},
	} {
		t.Run(what, func(t *testing.T) {
			text, err := readOptions(test.options)
			if _, ok := errors.AsType[*plimsoll.RequestError](err); ok != test.refused || err != nil != test.refused {
				t.Fatalf("error %v, want one: %t", err, test.refused)
			}
			var seen map[string]any
			if len(text) > 0 {
				if err := json.Unmarshal(text, &seen); err != nil {
					t.Fatal(err)
				}
			}
			if seen["binary_name"] != test.binary {
				t.Errorf("rules see %s", text)
			}
		})
	}
}
