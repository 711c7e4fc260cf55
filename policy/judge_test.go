package policy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

// What a rule of each shape means.
func TestMeaning(t *testing.T) {
	const fault = "fault"
	tests := map[string]struct {
		rego string
		want []string // messages, or fault
	}{
		"true":                         {`deny := true`, []string{"rule p.deny holds"}},
		"true with a title":            {"# METADATA\n# title: Never\ndeny := true", []string{"Never"}},
		"false":                        {`deny := false`, nil},
		"undefined":                    {`deny if input.operation == "DELETE"`, nil},
		"default false":                {"default deny := false\ndeny if input.operation == \"DELETE\"", nil},
		"default true":                 {"default deny := true\ndeny := false if input.operation == \"DELETE\"", []string{"rule p.deny holds"}},
		"else":                         {"deny := false if input.operation == \"DELETE\" else := \"else\"", []string{"else"}},
		"string":                       {`deny := "no"`, []string{"no"}},
		"empty string":                 {`deny := ""`, []string{fault}},
		"null":                         {`deny := null`, []string{fault}},
		"number":                       {`deny := 0`, []string{fault}},
		"array":                        {`deny := ["a", {"msg": "b"}]`, []string{"a", "b"}},
		"empty array":                  {`deny := []`, nil},
		"array with a number":          {`deny := ["a", 1]`, []string{fault}},
		"array in an array":            {`deny := [["a"]]`, []string{fault}},
		"set value":                    {`deny := {"a", "b"}`, []string{"a", "b"}},
		"empty set value":              {`deny := set()`, nil},
		"object":                       {`deny := {"msg": "a"}`, []string{"a"}},
		"empty object":                 {`deny := {}`, nil},
		"object without msg":           {`deny := {"field": "labels.a"}`, []string{fault}},
		"object of objects":            {`deny := {"a": {"msg": "b"}}`, []string{fault}},
		"object comprehension, empty":  {`deny := {k: v | some k, v in {}}`, nil},
		"set":                          {`deny contains "a"`, []string{"a"}},
		"set, empty":                   {`deny contains "a" if input.operation == "DELETE"`, nil},
		"set of true":                  {`deny contains true`, []string{fault}},
		"set of false":                 {`deny contains false`, []string{fault}},
		"set of null":                  {`deny contains null`, []string{fault}},
		"set of numbers":               {`deny contains 7`, []string{fault}},
		"set with an empty string":     {`deny contains ""`, []string{fault}},
		"set of sets":                  {`deny contains {"a"}`, []string{fault}},
		"set with an empty object":     {`deny contains {}`, []string{fault}},
		"Gatekeeper":                   {`violation contains {"msg": "a", "details": {"missing": ["x"]}}`, []string{"a"}},
		"other keys are the rule's":    {`deny contains {"msg": "a", "id": 7}`, []string{"a"}},
		"msg is a number":              {`deny contains {"msg": 1}`, []string{fault}},
		"msg is empty":                 {`deny contains {"msg": ""}`, []string{fault}},
		"field is a number":            {`deny contains {"msg": "a", "field": 1}`, []string{fault}},
		"fix is null":                  {`deny contains {"msg": "a", "fix": null}`, []string{fault}},
		"one malformed of many":        {"deny contains \"a\"\ndeny contains 1", []string{fault}},
		"keys":                         {`deny["a"] if true`, []string{"a"}},
		"keys, empty":                  {`deny["a"] if input.operation == "DELETE"`, nil},
		"keys from the input":          {`deny[k] if some k, _ in input.object.labels`, []string{"owner", "team"}},
		"key that is no reason":        {`deny[1] if true`, []string{fault}},
		"values":                       {`deny[k] := v if some k, v in input.object.labels`, []string{"alice", "core"}},
		"values that are objects":      {`deny[k] := {"msg": v} if some k, v in input.object.labels`, []string{"alice", "core"}},
		"values that are false":        {`deny[k] := false if some k, _ in input.object.labels`, nil},
		"values that are arrays":       {`deny.a := ["b", "c"]`, []string{"b", "c"}},
		"value that is a number":       {`deny.a := 1`, []string{fault}},
		"value that is null":           {`deny.a := null`, []string{fault}},
		"value that lacks msg":         {`deny.a := {"field": "b"}`, []string{fault}},
		"value called msg":             {`deny.msg := "a"`, []string{"a"}},
		"tree of sets":                 {"deny.a contains \"b\"\ndeny.c contains \"d\"", []string{"b", "d"}},
		"tree of sets, empty":          {`deny.a contains "b" if input.operation == "DELETE"`, nil},
		"deep tree":                    {`deny.a.b.c contains "d"`, []string{"d"}},
		"rule of an inner package":     {`a.deny contains "b"`, []string{"b"}},
		"violation":                    {`violation contains "a"`, []string{"a"}},
		"all three":                    {"deny contains \"a\"\nviolation contains \"b\"\nwarn contains \"c\"", []string{"a", "b"}},
		"builtin error":                {`deny contains "a" if to_number(input.object.id) > 0`, []string{fault}},
		"builtin error under not":      {`deny contains "a" if not to_number(input.object.id)`, []string{fault}},
		"error and default":            {"default deny := false\ndeny if 1 / count(input.update_mask) > 1", []string{fault}},
		"conflict of complete rules":   {"deny := \"a\" if input.object.id\ndeny := \"b\" if input.object.id", []string{fault}},
		"conflict in a partial object": {"deny[input.object.id] := \"a\"\ndeny[input.object.id] := \"b\"", []string{fault}},
		"conflict in a function":       {"f(x) := 1 if x\nf(x) := 2 if x\ndeny contains \"a\" if f(input.object.id) == 3", []string{fault}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := mustLoad(t, files("p.rego", "package p\n\n"+test.rego))
			verdict, err := p.Judge(context.Background(), create())
			if len(test.want) == 1 && test.want[0] == fault {
				f := wantFault(t, verdict, err)
				if f.Source.File != "policies/p.rego" || f.Source.Line < 3 {
					t.Errorf("fault is at %q:%d", f.Source.File, f.Source.Line)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, messages(verdict.Violations)); diff != "" {
				t.Errorf("violations (-want +have):\n%s", diff)
			}
		})
	}
}

