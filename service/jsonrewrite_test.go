package service

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
)

func TestUnmarshalJSON(t *testing.T) {
	oci := &anypb.Any{TypeUrl: ociType, Value: []byte(`{"a":1}`)}
	tests := []struct {
		name, json string
		want       *containerdv1.UpdateContainerRequest
	}{
		{"type after the value", `{"container":{"spec":{"value":{"a":1},"@type":"` + ociType + `"}}}`, update(&containerdv1.Container{Spec: oci})},
		{
			"escaped names", `{"cont\u0061iner":{"spec":{"\u0040type":"` + ociType + `","v\u0061lue":{"a":1}}}}`,
			update(&containerdv1.Container{Spec: oci}),
		},
		{
			"white space around a payload goes", "{\"container\":{\"spec\":{\"@type\":\"" + ociType + "\",\"value\": \n {\"a\":1} \t}}}",
			update(&containerdv1.Container{Spec: oci}),
		},
		{
			"URL-safe base64 without padding", `{"container":{"spec":{"@type":"x/y","value":"-_8"}}}`,
			update(&containerdv1.Container{Spec: &anypb.Any{TypeUrl: "x/y", Value: []byte{0xfb, 0xff}}}),
		},
		{"null payload", `{"container":{"spec":{"@type":"x/y","value":null}}}`, update(&containerdv1.Container{Spec: &anypb.Any{TypeUrl: "x/y"}})},
		{"null spec", `{"container":{"spec":null}}`, update(&containerdv1.Container{})},
		{"empty spec", `{"container":{"spec":{}}}`, update(&containerdv1.Container{Spec: &anypb.Any{}})},
		{
			"labels that look like an Any", `{"container":{"labels":{"@type":"` + ociType + `","value":"e30="}}}`,
			update(&containerdv1.Container{Labels: map[string]string{"@type": ociType, "value": "e30="}}),
		},
		{"null characters", `{"container":{"image":"a\u0000b"}}`, update(&containerdv1.Container{Image: "a\x00b"})},
		{
			"mask of fields", `{"container":{},"updateMask":"labels,image"}`,
			update(&containerdv1.Container{}, "labels", "image"),
		},
		{"empty mask", `{"container":{},"updateMask":""}`, &containerdv1.UpdateContainerRequest{
			Container: &containerdv1.Container{}, UpdateMask: &fieldmaskpb.FieldMask{},
		}},
		{"null mask", `{"container":{},"updateMask":null}`, update(&containerdv1.Container{})},
		{
			"mask by its proto name, fields in camel case", `{"container":{},"update_mask":"snapshotKey,rootfs"}`,
			update(&containerdv1.Container{}, "snapshot_key", "rootfs"),
		},
		{
			"mask with keys of labels", `{"container":{},"updateMask":"labels.team,labels.example.org/a-b,labels.a_b,labels.é"}`,
			update(&containerdv1.Container{}, "labels.team", "labels.example.org/a-b", "labels.a_b", "labels.é"),
		},
		{
			"mask as an object", `{"container":{},"updateMask":{"paths":["labels.teamName","labels.a,b",""]}}`,
			update(&containerdv1.Container{}, "labels.teamName", "labels.a,b", ""),
		},
	}
	for _, codec := range JSONCodecs() {
		for _, test := range tests {
			t.Run(codec.Name()+"/"+test.name, func(t *testing.T) {
				got := new(containerdv1.UpdateContainerRequest)
				if err := codec.Unmarshal([]byte(test.json), got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got, protocmp.Transform()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func update(c *containerdv1.Container, mask ...string) *containerdv1.UpdateContainerRequest {
	req := &containerdv1.UpdateContainerRequest{Container: c}
	if mask != nil {
		req.UpdateMask = &fieldmaskpb.FieldMask{Paths: mask}
	}
	return req
}

func TestUnmarshalJSONRefuses(t *testing.T) {
	nest := func(open, end string, n int) string { return strings.Repeat(open, n) + strings.Repeat(end, n) }
	anys := strings.Replace(nest(`{"@type":"type.googleapis.com/google.protobuf.Any","value":`, `}`, 2_000), `:}`, `:{}}`, 1)
	tests := []struct{ name, json, says string }{
		{"nothing", ``, "zero-length"},
		{"white space", ` `, "EOF"},
		{"no object", `[]`, "unexpected token"},
		{"null", `null`, "unexpected token"},
		{"cut off", `{"container":{`, "unexpected EOF"},
		{"something after it", `{} {}`, "something follows"},
		{"invalid UTF-8", "{\"container\":{\"id\":\"\xff\"}}", "UTF-8"},
		{"unknown field", `{"container":{"colour":"red"}}`, `unknown field "colour"`},
		{"field of today's API", `{"container":{"snapshotKey":"x"}}`, `unknown field "snapshotKey"`},
		{"duplicate field", `{"container":{"id":"a","id":"b"}}`, "duplicate"},
		{"duplicate label", `{"container":{"labels":{"a":"1","a":"2"}}}`, "duplicate"},
		{"duplicate name in a payload", `{"container":{"spec":{"@type":"x/y","value":{"a":1,"a":2}}}}`, "duplicate"},
		{"wrong type", `{"container":{"id":1}}`, "invalid value for string field id: 1"},
		{"spec that is a string", `{"container":{"spec":"{}"}}`, "unexpected token"},
		{"spec that is a list", `{"container":{"spec":[]}}`, "unexpected token"},
		{"container that is a list", `{"container":[]}`, "unexpected token"},
		{"labels that are a list", `{"container":{"labels":[]}}`, "unexpected token"},
		{"spec without type", `{"container":{"spec":{"value":{}}}}`, `missing "@type"`},
		{"spec without type, as OCI writes it", `{"container":{"spec":{"ociVersion":"1.2.0"}}}`, `missing "@type"`},
		{"type that is a number", `{"container":{"spec":{"@type":1,"value":{}}}}`, "@type"},
		{"empty type", `{"container":{"spec":{"@type":"","value":{}}}}`, "@type"},
		{"payload beside value", `{"container":{"spec":{"@type":"x/y","value":{},"more":1}}}`, `beside "@type" and "value"`},
		{"payload instead of value", `{"container":{"spec":{"@type":"x/y","ociVersion":"1.2.0"}}}`, `unknown field "ociVersion"`},
		{"payload that is an array", `{"container":{"spec":{"@type":"x/y","value":[]}}}`, "value"},
		{"payload that is a number", `{"container":{"spec":{"@type":"x/y","value":1}}}`, "value"},
		{"payload that is no base64", `{"container":{"spec":{"@type":"x/y","value":"?"}}}`, "value"},
		{"registered type, wrong value", `{"container":{"spec":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"soon"}}}`, "soon"},
		{"registered type, unknown field", `{"container":{"spec":{"@type":"type.googleapis.com/containerd.v1.GetContainerRequest","x":1}}}`, `unknown field "x"`},
		{
			"Any in an Any", `{"container":{"spec":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"x/y","value":{}}}}}`,
			"further Anys",
		},
		{"bomb of Anys", `{"container":{"spec":` + anys + `}}`, "further Anys"},
		{"bomb of arrays", `{"container":{"spec":{"@type":"x/y","value":{"a":` + nest("[", "]", 1_000_000) + `}}}}`, "depth"},
		{"bomb of objects", nest(`{"container":`, "}", 500_000), "depth"},
		{"bomb in an unknown field", `{"x":` + nest("[", "]", 5_000) + `}`, "unknown field"},
		{"bomb in a registered type", `{"container":{"spec":{"@type":"type.googleapis.com/google.protobuf.Value","value":` + nest("[", "]", 5_000) + `}}}`, "recursion"},
		{"ambiguous mask", `{"container":{},"updateMask":"image,labels.teamName"}`, `{"paths": ["labels.teamName"]}`},
		{"mask that is a list", `{"container":{},"updateMask":["image"]}`, "unexpected token"},
		{"mask of numbers", `{"container":{},"updateMask":{"paths":[1]}}`, "string"},
		{"mask of too many paths", `{"container":{},"updateMask":"image` + strings.Repeat(",image", maxMaskPaths) + `"}`, "more than 1024 paths"},
		{"mask of too many paths, as an object", `{"container":{},"updateMask":{"paths":["image"` + strings.Repeat(`,"image"`, maxMaskPaths) + `]}}`, "more than 1024 paths"},
		{"mask with another member", `{"container":{},"updateMask":{"path":["image"]}}`, "path"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := JSONCodecs()[0].Unmarshal([]byte(test.json), new(containerdv1.UpdateContainerRequest))
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %.200v, want an error that says %q", err, test.says)
			}
		})
	}
}
