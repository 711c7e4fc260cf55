package server

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/plimsoll-project/plimsoll/internal/bundles"
)

// checkPolicySources says what is wrong with where policies come from, as far as that
// can be told without looking there.
func (c Config) checkPolicySources() []error {
	problems := c.checkApart("policies", c.Policies)
	problems = append(problems, c.checkApart("validators", c.Validators)...)
	for _, path := range c.Policies {
		if !bundles.IsRemote(path) {
			continue
		}
		if _, err := bundles.Parse(path, bundles.Options{PlainHTTP: c.PolicyPlainHTTP}); err != nil {
			problems = append(problems, fmt.Errorf("policies: %w", err))
		}
	}
	if c.PolicyScope != "" && len(c.PolicyKeys) == 0 {
		problems = append(problems, errors.New("policy-scope: without policy-keys no signature is looked at"))
	}
	return problems
}

// checkApart refuses rules in the data directory, where the server writes and removes files
// of its own, and around it, where they would change with each write.
func (c Config) checkApart(key string, paths []string) []error {
	data, err := filepath.Abs(c.Data)
	if c.Data == "" || err != nil {
		return nil // what is wrong there is said elsewhere
	}
	var problems []error
	for _, path := range paths {
		at, err := filepath.Abs(path)
		if path == None || bundles.IsRemote(path) || err != nil {
			continue
		}
		if isWithin(at, data) {
			problems = append(problems, fmt.Errorf("%s: %s is in the data directory %s, whose files are the server's own: put it elsewhere", key, path, c.Data))
		} else if isWithin(data, at) {
			problems = append(problems, fmt.Errorf("%s: the data directory %s is in %s, whose files are all taken for rules: put one of them elsewhere", key, c.Data, path))
		}
	}
	return problems
}

// isWithin reports whether a path is a directory or below it.
func isWithin(path, dir string) bool {
	below, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(below)
}
