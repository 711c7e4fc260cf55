package masking

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadEdits(t *testing.T) {
	for _, test := range []struct {
		name, said string
		want       []Edit
		problem    string
	}{
		{"a pointer", `["/input/object/labels/example.org~1team"]`, []Edit{{Path: []string{"input", "object", "labels", "example.org/team"}, Remove: true}}, ""},
		{"remove", `[{"op":"remove","path":"/result","value":"ignored"}]`, []Edit{{Path: []string{"result"}, Remove: true, Value: "ignored"}}, ""},
		{"upsert", `[{"op":"upsert","path":"/input/a~0b","value":{"x":1}}]`, []Edit{{Path: []string{"input", "a~b"}, Value: map[string]any{"x": json.Number("1")}}}, ""},
		{"nothing", `[]`, []Edit{}, ""},
		{"no set", `"/input/x"`, nil, "it is no set"},
		{"a number", `[1]`, nil, "a member is neither a JSON pointer nor an object"},
		{"another op", `[{"op":"replace","path":"/input/x"}]`, nil, `a member is an object, but not like {"op": "remove", "path": "/input/…"} or {"op": "upsert", "path": "/input/…", "value": …}`},
		{"another key", `[{"op":"remove","path":"/input/x","why":"SECRET"}]`, nil, `a member is an object, but not like {"op": "remove", "path": "/input/…"} or {"op": "upsert", "path": "/input/…", "value": …}`},
		{"another part", `["/labels/SECRET"]`, nil, "a member's path begins with neither /input nor /result"},
		{"no slash", `["input"]`, nil, "a member's path begins with neither /input nor /result"},
	} {
		t.Run(test.name, func(t *testing.T) {
			said, err := Decode([]byte(test.said))
			if err != nil {
				t.Fatal(err)
			}
			got, err := ReadEdits(said)
			problem := ""
			if err != nil {
				problem = err.Error()
			}
			if diff := cmp.Diff(test.problem, problem); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestApply(t *testing.T) {
	const doc = `{"input":{"a":{"b":"c","n":1.0},"l":[1,{"x":"y"},[2,3]],"null":null}}`
	for _, test := range []struct {
		name, edits, want string
		done              []string // in the order in which they are made
	}{
		{"a member", `["/input/a/b"]`, `{"input":{"a":{"n":1.0},"l":[1,{"x":"y"},[2,3]],"null":null}}`, []string{"/input/a/b"}},
		{"null", `["/input/null"]`, `{"input":{"a":{"b":"c","n":1.0},"l":[1,{"x":"y"},[2,3]]}}`, []string{"/input/null"}},
		{"elements, as they were numbered", `["/input/l/0","/input/l/2/0","/input/l/2/1"]`, `{"input":{"a":{"b":"c","n":1.0},"l":[{"x":"y"},[]],"null":null}}`, []string{"/input/l/2/1", "/input/l/2/0", "/input/l/0"}},
		{"in an element", `["/input/l/1/x"]`, `{"input":{"a":{"b":"c","n":1.0},"l":[1,{},[2,3]],"null":null}}`, []string{"/input/l/1/x"}},
		{"all", `["/input"]`, `{}`, []string{"/input"}},
		{"what is not there", `["/input/z/y","/input/l/7","/input/l/-","/input/l/x","/input/a/b/c","/result/x"]`, doc, nil},
		{"another value", `[{"op":"upsert","path":"/input/a","value":null},{"op":"upsert","path":"/input/l/0","value":"z"}]`, `{"input":{"a":null,"l":["z",{"x":"y"},[2,3]],"null":null}}`, []string{"/input/l/0", "/input/a"}},
		{"a new value", `[{"op":"upsert","path":"/input/p/q","value":[]},{"op":"upsert","path":"/input/l/3","value":[]}]`, `{"input":{"a":{"b":"c","n":1.0},"l":[1,{"x":"y"},[2,3]],"null":null,"p":{"q":[]}}}`, []string{"/input/p/q"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			said, err := Decode([]byte(test.edits))
			if err != nil {
				t.Fatal(err)
			}
			edits, err := ReadEdits(said)
			if err != nil {
				t.Fatal(err)
			}
			value, err := Decode([]byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			Sort(edits)
			var done []string
			for _, e := range edits {
				var ok bool
				if value, _, ok = e.Apply(value); ok {
					done = append(done, e.String())
				}
			}
			if diff := cmp.Diff(test.done, done); diff != "" {
				t.Error(diff)
			}
			got, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What was cut off is hidden as far as it goes, and so is what stands in quotes.
func TestHiddenTexts(t *testing.T) {
	long := "-----BEGIN KEY----- " + strings.Repeat("abc", 300)
	for _, test := range []struct {
		name, text string
		hidden     any
		want       string
	}{
		{"cut by a limit", "it is " + long[:200] + "...", long, "it is ***..."},
		{"cut within a message", `denied: "` + long[:50] + `..." (and 2 more)`, long, `denied: "***..." (and 2 more)`},
		{"cut as a value", `"` + long[:30] + "…", map[string]any{"a": []any{long}}, `"***…`},
		{"twice", long[:9] + "... and " + long[:7] + "...", long, "***... and ***..."},
		{"not its beginning", "what is it...", long, "what is it..."},
		{"too little to tell", "it is --...", long, "it is --..."},
		{"overlapping itself", "xabababa...", "ababac", "xab***..."},
	} {
		t.Run(test.name, func(t *testing.T) {
			texts, all := Texts(test.hidden)
			if got := HideCut(test.text, texts); got != test.want || !all {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	texts, _ := Texts(`a"b` + "\n")
	if !slices.Contains(texts, `a\"b\n`) {
		t.Errorf("in quotes: %q", texts)
	}
	var many []any
	for i := range 2000 {
		many = append(many, fmt.Sprint("text ", i%1024))
	}
	if texts, all := Texts(many); len(texts) != 1024 || !all {
		t.Errorf("%d texts, %t", len(texts), all)
	}
	if texts, all := Texts(append(many, "one more")); len(texts) != 0 || all {
		t.Errorf("%d texts, %t", len(texts), all)
	}
}
