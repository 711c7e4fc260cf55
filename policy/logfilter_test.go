package policy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/internal/masking"
)

const judging = "package judging\n\ndeny contains \"labelled\" if input.object.labels.bad\n"

// loadLog loads one judging rule and files about the log.
func loadLog(t *testing.T, options Options, files ...string) (*Policies, error) {
	t.Helper()
	dir := fstest.MapFS{"judging.rego": {Data: []byte(judging)}}
	for i := 0; i < len(files); i += 2 {
		dir[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return Load(t.Context(), options, FS("policies", dir))
}

const event = `{"decision_id": "01", "path": "plimsoll/mutation", "result": {"allowed": true},
	"input": {"operation": "CREATE", "object": {"labels": {"customer": "acme", "n": 1e3}}}}`

func TestMask(t *testing.T) {
	remove := func(path ...string) masking.Edit { return masking.Edit{Path: path, Remove: true} }
	for _, test := range []struct {
		name, file, rego string
		want             []masking.Edit
		problem          string
	}{
		{"pointers", "mask.rego", `package system.log
mask contains "/input/object/labels/customer" if input.input.object.labels.customer
mask contains "/input/object/labels/other" if input.input.object.labels.other`, []masking.Edit{remove("input", "object", "labels", "customer")}, ""},
		{"objects", "mask.rego", `package system.log
mask contains {"op": "upsert", "path": "/input/object/labels/customer", "value": concat("", [substring(input.input.object.labels.customer, 0, 1), "…"])}
mask contains {"op": "remove", "path": "/result/violations"}`, []masking.Edit{
			remove("result", "violations"), {Path: []string{"input", "object", "labels", "customer"}, Value: "a…"},
		}, ""},
		{"by key", "mask.rego", "package system.log\nmask[\"/input/user\"] if true", nil, "gave an object, but a mask is a set"},
		{"a list in data", "data.yaml", `system: {log: {mask: [/input/user]}}`, []masking.Edit{remove("input", "user")}, ""},
		{"undefined", "mask.rego", "package system.log\nmask := [\"/input\"] if input.input.operation == \"DELETE\"", nil, ""},
		{"only drop", "mask.rego", "package system.log\ndrop if input.result.allowed", nil, ""},
		{"with a function of others", "mask.rego", "package system.log\nimport data.lib\nmask contains p if some p in lib.private(input.input.object)", []masking.Edit{remove("input", "object", "labels")}, ""},
		{"no pointer", "mask.rego", "package system.log\nmask contains input.input.object.labels.customer if true", nil, "a member's path begins with neither /input nor /result"},
		{"a fault", "mask.rego", "package system.log\nmask contains \"/input/x\" if to_number(input.input.object.labels.customer) > 1", nil, "to_number"},
		{"asks by a function of others", "mask.rego", "package system.log\nmask contains \"/input/x\" if data.lib.many", nil, "has no containers to select from"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := loadLog(t, Options{}, test.file, test.rego,
				"lib.rego", "package lib\nprivate(object) := {\"/input/object/labels\"} if object.labels.customer\nmany if plimsoll.count({}) > 0")
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Mask(t.Context(), []byte(event))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			switch {
			case test.problem == "" && err != nil:
				t.Error(err)
			case test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem) || strings.Contains(err.Error(), "acme") || !errors.Is(err, plimsoll.ErrFault)):
				t.Errorf("error %v, want a fault: %s", err, test.problem)
			}
			// What is said about the log judges nothing.
			verdict, err := p.Judge(t.Context(), &plimsoll.Input{Operation: plimsoll.OperationCreate, Object: &plimsoll.Container{}})
			if err != nil || len(verdict.Violations)+len(verdict.Warnings) > 0 {
				t.Errorf("judged: %v, %v", verdict, err)
			}
		})
	}
}

func TestMaskTimeout(t *testing.T) {
	p, err := loadLog(t, Options{Timeout: time.Millisecond}, "mask.rego", `package system.log
mask contains "/input/x" if {
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	a + b == 0
}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Mask(t.Context(), []byte(event)); !errors.As(err, new(*plimsoll.TimeoutError)) {
		t.Errorf("%v, want a timeout", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Mask(ctx, []byte(event)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was canceled", err)
	}
}

func TestDrop(t *testing.T) {
	for _, test := range []struct {
		rego string
		want bool
		err  string
	}{
		{`drop if input.input.operation == "CREATE"`, true, ""},
		{`drop if input.input.operation == "DELETE"`, false, ""},
		{`drop := false`, false, ""},
		{`drop := "yes"`, false, "drop is true or false"},
		{`mask contains "/input"`, false, ""},
	} {
		p, err := loadLog(t, Options{}, "drop.rego", "package system.log\n"+test.rego)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Drop(t.Context(), []byte(event))
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, %v", test.rego, got, err)
		}
	}
}

// What is said about the log is checked as all rules are, and must say something about it.
func TestLogRulesAreChecked(t *testing.T) {
	for _, test := range []struct{ name, rego, problem string }{
		{"a rule that denies", "package system.log\nmask contains \"/input/x\"\ndeny contains \"x\"", "deny in package system.log judges nothing"},
		{"a rule that denies, below", "package system.log.more\ndeny_all contains \"x\"", "deny_all in package system.log judges nothing"},
		{"misspelt", "package system.log\nmasks contains \"/input/x\"", "package system.log has no rule called mask or drop"},
		{"asks", "package system.log\nmask contains \"/input/x\" if plimsoll.count({}) > 1", "cannot ask for other containers"},
		{"the clock", "package system.log\nmask contains \"/input/x\" if time.now_ns() > 1", "time.now_ns"},
		{"does not compile", "package system.log\nmask contains x if y", "unsafe"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := loadLog(t, Options{}, "mask.rego", test.rego)
			if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%v, want %q", err, test.problem)
			}
		})
	}
	// Rules that judge are checked against their schema all the same.
	_, err := loadLog(t, Options{}, "mask.rego", "package system.log\nmask contains \"/input/x\"", "more.rego", "package more\ndeny contains \"x\" if input.object.lables.x")
	if err == nil || !strings.Contains(err.Error(), "lables") {
		t.Errorf("%v, want that lables is unknown", err)
	}
}

// Masks are tested as other rules are.
func TestMaskInWorkspace(t *testing.T) {
	dir := fstest.MapFS{
		"judging.rego": {Data: []byte(judging)}, "mask.rego": {Data: []byte("package system.log\nmask contains \"/input/x\" if input.input.x")},
		"mask_test.rego": {Data: []byte("package system.log_test\ntest_mask if data.system.log.mask == {\"/input/x\"} with input as {\"input\": {\"x\": 1}}")},
	}
	w, err := Open(t.Context(), Options{}, FS("policies", dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Check(t.Context()); err != nil {
		t.Error(err)
	}
	found, err := w.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Packages) != 1 || found.Packages[0].Name != "judging" {
		t.Errorf("%+v", found.Packages)
	}
}
