package server

import (
	"context"
	"os"

	"github.com/plimsoll-project/plimsoll/plugins/conform"
)

// PluginCheck is what became of one check of a module.
type PluginCheck = conform.Result

// Conform puts the module through all checks that every validator must pass. spec is an
// ordinary one for it, in YAML or JSON; nil stands for a small OCI spec.
func (p Plugin) Conform(ctx context.Context, spec []byte) ([]PluginCheck, error) {
	module, err := os.ReadFile(p.Path)
	if err != nil {
		return nil, err
	}
	options := conform.Options{}
	if options.Settings, err = documentOf("settings", p.Settings); err != nil {
		return nil, err
	}
	if options.Spec, err = documentOf("spec", spec); err != nil {
		return nil, err
	}
	return conform.Run(ctx, module, options)
}

// Conforms tells whether all checks passed.
func Conforms(checks []PluginCheck) bool { return conform.Passed(checks) }
