package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

const smallSpec = `{"process": {"args": ["sh"], "env": ["A=1"]}, "n": 18446744073709551615, "f": 1.50, "root": {"path": "r"}}`

// patchPackage is a package with one set of patches.
func patchPackage(name string, clauses ...string) []string {
	return []string{name + ".rego", "package " + name + "\n\n" + strings.Join(clauses, "\n\n") + "\n"}
}

// patched is what was made of a container: field, value and package of each patch.
type patched struct{ Field, Value, Package string }

func summary(patches []plimsoll.Patch) []patched {
	var all []patched
	for _, p := range patches {
		all = append(all, patched{p.Field, string(p.Value), p.Source.Name})
	}
	return all
}

func TestPatch(t *testing.T) {
	labels := func(pairs ...string) map[string]string {
		all := maps.Clone(container().Labels)
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] == "" {
				delete(all, pairs[i])
			} else {
				all[pairs[i]] = pairs[i+1]
			}
		}
		return all
	}
	for name, test := range map[string]struct {
		files   []string
		labels  map[string]string // nil: as before
		image   string            // likewise
		spec    string            // likewise, as JSON with any spelling
		patches []patched
	}{
		"nothing": {files: patchPackage("a", `patch contains {"labels": {"tier": "x"}} if input.operation == "UPDATE"`, `patch contains {}`, `patch contains []`)},
		"merge": {
			files:  patchPackage("a", `patch contains {"labels": {"tier": "backend", "owner": null, "none": null}, "image": "other"} if not input.object.labels.tier`),
			labels: labels("tier", "backend", "owner", ""), image: "other",
			patches: []patched{{"image", `"other"`, "a"}, {"labels.owner", "", "a"}, {"labels.tier", `"backend"`, "a"}},
		},
		"merge that says what is": {files: patchPackage("a", `patch contains {"labels": {"team": "core"}}`)},
		"merge into the spec, numbers as they were": {
			files:   patchPackage("a", `patch contains {"spec": {"linux": {"resources": {"pids": {"limit": 9007199254740993}, "none": null}}, "root": {"readonly": true}}}`),
			spec:    `{"process": {"args": ["sh"], "env": ["A=1"]}, "n": 18446744073709551615, "f": 1.50, "root": {"path": "r", "readonly": true}, "linux": {"resources": {"pids": {"limit": 9007199254740993}}}}`,
			patches: []patched{{"spec.linux.resources.pids.limit", "9007199254740993", "a"}, {"spec.root.readonly", "true", "a"}},
		},
		"a number is what it is": {files: patchPackage("a", `patch contains {"spec": {"f": 1.5}}`)},
		"merge replaces arrays and what is no object": {
			files:   patchPackage("a", `patch contains {"spec": {"process": {"args": ["a", "b"]}, "f": {"x": {"y": null}}}}`),
			spec:    `{"process": {"args": ["a", "b"], "env": ["A=1"]}, "n": 18446744073709551615, "f": {"x": {}}, "root": {"path": "r"}}`,
			patches: []patched{{"spec.f", `{"x":{}}`, "a"}, {"spec.process.args", `["a","b"]`, "a"}},
		},
		"one operation": {
			files:   patchPackage("a", `patch contains {"op": "add", "path": "/labels/a.b~1c", "value": "x"}`),
			labels:  labels("a.b/c", "x"),
			patches: []patched{{"labels.a.b/c", `"x"`, "a"}},
		},
		"operations": {
			files: patchPackage("a", `patch contains [
	{"op": "test", "path": "/labels/team", "value": "core"},
	{"op": "move", "from": "/labels/owner", "path": "/labels/boss"},
	{"op": "copy", "from": "/image", "path": "/labels/image"},
	{"op": "replace", "path": "/image", "value": "x"},
	{"op": "add", "path": "/spec/process/env/-", "value": "B=2"},
	{"op": "add", "path": "/spec/process/args/0", "value": "env"},
	{"op": "remove", "path": "/spec/root"},
	{"op": "replace", "path": "/spec/process/env/0", "value": "A=0"},
] if input.object.labels.owner`),
			labels: labels("owner", "", "boss", "alice", "image", container().Image), image: "x",
			spec: `{"process": {"args": ["env", "sh"], "env": ["A=0", "B=2"]}, "n": 18446744073709551615, "f": 1.50}`,
			patches: []patched{
				{"image", `"x"`, "a"},
				{"labels.boss", `"alice"`, "a"},
				{"labels.image", `"docker.io/library/nginx:1.27"`, "a"},
				{"labels.owner", "", "a"},
				{"spec.process.args", `["env","sh"]`, "a"},
				{"spec.process.env[0]", `"A=0"`, "a"},
				{"spec.process.env[1]", `"B=2"`, "a"},
				{"spec.root", "", "a"},
			},
		},
		"two packages agree, and add to one array": {
			files: slices.Concat(
				patchPackage("a", `patch contains {"labels": {"tier": "x"}} if not input.object.labels.tier`,
					`patch contains {"op": "add", "path": "/spec/process/env/-", "value": "B=1"} if not "B=1" in input.object.spec.process.env`),
				patchPackage("b", `patch contains {"op": "add", "path": "/labels/tier", "value": "x"} if not input.object.labels.tier`,
					`patch contains {"op": "add", "path": "/spec/process/env/-", "value": e} if { some e in ["B=1", "C=1"]; not e in input.object.spec.process.env }`)),
			labels: labels("tier", "x"),
			spec:   `{"process": {"args": ["sh"], "env": ["A=1", "B=1", "C=1"]}, "n": 18446744073709551615, "f": 1.50, "root": {"path": "r"}}`,
			patches: []patched{
				{"labels.tier", `"x"`, "a"}, {"spec.process.env[1]", `"B=1"`, "a"}, {"spec.process.env[2]", `"C=1"`, "b"},
			},
		},
		"what one does another builds on": {
			files: slices.Concat(
				patchPackage("z", `patch contains {"labels": {"one": "1"}} if { not input.object.labels.one; not input.object.labels.two }`),
				patchPackage("a", `patch contains {"labels": {"two": "2", "one": null}} if input.object.labels.one == "1"`, `patch contains {"labels": {"one": "last"}} if input.object.labels.two`),
				patchPackage("m", `patch contains {"labels": {"temporary": "t"}} if not input.object.labels.two`, `patch contains {"labels": {"temporary": ""}} if input.object.labels.two`)),
			labels:  labels("one", "last", "two", "2"),
			patches: []patched{{"labels.one", `"last"`, "a"}, {"labels.two", `"2"`, "a"}},
		},
		"other shapes": {
			files: slices.Concat(
				patchPackage("whole", `patch := {"labels": {"whole": "1"}}`),
				patchPackage("list", `patch := [{"op": "add", "path": "/labels/list", "value": "1"}]`),
				patchPackage("sets", `patch := {{"labels": {"set": "1"}}, [{"op": "add", "path": "/labels/set2", "value": "1"}]}`),
				patchPackage("tree", `patch.labels.tree := "1"`, `patch.labels[key] := "2" if some key in ["tree2"]`),
				patchPackage("none", `default patch := false`)),
			labels: labels("whole", "1", "list", "1", "set", "1", "set2", "1", "tree", "1", "tree2", "2"),
			patches: []patched{
				{"labels.list", `"1"`, "list"},
				{"labels.set", `"1"`, "sets"},
				{"labels.set2", `"1"`, "sets"},
				{"labels.tree", `"1"`, "tree"},
				{"labels.tree2", `"2"`, "tree"},
				{"labels.whole", `"1"`, "whole"},
			},
		},
		"match": {
			files: []string{
				"a.rego", matched("a", "{operations: [UPDATE]}", "\npatch contains {\"image\": \"x\"}\n"),
				"b.rego", matched("b", "{namespaces: [default]}", "\npatch contains {\"image\": \"y\"}\n"),
			},
			image: "y", patches: []patched{{"image", `"y"`, "b"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := withSpec(smallSpec)
			object, patches, err := mustLoad(t, files(test.files...)).Patch(context.Background(), in)
			if err != nil {
				t.Fatal(err, errors.Unwrap(err))
			}
			if diff := cmp.Diff(test.patches, summary(patches)); diff != "" {
				t.Errorf("patches (-want +have):\n%s", diff)
			}
			if test.patches == nil {
				if object != nil {
					t.Errorf("nothing was patched, but it is %+v", object)
				}
				return
			}
			want := withSpec(smallSpec).Object
			if diff := cmp.Diff(want, in.Object); diff != "" {
				t.Errorf("what was given has changed:\n%s", diff)
			}
			if test.labels != nil {
				want.Labels = test.labels
			}
			if test.image != "" {
				want.Image = test.image
			}
			if test.spec != "" {
				if diff := cmp.Diff(exact(t, test.spec), exact(t, string(object.Spec.Value))); diff != "" {
					t.Errorf("spec (-want +have):\n%s", diff)
				}
				want.Spec.Value = object.Spec.Value
			}
			if diff := cmp.Diff(want, object); diff != "" {
				t.Errorf("container (-want +have):\n%s", diff)
			}
		})
	}
}

