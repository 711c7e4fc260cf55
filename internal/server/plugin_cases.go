package server

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
	"slices"
	"strings"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/examples"
	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/policy/policytest"
)

// PluginCases is the name of the file with the cases of a validator.
const PluginCases = "cases.yaml"

// PluginTests are validators with cases.
type PluginTests struct {
	// Paths are those of directories with a module and a cases.yaml, or with such
	// directories below; or of modules with a cases.yaml beside them.
	Paths []string
	// Limits are those of the bindings, in YAML or JSON; nil for the defaults.
	Limits []byte
}

// Test runs the cases.
func (t PluginTests) Test(ctx context.Context, options TestOptions) (*TestReport, error) {
	report := &TestReport{Results: []policytest.Result{}}
	for _, p := range t.Paths {
		modules, err := modulesAt(p)
		if err != nil {
			return nil, err
		}
		for _, module := range modules {
			results, err := t.testModule(ctx, module, options)
			if err != nil {
				return nil, err
			}
			report.Results = append(report.Results, results...)
		}
	}
	report.Sort()
	return report, nil
}

func (t PluginTests) testModule(ctx context.Context, module string, options TestOptions) (_ []policytest.Result, err error) {
	dir := filepath.Dir(module)
	name := filepath.Join(dir, PluginCases)
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	suite, err := policytest.ParseValidator(policy.SuiteFile{
		Name: filepath.ToSlash(name), Content: content,
		Open: func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))) },
	}, examples.OrdinaryContainer)
	if err != nil {
		return nil, err
	}
	cache, err := os.MkdirTemp("", "plimsoll-plugin-") // so that it is compiled once
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(cache)) }()
	bound := &boundPlugins{plugin: Plugin{Path: module, Limits: t.Limits}, cache: cache, bySettings: map[string]boundPlugin{}}
	defer bound.close()
	for _, c := range suite.Cases { // now: a case's time is for its judgement
		bound.bind(ctx, c.Settings)
	}
	report, err := policytest.Suites(ctx, []*policytest.Suite{suite}, options, bound.try)
	if err != nil {
		return nil, err
	}
	return report.Results, nil
}

// boundPlugins are a module that is bound with each of the settings of a suite.
type boundPlugins struct {
	plugin     Plugin
	cache      string
	bySettings map[string]boundPlugin
}

type boundPlugin struct {
	trial *plugins.Trial
	said  *bytes.Buffer
	err   error // why it cannot be bound
}

func (b *boundPlugins) bind(ctx context.Context, settings policytest.Document) {
	if _, ok := b.bySettings[string(settings)]; ok {
		return
	}
	bound := boundPlugin{said: &bytes.Buffer{}}
	b.plugin.Settings, b.plugin.Stderr = settings, bound.said
	bound.trial, bound.err = b.plugin.open(ctx, b.cache)
	b.bySettings[string(settings)] = bound
}

// try has a case judged by the validator alone. If it refuses the case's settings, the
// case fails, as the server would not even start.
func (b *boundPlugins) try(ctx context.Context, c *policytest.Case) (policytest.Finding, error) {
	bound := b.bySettings[string(c.Settings)]
	if bound.err != nil {
		return policytest.Finding{Outcome: plimsoll.OutcomeFailed, Err: bound.err, Note: bound.said.String()}, nil //nolint:nilerr // that is what came of the case
	}
	in, err := caseInput(c)
	if err != nil {
		return policytest.Finding{}, err
	}
	if !bound.trial.Covers(in) {
		note := "the validator was not asked: " + NotJudged(bound.trial.Info())
		return policytest.Finding{Outcome: plimsoll.OutcomeAdmitted, Note: note}, nil
	}
	bound.said.Reset()
	call, err := bound.trial.Judge(ctx, in)
	found := policytest.Finding{Outcome: plimsoll.OutcomeAdmitted, Verdict: call.Verdict, Err: err, Note: bound.said.String()}
	switch {
	case err != nil:
		found.Outcome = plimsoll.OutcomeFailed
	case len(call.Verdict.Violations) > 0:
		found.Outcome = plimsoll.OutcomeDenied
	}
	return found, nil
}

