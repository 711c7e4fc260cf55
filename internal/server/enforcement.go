package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll-project/plimsoll/policy"
)

// Enforcement says what becomes of denials of some packages in some namespaces. In flags
// and the environment it is written PACKAGES@NAMESPACES=ENFORCEMENT, with one pattern of
// each; without @NAMESPACES it is for all.
type Enforcement struct {
	Packages    []string `koanf:"packages"`
	Namespaces  []string `koanf:"namespaces"`
	Enforcement string   `koanf:"enforcement"`
}

var enforcementKeys = []string{"packages", "namespaces", "enforcement"}

// UnmarshalText reads the short form. What is wrong with it is for Validate to say.
func (e *Enforcement) UnmarshalText(text []byte) error {
	before, enforcement, ok := strings.Cut(string(text), "=")
	if !ok {
		before, enforcement = "", string(text)
	}
	packages, namespaces, some := strings.Cut(before, "@")
	*e = Enforcement{Packages: []string{packages}, Enforcement: enforcement}
	if some {
		e.Namespaces = []string{namespaces}
	}
	return nil
}

func (e Enforcement) override() policy.Override {
	return policy.Override{Packages: e.Packages, Namespaces: e.Namespaces, Enforcement: policy.Enforcement(e.Enforcement)}
}

// overrides are the settings in the terms of package policy.
func (c Config) overrides() []policy.Override {
	overrides := make([]policy.Override, len(c.Enforcement))
	for i, e := range c.Enforcement {
		overrides[i] = e.override()
	}
	return overrides
}

func (c Config) checkEnforcement() []error {
	var problems []error
	for i, e := range c.Enforcement {
		err := e.override().Validate()
		if err == nil {
			continue
		}
		for line := range strings.Lines(err.Error()) {
			problems = append(problems, fmt.Errorf("enforcement[%d]: %s", i, strings.TrimSuffix(line, "\n")))
		}
	}
	return problems
}

// checkEnforcementKeys finds the unknown keys of the long form, as a file has it.
func checkEnforcementKeys(v any) []error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var problems []error
	for i, element := range list {
		object, _ := element.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(object)) {
			if !slices.Contains(enforcementKeys, key) {
				problems = append(problems, fmt.Errorf("enforcement[%d]: unknown key %q%s", i, key, didYouMean(key, enforcementKeys)))
			}
		}
	}
	return problems
}

// enforcementDigest tells overrides from others; empty if there are none.
func (c Config) enforcementDigest() (string, error) {
	if len(c.Enforcement) == 0 {
		return "", nil
	}
	text, err := json.Marshal(c.Enforcement)
	return string(text), err
}

func warnOfUnmatched(log *slog.Logger, policies *policy.Policies) {
	for _, pattern := range policies.Unmatched() {
		log.Warn("enforcement of packages that are not there", "packages", pattern)
	}
}
