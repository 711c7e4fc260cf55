package validators_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins"
)

// Whatever a spec is, every validator comes to a verdict about it: a trap, or fuel that
// runs out, would blame the validator for what its caller wrote.
func TestAnySpec(t *testing.T) {
	specs := map[string][]byte{}
	for _, name := range fixtureNames(t) {
		specs[name] = fixture(t, name)
	}
	for name, spec := range hostileSpecs() {
		specs[name] = spec
	}
	for _, name := range validatorsWith(t, "cases.yaml") {
		t.Run(name, func(t *testing.T) {
			v := bindAnyRuntime(t, name)
			for title, spec := range specs {
				t.Run(title, func(t *testing.T) {
					in := input(spec)
					in.Object.Labels = map[string]string{"org.opencontainers.image.title": "App"}
					judge(t, v, in)
				})
			}
		})
	}
}

// An array where an object is wanted, a number where a text is: any field of any type.
func TestAnyType(t *testing.T) {
	for _, name := range validatorsWith(t, "cases.yaml") {
		t.Run(name, func(t *testing.T) {
			v := bindAnyRuntime(t, name)
			for _, fixtureName := range []string{"wasm", "windows"} {
				var document any
				if err := json.Unmarshal(fixture(t, fixtureName), &document); err != nil {
					t.Fatal(err)
				}
				mistype(&document, func() {
					spec, err := json.Marshal(document)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := v.Judge(t.Context(), input(spec)); err != nil {
						t.Errorf("%s: %v", spec, err)
					}
				})
			}
		})
	}
}

// mistype gives each value below one the other types in turn, and calls judge with each.
func mistype(at *any, judge func()) {
	was := *at
	for _, other := range []any{nil, true, -1e30, "x", []any{nil, "x"}, map[string]any{"x": nil}} {
		*at = other
		judge()
	}
	*at = was
	switch below := was.(type) {
	case map[string]any:
		for key, value := range below {
			mistype(&value, func() { below[key] = value; judge() })
			below[key] = value
		}
	case []any:
		for i := range below {
			mistype(&below[i], judge)
		}
	}
}

// bindAnyRuntime loads a validator with no settings, for containers of every runtime.
func bindAnyRuntime(t testing.TB, name string) *plugins.Validators {
	t.Helper()
	fsys, err := binding(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	config := fsys["validators.yaml"]
	anyRuntime := []byte(`{"match":{"runtimes":["*"]},"module":`)
	config.Data = bytes.Replace(config.Data, []byte(`{"module":`), anyRuntime, 1)
	if !bytes.Contains(config.Data, anyRuntime) {
		t.Fatalf("the binding is not as expected: %s", config.Data)
	}
	v := load(t, plugins.FS(fsys, "validators.yaml"))
	in := input([]byte(`{}`))
	in.Operation, in.Old = plimsoll.OperationDelete, in.Object
	judge(t, v, in)
	return v
}

func fixtureNames(t *testing.T) []string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join("runc-spec", "testdata", "specs"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no fixtures (%v)", err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".json"))
	}
	return names
}

// hostileSpecs are what nobody writes by mistake.
func hostileSpecs() map[string][]byte {
	nested := func(n int) []byte {
		return []byte(`{"process":` + strings.Repeat(`{"a":[`, n) + strings.Repeat("]}", n) + `}`)
	}
	repeated := func(member string, n int) []byte {
		return []byte(`{` + strings.TrimSuffix(strings.Repeat(member+",", n), ",") + `}`)
	}
	return map[string][]byte{
		"nothing":                  nil,
		"no JSON":                  []byte("\x0a\x05hello"),
		"an array":                 []byte("[]"),
		"not UTF-8":                []byte("{\"hostname\":\"\xff\"}"),
		"half a surrogate":         []byte(`{"annotations":{"org.opencontainers.image.created":"\ud800","run.oci.handler":"\udfff"}}`),
		"every escape":             []byte(`{"annotations":{"org.opencontainers.image.created":"\"\\\/\b\f\n\r\t\u0000\ud83d\ude00"}}`),
		"equal keys":               []byte(`{"process":{"args":["/a.wasm"],"args":[]},"process":null}`),
		"keys of another case":     []byte(`{"Process":{"ARGS":[]},"WINDOWS":{}}`),
		"nested deep":              nested(60),
		"nested deeper":            nested(5000),
		"a long number":            []byte(`{"windows":{"resources":{"memory":{"limit":` + strings.Repeat("9", 5000) + `}}}}`),
		"an exponent":              []byte(`{"windows":{"resources":{"memory":{"limit":1e999999999}}}}`),
		"many annotations":         []byte(`{"annotations":` + string(repeated(`"io.microsoft.x":"y"`, 2000)) + `}`),
		"too many parentheses":     []byte(`{"annotations":{"org.opencontainers.image.licenses":"` + strings.Repeat("(", 100000) + `"}}`),
		"many parentheses":         []byte(`{"annotations":{"org.opencontainers.image.licenses":"` + strings.Repeat("(", 1024) + `"}}`),
		"many licenses":            []byte(`{"annotations":{"org.opencontainers.image.licenses":"` + strings.Repeat("MIT OR ", 140) + `MIT"}}`),
		"a long text":              []byte(`{"annotations":{"org.opencontainers.image.url":"` + strings.Repeat("https://", 10000) + `"}}`),
		"many mounts in one other": []byte(`{"linux":{},"mounts":[` + strings.Repeat(`{"destination":"/a","source":"/b","type":"bind"},`, 200) + `{}]}`),
		"many mounts of Windows":   []byte(`{"windows":{},"process":{},"mounts":[` + strings.Repeat(`{"destination":"C:\\a\\b\\c","source":"C:\\b"},`, 1000) + `{}]}`),
	}
}
