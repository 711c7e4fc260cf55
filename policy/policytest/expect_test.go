package policytest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
)

func TestCompare(t *testing.T) {
	violation := func(code, field, message string) plimsoll.Violation {
		return plimsoll.Violation{
			Code: code, Field: field, Message: message,
			Source: plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "labels", File: "a.rego", Line: 3},
		}
	}
	denied := func(violations ...plimsoll.Violation) Finding {
		return Finding{Outcome: plimsoll.OutcomeDenied, Verdict: plimsoll.Verdict{Violations: violations}}
	}
	tests := map[string]struct {
		c     Case
		found Finding
		want  string
	}{
		"as expected": {
			c:     Case{Expect: Denied, Violations: []Expectation{{Code: "A", Message: "tea", Package: "labels"}}},
			found: denied(violation("A", "", "no team")),
		},
		"a dry run is admitted": {c: Case{Expect: Admitted}, found: Finding{Outcome: plimsoll.OutcomeDryRun}},
		// The first could have either, the second only the first.
		"expectations that overlap": {
			c:     Case{Expect: Denied, Violations: []Expectation{{Code: "A"}, {Code: "A", Field: "x"}}},
			found: denied(violation("A", "x", "m"), violation("A", "y", "m")),
		},
		"one violation is not two": {
			c:     Case{Expect: Denied, Violations: []Expectation{{Code: "A"}, {Code: "A"}}},
			found: denied(violation("A", "x", "m")),
			want:  "- violation: code A\n",
		},
		"more than expected": {
			c:     Case{Expect: Denied, Violations: []Expectation{{Code: "A"}}},
			found: denied(violation("A", "x", "m"), violation("B", "x", "m")),
			want:  "+ violation: code B, field x, message \"m\"  [labels a.rego:3]\n",
		},
		"more, and that is fine": {
			c:     Case{Expect: Denied, Violations: []Expectation{{Code: "A"}}, AllowMore: []string{"violations"}},
			found: denied(violation("A", "x", "m"), violation("B", "x", "m")),
		},
		"message_is is the whole message": {
			c:     Case{Expect: Denied, Violations: []Expectation{{MessageIs: "team"}}, AllowMore: []string{"violations"}},
			found: denied(violation("", "", "no team")),
			want:  "- violation: message \"team\"\n",
		},
		"a policy is no validator": {
			c:     Case{Expect: Denied, Violations: []Expectation{{Validator: "labels"}}, AllowMore: []string{"violations"}},
			found: denied(violation("", "", "no team")),
			want:  "- violation: validator labels\n",
		},
		"admitted instead": {
			c:     Case{Expect: Denied, Violations: []Expectation{{Code: "A"}}},
			found: Finding{Outcome: plimsoll.OutcomeAdmitted},
			want:  "outcome: want denied, have admitted\n- violation: code A\n",
		},
		"failed as expected": {
			c:     Case{Expect: Unjudged, Error: "out of"},
			found: Finding{Outcome: plimsoll.OutcomeFailed, Err: errors.New("ran out of time")},
		},
		"failed in another way": {
			c:     Case{Expect: Unjudged, Error: "panic"},
			found: Finding{Outcome: plimsoll.OutcomeFailed, Err: errors.New("ran out of time")},
			want:  "- error with \"panic\"\n+ error ran out of time\n",
		},
		"a fault is no denial": {
			c:     Case{Expect: Denied, Violations: []Expectation{{Code: "A"}}},
			found: Finding{Outcome: plimsoll.OutcomeFailed, Err: errors.New("fault")},
			want:  "outcome: want denied, have failed\n+ error fault\n",
		},
		"patches": {
			c: Case{Expect: Admitted, Patches: []PatchExpectation{
				{Field: "labels.a"}, {Field: "labels.b", Value: Document(`{"x": 1}`)}, {Field: "labels.c", Value: Document("null")},
			}},
			found: Finding{Outcome: plimsoll.OutcomeAdmitted, Patches: []plimsoll.Patch{
				{Field: "labels.c"}, {Field: "labels.b", Value: []byte(`{"x":1}`)}, {Field: "labels.a", Value: []byte(`"v"`)},
			}},
		},
		"wrong patches": {
			c: Case{Expect: Admitted, Patches: []PatchExpectation{{Field: "labels.a", Value: Document(`"w"`), Package: "p"}}},
			found: Finding{Outcome: plimsoll.OutcomeAdmitted, Patches: []plimsoll.Patch{
				{Field: "labels.a", Value: []byte(`"v"`), Source: plimsoll.Source{Name: "p"}},
			}},
			want: "- patch: field labels.a, value \"w\", package p\n+ patch: field labels.a, value \"v\"  [p]\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.c.compare(test.found)); diff != "" {
				t.Errorf("compare (-want +have):\n%s", diff)
			}
		})
	}
}

func TestMergePatch(t *testing.T) {
	tests := map[string]struct{ target, patch, want string }{
		"deep":              {`{"a": {"b": 1, "c": 2}}`, `{"a": {"c": 3}}`, `{"a":{"b":1,"c":3}}`},
		"null removes":      {`{"a": {"b": 1}, "c": 1}`, `{"a": {"b": null}, "c": null}`, `{"a":{}}`},
		"arrays are values": {`{"a": [1, 2]}`, `{"a": [3]}`, `{"a":[3]}`},
		"digits are kept":   {`{"a": 18446744073709551615}`, `{"b": 1.0}`, `{"a":18446744073709551615,"b":1.0}`},
		"onto nothing":      {`{}`, `{"a": {"b": {"c": null, "d": 1}}}`, `{"a":{"b":{"d":1}}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, string(mergePatch(Document(test.target), Document(test.patch)))); diff != "" {
				t.Errorf("mergePatch (-want +have):\n%s", diff)
			}
		})
	}
}
