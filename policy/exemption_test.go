package policy_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

// aboutExemptions is METADATA of rules about exemptions.
const aboutExemptions = "# METADATA\n# custom: {match: {kinds: [exemption]}}\n"

func exemptionRequest() *plimsoll.ExemptionRequest {
	created := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &plimsoll.ExemptionRequest{
		Operation: plimsoll.OperationCreate, User: plimsoll.User{Name: "uid:7", Via: "unix"},
		Exemption: &plimsoll.Exemption{
			ID: "legacy", Rule: "labels.*", Namespaces: []string{"dev-*"}, Reason: "it is old", Owner: "core",
			CreatedAt: created, ExpiresAt: created.Add(48 * time.Hour),
		},
	}
}

// Rules about exemptions judge exemptions and nothing else, and the others nothing of
// them, also in one set.
func TestExemptionRules(t *testing.T) {
	p, err := policy.Load(context.Background(), policy.Options{
		Enforcement: []policy.Override{{Packages: []string{"*"}, Enforcement: policy.Warn}}, // which is about containers
	}, files("a.rego", `package p

deny contains "a container"

`+aboutExemptions+`deny contains "not for operators" if not input.operator

`+aboutExemptions+`deny contains sprintf("%d days", [input.exemption.lifetime_seconds / 86400]) if input.exemption.lifetime_seconds > 86400

`+aboutExemptions+`warn contains input.exemption.owner

# METADATA
# custom: {match: {kinds: [exemption], operations: [DELETE]}}
deny contains "stays" if input.user.via != "mtls"
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*plimsoll.ExemptionRequest)
		want   [2][]string
	}{
		"denied": {func(*plimsoll.ExemptionRequest) {}, [2][]string{{"2 days", "not for operators"}, {"core"}}},
		"admitted": {func(r *plimsoll.ExemptionRequest) {
			r.Operator, r.Exemption.ExpiresAt = true, r.Exemption.CreatedAt.Add(time.Hour)
		}, [2][]string{nil, {"core"}}},
		"delete": {func(r *plimsoll.ExemptionRequest) { r.Operation = plimsoll.OperationDelete }, [2][]string{{"2 days", "not for operators", "stays"}, {"core"}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := exemptionRequest()
			test.change(r)
			verdict, ruled, err := p.JudgeExemption(context.Background(), r)
			if err != nil || !ruled {
				t.Fatalf("ruled: %v, %v", ruled, err)
			}
			got := [2][]string{messages(verdict.Violations), messages(verdict.Warnings)}
			for i := range got {
				if diff := cmp.Diff(test.want[i], sorted(got[i])); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
	verdict, err := p.Judge(context.Background(), create())
	if diff := cmp.Diff([]string{"a container"}, messages(verdict.Warnings)); err != nil || diff != "" || len(verdict.Violations) > 0 {
		t.Errorf("of a container: %+v, %v", verdict, err)
	}
}

func sorted(list []string) []string {
	for i := range list {
		for j := range list[:i] {
			if list[i] < list[j] {
				list[i], list[j] = list[j], list[i]
			}
		}
	}
	return list
}

func TestNoExemptionRules(t *testing.T) {
	p, err := policy.Load(context.Background(), policy.Options{}, files("a.rego", denies))
	if err != nil {
		t.Fatal(err)
	}
	if verdict, ruled, err := p.JudgeExemption(context.Background(), exemptionRequest()); ruled || err != nil || len(verdict.Violations)+len(verdict.Warnings) > 0 {
		t.Errorf("%+v, %v, %v", verdict, ruled, err)
	}
}

// What rules about exemptions do not say is no admission.
func TestExemptionFaults(t *testing.T) {
	for name, rule := range map[string]string{
		"malformed": "deny contains 7", "error": `deny contains "x" if to_number(input.exemption.owner) > 1`,
		"asks": `deny contains "x" if plimsoll.count("") > 0`,
	} {
		p, err := policy.Load(context.Background(), policy.Options{}, files("a.rego", aboutExemptions+"package p\n\n"+rule+"\n", "b.rego", "package q\n\ndeny contains \"x\"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if verdict, _, err := p.JudgeExemption(context.Background(), exemptionRequest()); !errors.Is(err, plimsoll.ErrFault) || len(verdict.Violations) > 0 {
			t.Errorf("%s: %+v, %v", name, verdict, err)
		}
	}
}

func TestExemptionRulesRefused(t *testing.T) {
	const container = "package q\n\ndeny contains \"x\"\n"
	for name, test := range map[string]struct{ rego, want string }{
		"only warns":      {aboutExemptions + "package p\n\nwarn contains \"x\"\n", "the rules about exemptions only warn"},
		"warn":            {"# METADATA\n# custom: {enforcement: warn, match: {kinds: [exemption]}}\npackage p\n\ndeny contains \"x\"\n", `custom.enforcement is "warn", but rules about exemptions always enforce`},
		"canary":          {"# METADATA\n# custom: {enforcement: \"canary:9%\", match: {kinds: [exemption]}}\npackage p\n\ndeny contains \"x\"\n", `custom.enforcement is "canary:9%", but`},
		"patch":           {aboutExemptions + "package p\n\npatch contains {\"image\": \"x\"}\n", "exemptions cannot be patched"},
		"both kinds":      {"# METADATA\n# custom: {match: {kinds: [exemption, container]}}\npackage p\n\ndeny contains \"x\"\n", "custom.match.kinds are more than one"},
		"unknown kind":    {"# METADATA\n# custom: {match: {kinds: [exemptions]}}\npackage p\n\ndeny contains \"x\"\n", `custom.match.kinds[0] is "exemptions"`},
		"namespaces":      {"# METADATA\n# custom: {match: {kinds: [exemption], namespaces: [a]}}\npackage p\n\ndeny contains \"x\"\n", "custom.match is about exemptions, which have no runtime"},
		"misspelt fields": {aboutExemptions + "package p\n\ndeny contains \"x\" if input.exemption.resaon == \"\"\n", "undefined ref: input.exemption.resaon"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Load(context.Background(), policy.Options{}, files("a.rego", test.rego, "b.rego", container))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
	// Rules about exemptions alone would admit every container.
	_, err := policy.Load(context.Background(), policy.Options{}, files("a.rego", aboutExemptions+"package p\n\ndeny contains \"x\"\n"))
	if err == nil || !strings.Contains(err.Error(), "they would admit everything") {
		t.Error(err)
	}
}

// The schema and the document are written in two places.
func TestExemptionSchema(t *testing.T) {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(policy.ExemptionSchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("exemption.schema.json", raw); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("exemption.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := exemptionRequest().JSON()
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
}
