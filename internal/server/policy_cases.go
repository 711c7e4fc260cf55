package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/plimsoll-project/plimsoll/examples"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/policy/policytest"
	"github.com/plimsoll-project/plimsoll/service"
)

// rules makes a ruleset of the policies of a workspace and the validators.
func (t Tools) rules(ctx context.Context, w *policy.Workspace) (*loadedRules, error) {
	policies, err := w.Load(ctx)
	if err != nil {
		return nil, err
	}
	rules := &loadedRules{Ruleset: service.Ruleset{Patches: patcherOf(policies), Policies: policies, Validators: admitAll{}, Digest: policies.Digest()}}
	if slices.Equal(t.Validators, []string{None}) {
		return rules, nil
	}
	rules.validators, err = plugins.Load(ctx, toolOptions(), validatorSources(t.Validators)...)
	if err != nil {
		return nil, err
	}
	rules.Validators = rules.validators
	return rules, nil
}

// TestReport is what became of tests.
type TestReport = policytest.Report

// TestOptions say which tests are run, and how.
type TestOptions = policytest.Options

// Test runs the tests in Rego and the suites that belong to the policies.
func (t Tools) Test(ctx context.Context, options TestOptions) (*TestReport, error) {
	w, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	suites, err := parseSuites(w)
	if err != nil {
		return nil, err
	}
	rules, err := t.rules(ctx, w)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rules.close() }() // nothing in it outlives this process
	report, err := policytest.Rego(ctx, w, options)
	if err != nil {
		return nil, err
	}
	cases, err := policytest.Suites(ctx, suites, options, func(ctx context.Context, c *policytest.Case) (policytest.Finding, error) {
		return t.try(ctx, &rules.Ruleset, c)
	})
	if err != nil {
		return nil, err
	}
	report.Results = append(report.Results, cases.Results...)
	report.Sort()
	return report, nil
}

func parseSuites(w *policy.Workspace) ([]*policytest.Suite, error) {
	files, err := w.Suites()
	if err != nil {
		return nil, err
	}
	var (
		suites   []*policytest.Suite
		problems []error
	)
	for _, f := range files {
		suite, err := policytest.Parse(f, examples.OrdinaryContainer)
		suites, problems = append(suites, suite), append(problems, err)
	}
	return suites, errors.Join(problems...)
}

// try makes the state that a case wants and then its mutation. An error means that it
// never came to the mutation.
func (t Tools) try(ctx context.Context, rules *service.Ruleset, c *policytest.Case) (policytest.Finding, error) {
	trial := newTrial(t.Manifest, trialTimeout)
	defer func() { _ = trial.close() }() // it is in memory
	return trial.tryCase(ctx, rules, c)
}

func (t *trial) tryCase(ctx context.Context, rules *service.Ruleset, c *policytest.Case) (policytest.Finding, error) {
	if c.User != nil {
		t.user = *c.User
	}
	namespace := namespaceOr(c.Namespace)
	if c.NamespaceLabels != nil {
		if err := t.label(ctx, namespace, c.NamespaceLabels); err != nil {
			return policytest.Finding{}, fmt.Errorf("namespace_labels: %w", err)
		}
	}
	for i, other := range c.Others {
		if _, err := t.seed(ctx, namespace, other); err != nil {
			return policytest.Finding{}, fmt.Errorf("others[%d]: %w", i, err)
		}
	}
	if c.Input != nil {
		return t.tryInput(ctx, rules, c.Input)
	}
	namespace, change, err := t.changeOf(ctx, namespace, c)
	if err != nil {
		return policytest.Finding{}, err
	}
	t.judgeBy(*rules)
	return t.try(ctx, namespace, change), nil
}

// changeOf stores what the mutation of a case changes or deletes, and returns the
// mutation.
func (t *trial) changeOf(ctx context.Context, namespace string, c *policytest.Case) (string, *plimsollv1.ReviewRequest, error) {
	var stored *plimsollv1.Container
	for name, manifest := range map[string]json.RawMessage{"old": c.Old, "delete": c.Delete} { // at most one is there
		if manifest == nil {
			continue
		}
		own, _, err := t.manifest(manifest, nil)
		if err == nil {
			namespace = namespaceOr(own, namespace)
			stored, err = t.seed(ctx, namespace, manifest)
		}
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if c.Delete != nil {
		return namespace, &plimsollv1.ReviewRequest{Operation: &plimsollv1.ReviewRequest_Delete{
			Delete: &plimsollv1.DeleteOperation{Id: stored.GetId()},
		}}, nil
	}
	name, manifest := "create", c.Create
	if c.Update != nil {
		name, manifest = "update", c.Update
	}
	own, change, err := t.manifest(manifest, stored)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", name, err)
	}
	return namespaceOr(own, namespace), change, nil
}

// tryInput has an input document judged. It takes the place of what the rules would see
// of a creation, which is made for the sake of the state that it reads.
func (t *trial) tryInput(ctx context.Context, rules *service.Ruleset, document json.RawMessage) (policytest.Finding, error) {
	in, err := readInput(document)
	if err != nil {
		return policytest.Finding{}, err
	}
	id := in.Object.ID // which rules do not find among the others
	if id == "" {
		id = "input"
	}
	manifest, err := json.Marshal(map[string]any{"id": id, "runtime": "input", "spec": map[string]any{}})
	if err != nil {
		return policytest.Finding{}, err
	}
	_, change, err := t.manifest(manifest, nil)
	if err != nil {
		return policytest.Finding{}, err
	}
	t.judgeBy(service.Ruleset{
		Digest: rules.Digest, Policies: substitute{rules.Policies, in}, Validators: substitute{rules.Validators, in},
	})
	return t.try(ctx, in.Namespace, change), nil
}
