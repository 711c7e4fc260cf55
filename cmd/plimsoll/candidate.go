package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/internal/server"
)

// candidateHelp says how a command is told its candidate.
const candidateHelp = `
A PATH is a directory or a bundle tarball of policies, or an oci:// or https:// URL of
one; several are one set. --validators names a validators.yaml, whose modules are
sent along. What is not given is as it judges now, and so are the settings. --ruleset
names a whole ruleset that the server keeps: see plimsoll ruleset list. Signatures are
not looked at, because nothing is admitted by a candidate.
`

// candidateFlags say which rules are to be tried, beside the arguments of a command.
type candidateFlags struct {
	validators []string
	ruleset    string
}

func (f *candidateFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.validators, "validators", nil, "`path` of a validators.yaml; repeatable (default: those that judge now)")
	cmd.Flags().StringVar(&f.ruleset, "ruleset", "", "`digest` of a ruleset that the server keeps, or its beginning")
	_ = cmd.MarkFlagFilename("validators", "yaml", "yml")
}

// candidate packs what is at the paths, and the validators.
func (f *candidateFlags) candidate(ctx context.Context, paths []string) (*plimsollv1.Candidate, error) {
	given := len(paths) + len(f.validators)
	switch {
	case f.ruleset == "" && given == 0:
		return nil, usagef("name the rules to try: PATHs of policies, --validators, or --ruleset")
	case f.ruleset != "" && given > 0:
		return nil, usagef("--ruleset stands for a whole ruleset: give it alone")
	}
	c := &plimsollv1.Candidate{Digest: f.ruleset}
	for _, path := range paths {
		archive, err := server.Bundle{Path: path}.Archive(ctx)
		if err != nil {
			return nil, err
		}
		c.Policies = append(c.Policies, &plimsollv1.PolicyBundle{Name: strings.TrimRight(path, "/"), Archive: archive})
	}
	for _, path := range f.validators {
		if path == server.None {
			return nil, usagef("--validators none: a candidate has those that judge now if it has none of its own")
		}
		archive, err := server.PackValidators(ctx, path)
		if err != nil {
			return nil, err
		}
		c.Validators = append(c.Validators, &plimsollv1.ValidatorBundle{Name: path, Archive: archive})
	}
	return c, nil
}
