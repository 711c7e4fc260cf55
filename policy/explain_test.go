package policy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

const explained = `package a

import data.limits

# METADATA
# title: Mounts are absolute
deny contains {"msg": msg, "field": sprintf("spec.mounts[%d]", [i])} if {
	some i, mount in input.object.spec.mounts
	not startswith(mount.destination, "/")
	msg := "not absolute"
}

warn contains "no team" if {
	not input.object.labels.team
	max := limits.max
	max > 1
}

deny contains "never" if input.operation == "DELETE"
`

func explain(t *testing.T, p *policy.Policies, in *plimsoll.Input) *plimsoll.Explanation {
	t.Helper()
	doc, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Explain(context.Background(), in, doc)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestExplain(t *testing.T) {
	p := mustLoad(t, files("a.rego", explained, "limits/data.json", `{"max": 3}`))
	in := withSpec(`{"mounts": [{"destination": "/a"}, {"destination": "b"}, {"destination": "c"}]}`)
	in.Object.Labels = nil
	got := explain(t, p, in)
	mounts := plimsoll.Variable{Name: "input.object.spec.mounts", Value: `[{"destination":"/a"},{"destination":"b"},{"destination":"c"}]`}
	want := []plimsoll.FiredRule{
		{
			Title: "Mounts are absolute", Count: 2, Source: plimsoll.Source{Line: 7, Rule: "deny"},
			Text: strings.TrimSpace(explained[strings.Index(explained, "deny"):strings.Index(explained, "\n\nwarn")]),
			Firings: [][]plimsoll.Variable{
				{{Name: "i", Value: "1"}, {Name: "mount", Value: `{"destination":"b"}`}, {Name: "msg", Value: `"not absolute"`}, mounts},
				{{Name: "i", Value: "2"}, {Name: "mount", Value: `{"destination":"c"}`}, {Name: "msg", Value: `"not absolute"`}, mounts},
			},
		},
		{
			Warns: true, Count: 1, Source: plimsoll.Source{Line: 13, Rule: "warn"},
			Text: strings.TrimSpace(explained[strings.Index(explained, "warn"):strings.Index(explained, "\n\ndeny contains \"never\"")]),
			Firings: [][]plimsoll.Variable{
				{{Name: "max", Value: "3"}, {Name: "input.object.labels.team", Value: "undefined"}},
			},
		},
	}
	if diff := cmp.Diff(want, got.Rules, cmpopts.IgnoreFields(plimsoll.Source{}, "Kind", "Name", "File")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	verdict, err := p.Judge(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(verdict, got.Verdict); diff != "" || got.AsksOthers {
		t.Errorf("the verdict differs (-judged +explained):\n%s", diff)
	}
}

// Rules that are no sets, sets that other rules read, and whatever else decides.
func TestExplainShapes(t *testing.T) {
	for name, test := range map[string]struct {
		rules string
		count int
		names string // of the variables of the first firing
	}{
		"complete":        {`deny := "no" if { x := 1; x > 0 }`, 1, "x"},
		"partial object":  {"deny[key] := \"no\" if some key in {\"b\", \"c\"}", 2, "key"},
		"boolean":         {`deny if input.object.image == "docker.io/library/nginx:1"`, 1, "input.object.image"},
		"set in use":      {"deny contains \"no\" if { x := 1; x > 0 }\nwarn contains \"w\" if count(deny) == 7", 1, "x"},
		"two of one line": {`deny contains "no" if { x := 1; x > 0 } deny contains "b" if { false }`, 1, "x"},
		"comprehension":   {`deny contains "no" if { all := [y | some y in [1, 2]]; count(all) == 2 }`, 1, "all"},
		"function":        {"deny contains \"no\" if f(1)\nf(n) if n == 1", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustLoad(t, files("a.rego", "package a\n"+test.rules+"\n"))
			in := withSpec(`{}`)
			in.Object.Image = "docker.io/library/nginx:1"
			got := explain(t, p, in)
			if len(got.Rules) != 1 || got.Rules[0].Count != test.count || got.Rules[0].Text == "" || len(got.Rules[0].Firings) != test.count {
				t.Fatalf("rules are %+v", got.Rules)
			}
			var names []string
			for _, v := range got.Rules[0].Firings[0] {
				names = append(names, v.Name)
			}
			if diff := cmp.Diff(test.names, strings.Join(names, " ")); diff != "" {
				t.Errorf("variables (-want +got):\n%s", diff)
			}
		})
	}
}

// However much there is to tell, an explanation is bounded.
func TestExplainIsBounded(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("package a\n")
	for i := range 100 {
		fmt.Fprintf(&rules, "deny contains sprintf(\"%d %%d\", [n]) if { some n in numbers.range(1, 20); long := input.object.spec.long }\n", i)
	}
	p := mustLoad(t, files("a.rego", rules.String()))
	got := explain(t, p, withSpec(`{"long": "`+strings.Repeat("é", 5000)+`"}`))
	if len(got.Rules) != 64 || got.Rules[0].Count != 20 || len(got.Rules[0].Firings) != 3 {
		t.Fatalf("%d rules, the first fired %d times, of which %d are told", len(got.Rules), got.Rules[0].Count, len(got.Rules[0].Firings))
	}
	for _, v := range got.Rules[0].Firings[0] {
		if len(v.Value) > 240 {
			t.Errorf("%s has %d bytes", v.Name, len(v.Value))
		}
	}
}

func TestExplainFails(t *testing.T) {
	in := withSpec(`{}`)
	doc, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		rules string
		want  error
	}{
		"fault":   {`deny contains "x" if to_number("CANARY") > 1`, plimsoll.ErrFault},
		"timeout": {`deny contains "x" if { some a in numbers.range(1, 20000); some b in numbers.range(1, 20000); a * b < 0 }`, plimsoll.ErrOutOfTime},
		"panic":   {`deny contains "x" if json.unmarshal("1e999999999") > 5`, plimsoll.ErrFault},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := policy.Load(context.Background(), policy.Options{Timeout: 50 * time.Millisecond}, files("a.rego", "package a\n"+test.rules+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.Explain(context.Background(), in, doc)
			if !errors.Is(err, test.want) || e != nil || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("Explain: %+v, %v", e, err)
			}
		})
	}
	p := mustLoad(t, files("a.rego", "package a\ndeny contains \"x\" if false\n"))
	if _, err := p.Explain(context.Background(), in, []byte(`{"object":`)); err == nil {
		t.Error("half a document was explained")
	}
}

