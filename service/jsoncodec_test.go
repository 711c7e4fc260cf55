package service

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
)

const ociType = ociSpecTypes + "1/Spec"

func mustAny(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The JSON of a spec, and the message it stands for.
func TestJSONOfAny(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	inner := &containerdv1.Container{Id: "in", Spec: &anypb.Any{TypeUrl: ociType, Value: []byte("{}")}}
	innerBytes, err := proto.Marshal(inner)
	if err != nil {
		t.Fatal(err)
	}
	const containerType = "type.googleapis.com/containerd.v1.Container"
	tests := []struct {
		name string
		any  *anypb.Any
		json string
	}{
		{"JSON object", &anypb.Any{TypeUrl: ociType, Value: []byte(`{"a":1}`)}, `{"@type":"` + ociType + `","value":{"a":1}}`},
		{"empty object", &anypb.Any{TypeUrl: ociType, Value: []byte(`{}`)}, `{"@type":"` + ociType + `","value":{}}`},
		{
			"numbers keep their precision",
			&anypb.Any{TypeUrl: ociType, Value: []byte(`{"a":18446744073709551615,"b":1e400,"c":-0,"d":1.0,"e":0.1000000000000000055511151231257827}`)},
			`{"@type":"` + ociType + `","value":{"a":18446744073709551615,"b":1e400,"c":-0,"d":1.0,"e":0.1000000000000000055511151231257827}}`,
		},
		{
			"members keep order, strings their escapes, space stays inside",
			&anypb.Any{TypeUrl: ociType, Value: []byte("{\"z\" : 1,\n\t\"a\":\"\\u00e9\\/<\u2028>\" }")},
			"{\"@type\":\"" + ociType + "\",\"value\":{\"z\" : 1,\n\t\"a\":\"\\u00e9\\/<\u2028>\" }}",
		},
		{"array", &anypb.Any{TypeUrl: ociType, Value: []byte(`[1]`)}, `{"@type":"` + ociType + `","value":"` + b64([]byte("[1]")) + `"}`},
		{"string", &anypb.Any{TypeUrl: ociType, Value: []byte(`"{}"`)}, `{"@type":"` + ociType + `","value":"` + b64([]byte(`"{}"`)) + `"}`},
		{"bytes", &anypb.Any{TypeUrl: "x/y", Value: []byte{0, 255, '{'}}, `{"@type":"x/y","value":"` + b64([]byte{0, 255, '{'}) + `"}`},
		{"bytes that look like an Any's wrapper", &anypb.Any{TypeUrl: "x/y", Value: wrapPayload([]byte("{}"))}, `{"@type":"x/y","value":"CgJ7fQ=="}`},
		{"object cut off", &anypb.Any{TypeUrl: ociType, Value: []byte(`{"a"`)}, `{"@type":"` + ociType + `","value":"` + b64([]byte(`{"a"`)) + `"}`},
		{
			"object with duplicate names", &anypb.Any{TypeUrl: ociType, Value: []byte(`{"a":1,"a":2}`)},
			`{"@type":"` + ociType + `","value":"` + b64([]byte(`{"a":1,"a":2}`)) + `"}`,
		},
		{
			"object of invalid UTF-8", &anypb.Any{TypeUrl: ociType, Value: []byte("{\"\xff\":1}")},
			`{"@type":"` + ociType + `","value":"` + b64([]byte("{\"\xff\":1}")) + `"}`,
		},
		{"no payload", &anypb.Any{TypeUrl: "x/y"}, `{"@type":"x/y"}`},
		{"payload with an Any's members", &anypb.Any{TypeUrl: ociType, Value: []byte(`{"@type":"t","value":{"a":1}}`)}, `{"@type":"` + ociType + `","value":{"@type":"t","value":{"a":1}}}`},
		{"type that needs quoting", &anypb.Any{TypeUrl: "x/\"\n\u00e9", Value: []byte("{}")}, `{"@type":"x/\"\n` + "\u00e9" + `","value":{}}`},
		{"registered type", mustAny(t, durationpb.New(1500e6)), `{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}`},
		{"registered type, zero", mustAny(t, durationpb.New(0)), `{"@type":"type.googleapis.com/google.protobuf.Duration","value":"0s"}`},
		{"registered type with fields", mustAny(t, &containerdv1.GetContainerRequest{Id: "a"}), `{"@type":"type.googleapis.com/containerd.v1.GetContainerRequest","id":"a"}`},
		{"registered type, recursive", mustAny(t, structpb.NewBoolValue(true)), `{"@type":"type.googleapis.com/google.protobuf.Value","value":true}`},
		{"registered type that holds an Any, empty", &anypb.Any{TypeUrl: containerType}, `{"@type":"` + containerType + `"}`},
		{"registered type that holds an Any", mustAny(t, inner), `{"@type":"` + containerType + `","value":"` + b64(innerBytes) + `"}`},
	}
	codec := JSONCodecs()[0]
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := &containerdv1.Container{Id: "web", Spec: test.any}
			before := proto.CloneOf(m)
			got, err := codec.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, m, protocmp.Transform()); diff != "" {
				t.Errorf("Marshal changed the message (-before +after):\n%s", diff)
			}
			want := `{"id":"web","spec":` + test.json + `}`
			// protojson varies white space on purpose; what it printed is not the test's.
			if test.name == "registered type with fields" {
				got = compact(t, got)
			}
			if string(got) != want && string(compact(t, got)) != want {
				t.Errorf("Marshal:\n got %s\nwant %s", got, want)
			}
			read := new(containerdv1.Container)
			if err := codec.Unmarshal([]byte(want), read); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, read, protocmp.Transform()); diff != "" {
				t.Errorf("Unmarshal (-want +got):\n%s", diff)
			}
		})
	}
}

