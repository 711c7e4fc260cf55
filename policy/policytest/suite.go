package policytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

// Suite is what a file called suite.yaml or *_suite.yaml has, or cases.yaml of a
// validator: cases, each of them a mutation and what is to come of it. Where a document
// is wanted, a text is the name of a YAML or JSON file that has it, relative to the
// suite.
type Suite struct {
	// File is the name of the suite's own file.
	File string `json:"-"`
	// Base is below every container of the suite, which is merged into it (RFC 7396): it
	// has what cases need and are not about, such as a spec. Without it that is an
	// ordinary container: see [Parse].
	Base Document `json:"base"`
	// AllowMore names what all cases may have more of than they expect: violations,
	// warnings, patches.
	AllowMore []string `json:"allow_more"`
	// Settings are those of the validator, of cases that have none. Only suites of a
	// validator have any.
	Settings Document `json:"settings"`
	Cases    []*Case  `json:"cases"`
}

// Case is a mutation, the state it meets, and what is to come of it.
type Case struct {
	Name string `json:"name"`
	// Line is where the case is in the suite's file.
	Line int `json:"-"`

	// One of these is the mutation. Create and Update are manifests as plimsoll apply
	// takes them, of which Update is applied to Old; Delete is the container that is
	// deleted. Input is an input document, which is judged as it is: nothing is merged
	// or patched before.
	Create Document `json:"create"`
	Update Document `json:"update"`
	Delete Document `json:"delete"`
	Input  Document `json:"input"`

	// Old is the stored container that an update changes.
	Old Document `json:"old"`
	// Others are the other containers that there are.
	Others []Document `json:"others"`
	// Namespace is where the container is; "default" if empty. NamespaceLabels are its
	// labels.
	Namespace       string            `json:"namespace"`
	NamespaceLabels map[string]string `json:"namespace_labels"`
	// User is who asks; nil for an anonymous caller.
	User *plimsoll.User `json:"user"`
	// Settings are those of the validator. Only suites of a validator have any.
	Settings Document `json:"settings"`

	// Expect is admitted, denied or failed, which means that there was no verdict.
	Expect string `json:"expect"`
	// Error is part of the reason for which a case failed.
	Error      string             `json:"error"`
	Violations []Expectation      `json:"violations"`
	Warnings   []Expectation      `json:"warnings"`
	Patches    []PatchExpectation `json:"patches"`
	AllowMore  []string           `json:"allow_more"`
}

// Document is JSON that a suite or one of its files has; nil if it has none.
type Document = json.RawMessage

// What a case may expect.
const (
	Admitted = "admitted"
	Denied   = "denied"
	Unjudged = "failed"
)

// kinds are what there may be more of than expected.
var kinds = []string{"violations", "warnings", "patches"}

// Parse reads a suite and the files that it names. ordinary is the base of suites that
// have none, in YAML.
func Parse(f policy.SuiteFile, ordinary []byte) (*Suite, error) {
	suite, err := parse(f, ordinary)
	if err == nil {
		err = suite.forPolicies()
	}
	return suite, err
}

// ParseValidator reads a suite that tests one validator alone, with settings.
func ParseValidator(f policy.SuiteFile, ordinary []byte) (*Suite, error) {
	suite, err := parse(f, ordinary)
	if err == nil {
		err = suite.forValidator()
	}
	return suite, err
}

func parse(f policy.SuiteFile, ordinary []byte) (*Suite, error) {
	suite := &Suite{File: f.Name}
	if err := suite.decode(f, ordinary); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	var problems []error
	seen := map[string]bool{}
	lines := linesOf(f.Content)
	for i, c := range suite.Cases {
		c.Line = 1 // unless it is known better
		if i < len(lines) {
			c.Line = lines[i]
		}
		err := c.prepare(suite, f.Open)
		if err == nil && seen[c.Name] {
			err = errors.New("another case has the same name")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: case %q: %w", f.Name, c.Line, c.Name, err))
		}
		seen[c.Name] = true
	}
	return suite, errors.Join(problems...)
}

