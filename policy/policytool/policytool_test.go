package policytool_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/policy/policytool"
)

const rules = `package labels

deny contains sprintf("no %s", [key]) if {
	some key in ["team", "owner"]
	not input.object.labels[key]
}

deny contains "x" if {
	id := input.object.id
	id != "web"
}

default warn := false

warn if input.operation == "DELETE"
`

func evaluation(t *testing.T) *policytool.Evaluation {
	t.Helper()
	w, err := policy.Open(t.Context(), policy.Options{Timeout: time.Minute}, policy.FS("p", fstest.MapFS{"labels.rego": {Data: []byte(rules)}}))
	if err != nil {
		t.Fatal(err)
	}
	e, err := policytool.New(t.Context(), w, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func input() *plimsoll.Input {
	return &plimsoll.Input{Operation: plimsoll.OperationCreate, Namespace: "default", Object: &plimsoll.Container{ID: "web"}}
}

func TestExplain(t *testing.T) {
	e := evaluation(t)
	clauses, err := e.Explain(t.Context(), input(), e.Rules())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(rules, "\n")
	want := []policytool.Clause{
		{
			Package: "labels", Rule: "deny", File: "p/labels.rego", Line: 3, Source: lines[2:6],
			Holds: []map[string]string{{"key": `"team"`}, {"key": `"owner"`}},
		},
		{
			Package: "labels", Rule: "deny", File: "p/labels.rego", Line: 8, Source: lines[7:11],
			Holds: []map[string]string{}, FailedAt: 10, Values: map[string]string{"id": `"web"`},
		},
		{
			Package: "labels", Rule: "warn", File: "p/labels.rego", Line: 15, Source: lines[14:15],
			Holds: []map[string]string{}, FailedAt: 15, Values: map[string]string{},
		},
	}
	if diff := cmp.Diff(want, clauses); diff != "" {
		t.Errorf("clauses (-want +have):\n%s", diff)
	}
}

func TestProfile(t *testing.T) {
	e := evaluation(t)
	lines, err := e.Profile(t.Context(), input(), e.Rules(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 3 {
		t.Fatalf("there are %d lines, want 3", len(lines))
	}
	for i, line := range lines {
		if line.File != "p/labels.rego" || line.Text != strings.Split(rules, "\n")[line.Line-1] || line.Evaluations == 0 {
			t.Errorf("line %+v", line)
		}
		if i > 0 && line.Nanoseconds > lines[i-1].Nanoseconds {
			t.Errorf("line %d took longer than the one above it", line.Line)
		}
	}
}

func TestQuery(t *testing.T) {
	tests := map[string]struct{ query, want, err string }{
		"a rule":    {query: "count(data.labels.deny)", want: `"value":2`},
		"undefined": {query: "input.object.labels.nothing", want: "[]"},
		"an error":  {query: `to_number("x")`, err: "eval_builtin_error"},
		"withheld":  {query: "time.now_ns()", err: "undefined function time.now_ns"},
	}
	e := evaluation(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var printed bytes.Buffer
			have, err := e.Query(t.Context(), test.query, input(), &printed)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error is %v, want one with %q", err, test.err)
			}
			if !strings.Contains(string(have), test.want) {
				t.Errorf("result is %s, want one with %s", have, test.want)
			}
		})
	}
}