func compact(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What is not valid for its registered type does not spoil the list it is in.
func TestJSONOfBrokenPayloads(t *testing.T) {
	list := &containerdv1.ListContainersResponse{Containers: []*containerdv1.Container{
		{Id: "a", Spec: &anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Duration", Value: []byte{0xff}}},
		{Id: "b", Spec: mustAny(t, &durationpb.Duration{Seconds: 1 << 62})},
		{Id: "c", Spec: mustAny(t, &fieldmaskpb.FieldMask{Paths: []string{"a_B"}})},
		{Id: "d", Spec: &anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Any", Value: []byte{0xff}}},
		{Id: "e", Spec: &anypb.Any{TypeUrl: ociType, Value: []byte("{}")}},
	}}
	got, err := JSONCodecs()[0].Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"containers":[` +
		`{"id":"a","spec":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"/w=="}},` +
		`{"id":"b","spec":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"CICAgICAgICAQA=="}},` +
		`{"id":"c","spec":{"@type":"type.googleapis.com/google.protobuf.FieldMask","value":"CgNhX0I="}},` +
		`{"id":"d","spec":{"@type":"type.googleapis.com/google.protobuf.Any","value":"/w=="}},` +
		`{"id":"e","spec":{"@type":"` + ociType + `","value":{}}}]}`
	if string(compact(t, got)) != want {
		t.Errorf("Marshal:\n got %s\nwant %s", got, want)
	}
}

// Nested Anys in binary are one base64 string in JSON, however deep they are.
func TestMarshalJSONOfNestedAnys(t *testing.T) {
	nested := &anypb.Any{}
	for range 2_000 {
		nested = mustAny(t, nested)
	}
	got, err := JSONCodecs()[0].Marshal(&containerdv1.Container{Spec: nested})
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(got, []byte("@type")); n != 1 {
		t.Errorf("%d levels of Anys were written, want 1", n)
	}
}

func TestCodecOfOtherValues(t *testing.T) {
	codec := JSONCodecs()[0]
	if _, err := codec.Marshal("text"); err == nil {
		t.Error("Marshal took a string for a message")
	}
	if err := codec.Unmarshal([]byte("{}"), new(string)); err == nil {
		t.Error("Unmarshal took a string for a message")
	}
	stable, err := codec.MarshalStable(&containerdv1.Container{Id: "web", Runtime: "runc"})
	if want := `{"id":"web","runtime":"runc"}`; err != nil || string(stable) != want {
		t.Errorf("MarshalStable: %s (%v), want %s", stable, err, want)
	}
}

// Whatever can be sent in binary can be written as JSON and means the same when it is
// read; whatever can be read can be sent.
func FuzzJSONCodec(f *testing.F) {
	for _, seed := range []struct {
		typeURL, label, mask string
		value                []byte
	}{
		{ociType, "v", `"labels.a"`, []byte(`{"a":[1e400,18446744073709551615]}`)},
		{ociType, "\x00", `"image"`, []byte(" {}\n")},
		{"x/y", "@type", `""`, []byte{0xff}},
		{"", "", `"labels.example.org/a-b"`, nil},
		{"type.googleapis.com/google.protobuf.Duration", "é", `{"paths":["a_b.C"]}`, []byte{8, 1}},
		{"type.googleapis.com/google.protobuf.StringValue", "", `","`, []byte("\x0a\x01x")},
		{"type.googleapis.com/google.protobuf.Any", "", `"."`, []byte("\x0a\x01x")},
		{"type.googleapis.com/containerd.v1.Container", "", `{}`, []byte("\x0a\x01x")},
	} {
		f.Add(seed.typeURL, seed.label, seed.mask, seed.value)
	}
	codec := JSONCodecs()[0]
	f.Fuzz(func(t *testing.T, typeURL, label, mask string, value []byte) {
		for _, data := range [][]byte{value, []byte(`{"updateMask":` + mask + `}`)} {
			m := new(containerdv1.UpdateContainerRequest)
			if codec.Unmarshal(data, m) != nil {
				continue
			}
			if _, err := proto.Marshal(m); err != nil {
				t.Fatalf("%q was read as what cannot be sent: %v", data, err)
			}
		}

		want := &containerdv1.Container{Id: label, Labels: map[string]string{label: mask}, Spec: &anypb.Any{TypeUrl: typeURL, Value: value}}
		if _, err := proto.Marshal(want); err != nil || typeURL == "" {
			return
		}
		data, err := codec.Marshal(want)
		if err != nil {
			t.Fatalf("writing %v: %v", want, err)
		}
		mt, err := protoregistry.GlobalTypes.FindMessageByURL(typeURL)
		if err == nil && !holdsAny(mt.Descriptor(), nil) {
			canonical, err := protojson.Marshal(want.GetSpec())
			if err != nil {
				return // base64 for people to look at
			}
			if err := protojson.Unmarshal(canonical, want.GetSpec()); err != nil {
				return // protojson cannot read all that it writes
			}
		}
		got := new(containerdv1.Container)
		if err := codec.Unmarshal(data, got); err != nil {
			t.Fatalf("reading %q: %v", data, err)
		}
		if object := bytes.Trim(value, " \t\r\n"); bytes.HasPrefix(object, []byte("{")) && !bytes.Equal(value, got.GetSpec().GetValue()) {
			want.Spec.Value = object // white space around an object is not kept
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Fatalf("%q means something else (-written +read):\n%s", data, diff)
		}
	})
}
