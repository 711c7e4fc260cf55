package policytest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/policy/policytest"
)

// Cases of a validator have the settings of their suite, unless they have their own.
func TestParseValidator(t *testing.T) {
	const suite = `
settings: settings.yaml
cases:
- {name: of the suite, create: {id: web}, expect: admitted}
- {name: none, settings: null, create: {id: web}, expect: admitted}
- {name: own, settings: {b: 2}, create: {id: web}, expect: admitted}
- {name: empty, settings: {}, create: {id: web}, expect: admitted}
`
	parsed, err := policytest.ParseValidator(suiteFile(suite, map[string]string{"settings.yaml": "a: 1"}), []byte(ordinary))
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, c := range parsed.Cases {
		have[c.Name] = string(c.Settings)
	}
	want := map[string]string{"of the suite": `{"a":1}`, "none": `{"a":1}`, "own": `{"b":2}`, "empty": `{}`}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("settings (-want +have):\n%s", diff)
	}
}

func TestSettingsErrors(t *testing.T) {
	tests := map[string]struct{ suite, policies, validator string }{
		"of the suite": {
			suite:    "settings: {a: 1}\ncases:\n- {name: x, create: {id: web}, expect: admitted}",
			policies: "policies/suite.yaml: settings are for the cases of a validator: policies have data",
		},
		"of a case": {
			suite:    "cases:\n- {name: x, settings: {}, create: {id: web}, expect: admitted}",
			policies: `policies/suite.yaml:2: case "x": settings are for the cases of a validator: policies have data`,
		},
		"patches": {
			suite:     "cases:\n- {name: x, create: {id: web}, expect: admitted, patches: [{field: image}]}",
			validator: `policies/suite.yaml:2: case "x": a validator patches nothing: leave out patches`,
		},
		"others": {
			suite:     "cases:\n- {name: x, create: {id: web}, others: [{id: b}], expect: admitted}",
			validator: `policies/suite.yaml:2: case "x": a validator sees no other containers: leave out others`,
		},
		"no object": {
			suite:     "settings: [1]\ncases:\n- {name: x, create: {id: web}, expect: admitted}",
			policies:  "policies/suite.yaml: settings: want an object, or the name of a file with one",
			validator: "policies/suite.yaml: settings: want an object, or the name of a file with one",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := policytest.Parse(suiteFile(test.suite, nil), []byte(ordinary))
			if diff := cmp.Diff(test.policies, errorText(err)); diff != "" {
				t.Errorf("error for policies (-want +have):\n%s", diff)
			}
			_, err = policytest.ParseValidator(suiteFile(test.suite, nil), []byte(ordinary))
			if diff := cmp.Diff(test.validator, errorText(err)); diff != "" {
				t.Errorf("error for a validator (-want +have):\n%s", diff)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
