package validators_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"
	"testing/fstest"

	"sigs.k8s.io/yaml"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/examples"
	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/policy/policytest"
)

// Every validator does what its cases.yaml says.
func TestCases(t *testing.T) {
	for _, name := range validatorsWith(t, "cases.yaml") {
		t.Run(name, func(t *testing.T) {
			suite, settings := readCases(t, name)
			bound := map[string]*plugins.Validators{} // by their settings
			for _, c := range suite.Cases {
				with := string(settings[c.Name])
				if bound[with] == nil {
					bound[with] = bind(t, name, settings[c.Name])
				}
				t.Run(c.Name, func(t *testing.T) {
					one := &policytest.Suite{File: suite.File, Cases: []*policytest.Case{c}}
					report, err := policytest.Suites(t.Context(), []*policytest.Suite{one}, policytest.Options{}, judging(bound[with]))
					if err != nil {
						t.Fatal(err)
					}
					for _, r := range report.Results {
						if r.Outcome != policytest.Passed {
							t.Errorf("%s:%d\n%s", r.File, r.Line, r.Detail)
						}
					}
				})
			}
		})
	}
}

// validatorsWith returns the names of the directories here that have a file.
func validatorsWith(t testing.TB, file string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("*", file))
	if err != nil || len(found) == 0 {
		t.Fatalf("no validator has a %s (%v)", file, err)
	}
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found
}

// readCases reads the cases of a validator, and the settings of each by its name.
func readCases(t *testing.T, name string) (*policytest.Suite, map[string]json.RawMessage) {
	t.Helper()
	fsys := os.DirFS(name)
	content, err := fs.ReadFile(fsys, "cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]json.RawMessage
	var cases []map[string]json.RawMessage
	if err := yaml.UnmarshalStrict(content, &document); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document["cases"], &cases); err != nil {
		t.Fatal(err)
	}
	settings := map[string]json.RawMessage{}
	for _, c := range cases {
		var title string
		if err := json.Unmarshal(c["name"], &title); err != nil {
			t.Fatal(err)
		}
		settings[title] = document["settings"]
		if own, ok := c["settings"]; ok {
			settings[title] = own
		}
		delete(c, "settings")
	}
	delete(document, "settings")
	document["cases"] = encode(t, cases)
	suite, err := policytest.Parse(policy.SuiteFile{
		Name: path.Join(name, "cases.yaml"), Content: encode(t, document),
		Open: func(file string) ([]byte, error) { return fs.ReadFile(fsys, path.Clean(file)) },
	}, examples.OrdinaryContainer)
	if err != nil {
		t.Fatal(err)
	}
	return suite, settings
}

// bind loads one validator with settings, which may be nil.
func bind(t *testing.T, name string, settings json.RawMessage) *plugins.Validators {
	t.Helper()
	fsys, err := binding(name, settings)
	if err != nil {
		t.Fatal(err)
	}
	return load(t, plugins.FS(fsys, "validators.yaml"))
}

func binding(name string, settings json.RawMessage) (fstest.MapFS, error) {
	if settings == nil {
		settings = json.RawMessage(`{}`)
	}
	return bindingTo(filepath.Join(name, name+".wasm"), settings)
}

// judging makes the mutation of a case with validators alone.
func judging(v *plugins.Validators) policytest.Run {
	return func(ctx context.Context, c *policytest.Case) (policytest.Finding, error) {
		in, err := inputOf(c)
		if err != nil {
			return policytest.Finding{}, err
		}
		verdict, err := v.Judge(ctx, in)
		found := policytest.Finding{Outcome: plimsoll.OutcomeAdmitted, Verdict: verdict, Err: err}
		switch {
		case err != nil:
			found.Outcome = plimsoll.OutcomeFailed
		case len(verdict.Violations) > 0:
			found.Outcome, found.Err = plimsoll.OutcomeDenied, errors.New("denied")
		}
		return found, nil
	}
}

// container is what cases here say of one, in a manifest or an input document.
type container struct {
	ID          string            `json:"id"`
	Labels      map[string]string `json:"labels"`
	Image       string            `json:"image"`
	Runtime     string            `json:"runtime"`
	Rootfs      string            `json:"rootfs"`
	Snapshotter string            `json:"snapshotter"`
	SpecType    string            `json:"spec_type"`
	Spec        json.RawMessage   `json:"spec"`
}

func (c *container) object() *plimsoll.Container {
	if c == nil {
		return nil
	}
	if c.SpecType == "" {
		c.SpecType = specType
	}
	return &plimsoll.Container{
		ID: c.ID, Labels: c.Labels, Image: c.Image, Runtime: plimsoll.Runtime{Name: c.Runtime},
		SnapshotKey: c.Rootfs, Snapshotter: c.Snapshotter, Spec: plimsoll.Any{TypeURL: c.SpecType, Value: c.Spec},
	}
}

func inputOf(c *policytest.Case) (*plimsoll.Input, error) {
	in := &plimsoll.Input{Operation: plimsoll.OperationCreate, Namespace: c.Namespace, NamespaceLabels: c.NamespaceLabels}
	if in.Namespace == "" {
		in.Namespace = "default"
	}
	if c.User != nil {
		in.User = *c.User
	}
	var object, old *container
	var err error
	switch {
	case c.Input != nil:
		return readInput(c.Input)
	case c.Create != nil:
		err = strictly(c.Create, &object)
	case c.Delete != nil:
		in.Operation = plimsoll.OperationDelete
		err = errors.Join(strictly(c.Delete, &object), strictly(c.Delete, &old))
	default:
		in.Operation = plimsoll.OperationUpdate
		// What an update does not give stays as it is.
		err = errors.Join(strictly(c.Old, &object), strictly(c.Update, &object), strictly(c.Old, &old))
	}
	in.Object, in.Old = object.object(), old.object()
	return in, err
}

// readInput reads the members of an input document that cases here use.
func readInput(document json.RawMessage) (*plimsoll.Input, error) {
	var d struct {
		Version   int                `json:"version"`
		Operation plimsoll.Operation `json:"operation"`
		Namespace string             `json:"namespace"`
		User      plimsoll.User      `json:"user"`
		Object    *container         `json:"object"`
		OldObject *container         `json:"old_object"`
	}
	if err := strictly(document, &d); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if d.Object == nil {
		return nil, errors.New("input: object is missing")
	}
	return &plimsoll.Input{
		Operation: d.Operation, Namespace: d.Namespace, User: d.User, Object: d.Object.object(), Old: d.OldObject.object(),
	}, nil
}

// strictly decodes JSON whose members must all be known.
func strictly(document json.RawMessage, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	document, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return document
}
