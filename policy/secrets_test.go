package policy_test

import (
	"context"
	"strings"
	"testing"
)

// Faults are logged, so they must not quote what was judged.
func TestFaultsQuoteNothing(t *testing.T) {
	const canary = "CANARY[0(zq"
	for name, test := range map[string]struct {
		rules string
		says  string // what is left for whoever wrote the rule
	}{
		"to_number":       {`deny contains "x" if to_number(input.object.image) > 5`, "to_number"},
		"time":            {`deny contains "x" if time.parse_rfc3339_ns(input.object.image)`, "time.parse_rfc3339_ns"},
		"semver":          {`deny contains "x" if semver.compare(input.object.image, "1.0.0") == 1`, "semver.compare"},
		"json.patch":      {`deny contains "x" if json.patch({}, [{"op": "remove", "path": input.object.image}])`, "json.patch"},
		"regex":           {`deny contains "x" if regex.match(input.object.image, "x")`, "regex.match"},
		"base64":          {`deny contains "x" if base64.decode(input.object.image)`, "base64.decode"},
		"out of the spec": {`deny contains "x" if to_number(input.object.spec.process.env[0]) > 5`, "to_number"},
		"rule with two values": {
			"deny contains \"x\" if two\ntwo := 1 if input.object.image\ntwo := input.object.image if input.object.image",
			"data.a.two",
		},
		"function with two values": {
			"deny contains \"x\" if two(1)\ntwo(_) := 1 if input.object.image\ntwo(_) := input.object.image if input.object.image",
			"data.a.two",
		},
		"object with two values":  {`deny contains "x" if {k: v | k := "a"; some v in [input.object.image, "z"]}`, "eval_conflict_error"},
		"no reason":               {`deny contains {input.object.image: 1}`, "msg"},
		"field that is no string": {`deny contains {"msg": "x", "field": [input.object.image]}`, "field"},
		"panic":                   {`deny contains "x" if json.unmarshal(sprintf("1e999999999%s", [substring(input.object.image, 0, 0)])) > 5`, "a"},
		"array":                   {`deny contains [input.object.image]`, "array"},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustLoad(t, files("a.rego", "package a\n"+test.rules+"\n"))
			in := withSpec(`{"process": {"env": ["` + canary + `"]}}`)
			in.Object.Image = canary
			verdict, err := p.Judge(context.Background(), in)
			wantFault(t, verdict, err)
			if text := err.Error(); strings.Contains(text, "CANARY") || !strings.Contains(text, test.says) {
				t.Errorf("fault is %q, which must say %q and quote nothing", text, test.says)
			}
		})
	}
}