// exact reads JSON with numbers as they are written.
func exact(t *testing.T, text string) any {
	t.Helper()
	reader := json.NewDecoder(strings.NewReader(text))
	reader.UseNumber()
	var v any
	if err := reader.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// What can be wrong with patches. Each is the fault of a rule, which is named, and
// changes nothing.
func TestPatchFaults(t *testing.T) {
	for name, test := range map[string]struct {
		rules []string // of package a
		other []string // of package b
		in    *plimsoll.Input
		want  string
	}{
		"a string":               {rules: []string{`patch contains "x"`}, want: "gave a string, but a patch is an object to merge, or operations"},
		"true":                   {rules: []string{`patch if input.object.id`}, want: "gave a boolean, but"},
		"an array of no ops":     {rules: []string{`patch contains [{"labels": {"a": "b"}}]`}, want: "element 0 is no operation"},
		"unknown field":          {rules: []string{`patch contains {"lables": {"a": "b"}}`}, want: `patches lables, which cannot be patched: have "lables", want one of ["image", "labels", "spec"]; did you mean "labels"?`},
		"the id":                 {rules: []string{`patch contains {"id": "x"}`}, want: "patches id, which cannot be patched"},
		"the runtime":            {rules: []string{`patch contains {"op": "replace", "path": "/runtime", "value": "x"}`}, want: "patches runtime, which cannot be patched"},
		"an extension":           {rules: []string{`patch contains {"op": "add", "path": "/extensions/x", "value": {}}`}, want: "patches extensions, which cannot be patched"},
		"from the runtime":       {rules: []string{`patch contains {"op": "copy", "from": "/runtime", "path": "/image"}`}, want: "patches runtime, which cannot be patched"},
		"unknown op":             {rules: []string{`patch contains {"op": "ad", "path": "/image", "value": "x"}`}, want: `did you mean "add"?`},
		"no path":                {rules: []string{`patch contains {"op": "add", "value": "x"}`}, want: "path is no JSON pointer"},
		"no value":               {rules: []string{`patch contains {"op": "add", "path": "/image"}`}, want: "add needs a value"},
		"all labels":             {rules: []string{`patch contains {"labels": null}`}, want: "patches the labels as a whole"},
		"a label that is none":   {rules: []string{`patch contains {"labels": {"a": 1}}`}, want: "makes labels.a something else than a string"},
		"a label with parts":     {rules: []string{`patch contains {"labels": {"a": {"b": "c"}}}`}, want: "makes labels.a something else than a string"},
		"the whole spec":         {rules: []string{`patch contains {"op": "replace", "path": "/spec", "value": {}}`}, want: "patches the spec as a whole"},
		"a spec that is no JSON": {rules: []string{`patch contains {"spec": {"a": 1}}`}, in: withSpec("\x00\x01"), want: "the spec is no JSON object"},
		"remove of absent":       {rules: []string{`patch contains {"op": "remove", "path": "/labels/none"}`}, want: "there is no labels.none"},
		"replace of absent":      {rules: []string{`patch contains {"op": "replace", "path": "/spec/process/env/7", "value": "x"}`}, want: "there is no spec.process.env[7]"},
		"add to nothing":         {rules: []string{`patch contains {"op": "add", "path": "/spec/none/x", "value": "x"}`}, want: "nothing that spec.none.x could be added to"},
		"test that fails":        {rules: []string{`patch contains [{"op": "test", "path": "/labels/team", "value": "ops"}]`}, want: "operation 0: test of labels.team fails"},
		"move into itself":       {rules: []string{`patch contains {"op": "move", "from": "/spec/process", "path": "/spec/process/x"}`}, want: "cannot move spec.process into itself"},
		"no UTF-8":               {rules: []string{`patch contains {"labels": {"a": base64.decode("/w==")}}`}, want: "gave a string that is not UTF-8"},
		"a number out of range":  {rules: []string{`patch contains {"spec": {"a": 1e401}}`}, want: "number out of range"},
		"conflict of packages": {
			rules: []string{`patch contains {"labels": {"tier": "a"}}`}, other: []string{`patch contains {"op": "add", "path": "/labels/tier", "value": "b"}`},
			want: "policy a policies/a.rego:3 failed: patches labels.tier, and b policies/b.rego:3 patches labels.tier to something else",
		},
		"conflict with what is": {
			rules: []string{`patch contains {"labels": {"team": "core"}}`}, other: []string{`patch contains {"labels": {"team": "ops"}}`},
			want: "patches labels.team, and b policies/b.rego:3 patches labels.team to something else",
		},
		"conflict of clauses": {
			rules: []string{`patch contains {"image": "a"}`, `patch contains {"image": "b"}`},
			want:  "patches image, and a policies/a.rego:5 patches image to something else",
		},
		"conflict of members": {
			rules: []string{`patch contains {"image": x} if some x in ["a", "b"]`}, want: "patches image, and a policies/a.rego:3 patches image to something else",
		},
		"conflict with what is above": {
			rules: []string{`patch contains {"spec": {"process": {"cwd": "/"}}}`}, other: []string{`patch contains {"op": "remove", "path": "/spec/process"}`},
			want: "patches spec.process.cwd, and b policies/b.rego:3 patches spec.process to something else",
		},
		"conflict over an array": {
			rules: []string{`patch contains {"op": "add", "path": "/spec/process/env/-", "value": "x"}`}, other: []string{`patch contains {"op": "remove", "path": "/spec/process/env/0"}`},
			want: "patches spec.process.env, and b policies/b.rego:3 patches spec.process.env to something else",
		},
		"a loop": {
			rules: []string{`patch contains {"labels": {"x": "1"}} if not input.object.labels.x`}, other: []string{`patch contains {"labels": {"x": null}} if input.object.labels.x`},
			want: "patches still change something after 8 rounds: a policies/a.rego:3 (labels.x)",
		},
		"a loop that grows": {
			rules: []string{`patch contains {"op": "add", "path": "/spec/process/env/-", "value": "x"}`},
			want:  "patches still change something after 8 rounds: a policies/a.rego:3 (spec.process.env[9])",
		},
		"too much": {
			rules: []string{`patch contains [{"op": "copy", "from": "/spec/big", "path": p} | some i in numbers.range(0, 40); p := sprintf("/spec/big%d", [i])]`},
			in:    withSpec(`{"big": "` + strings.Repeat("x", 1<<20) + `"}`), want: "patches copy more than",
		},
		"too many": {
			rules: []string{`patch contains {"labels": {l: "x" | some i in numbers.range(0, 5000); l := sprintf("l%d", [i])}}`}, want: "patches change more than 4096 things",
		},
		"a builtin that fails":   {rules: []string{`patch contains {"labels": {"x": sprintf("%d", [1 / count(input.update_mask)])}}`}, want: "eval_builtin_error: div"},
		"a conflict of values":   {rules: []string{`patch := {"image": "a"} if input.object.id`, `patch := {"image": "b"} if input.object.image`}, want: "eval_conflict_error"},
		"an object of no fields": {rules: []string{`patch[x] := {"a": "b"} if some x in [{"a": 1}]`}, want: "which cannot be patched"},
	} {
		t.Run(name, func(t *testing.T) {
			all := patchPackage("a", test.rules...)
			if test.other != nil {
				all = append(all, patchPackage("b", test.other...)...)
			}
			in := test.in
			if in == nil {
				in = withSpec(smallSpec)
			}
			object, patches, err := mustLoad(t, files(all...)).Patch(context.Background(), in)
			fault := wantFault(t, plimsoll.Verdict{}, err)
			if object != nil || patches != nil {
				t.Errorf("the fault comes with a container: %+v, %+v", object, patches)
			}
			if !strings.HasPrefix(fault.Source.File, "policies/") || fault.Source.Line == 0 {
				t.Errorf("the fault is of %+v, which is no line of a rule", fault.Source)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %q, want it to contain %q", err, test.want)
			}
			if strings.Contains(err.Error(), "alice") {
				t.Errorf("error quotes a label: %v", err)
			}
		})
	}
}

func TestPatchTimeout(t *testing.T) {
	p, err := policy.Load(context.Background(), policy.Options{Timeout: time.Millisecond}, files(patchPackage("a",
		`patch contains {"labels": {"x": "y"}} if { some i in numbers.range(1, 100000000); i < 0 }`)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Patch(context.Background(), create()); !errors.Is(err, plimsoll.ErrOutOfTime) {
		t.Errorf("error is %v, want a timeout", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := p.Patch(ctx, create()); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want that of the context", err)
	}
}

// Nothing is patched on delete, and rules that judge have no part in it.
func TestPatchNothing(t *testing.T) {
	p := mustLoad(t, files(patchPackage("a", `patch contains {"labels": {"x": "y"}}`)...))
	in := create()
	in.Operation, in.Old = plimsoll.OperationDelete, in.Object
	if object, patches, err := p.Patch(context.Background(), in); object != nil || patches != nil || err != nil {
		t.Errorf("on delete: %+v, %+v, %v", object, patches, err)
	}
	if verdict, err := p.Judge(context.Background(), create()); err != nil || len(verdict.Violations)+len(verdict.Warnings) > 0 {
		t.Errorf("a patch is part of a verdict: %+v, %v", verdict, err)
	}
	if !p.Patches() || mustLoad(t, files("a.rego", denies)).Patches() {
		t.Error("Patches does not say whether there are any")
	}
	if diff := cmp.Diff([]policy.Package{{Name: "a", Rules: []string{"patch"}, Files: []string{"policies/a.rego"}}}, p.Packages()); diff != "" {
		t.Errorf("packages (-want +have):\n%s", diff)
	}
}

// The result does not depend on the order of files, nor of map iteration.
func TestPatchDeterministic(t *testing.T) {
	var first string
	for i := range 20 {
		var all []string
		for j := range 6 {
			n := (i + j) % 6
			all = append(all, patchPackage(fmt.Sprintf("p%d", n),
				fmt.Sprintf(`patch contains {"op": "add", "path": "/spec/process/env/-", "value": e} if { some k in ["x", "y"]; e := sprintf("%d%%s", [k]); not e in input.object.spec.process.env }`, n))...)
		}
		object, _, err := mustLoad(t, files(all...)).Patch(context.Background(), withSpec(smallSpec))
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(object.Spec.Value)
		}
		if string(object.Spec.Value) != first {
			t.Fatalf("spec is %s, and was %s", object.Spec.Value, first)
		}
	}
}
