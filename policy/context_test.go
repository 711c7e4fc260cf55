package policy_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

// fakeOthers are some containers, and what was asked of them.
type fakeOthers struct {
	all   []*plimsoll.OtherContainer
	err   error
	asked []plimsoll.Selection
	gets  []plimsoll.Key
	// payloads says whether any were asked for.
	payloads bool
}

func (f *fakeOthers) Container(_ context.Context, key plimsoll.Key, withPayloads bool) (*plimsoll.OtherContainer, error) {
	f.gets, f.payloads = append(f.gets, key), f.payloads || withPayloads
	for _, c := range f.all {
		if c.Namespace == key.Namespace && c.ID == key.ID {
			return c, f.err
		}
	}
	return nil, f.err
}

func (f *fakeOthers) Containers(_ context.Context, s plimsoll.Selection) iter.Seq2[*plimsoll.OtherContainer, error] {
	f.asked, f.payloads = append(f.asked, s), f.payloads || s.WithPayloads
	return func(yield func(*plimsoll.OtherContainer, error) bool) {
		for _, c := range f.all {
			if (s.Namespace == c.Namespace || s.Namespace == "*") && !yield(c, nil) {
				return
			}
		}
		if f.err != nil {
			yield(nil, f.err)
		}
	}
}

func (f *fakeOthers) Count(ctx context.Context, s plimsoll.Selection) (n int, err error) {
	for _, e := range f.Containers(ctx, s) {
		if e != nil {
			return 0, e
		}
		n++
	}
	return n, nil
}

func someOthers() *fakeOthers {
	other := func(namespace, id, team string) *plimsoll.OtherContainer {
		c := container()
		c.ID, c.Labels["team"] = id, team
		return &plimsoll.OtherContainer{Namespace: namespace, Container: c}
	}
	return &fakeOthers{all: []*plimsoll.OtherContainer{other("default", "a", "core"), other("default", "b", "web"), other("shared", "c", "core")}}
}