// decode reads the suite, and what it says of all cases.
func (s *Suite) decode(f policy.SuiteFile, ordinary []byte) error {
	document, err := yaml.YAMLToJSONStrict(f.Content)
	if err != nil {
		return plainYAML(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(s); err != nil {
		return plainJSON(err)
	}
	if len(s.Cases) == 0 {
		return errors.New("there are no cases in it")
	}
	if i := slices.Index(s.Cases, nil); i >= 0 {
		return fmt.Errorf("case %d is empty", i+1)
	}
	if err := checkMore(s.AllowMore); err != nil {
		return err
	}
	for name, d := range map[string]*Document{"base": &s.Base, "settings": &s.Settings} {
		if err := load(d, nil, f.Open); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if s.Base == nil {
		s.Base, err = toJSON(ordinary)
	}
	return err
}

// forPolicies refuses what policies have no use for.
func (s *Suite) forPolicies() error {
	if s.Settings != nil {
		return fmt.Errorf("%s: settings are for the cases of a validator: policies have data", s.File)
	}
	for _, c := range s.Cases {
		if c.Settings != nil {
			return fmt.Errorf("%s:%d: case %q: settings are for the cases of a validator: policies have data", s.File, c.Line, c.Name)
		}
	}
	return nil
}

// forValidator refuses what a validator cannot do, and gives cases the suite's settings.
func (s *Suite) forValidator() error {
	for _, c := range s.Cases {
		if len(c.Patches) > 0 {
			return fmt.Errorf("%s:%d: case %q: a validator patches nothing: leave out patches", s.File, c.Line, c.Name)
		}
		if len(c.Others) > 0 {
			return fmt.Errorf("%s:%d: case %q: a validator sees no other containers: leave out others", s.File, c.Line, c.Name)
		}
		if c.Settings == nil {
			c.Settings = s.Settings
		}
	}
	return nil
}

// prepare loads the files that a case names, merges the suite's base into containers,
// and checks that the case makes sense.
func (c *Case) prepare(suite *Suite, open func(string) ([]byte, error)) error {
	if c.Name == "" {
		return errors.New("it has no name")
	}
	if err := checkMore(c.AllowMore); err != nil {
		return err
	}
	c.AllowMore = append(c.AllowMore, suite.AllowMore...)
	if err := c.load(suite.Base, open); err != nil {
		return err
	}
	mutations := 0
	for _, d := range []Document{c.Create, c.Update, c.Delete, c.Input} {
		if d != nil {
			mutations++
		}
	}
	switch {
	case mutations != 1:
		return errors.New("want one of create, update, delete, input")
	case (c.Update != nil) != (c.Old != nil):
		return errors.New("an update, and nothing else, wants the stored container in old")
	case c.Input != nil && (c.Namespace != "" || c.NamespaceLabels != nil || c.User != nil):
		return errors.New("the namespace, its labels and the user are in the input itself")
	case c.Input != nil && len(c.Patches) > 0:
		return errors.New("an input is judged as it is and never patched: use create or update")
	}
	return c.checkExpectations()
}

func (c *Case) load(base Document, open func(string) ([]byte, error)) error {
	for name, d := range map[string]*Document{"create": &c.Create, "delete": &c.Delete, "old": &c.Old} {
		if err := load(d, base, open); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for name, d := range map[string]*Document{"update": &c.Update, "input": &c.Input, "settings": &c.Settings} { // which say all they want said
		if err := load(d, nil, open); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for i := range c.Others {
		if err := load(&c.Others[i], base, open); err != nil {
			return fmt.Errorf("others[%d]: %w", i, err)
		}
	}
	return nil
}

func (c *Case) checkExpectations() error {
	switch c.Expect {
	case Admitted:
		if len(c.Violations) > 0 {
			return errors.New("what is admitted has no violations")
		}
	case Denied:
		if len(c.Violations) == 0 {
			return errors.New("say which violations deny it")
		}
	case Unjudged:
		if len(c.Violations)+len(c.Warnings)+len(c.Patches) > 0 {
			return errors.New("what fails has no verdict: say in error what the reason has in it")
		}
	default:
		return fmt.Errorf("expect is %q, want one of admitted, denied, failed", c.Expect)
	}
	if c.Error != "" && c.Expect != Unjudged {
		return fmt.Errorf("an error goes with expect: failed, not with %s", c.Expect)
	}
	for _, e := range slices.Concat(c.Violations, c.Warnings) {
		if e == (Expectation{}) {
			return errors.New("an expectation that says nothing would match anything")
		}
		if e.Message != "" && e.MessageIs != "" {
			return errors.New("message is a part of the text, message_is the whole: give one of them")
		}
	}
	for _, p := range c.Patches {
		if p.Field == "" {
			return errors.New("a patch that is expected has a field")
		}
	}
	return nil
}

func checkMore(names []string) error {
	for _, name := range names {
		if !slices.Contains(kinds, name) {
			return fmt.Errorf("allow_more has %q, want any of %s", name, strings.Join(kinds, ", "))
		}
	}
	return nil
}

// load replaces the name of a file with its content, and puts base below an object.
func load(d *Document, base Document, open func(string) ([]byte, error)) error {
	if len(*d) == 0 || string(*d) == "null" {
		*d = nil
		return nil
	}
	var name string
	if json.Unmarshal(*d, &name) == nil {
		content, err := open(name)
		if err != nil {
			return err
		}
		if *d, err = toJSON(content); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(*d, &object); err != nil || object == nil {
		return errors.New("want an object, or the name of a file with one")
	}
	if base != nil {
		*d = mergePatch(base, *d)
	}
	return nil
}

// toJSON makes JSON of YAML, and leaves JSON as it is.
func toJSON(content []byte) (Document, error) {
	if json.Valid(content) {
		return content, nil
	}
	document, err := yaml.YAMLToJSONStrict(content)
	if err != nil {
		return nil, plainYAML(err)
	}
	return document, nil
}

// mergePatch applies patch to target: RFC 7396. Values keep their digits.
func mergePatch(target, patch Document) Document {
	var into, from map[string]Document
	if json.Unmarshal(patch, &from) != nil || from == nil {
		return patch
	}
	if json.Unmarshal(target, &into) != nil || into == nil {
		into = map[string]Document{}
	}
	for key, value := range from {
		if string(value) == "null" {
			delete(into, key)
		} else {
			into[key] = mergePatch(into[key], value)
		}
	}
	merged, err := json.Marshal(into)
	if err != nil {
		panic(err) // both were valid JSON
	}
	return merged
}

// linesOf returns the lines at which the cases of a suite begin.
func linesOf(content []byte) []int {
	var document yamlnode.Node
	if yamlnode.Unmarshal(content, &document) != nil || len(document.Content) != 1 {
		return nil
	}
	root := document.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "cases" {
			var lines []int
			for _, c := range root.Content[i+1].Content {
				lines = append(lines, c.Line)
			}
			return lines
		}
	}
	return nil
}

func plainYAML(err error) error {
	text := strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")
	return errors.New(strings.TrimPrefix(strings.TrimPrefix(text, "yaml: "), "unmarshal errors:\n  "))
}

var goType = regexp.MustCompile(`of type .*$`)

// plainJSON leaves out of an error what only says how this program is written.
func plainJSON(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s cannot be a %s", wrong.Field, wrong.Value)
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	return errors.New(goType.ReplaceAllString(text, ""))
}
