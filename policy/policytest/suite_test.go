package policytest_test

import (
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/policy/policytest"
)

const ordinary = "runtime: runc\nspec: {root: {path: rootfs}}\n"

func suiteFile(content string, files map[string]string) policy.SuiteFile {
	return policy.SuiteFile{Name: "policies/suite.yaml", Content: []byte(content), Open: func(name string) ([]byte, error) {
		if content, ok := files[name]; ok {
			return []byte(content), nil
		}
		return nil, fs.ErrNotExist
	}}
}

func TestParse(t *testing.T) {
	tests := map[string]struct {
		suite, base string // documents that the one case of the suite has
		want        string
	}{
		"the ordinary container is below": {
			suite: "cases:\n- {name: x, create: {id: web}, expect: admitted}",
			want:  `{"id":"web","runtime":"runc","spec":{"root":{"path":"rootfs"}}}`,
		},
		"unless there is a base": {
			suite: "base: {image: x}\ncases:\n- {name: x, create: {id: web}, expect: admitted}",
			want:  `{"id":"web","image":"x"}`,
		},
		"of any kind": {
			suite: "base: {}\ncases:\n- {name: x, create: {id: web}, expect: admitted}",
			want:  `{"id":"web"}`,
		},
		"files": {
			suite: "base: base.yaml\ncases:\n- {name: x, create: web.json, expect: admitted}",
			want:  `{"id":"web","image":"base"}`,
		},
	}
	files := map[string]string{"base.yaml": "image: base", "web.json": `{"id": "web"}`}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			suite, err := policytest.Parse(suiteFile(test.suite, files), []byte(ordinary))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(suite.Cases[0].Create)); diff != "" {
				t.Errorf("the container (-want +have):\n%s", diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := map[string]struct{ suite, want string }{
		"no YAML":       {"cases: [", "policies/suite.yaml: line 1: did not find expected node content"},
		"twice":         {"cases: []\ncases: []", `policies/suite.yaml: line 2: key "cases" already set in map`},
		"no cases":      {"base: {}", "policies/suite.yaml: there are no cases in it"},
		"an empty case": {"cases: [null]", "policies/suite.yaml: case 1 is empty"},
		"wrong type":    {"cases: [{name: 7}]", "policies/suite.yaml: cases.name cannot be a number"},
		"misspelt":      {"cases: [{names: x}]", `policies/suite.yaml: unknown field "names"`},
		"no base":       {"base: none.yaml\ncases: [{name: x}]", "policies/suite.yaml: base: file does not exist"},
		"old of nothing": {
			"cases:\n- {name: x, create: {}, old: {}, expect: admitted}",
			`policies/suite.yaml:2: case "x": an update, and nothing else, wants the stored container in old`,
		},
		"patches of an input": {
			"cases:\n- {name: x, input: {}, patches: [{field: x}], expect: admitted}",
			`policies/suite.yaml:2: case "x": an input is judged as it is and never patched: use create or update`,
		},
		"admitted with violations": {
			"cases:\n- {name: x, create: {}, expect: admitted, violations: [{code: x}]}",
			`policies/suite.yaml:2: case "x": what is admitted has no violations`,
		},
		"failed with a verdict": {
			"cases:\n- {name: x, create: {}, expect: failed, warnings: [{code: x}]}",
			`policies/suite.yaml:2: case "x": what fails has no verdict: say in error what the reason has in it`,
		},
		"an error that is none": {
			"cases:\n- {name: x, create: {}, expect: admitted, error: x}",
			`policies/suite.yaml:2: case "x": an error goes with expect: failed, not with admitted`,
		},
		"two messages": {
			"cases:\n- {name: x, create: {}, expect: denied, violations: [{message: x, message_is: x}]}",
			`policies/suite.yaml:2: case "x": message is a part of the text, message_is the whole: give one of them`,
		},
		"a patch of nothing": {
			"cases:\n- {name: x, create: {}, expect: admitted, patches: [{value: 1}]}",
			`policies/suite.yaml:2: case "x": a patch that is expected has a field`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := policytest.Parse(suiteFile(test.suite, nil), []byte(ordinary))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("error (-want +have):\n%s", diff)
			}
		})
	}
}

// Whatever is in a suite's file, it is read or refused.
func FuzzParse(f *testing.F) {
	f.Add("cases:\n- {name: x, create: {id: web}, expect: admitted}")
	f.Add("base: {a: {b: null}}\ncases: [{name: x, old: {}, update: x, expect: denied, violations: [{code: x}]}]")
	f.Add("cases: [null, {}]")
	f.Fuzz(func(t *testing.T, content string) {
		suite, err := policytest.Parse(suiteFile(content, map[string]string{"x": "{}"}), []byte(ordinary))
		if err != nil {
			return
		}
		for _, c := range suite.Cases {
			if c.Line < 1 || c.Name == "" {
				t.Errorf("case %+v has no line or name", c)
			}
			if (c.Create == nil && c.Update == nil && c.Delete == nil && c.Input == nil) || c.Expect == "" {
				t.Errorf("case %+v has no mutation or outcome", c)
			}
		}
	})
}
