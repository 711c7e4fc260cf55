package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

var update = flag.Bool("update", false, "rewrite testdata/golden with the decisions of now")

// TestGolden holds decisions still while OPA moves: releases of it have made true
// rules undefined. Each archive has policies, inputs (name.input) and, in "want",
// the decision on each of them. A difference is a reason not to upgrade, until it is
// understood.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob(filepath.Join("testdata", "golden", "*.txtar"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no golden decisions: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { golden(t, name) })
	}
}

func golden(t *testing.T, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var sources, inputs []string // names and contents, in turn
	want := -1
	for i, f := range archive.Files {
		switch filepath.Ext(f.Name) {
		case ".input":
			inputs = append(inputs, f.Name, string(f.Data))
		case "":
			want = i
		default:
			sources = append(sources, f.Name, string(f.Data))
		}
	}
	if want < 0 || len(inputs) == 0 {
		t.Fatal("the archive lacks inputs or the file want")
	}
	source := files(sources...)
	if len(sources) == 0 { // on the starter policies
		source = policy.FS("starter", os.DirFS(filepath.Join("..", "examples", "policies")))
	}
	p := mustLoad(t, source)
	var have strings.Builder
	for i := 0; i < len(inputs); i += 2 {
		fmt.Fprintf(&have, "%s:\n", strings.TrimSuffix(inputs[i], ".input"))
		verdict, err := p.Judge(context.Background(), goldenInput(t, inputs[i+1]))
		render(&have, verdict, err)
	}
	if *update {
		archive.Files[want].Data = []byte(have.String())
		if err := os.WriteFile(name, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(archive.Files[want].Data), have.String()); diff != "" {
		t.Errorf("decisions (-want +have):\n%s", diff)
	}
}

func render(b *strings.Builder, verdict plimsoll.Verdict, err error) {
	line := func(what string, v plimsoll.Violation) {
		fmt.Fprintf(b, "  %s %s %s | %s | %s\n", what, v.Source, v.Source.Rule, v.Field, v.Message)
	}
	for _, v := range verdict.Violations {
		line("deny", v)
	}
	for _, v := range verdict.Warnings {
		line("warn", v)
	}
	var fault *plimsoll.FaultError
	switch {
	case errors.As(err, &fault):
		fmt.Fprintf(b, "  fault %s %s\n", fault.Source, fault.Source.Rule) // OPA's wording may change
	case err != nil:
		fmt.Fprintf(b, "  error %v\n", err)
	case len(verdict.Violations)+len(verdict.Warnings) == 0:
		b.WriteString("  admit\n")
	}
}

// goldenInput reads an input; what it leaves out is as in create. A spec is either
// there or the name of one in testdata/specs.
func goldenInput(t *testing.T, text string) *plimsoll.Input {
	t.Helper()
	type object struct {
		ID, Image, Runtime string
		Labels             map[string]string
		Spec               json.RawMessage
	}
	var in struct {
		Operation   plimsoll.Operation
		Namespace   string
		User        plimsoll.User
		Object, Old *object
		Mask        []string
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		t.Fatal(err)
	}
	container := func(o *object) *plimsoll.Container {
		if o == nil {
			return nil
		}
		c := &plimsoll.Container{ID: o.ID, Image: o.Image, Labels: o.Labels, Runtime: plimsoll.Runtime{Name: o.Runtime}, Spec: spec()}
		var name string
		if json.Unmarshal(o.Spec, &name) == nil {
			value, err := os.ReadFile(filepath.Join("testdata", "specs", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			c.Spec.Value = value
		} else if o.Spec != nil {
			c.Spec.Value = o.Spec
		}
		return c
	}
	return &plimsoll.Input{
		Operation: in.Operation, Namespace: in.Namespace, User: in.User, UpdateMask: in.Mask,
		Object: container(in.Object), Old: container(in.Old),
	}
}
