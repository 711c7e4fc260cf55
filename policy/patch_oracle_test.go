package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"pgregory.net/rapid"

	"github.com/plimsoll-project/plimsoll"
)

// someJSON draws a value with few names, so that paths of one are often paths of another.
func someJSON(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Just[any](true), rapid.SampledFrom([]any{"", "s", json.Number("1"), json.Number("18446744073709551615"), json.Number("0.10")}),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	return rapid.OneOf(append(leaves, object(depth).AsAny(), rapid.SliceOfN(someJSON(depth-1), 0, 3).AsAny())...)
}

var names = rapid.SampledFrom([]string{"a", "b", "c/d", "e~f", "0", "1"})

func object(depth int) *rapid.Generator[map[string]any] {
	return rapid.MapOfN(names, someJSON(depth-1), 0, 4)
}

// somePointer draws a pointer into the spec, which may or may not be one to something.
var somePointer = rapid.Custom(func(t *rapid.T) string {
	path := "/spec"
	for range rapid.IntRange(1, 3).Draw(t, "depth") {
		name := rapid.OneOf(names, rapid.SampledFrom([]string{"-", "2", "x"})).Draw(t, "name")
		path += "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
	}
	return path
})

var someOperation = rapid.Custom(func(t *rapid.T) any {
	op := rapid.SampledFrom([]string{"add", "add", "remove", "replace", "move", "copy", "test"}).Draw(t, "op")
	operation := map[string]any{"op": op, "path": somePointer.Draw(t, "path")}
	switch op {
	case "add", "replace", "test":
		operation["value"] = someJSON(2).Draw(t, "value")
	case "move", "copy":
		operation["from"] = somePointer.Draw(t, "from")
	}
	return operation
})

// patchOne has one patch made of a spec, as a rule would.
func patchOne(spec map[string]any, patch any) (any, error) {
	text, err := encoded(spec)
	if err != nil {
		return nil, err
	}
	value, err := ast.InterfaceToValue(patch)
	if err != nil {
		return nil, err
	}
	budget := maxPatchBytes
	d := newDraft(&plimsoll.Container{Spec: plimsoll.Any{TypeURL: "t", Value: text}}, &budget)
	edits, err := d.edits(value)
	if err != nil {
		return nil, err
	}
	if _, err := applyAll(d, []proposal{{rule: &rule{}, edits: edits}}); err != nil {
		return nil, err
	}
	result, _, err := d.lookup([]string{specField})
	return result, err
}

// plain is a value as encoding/json would read it.
func plain(t *rapid.T, v any) any {
	text, err := encoded(v)
	if err != nil {
		t.Fatal(err)
	}
	reader := json.NewDecoder(strings.NewReader(string(text)))
	reader.UseNumber()
	var out any
	if err := reader.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Operations do what OPA's json.patch does, which knows nothing of edits.
func TestOperationsAgreeWithOPA(t *testing.T) {
	query, err := rego.New(rego.Query("x := json.patch({\"spec\": input.spec}, input.operations)")).PrepareForEval(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	rapid.Check(t, func(t *rapid.T) {
		spec := object(3).Draw(t, "spec")
		list := rapid.SliceOfN(someOperation, 1, 4).Draw(t, "operations")
		results, err := query.Eval(context.Background(), rego.EvalInput(map[string]any{"spec": spec, "operations": list}))
		if err != nil {
			t.Fatal(err)
		}
		have, err := patchOne(plain(t, spec).(map[string]any), list)
		if (err == nil) != (len(results) > 0) {
			t.Fatalf("%v; OPA has %d results", err, len(results))
		}
		if err != nil {
			return
		}
		done++
		want := plain(t, results[0].Bindings["x"]).(map[string]any)["spec"]
		if diff := cmp.Diff(want, plain(t, have)); diff != "" {
			t.Fatalf("(-OPA +have):\n%s", diff)
		}
	})
	if done == 0 {
		t.Error("no operations could be done")
	}
}

// mergePatch is the pseudocode of RFC 7396.
func mergePatch(target, patch any) any {
	object, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	result, ok := target.(map[string]any)
	if !ok {
		result = map[string]any{}
	}
	result = maps.Clone(result)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if object[name] == nil {
			delete(result, name)
		} else {
			result[name] = mergePatch(result[name], object[name])
		}
	}
	return result
}

func TestMergeIsThatOfTheRFC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec, patch := object(3).Draw(t, "spec"), object(3).Draw(t, "patch")
		have, err := patchOne(plain(t, spec).(map[string]any), map[string]any{"spec": patch})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain(t, mergePatch(spec, patch)), plain(t, have)); diff != "" {
			t.Fatalf("%s (-RFC +have):\n%s", fmt.Sprint(patch), diff)
		}
	})
}
