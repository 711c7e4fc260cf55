package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

// fmtFlags are those of policy fmt.
type fmtFlags struct {
	write, diff, list, fail bool
}

func newPolicyFmt() *cobra.Command {
	var f fmtFlags
	cmd := &cobra.Command{
		Use: "fmt [PATH…]", Short: "Format policies",
		Long: `Format policies and their tests as opa fmt does, which keeps comments. A PATH is a file,
or a directory with all that is below it; without any, or for -, it is standard input.
What is formatted goes to standard output, unless a flag says otherwise.`,
		Example: `  plimsoll policy fmt -w policies
  plimsoll policy fmt -d --fail policies`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"-"}
			}
			differ, err := f.formatAll(cmd, args)
			switch {
			case err != nil:
				return err
			case f.fail && differ > 0:
				return fmt.Errorf("not formatted: %s; plimsoll policy fmt -w formats them", plural(differ, "file"))
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&f.write, "write", "w", false, "write files that are not formatted anew")
	flags.BoolVarP(&f.diff, "diff", "d", false, "show how files differ from what they should be")
	flags.BoolVarP(&f.list, "list", "l", false, "list files that are not formatted")
	flags.BoolVar(&f.fail, "fail", false, "exit with 1 if any file is not formatted")
	return cmd
}

// formatAll returns how many files were not formatted. A file that cannot be is an
// error, but does not keep others from being formatted.
func (f *fmtFlags) formatAll(cmd *cobra.Command, paths []string) (differ int, err error) {
	var failures []error
	for _, path := range paths {
		files := []string{path}
		if path != "-" {
			if files, err = server.PolicyFiles([]string{path}); err != nil {
				return differ, err
			}
		}
		for _, name := range files {
			changed, err := f.format(cmd, name)
			if err != nil {
				failures = append(failures, err)
			}
			if changed {
				differ++
			}
		}
	}
	return differ, errors.Join(failures...)
}

func (f *fmtFlags) format(cmd *cobra.Command, name string) (changed bool, err error) {
	if name == "-" && f.write {
		return false, usagef("--write: standard input is no file; name a PATH")
	}
	source, err := readFile(name, cmd.InOrStdin())
	if err != nil {
		return false, err
	}
	formatted, err := server.FormatPolicy(nameOf(name), source)
	if err != nil {
		return false, err
	}
	changed = !bytes.Equal(source, formatted)
	return changed, f.show(cmd.OutOrStdout(), name, source, formatted)
}

// show does with a file what the flags say.
func (f *fmtFlags) show(w io.Writer, name string, source, formatted []byte) error {
	if !f.write && !f.diff && !f.list {
		if f.fail { // which says all there is to say
			return nil
		}
		_, err := w.Write(formatted)
		return err
	}
	if bytes.Equal(source, formatted) {
		return nil
	}
	if f.list {
		if _, err := fmt.Fprintln(w, nameOf(name)); err != nil {
			return err
		}
	}
	if f.diff {
		text := udiff.Unified(nameOf(name), nameOf(name)+" (formatted)", string(source), string(formatted))
		if _, err := fmt.Fprintln(w, strings.TrimSuffix(text, "\n")); err != nil {
			return err
		}
	}
	if !f.write {
		return nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, formatted, info.Mode().Perm())
}