func TestFaultNamesTheRule(t *testing.T) {
	p := mustLoad(t, files("a.rego", `package a

helper(x) := to_number(x)

deny contains "a" if helper(input.object.id) > 1
`, "b.rego", `package b

deny contains "fine"

deny contains 5
`))
	verdict, err := p.Judge(context.Background(), create())
	want := plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "a", Rule: "helper", File: "policies/a.rego", Line: 3}
	if diff := cmp.Diff(want, wantFault(t, verdict, err).Source); diff != "" {
		t.Errorf("evaluation error (-want +have):\n%s", diff)
	}

	in := create()
	in.Object.ID = "1"
	verdict, err = p.Judge(context.Background(), in)
	want = plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "b", Rule: "deny", File: "policies/b.rego", Line: 5}
	if diff := cmp.Diff(want, wantFault(t, verdict, err).Source); diff != "" {
		t.Errorf("malformed member (-want +have):\n%s", diff)
	}
}

func TestFaultsDoNotTellValues(t *testing.T) {
	p := mustLoad(t, files("a.rego", "package a\ndeny contains [input.object.labels.team]\n"))
	verdict, err := p.Judge(context.Background(), create())
	if f := wantFault(t, verdict, err); strings.Contains(f.Error(), "core") {
		t.Errorf("%v tells a label's value", f)
	}
}

// spin takes minutes, in small steps.
const spin = `package spin

deny contains "never" if {
	some a in numbers.range(1, 3000)
	some b in numbers.range(1, 3000)
	some c in numbers.range(1, 3000)
	a + b + c < 0
}
`

func TestTimeout(t *testing.T) {
	p, err := policy.Load(context.Background(), policy.Options{Timeout: time.Millisecond}, files("spin.rego", spin))
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := p.Judge(context.Background(), create())
	var timeout *plimsoll.TimeoutError
	if !errors.As(err, &timeout) || !errors.Is(err, plimsoll.ErrOutOfTime) || len(verdict.Violations) > 0 {
		t.Errorf("verdict %+v, error %v; want a timeout", verdict, err)
	}
}

// askedForDeadline counts how often a deadline is derived from it.
type askedForDeadline struct {
	context.Context
	count int
}

func (c *askedForDeadline) Deadline() (time.Time, bool) {
	c.count++
	return c.Context.Deadline()
}

// The groups of rules that are evaluated one after the other, and the rounds of patches,
// have the timeout together.
func TestTimeoutIsOfAllTogether(t *testing.T) {
	p := mustLoad(t, files(
		"none.rego", "package none\n\ndeny contains \"a\" if input.object.id == \"b\"\n",
		"labels.rego", "package labels\n\ndeny contains \"a\" if input.object.labels.team == \"b\"\n",
		"specs.rego", "package specs\n\ndeny contains \"a\" if input.object.spec.ociVersion == \"b\"\n",
		"asks.rego", "package asks\n\ndeny contains \"a\" if plimsoll.count({}) == 7\n",
		"patch.rego", "package patches\n\npatch contains {\"labels\": {\"a\": \"b\"}}\n\npatch contains {\"labels\": {\"c\": \"d\"}} if input.object.labels.a\n",
	))
	in := create()
	in.Others = someOthers()
	doc, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, evaluate := range map[string]func(context.Context) error{
		"judge":   func(ctx context.Context) error { _, err := p.Judge(ctx, in); return err },
		"patch":   func(ctx context.Context) error { _, _, err := p.Patch(ctx, in); return err },
		"explain": func(ctx context.Context) error { _, err := p.Explain(ctx, in, doc); return err },
	} {
		ctx := &askedForDeadline{Context: context.Background()}
		if err := evaluate(ctx); err != nil || ctx.count != 1 {
			t.Errorf("%s: error %v, and %d deadlines, want one", name, err, ctx.count)
		}
	}
}