// What looks like a secret is hidden, wherever the rule has it from.
func TestExplainHidesSecrets(t *testing.T) {
	p := mustLoad(t, files("a.rego", `package a
deny contains "x" if {
	login := data.a.login
	entry := sprintf("DB_PASSWORD=%s", ["CANARY"])
	login.user == "ann"
	entry != ""
}
`, "a/data.json", `{"login": {"user": "ann", "password": "CANARY"}}`))
	got := explain(t, p, withSpec(`{}`))
	text := fmt.Sprint(got.Rules[0].Firings)
	if strings.Contains(text, "CANARY") || !strings.Contains(text, `"user":"ann"`) {
		t.Errorf("the variables are %s", text)
	}
}

func TestExplainPatches(t *testing.T) {
	p := mustLoad(t, files("a.rego", "package a\n\npatch contains {\"labels\": {\"team\": team}} if {\n\tteam := \"core\"\n\tnot input.object.labels.team\n}\n\n"+
		"patch contains {\"labels\": {\"more\": \"x\"}} if input.object.labels.never\n"))
	in := create()
	in.Object.Labels = nil
	doc, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := p.ExplainPatches(t.Context(), in, doc)
	if err != nil {
		t.Fatal(err)
	}
	want := []plimsoll.FiredRule{{
		Source: plimsoll.Source{Line: 3, Rule: "patch"}, Count: 1,
		Firings: [][]plimsoll.Variable{{{Name: "team", Value: `"core"`}, {Name: "input.object.labels.team", Value: "undefined"}}},
	}}
	if diff := cmp.Diff(want, rules, cmpopts.IgnoreFields(plimsoll.Source{}, "Kind", "Name", "File"), cmpopts.IgnoreFields(plimsoll.FiredRule{}, "Text")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	in.Operation = plimsoll.OperationDelete
	if rules, err := p.ExplainPatches(t.Context(), in, doc); rules != nil || err != nil {
		t.Errorf("of a delete: %v, %v", rules, err)
	}
}