// caseInput is what a validator sees of the mutation of a case. Its containers are those of
// input documents, and no service has a say: what one would refuse, such as names that
// only look alike, a validator may have to do with elsewhere.
func caseInput(c *policytest.Case) (*plimsoll.Input, error) {
	if c.Input != nil {
		return readInput(c.Input)
	}
	d := &inputDocument{Operation: plimsoll.OperationCreate, Namespace: c.Namespace, NamespaceLabels: c.NamespaceLabels, User: c.User}
	var err error
	switch {
	case c.Create != nil:
		err = readCaseContainer("create", c.Create, &d.Object)
	case c.Delete != nil:
		d.Operation = plimsoll.OperationDelete
		err = readCaseContainer("delete", c.Delete, &d.Object)
	default:
		d.Operation = plimsoll.OperationUpdate
		// What the update does not give stays as it is.
		err = errors.Join(readCaseContainer("old", c.Old, &d.OldObject), readCaseContainer("old", c.Old, &d.Object),
			readCaseContainer("update", c.Update, &d.Object))
	}
	if err != nil {
		return nil, err
	}
	return d.input()
}

func readCaseContainer(name string, document policytest.Document, into **inputContainer) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func (b *boundPlugins) close() {
	for _, bound := range b.bySettings {
		if bound.trial != nil {
			_ = bound.trial.Close() // nothing in it outlives this process
		}
	}
}

// NotJudged says what a validator judges, of a subject that it does not.
func NotJudged(info PluginInfo) string {
	var parts []string
	for _, list := range []struct {
		name   string
		values []string
	}{{"runtimes", info.Match.Runtimes}, {"spec_types", info.Match.SpecTypes}} {
		if list.values != nil {
			parts = append(parts, list.name+" "+strings.Join(list.values, ", "))
		}
	}
	operations := make([]string, len(info.Match.Operations))
	for i, op := range info.Match.Operations {
		operations[i] = string(op)
	}
	return "it judges " + strings.Join(append(parts, "operations "+strings.Join(operations, ", ")), "; ")
}

// modulesAt finds the modules that path stands for: see [PluginTests].
func modulesAt(name string) ([]string, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.IsDir() && filepath.Base(name) == PluginCases:
		name = filepath.Dir(name)
	case !info.IsDir():
		return []string{name}, nil
	}
	var modules []string
	err = filepath.WalkDir(name, func(p string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && p != name && (strings.HasPrefix(entry.Name(), ".") || slices.Contains(builtDirs, entry.Name())):
			return fs.SkipDir
		case entry.IsDir() || entry.Name() != PluginCases:
			return nil
		}
		module, err := PluginModule(filepath.Dir(p))
		modules = append(modules, module)
		return err
	})
	if err == nil && len(modules) == 0 {
		err = fmt.Errorf("there is no %s in %s", PluginCases, name)
	}
	return modules, err
}

// builtDirs are directories that toolchains fill.
var builtDirs = []string{"node_modules", "target", "zig-cache"}

// PluginModule is the module in a directory: the only .wasm file there, or the one that
// is called like the directory.
func PluginModule(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	if err != nil {
		return "", err
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	named := filepath.Join(dir, filepath.Base(whole)+".wasm")
	switch {
	case len(found) == 1:
		return found[0], nil
	case slices.Contains(found, named):
		return named, nil
	case len(found) == 0:
		return "", fmt.Errorf("there is no .wasm file in %s: build it first, as with plimsoll plugin build %s", dir, path.Clean(filepath.ToSlash(dir)))
	}
	return "", fmt.Errorf("%s has several .wasm files, and none is called %s: say which", dir, filepath.Base(named))
}
