package server

import (
	"context"
	"errors"
	"slices"

	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
)

// Tools are the rules that a tool works on, and are read as a server would.
type Tools struct {
	// Policies and Validators are paths as in [Config].
	Policies     []string
	PolicyGrants []string
	Validators   []string
	// Manifest reads container manifests, for the tools that take them.
	Manifest ManifestReader
}

// PolicyProblem is one thing that is wrong with a policy.
type PolicyProblem = policy.Problem

// PolicyPackage is a package with rules that decide.
type PolicyPackage = policy.Package

// PolicyProblems are the problems that err is about; nil if it is about something else.
func PolicyProblems(err error) []PolicyProblem {
	if failed, ok := errors.AsType[*policy.LoadError](err); ok {
		return failed.Problems
	}
	return nil
}

// open reads the policies and their tests.
func (t Tools) open(ctx context.Context) (*policy.Workspace, error) {
	if slices.Contains(t.Policies, None) {
		return nil, errors.New("there are no policies to work on in none")
	}
	grants, err := Config{PolicyGrants: t.PolicyGrants}.grants()
	if err != nil {
		return nil, err
	}
	return policy.Open(ctx, policyOptions(toolTimeout, grants), policySources(t.Policies)...)
}

// toolTimeout bounds a judgement: tools may be run on a machine that is busy building.
const toolTimeout = 10 * policy.DefaultTimeout

// Check loads policies and compiles their tests, and loads the validators if any are
// named. It returns the packages with rules that decide.
func (t Tools) Check(ctx context.Context) ([]PolicyPackage, error) {
	w, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	policies, err := w.Check(ctx)
	if err != nil {
		return nil, err
	}
	if len(t.Validators) > 0 && !slices.Equal(t.Validators, []string{None}) {
		validators, err := plugins.Load(ctx, toolOptions(), validatorSources(t.Validators)...)
		if err != nil {
			return nil, err
		}
		if err := validators.Close(); err != nil {
			return nil, err
		}
	}
	return policies.Packages(), nil
}
