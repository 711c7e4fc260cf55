package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/examples"
)

func newPolicyNew() *cobra.Command {
	var kind, name string
	kinds := scaffoldKinds()
	cmd := &cobra.Command{
		Use: "new DIR", Short: "Begin a policy",
		Long: `Begin a policy in a directory of policies: DIR/NAME gets a package with METADATA, its
tests, a suite of cases and its data, and DIR/README.md a line about it. It passes
plimsoll policy check DIR and plimsoll policy test DIR as it is; change it from there.`,
		Example: `  plimsoll policy new policies
  plimsoll policy new policies --kind quota --name team_quota`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(kinds, kind) {
				return usagef("--kind %q is none of %s", kind, strings.Join(kinds, ", "))
			}
			if name == "" {
				name = kind
			}
			if !packageForm.MatchString(name) {
				return usagef("--name %q is no name of a package: lower case letters, digits and _", name)
			}
			return scaffold(cmd, args[0], kind, name)
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "labels", "`kind` of policy: "+strings.Join(kinds, ", "))
	cmd.Flags().StringVar(&name, "name", "", "`name` of the package (default: the kind)")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(kinds, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var packageForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func scaffoldKinds() []string {
	entries, err := fs.ReadDir(examples.Scaffold(), ".")
	if err != nil {
		panic(err) // embedded
	}
	var kinds []string
	for _, entry := range entries {
		kinds = append(kinds, entry.Name())
	}
	return kinds
}

// scaffold writes a policy of a kind. It never writes over anything.
func scaffold(cmd *cobra.Command, dir, kind, name string) error {
	into := filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // policies are no secret
		return err
	}
	err := os.Mkdir(into, 0o755) //nolint:gosec // likewise
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: choose another --name", into)
	}
	if err != nil {
		return err
	}
	files, err := fs.ReadDir(examples.Scaffold(), kind)
	if err != nil {
		return err
	}
	for _, f := range files {
		content, err := fs.ReadFile(examples.Scaffold(), kind+"/"+f.Name())
		if err != nil {
			return err
		}
		path := filepath.Join(into, strings.Replace(f.Name(), "policy", name, 1))
		content = bytes.ReplaceAll(content, []byte("NAME"), []byte(name))
		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), path); err != nil {
			return err
		}
	}
	return addToReadme(filepath.Join(dir, "README.md"), kind, name)
}

// addToReadme adds a line about a policy to the end of a file, which need not be there.
func addToReadme(path, kind, name string) error {
	readme, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		readme, err = []byte("# Policies\n\n"), nil
	}
	if err != nil {
		return err
	}
	if len(readme) > 0 && !bytes.HasSuffix(readme, []byte("\n")) {
		readme = append(readme, '\n')
	}
	readme = fmt.Appendf(readme, "- `%s`: %s; its parameters are in [data.yaml](%s/data.yaml)\n", name, kind, name)
	return os.WriteFile(path, readme, 0o644) //nolint:gosec // policies are no secret
}