func TestContext(t *testing.T) {
	const header = "# METADATA\n# scope: package\n# custom:\n#   context:\n#     namespaces: [shared]\npackage rules\n\n"
	for name, test := range map[string]struct {
		rule     string
		want     []string
		asked    []plimsoll.Selection
		gets     []plimsoll.Key
		payloads bool
	}{
		"count by label": {
			rule:  `deny contains sprintf("%d", [plimsoll.count({"labels": {"team": input.object.labels.team}, "runtime": "runc"})])`,
			want:  []string{"2"},
			asked: []plimsoll.Selection{{Namespace: "default", Equal: map[string]string{"labels.team": "core", "runtime": "runc"}}},
		},
		"count by text": {
			rule: `deny contains sprintf("%d", [plimsoll.count("labels.team==core")])`, want: []string{"2"},
			asked: []plimsoll.Selection{{Namespace: "default", Filter: "labels.team==core"}},
		},
		"count of all": {
			rule: `deny contains sprintf("%d", [plimsoll.count({})])`, want: []string{"2"},
			asked: []plimsoll.Selection{{Namespace: "default", Equal: map[string]string{}}},
		},
		"asked once, though two rules ask": {
			rule: "deny contains \"a\" if plimsoll.count({}) == 2\n\ndeny contains \"b\" if plimsoll.count({}) == 2", want: []string{"a", "b"},
			asked: []plimsoll.Selection{{Namespace: "default", Equal: map[string]string{}}},
		},
		"containers": {
			rule: `deny contains msg if {
	some c in plimsoll.containers({})
	msg := concat("/", [c.namespace, c.id, c.labels.team, c.image, c.runtime, c.snapshotter])
}`,
			want: []string{
				"default/a/core/docker.io/library/nginx:1.27/io.containerd.runc.v2/overlayfs", "default/b/web/docker.io/library/nginx:1.27/io.containerd.runc.v2/overlayfs",
			},
			asked: []plimsoll.Selection{{Namespace: "default", Equal: map[string]string{}}},
		},
		"no payloads unless named": {
			rule:  "deny contains key if {\n\tsome key, _ in plimsoll.containers({})[0]\n\tkey in {concat(\"\", [\"sp\", \"ec\"]), \"id\"}\n}",
			want:  []string{"id"},
			asked: []plimsoll.Selection{{Namespace: "default", Equal: map[string]string{}}},
		},
		"payloads if named": {
			rule: `deny contains c.spec.process.args[0] if some c in plimsoll.containers({})`, want: []string{"/bin/sh"}, payloads: true,
			asked: []plimsoll.Selection{{Namespace: "default", Equal: map[string]string{}, WithPayloads: true}},
		},
		"payloads named behind a rule": {
			rule: "others := plimsoll.containers({})\n\ndeny contains \"x\" if others[_].spec.process.cwd == \"/\"", want: []string{"x"}, payloads: true,
			asked: []plimsoll.Selection{{Namespace: "default", Equal: map[string]string{}, WithPayloads: true}},
		},
		"payloads named behind an index": {
			rule: "by_id[c.id] := c if some c in plimsoll.containers({})\n\ndeny contains \"x\" if by_id.a.extensions[_].a == 1", want: []string{"x"}, payloads: true,
			asked: []plimsoll.Selection{{Namespace: "default", Equal: map[string]string{}, WithPayloads: true}},
		},
		"payloads of one behind a rule": {
			rule: "one := plimsoll.container(\"a\")\n\ndeny contains \"x\" if one.spec.process.cwd == \"/\"", want: []string{"x"}, payloads: true,
			gets: []plimsoll.Key{{Namespace: "default", ID: "a"}},
		},
		"the input's spec is not that of others": {
			rule: `deny contains "x" if { input.object.spec.process; plimsoll.count({}) == 2 }`, want: []string{"x"},
			asked: []plimsoll.Selection{{Namespace: "default", Equal: map[string]string{}}},
		},
		"one container": {
			rule: `deny contains plimsoll.container("b").labels.team`, want: []string{"web"}, gets: []plimsoll.Key{{Namespace: "default", ID: "b"}},
		},
		"one that is not there": {
			rule: `deny contains "none" if not plimsoll.container("z")`, want: []string{"none"}, gets: []plimsoll.Key{{Namespace: "default", ID: "z"}},
		},
		"one elsewhere": {
			rule: `deny contains plimsoll.container({"namespace": "shared", "id": "c"}).namespace`, want: []string{"shared"},
			gets: []plimsoll.Key{{Namespace: "shared", ID: "c"}},
		},
		"elsewhere": {
			rule: `deny contains sprintf("%d", [plimsoll.count({"namespace": "shared"})])`, want: []string{"1"},
			asked: []plimsoll.Selection{{Namespace: "shared", Equal: map[string]string{}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := policy.Load(t.Context(), policy.Options{Timeout: time.Minute, Grants: map[string][]string{"rules": {"shared"}}}, files("p.rego", header+test.rule+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			others := someOthers()
			for range 2 { // nothing is remembered
				others.asked, others.gets, others.payloads = nil, nil, false
				in := create()
				in.Others = others
				verdict, err := p.Judge(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				slices.Sort(test.want)
				have := messages(verdict.Violations)
				slices.Sort(have)
				if diff := cmp.Diff(test.want, slices.Compact(have)); diff != "" {
					t.Errorf("violations (-want +have):\n%s", diff)
				}
				if diff := cmp.Diff(test.asked, others.asked); diff != "" {
					t.Errorf("asked for (-want +have):\n%s", diff)
				}
				if diff := cmp.Diff(test.gets, others.gets); diff != "" {
					t.Errorf("got (-want +have):\n%s", diff)
				}
				if others.payloads != test.payloads {
					t.Errorf("payloads: %v", others.payloads)
				}
			}
		})
	}
}

// Whatever goes wrong with the context, there is no verdict, and what is judged is not
// quoted.
func TestContextFaults(t *testing.T) {
	errStore := errors.New("the store is on fire")
	for name, test := range map[string]struct {
		rule   string
		others *fakeOthers
		want   string // of the fault
		err    error  // or this
	}{
		"no containers to ask": {`plimsoll.count({}) > 1`, nil, "plimsoll.count: filter has no containers to select from", nil},
		"store fails":          {`plimsoll.count({}) > 1`, &fakeOthers{err: errStore}, "", errStore},
		"store fails at a key": {`not plimsoll.container("x")`, &fakeOthers{err: errStore}, "", errStore},
		"store fails in not":   {`not plimsoll.containers({})[0]`, &fakeOthers{err: errStore}, "", errStore},
		"ctx ends":             {`plimsoll.count({}) > 1`, &fakeOthers{err: context.DeadlineExceeded}, "", plimsoll.ErrOutOfTime},
		"bad filter": {
			`plimsoll.count(concat("", ["labels.", input.object.labels.team])) > 1`, &fakeOthers{err: &plimsoll.RequestError{Field: "filter", Problem: "is bad: core"}},
			"plimsoll.count: bad filter (its text may quote what was judged, and is left out)", nil,
		},
		"another namespace":      {`plimsoll.count({"namespace": input.object.labels.team}) > 1`, someOthers(), "filter asks for another namespace, which package rules was not granted", nil},
		"all namespaces":         {`plimsoll.count({"namespace": "*"}) > 1`, someOthers(), "filter asks for all namespaces, which package rules was not granted", nil},
		"a key of another":       {`plimsoll.container({"namespace": "shared", "id": "c"})`, someOthers(), "filter asks for another namespace, which package rules was not granted", nil},
		"computed unknown field": {`plimsoll.count({lower("LABLES"): {}}) > 1`, someOthers(), "has an unknown field", nil},
		"computed wrong type":    {`plimsoll.count({"image": input.object.labels}) > 1`, someOthers(), "image is an object: want a string", nil},
		"a label that is no string": {
			`plimsoll.count({"labels": {"team": count(input.object.labels)}}) > 1`, someOthers(), "the value of a label is a number: want a string", nil,
		},
		"an ID that is none": {`plimsoll.container({"name": input.object.id})`, someOthers(), `have "name", want "id" and "namespace"`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := policy.Load(t.Context(), policy.Options{Timeout: time.Minute}, files("p.rego", "package rules\n\ndeny contains \"x\" if "+test.rule+"\n"))
			if err != nil {
				if test.want != "" && strings.Contains(err.Error(), test.want) { // found sooner
					return
				}
				t.Fatal(err)
			}
			in := create()
			if test.others != nil {
				in.Others = test.others
			}
			verdict, err := p.Judge(t.Context(), in)
			if test.err != nil {
				var timeout *plimsoll.TimeoutError
				if !errors.Is(err, test.err) && !(errors.Is(test.err, plimsoll.ErrOutOfTime) && errors.As(err, &timeout)) {
					t.Fatalf("error is %v, want %v", err, test.err)
				}
				return
			}
			fault := wantFault(t, verdict, err)
			if !strings.Contains(fault.Error(), test.want) || strings.Contains(fault.Error(), "core") {
				t.Errorf("fault is %v, want %q", fault, test.want)
			}
		})
	}
}

// No more is given to rules than a server can afford.
func TestContextIsBounded(t *testing.T) {
	p := mustLoad(t, files("p.rego", `package rules

deny contains "many" if count(plimsoll.containers({})) > 20000

warn contains "counted" if plimsoll.count({}) > 10000
`))
	in := create()
	others := &fakeOthers{}
	for range 10_001 {
		others.all = append(others.all, &plimsoll.OtherContainer{Namespace: "default", Container: &plimsoll.Container{ID: "a"}})
	}
	in.Others = others
	verdict, err := p.Judge(t.Context(), in)
	fault := wantFault(t, verdict, err)
	if !strings.Contains(fault.Error(), "selects more than 10000 containers") || fault.Source.Line != 3 {
		t.Error(fault)
	}
}

// What can only fail is found when it is loaded.
func TestContextLoadErrors(t *testing.T) {
	for name, test := range map[string]struct{ rego, want string }{
		"misspelt field of a filter": {"package p\n\ndeny contains \"x\" if plimsoll.count({\"lables\": {}}) > 1\n", `plimsoll.count: have "lables", want one of ["filter", "labels", "namespace", "id", "image", "rootfs", "runtime", "sandbox_id", "snapshotter"]; did you mean "labels"?`},
		"misspelt field of a result": {"package p\n\ndeny contains \"x\" if plimsoll.containers({})[_].lables.a\n", "lables"},
		"wrong type":                 {"package p\n\ndeny contains \"x\" if plimsoll.count(1) > 1\n", "invalid argument"},
		"wrong type of a field":      {"package p\n\ndeny contains \"x\" if plimsoll.count({\"image\": 1}) > 1\n", "image is a number: want a string"},
		"bad filter":                 {"package p\n\ndeny contains \"x\" if plimsoll.count(\"bad\") > 1\n", "plimsoll.count: no bad filters here"},
		"bad filter in an object":    {"package p\n\ndeny contains \"x\" if count(plimsoll.containers({\"filter\": \"bad\"})) > 1\n", "plimsoll.containers: no bad filters here"},
		"bad ID":                     {"package p\n\ndeny contains \"x\" if plimsoll.container({\"name\": \"a\"})\n", `plimsoll.container: have "name", want "id" and "namespace"`},
		"not granted": {
			"# METADATA\n# scope: package\n# custom:\n#   context:\n#     namespaces: [other]\npackage p\n\ndeny contains \"x\" if plimsoll.count({\"namespace\": \"other\"}) > 1\n",
			"package p asks to read containers of namespace other, which it is not granted",
		},
		"not granted all": {
			"# METADATA\n# scope: subpackages\n# custom:\n#   context:\n#     namespaces: [\"*\"]\npackage p\n\ndeny contains \"x\" if plimsoll.count({\"namespace\": \"*\"}) > 1\n",
			"grant it with --policy-grants p=*",
		},
		"wrong scope": {
			"package p\n\n# METADATA\n# scope: rule\n# custom:\n#   context:\n#     namespaces: [granted]\ndeny contains \"x\" if plimsoll.count({}) > 1\n",
			"custom.context is that of a package, and not of a rule",
		},
		"no object":    {"# METADATA\n# custom:\n#   context: [a]\npackage p\n\ndeny contains \"x\" if true\n", "custom.context is no object"},
		"unknown key":  {"# METADATA\n# custom:\n#   context: {namespace: [a]}\npackage p\n\ndeny contains \"x\" if true\n", `custom.context has an unknown key "namespace"`},
		"no namespace": {"# METADATA\n# custom:\n#   context: {namespaces: []}\npackage p\n\ndeny contains \"x\" if true\n", "custom.context names no namespaces"},
		"a glob":       {"# METADATA\n# custom:\n#   context: {namespaces: [\"a*\"]}\npackage p\n\ndeny contains \"x\" if true\n", `custom.context has namespace "a*"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Load(t.Context(), policy.Options{
				Grants: map[string][]string{"p": {"granted"}},
				CheckFilter: func(filter string) error {
					if filter == "bad" {
						return errors.New("no bad filters here")
					}
					return nil
				},
			}, files("p.rego", test.rego))
			var load *policy.LoadError
			if !errors.As(err, &load) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %q", err, test.want)
			}
		})
	}
}

// Field names may come from data.
func TestContextFieldsOfData(t *testing.T) {
	p := mustLoad(t, files("p.rego", "package p\n\ndeny contains \"x\" if {\n\tsome field in data.config.fields\n\tplimsoll.containers({})[_][field].process\n}\n",
		"config/data.yaml", "fields: [spec]\n"))
	in := create()
	in.Others = someOthers()
	verdict, err := p.Judge(t.Context(), in)
	if err != nil || len(verdict.Violations) != 1 {
		t.Errorf("%v, %v", verdict, err)
	}
}

// A package without a grant is not told what one with a grant was.
func TestGrantsAreNotRemembered(t *testing.T) {
	p, err := policy.Load(t.Context(), policy.Options{Timeout: time.Minute, Grants: map[string][]string{"a": {"*"}}}, files(
		"a.rego", "# METADATA\n# custom:\n#   context:\n#     namespaces: [\"*\"]\npackage a\n\ndeny contains \"a\" if plimsoll.count({\"namespace\": \"*\"}) > 100\n",
		"b.rego", "package b\n\ndeny contains \"b\" if plimsoll.count({\"namespace\": \"*\"}) == 3\n",
	))
	if err != nil {
		t.Fatal(err)
	}
	in := create()
	in.Others = someOthers()
	verdict, err := p.Judge(t.Context(), in)
	if fault := wantFault(t, verdict, err); fault.Source.Name != "b" {
		t.Error(fault)
	}
}

// What callers put into a container does not decide how much has to be read and checked.
func TestQuestionsAreBounded(t *testing.T) {
	p := mustLoad(t, files("p.rego", "package p\n\ndeny contains \"x\" if {\n\tsome n in numbers.range(1, 1001)\n\tplimsoll.count({\"labels\": {\"n\": sprintf(\"%d\", [n])}}) > 5\n}\n"))
	in := create()
	in.Others = someOthers()
	verdict, err := p.Judge(t.Context(), in)
	if fault := wantFault(t, verdict, err); !strings.Contains(fault.Error(), "more than 1000") {
		t.Error(fault)
	}
}

// Another container that cannot be shown is named, so that it can be removed.
func TestContainerThatCannotBeShown(t *testing.T) {
	p := mustLoad(t, files("p.rego", "package p\n\ndeny contains \"x\" if plimsoll.containers({})[_].spec.a\n"))
	in := create()
	others := someOthers()
	others.all[1].Spec.Value = []byte(`{"n": 1e99999}`)
	in.Others = others
	verdict, err := p.Judge(t.Context(), in)
	if fault := wantFault(t, verdict, err); !strings.Contains(fault.Error(), `container "b" in namespace "default"`) {
		t.Error(fault)
	}
}

// A grant is that of the package whose text asks, and of no other.
func TestGrantsAreOfPackages(t *testing.T) {
	p, err := policy.Load(t.Context(), policy.Options{Timeout: time.Minute, Grants: map[string][]string{"lib": {"*"}}}, files(
		"lib.rego", "# METADATA\n# custom:\n#   context:\n#     namespaces: [\"*\"]\npackage lib\n\nevery_one := plimsoll.count({\"namespace\": \"*\"})\n",
		"a.rego", "package a\n\ndeny contains \"a\" if data.lib.every_one == 3\n",
	))
	if err != nil {
		t.Fatal(err)
	}
	in := create()
	in.Others = someOthers()
	verdict, err := p.Judge(t.Context(), in)
	if err != nil || len(verdict.Violations) != 1 {
		t.Errorf("%v, %v", verdict, err)
	}
}
