package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plimsoll-project/plimsoll"
)

func loadRego(t testing.TB, rego string) *Policies {
	t.Helper()
	p, err := Load(context.Background(), Options{Timeout: time.Minute}, FS("policies", fstest.MapFS{"p.rego": {Data: []byte(rego)}}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// paths are the visible values, sorted; those that are visible as a whole.
func (f *footprint) paths() []string {
	if f.whole {
		return []string{"*"}
	}
	var all []string
	for _, key := range slices.Sorted(maps.Keys(f.keys)) {
		for _, below := range f.keys[key].paths() {
			all = append(all, strings.TrimSuffix(key+"."+below, ".*"))
		}
	}
	return all
}

func TestFootprint(t *testing.T) {
	everything := []string{"*"}
	tests := map[string]struct {
		rego string // after the package
		want []string
	}{
		"nothing":                {`deny := false`, nil},
		"constant keys":          {`deny if input.object.labels.team == "a"`, []string{"object.labels.team"}},
		"brackets":               {`deny if input["object"]["labels"]["a.b/c"] == "a"`, []string{"object.labels.a.b/c"}},
		"several":                {`deny if { input.operation == "CREATE"; input.object.id == "a" }`, []string{"object.id", "operation"}},
		"a value and one below":  {`deny if { input.object.spec.a; input.object.spec }`, []string{"object.spec"}},
		"variable":               {`deny if input.object.labels[_] == "a"`, []string{"object.labels"}},
		"variable in the middle": {`deny if input.object.spec.mounts[i].type == "a"`, []string{"object.spec.mounts"}},
		"index":                  {`deny if input.object.spec.mounts[0].type == "a"`, []string{"object.spec.mounts"}},
		"variable at the top":    {`deny if input[x].id == "a"`, everything},
		"computed key":           {`deny if input.object.labels[concat("", ["a"])] == "a"`, []string{"object.labels"}},
		"key from the input":     {`deny if input.object.labels[input.object.id] == "a"`, []string{"object.id", "object.labels"}},
		"key in the input's key": {`deny if input.object.labels[input.object.labels[input.namespace]]`, []string{"namespace", "object.labels"}},
		"bound":                  {`deny if { x := input.object; x.id == "a" }`, []string{"object"}},
		"bound whole":            {`deny if { x := input; x.object.id == "a" }`, everything},
		"unified whole":          {`deny if { input = x; x.object.id == "a" }`, everything},
		"passed whole":           {"f(x) := x.object\ndeny if f(input).id == \"a\"", everything},
		"object.get":             {`deny if object.get(input, "operation", "") == "a"`, everything},
		"object.get below":       {`deny if object.get(input.object, ["labels", "a"], "") == "a"`, []string{"object"}},
		"walk":                   {`deny if { walk(input, [path, "a"]); count(path) > 0 }`, everything},
		"some in":                {`deny if { some x in input; x }`, everything},
		"every":                  {`deny if { every x in input.object.spec.mounts { x.type } }`, []string{"object.spec.mounts"}},
		"in a comprehension":     {`deny if { xs := [x | x := input.object.image]; count(xs) > 0 }`, []string{"object.image"}},
		"in the head":            {`deny contains input.object.image`, []string{"object.image"}},
		"in the head's object":   {`deny contains {"msg": sprintf("%v", [input.object.id])}`, []string{"object.id"}},
		"in else":                {`deny := false if input.dry_run else := input.object.id`, []string{"dry_run", "object.id"}},
		"in default":             {"default deny := false\ndeny if input.dry_run", []string{"dry_run"}},
		"in a template":          {`deny contains $"hello {input.object.id}"`, []string{"object.id"}},
		"in not":                 {`deny if not input.object.labels.team`, []string{"object.labels.team"}},
		"imported":               {"import input.object as o\ndeny if o.labels.team == \"a\"", []string{"object.labels.team"}},
		"imported whole":         {"import input as i\ndeny if i.object.labels.team == \"a\"", []string{"object.labels.team"}},
		"replaced":               {"b if input.object.id\ndeny if b with input as {}", everything},
		"replaced below":         {"b if input.object.id\ndeny if b with input.object.labels as {}", []string{"object.id", "object.labels"}},
		"replaced by the input":  {"b if input.object.id\ndeny if b with input.object as input.old_object", []string{"object", "old_object"}},
		"in a rule nobody uses":  {"deny := false\nb if input.object.rootfs", []string{"object.rootfs"}},
		"called input":           {"f(x) := x\ndeny if f({\"input\": 1}).input == 2", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			have := loadRego(t, "package p\n\n"+test.rego+"\n").seen().paths()
			if diff := cmp.Diff(test.want, have); diff != "" {
				t.Errorf("footprint (-want +have):\n%s", diff)
			}
		})
	}
}

// seen is what all rules together can see.
func (p *Policies) seen() *footprint {
	f := &footprint{}
	for _, g := range p.groups {
		f.merge(&g.whole.footprint)
	}
	return f
}

// Leaving out what is not in the footprint never changes what rules say.
func TestFootprintIsConservative(t *testing.T) {
	known := []string{"input", "input[_]", "input.object", "input.old_object", "input.object.labels", "input.user"}
	open := []string{"input.object.spec", "input.old_object.spec", "input.object.labels", "input.old_object.labels"}
	keys := []string{"labels", "team", "a", "b", "id"}
	rapid.Check(t, func(t *rapid.T) {
		ref := func() string {
			if rapid.IntRange(0, 2).Draw(t, "known") == 0 {
				return rapid.SampledFrom(known).Draw(t, "ref")
			}
			var b strings.Builder
			b.WriteString(rapid.SampledFrom(open).Draw(t, "ref"))
			for range rapid.IntRange(0, 3).Draw(t, "length") {
				switch rapid.IntRange(0, 5).Draw(t, "part") {
				case 0:
					b.WriteString("[_]")
				case 1:
					b.WriteString("[0]")
				case 2:
					fmt.Fprintf(&b, "[input.object.spec[%q]]", rapid.SampledFrom(keys).Draw(t, "key"))
				default:
					fmt.Fprintf(&b, "[%q]", rapid.SampledFrom(keys).Draw(t, "key"))
				}
			}
			return b.String()
		}
		forms := []string{
			"deny contains json.marshal(%s)", "deny contains \"gone\" if count([1 | %s]) == 0", "deny contains \"n\" if count(%s) > 1",
			"deny contains sprintf(\"%%v\", [x]) if x := %s", "deny contains sprintf(\"%%v %%v\", [p, v]) if walk(%s, [p, v])",
			"deny contains sprintf(\"%%v\", [object.get(y, \"a\", 7)]) if { y := %s; is_object(y) }",
		}
		var rego strings.Builder
		rego.WriteString("package p\n\n")
		for range rapid.IntRange(1, 3).Draw(t, "rules") {
			fmt.Fprintf(&rego, rapid.SampledFrom(forms).Draw(t, "form")+"\n", ref())
		}
		p, err := Load(context.Background(), Options{Timeout: time.Minute}, FS("policies", fstest.MapFS{"p.rego": {Data: []byte(rego.String())}}))
		if err != nil {
			t.Fatalf("%s%v", rego.String(), err)
		}
		pruned, prunedErr := p.Judge(context.Background(), someInput())
		for _, g := range p.groups {
			g.whole.footprint = *everything // of which nothing is remembered
		}
		whole, wholeErr := p.Judge(context.Background(), someInput())
		if diff := cmp.Diff(fmt.Sprint(wholeErr), fmt.Sprint(prunedErr)); diff != "" {
			t.Fatalf("errors of\n%s(-whole +pruned):\n%s", rego.String(), diff)
		}
		if diff := cmp.Diff(whole, pruned); diff != "" {
			t.Fatalf("verdicts of\n%s(-whole +pruned):\n%s", rego.String(), diff)
		}
	})
}

func someInput() *plimsoll.Input {
	return &plimsoll.Input{
		Operation: plimsoll.OperationUpdate, Namespace: "default",
		Object: &plimsoll.Container{
			ID: "a", Labels: map[string]string{"team": "a", "a": "team"},
			Spec: plimsoll.Any{Value: []byte(`{"a": {"b": [{"a": 1}, "b"], "id": "x"}, "b": "a", "team": ["a"], "labels": {"a": {"b": {}}}, "id": null}`)},
		},
		Old: &plimsoll.Container{ID: "b", Labels: map[string]string{"team": "b"}, Spec: plimsoll.Any{Value: []byte(`{"a": "b"}`)}},
	}
}

// Specs are most of the input, and most rules do not look at them.
func TestSpecIsSkipped(t *testing.T) {
	f := loadRego(t, "package p\n\ndeny contains \"x\" if input.object.labels.team == \"a\"\n").seen()
	in := someInput()
	doc, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	have, err := decode(doc, f, false)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"object": {"labels": {"team": "a"}}}`; have.String() != want {
		t.Errorf("decoded %s, want %s", have, want)
	}
}