func TestCancel(t *testing.T) {
	p, err := policy.Load(context.Background(), policy.Options{Timeout: time.Hour}, files("spin.rego", spin))
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Judge(cancelled, create()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: error %v", err)
	}
	expiring, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := p.Judge(expiring, create()); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, plimsoll.ErrOutOfTime) {
		t.Errorf("the caller's deadline: error %v", err)
	}
}

// OPA panics when it compares such numbers.
func TestPanic(t *testing.T) {
	p := mustLoad(t, files("a.rego", "package a\ndeny contains \"large\" if json.unmarshal(input.object.image) > 5\n"))
	in := create()
	in.Object.Image = "1e999999999"
	verdict, err := p.Judge(context.Background(), in)
	wantFault(t, verdict, err)
}

func TestAmbiguousInput(t *testing.T) {
	p := mustLoad(t, files("a.rego", "package a\ndeny contains \"privileged\" if input.object.spec.process.privileged\n"))
	tests := map[string]struct {
		spec, field string
	}{
		"duplicate key":            {`{"process": {"privileged": false, "privileged": true}}`, "spec.process.privileged"},
		"duplicate section":        {`{"process": {"privileged": false}, "process": {"privileged": true}}`, "spec.process"},
		"escaped duplicate":        {`{"process": {}, "proc\u0065ss": {"privileged": true}}`, "spec.process"},
		"where no rule looks":      {`{"linux": {"a": 1, "a": 2}}`, "spec.linux.a"},
		"invalid UTF-8":            {"{\"process\": {\"privileged\": \"\xff\"}}", "spec.process.privileged"},
		"large exponent":           {`{"process": {"privileged": 1e999999999}}`, "spec.process.privileged"},
		"small exponent":           {`{"process": {"privileged": 1e-999999999}}`, "spec.process.privileged"},
		"exponent beyond integers": {`{"process": {"privileged": 1e99999999999999999999}}`, "spec.process.privileged"},
		"many digits":              {`{"process": {"privileged": 1` + strings.Repeat("0", 1000) + `}}`, "spec.process.privileged"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			verdict, err := p.Judge(context.Background(), withSpec(test.spec))
			var request *plimsoll.RequestError
			if !errors.As(err, &request) || len(verdict.Violations) > 0 {
				t.Fatalf("verdict %+v, error %v; want a request error", verdict, err)
			}
			if request.Field != test.field {
				t.Errorf("field is %q, want %q (%v)", request.Field, test.field, err)
			}
		})
	}
}

// What was stored before there were policies must not stay for ever.
func TestAmbiguousInputCanBeDeleted(t *testing.T) {
	p := mustLoad(t, files("a.rego", `package a
deny contains input.object.spec.a
deny contains "locked" if input.object.labels.locked
`))
	in := withSpec("{\"b\": \"\xff\", \"a\": \"first\", \"a\": \"last\"}")
	in.Operation = plimsoll.OperationDelete
	in.Old = in.Object
	verdict, err := p.Judge(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"last"}, messages(verdict.Violations)); diff != "" {
		t.Errorf("violations (-want +have):\n%s", diff)
	}
}

func TestOrder(t *testing.T) {
	p := mustLoad(t, files("b.rego", `package z

deny contains {"msg": m, "field": f} if some [f, m] in [["b", "1"], ["a", "2"], ["a", "1"]]
`, "a.rego", `package z

deny contains "from a"
`, "c.rego", `package a

deny contains "second"

deny contains "first, but later"
`))
	want := []string{"second", "first, but later", "from a", "1", "2", "1"}
	for range 20 {
		verdict, err := p.Judge(context.Background(), create())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, messages(verdict.Violations)); diff != "" {
			t.Fatalf("order (-want +have):\n%s", diff)
		}
	}
}

func TestConcurrency(t *testing.T) {
	p := mustLoad(t, files("a.rego", `package a

deny contains sprintf("%s %v", [input.object.id, count(input.object.spec.mounts)]) if input.operation == "CREATE"

warn contains label if some label in input.object.labels
`))
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 50 {
				in := create()
				in.Object.ID = fmt.Sprintf("c-%d-%d", i, j)
				verdict, err := p.Judge(context.Background(), in)
				if err != nil {
					t.Error(err)
					return
				}
				if diff := cmp.Diff([]string{in.Object.ID + " 7"}, messages(verdict.Violations)); diff != "" {
					t.Errorf("violations (-want +have):\n%s", diff)
				}
				if diff := cmp.Diff([]string{"alice", "core"}, messages(verdict.Warnings)); diff != "" {
					t.Errorf("warnings (-want +have):\n%s", diff)
				}
			}
		})
	}
	wg.Wait()
}

// The same input, judged by many at once.
func TestSharedInput(t *testing.T) {
	p := mustLoad(t, files("a.rego", "package a\ndeny contains key if some key, _ in input.object.spec\n"))
	in := create()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if verdict, err := p.Judge(context.Background(), in); err != nil || len(verdict.Violations) != 5 {
				t.Errorf("verdict %+v, error %v", verdict, err)
			}
		})
	}
	wg.Wait()
}
