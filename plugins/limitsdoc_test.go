package plugins

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/plugins/internal/wasm"
)

var update = flag.Bool("update", false, "write the documentation that is made from code")

// fieldDocs are the doc comments of a struct's fields, by field. Those without one share
// that of the field before.
func fieldDocs(t *testing.T, file, name string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		last := ""
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			if doc := strings.Join(strings.Fields(field.Doc.Text()), " "); doc != "" {
				last = doc
			}
			for _, ident := range field.Names {
				docs[ident.Name] = last
			}
		}
		return false
	})
	return docs
}

// withoutLinks is a doc comment as Markdown has it.
var withoutLinks = strings.NewReplacer("[plimsoll.InputPaths]", "the [input](../policy-input.md)", "[Match]", "[match](../validators.md#bind-one)", "[", "", "]", "", "|", `\|`)

// TestLimitsDoc makes the reference of limits from the code that has them.
func TestLimitsDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString("# What a validator's module may be, and may use\n\n" +
		"<!-- Made from plugins/internal/wasm/caps.go, plugins/limits.go and plugins/metadata.go by: go test ./plugins -run LimitsDoc -update -->\n\n" +
		"## The module\n\nA module that has more of something is refused when it is loaded; the error names the limit, the module's own value " +
		"and where in the module it is. The toolchains of C, C++, Rust, Go, Zig, AssemblyScript and Nim stay well within. `MemoryPages` " +
		"follows from the binding's `limits.memory`.\n\n| limit | at most | of what |\n|---|---|---|\n")
	docs := fieldDocs(t, "internal/wasm/caps.go", "Caps")
	caps := reflect.ValueOf(wasm.DefaultCaps())
	for i := range caps.NumField() {
		name := caps.Type().Field(i).Name
		if docs[name] == "" {
			t.Errorf("%s has no comment", name)
		}
		most := counted(caps.Field(i).Uint())
		if name == "MemoryPages" {
			most = "`limits.memory`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, most, withoutLinks.Replace(docs[name]))
	}
	b.WriteString("\n## A call\n\nOf `limits` in `validators.yaml`. Fuel, memory, output and depth are the same on every machine.\n\n" +
		"| limit | default | at least | at most | what it bounds |\n|---|---|---|---|---|\n")
	docs = fieldDocs(t, "limits.go", "Limits")
	for _, row := range [][]string{
		{"memory", sized(defaultMemory), sized(pageSize), sized(maxMemory), docs["Memory"]},
		{"fuel", counted(uint64(defaultFuel)), counted(uint64(minFuel)), counted(uint64(maxFuel)), docs["Fuel"]},
		{"timeout", defaultTimeout.String(), "1ms", maxTimeout.String(), docs["Timeout"]},
		{"output", sized(defaultOutput), fmt.Sprintf("%d B", minOutput), sized(maxOutput), docs["Output"]},
		{"concurrency", "processors", "1", counted(maxConcurrency), docs["Concurrency"]},
	} {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", row[0], row[1], row[2], row[3], withoutLinks.Replace(row[4]))
	}
	fmt.Fprintf(&b, "\nNot to be changed: calls nest at most %s deep, in frames of common size (larger frames count more); "+
		"what runs when the module is loaded has %s fuel; metadata are at most %s, a module's file %s.\n",
		counted(maxDepth), counted(uint64(initializeFuel)), sized(maxMetadataBytes), sized(maxModuleBytes))
	fmt.Fprintf(&b, "\n## Failing again and again\n\nAfter failing to judge %d different containers of one caller in a row, a validator is not asked on behalf "+
		"of that caller for %s; each probe that fails doubles that, up to %s. Failures count for %s. At most %s callers with failures are remembered.\n",
		quarantineAfter, firstQuarantine, longestQuarantine, forgetFailures, counted(maxCallers))
	b.WriteString("\n## Metadata\n\nThe members of the JSON in the custom section `plimsoll.validator`. Others are errors.\n\n| member | type | |\n|---|---|---|\n")
	docs = fieldDocs(t, "metadata.go", "Metadata")
	meta := reflect.TypeFor[Metadata]()
	for i := range meta.NumField() {
		f := meta.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		kind := map[reflect.Kind]string{reflect.String: "string", reflect.Int: "number", reflect.Slice: "array of strings"}[f.Type.Kind()]
		if name == "settings" {
			kind = "JSON Schema"
		}
		if kind == "" || docs[f.Name] == "" {
			t.Errorf("%s has no type or no comment", f.Name)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, kind, withoutLinks.Replace(docs[f.Name]))
	}
	const path = "../docs/reference/validator-limits.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("%s is stale; run: go test ./plugins -run LimitsDoc -update\n%s", path, diff)
	}
}
