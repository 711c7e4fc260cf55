package plimsoll

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInputJSON(t *testing.T) {
	spec := []byte(" {\"n\": 18446744073709551615, \"a\":1e400,\"html\":\"<&>\"}\n")
	c := &Container{
		ID: "web", Image: "nginx", Runtime: Runtime{Name: "runc"}, Spec: Any{TypeURL: "t", Value: spec},
		Extensions: map[string]Any{"x": {TypeURL: "e", Value: []byte("\x00\x01")}},
	}
	in := &Input{Operation: OperationUpdate, Namespace: "default", User: User{Via: "anonymous"}, Object: c, Old: c, UpdateMask: []string{"image"}}
	doc, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	// The payload goes in byte for byte, for both objects.
	if got := bytes.Count(doc, append([]byte(`"spec":`), bytes.TrimSpace(spec)...)); got != 2 {
		t.Errorf("the spec is there %d times, byte for byte:\n%s", got, doc)
	}
	var got struct {
		Object, OldObject map[string]json.RawMessage
		UpdateMask        []string       `json:"update_mask"`
		User              map[string]any `json:"user"`
	}
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	for field, want := range map[string]string{
		"labels": `{}`, "extensions": `{"x":{"base64":"AAE="}}`, "spec_type": `"t"`, "rootfs": `""`,
	} {
		if diff := cmp.Diff(want, string(got.Object[field])); diff != "" {
			t.Errorf("object.%s (-want +got):\n%s", field, diff)
		}
	}
	if groups, ok := got.User["groups"].([]any); !ok || len(groups) != 0 {
		t.Errorf("user.groups is %v, not an empty array", got.User["groups"])
	}
}

func TestInputOfOtherPayloads(t *testing.T) {
	for name, test := range map[string]struct{ payload, want string }{
		"not JSON":  {"\x00", `{"base64":"AA=="}`},
		"an array":  {"[1]", `{"base64":"WzFd"}`},
		"truncated": {`{"a":`, `{"base64":"eyJhIjo="}`},
		"empty":     {"", `{"base64":""}`},
		"an object": {`{ }`, `{ }`},
	} {
		t.Run(name, func(t *testing.T) {
			in := &Input{Operation: OperationCreate, Object: &Container{ID: "a", Spec: Any{TypeURL: "t", Value: []byte(test.payload)}}}
			doc, err := in.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(doc) || !bytes.Contains(doc, []byte(`"spec":`+test.want+`},"old_object":null}`)) {
				t.Errorf("want spec %s in:\n%s", test.want, doc)
			}
		})
	}
}

func TestDeniedErrorLeadsWithTheFirst(t *testing.T) {
	source := Source{Kind: SourcePolicy, Name: "labels.required", File: "policies/labels.rego", Line: 12}
	for want, violations := range map[string][]Violation{
		"denied: no reason was given": nil,
		`denied: label "team" is required [labels.required policies/labels.rego:12]`: {{Message: `label "team" is required`, Source: source}},
		"denied: one [runc-spec 1.0.0] (and 2 more)": {
			{Message: "one", Source: Source{Kind: SourceValidator, Name: "runc-spec", Version: "1.0.0"}},
			{Message: "two"},
			{Message: "three"},
		},
	} {
		if got := (&DeniedError{Verdict: Verdict{Violations: violations}}).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
