package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/examples"
)

// everyLanguage is what validators in all languages begin with.
const everyLanguage = "every-language"

func newPluginNew() *cobra.Command {
	var language string
	languages := scaffoldLanguages()
	cmd := &cobra.Command{
		Use: "new NAME --lang LANGUAGE", Short: "Begin a validator", Args: cobra.ExactArgs(1),
		Long: `Begin a validator in a new directory called NAME: its source, its metadata, its cases and
how it is built. It passes plimsoll plugin build NAME and plimsoll plugin test NAME as it
is, where the tools for its language are; change it from there.

JavaScript and Rego need no tools but this one.`,
		Example: `  plimsoll plugin new mounts --lang rust
  plimsoll plugin build mounts
  plimsoll plugin test mounts`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case language == "":
				return usagef("say in which language: --lang %s", strings.Join(languages, "|"))
			case !slices.Contains(languages, language):
				return usagef("--lang %q is none of %s", language, strings.Join(languages, ", "))
			case !validatorForm.MatchString(filepath.Base(args[0])):
				return usagef("%q is no name of a validator: lower case letters, digits and -, at most 63", filepath.Base(args[0]))
			}
			return scaffoldValidator(cmd, args[0], language)
		},
	}
	cmd.Flags().StringVar(&language, "lang", "", "`language`: "+strings.Join(languages, ", "))
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(languages, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// scaffoldWords are what is written in place of words in the files that all languages share,
// beside NAME.
var scaffoldWords = map[string]struct{ source, needs, abi string }{
	"go":   {"main.go", "Building it needs Go 1.25 or later.", "1"},
	"rust": {"src/lib.rs", "Building it needs Rust for `wasm32-unknown-unknown`, of rustup or Debian.", "1"},
	"c":    {"validator.c", "Building it needs clang, lld, wasi-libc, its runtime library and jsmn.", "1"},
	"cpp":  {"validator.cpp", "Building it needs clang, lld, wasi-libc, libc++ for wasm and nlohmann's JSON.", "1"},
	"as":   {"validator.ts", "Building it needs Node 20 or later with npm.", "1"},
	"zig":  {"validator.zig", "Building it needs Zig 0.11.", "1"},
	"js":   {"validator.js", "Building it needs nothing else. The script runs on QuickJS: ECMAScript 2020, and no Node.", "1"},
	"rego": {"validator.rego", "Building it needs nothing else. `opa build -t wasm` makes such modules, too.", `"opa"`},
}

// validatorForm is that of names which all toolchains take.
var validatorForm = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

func scaffoldLanguages() []string {
	entries, err := fs.ReadDir(examples.ValidatorScaffold(), ".")
	if err != nil {
		panic(err) // embedded
	}
	var languages []string
	for _, entry := range entries {
		if entry.Name() != everyLanguage {
			languages = append(languages, entry.Name())
		}
	}
	return languages
}

// scaffoldValidator writes a validator in a language to a new directory.
func scaffoldValidator(cmd *cobra.Command, dir, language string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // validators are no secret
		return err
	}
	err := os.Mkdir(dir, 0o755) //nolint:gosec // likewise
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: choose another name", dir)
	}
	if err != nil {
		return err
	}
	for _, part := range []string{everyLanguage, language} {
		from, err := fs.Sub(examples.ValidatorScaffold(), part)
		if err != nil {
			return err
		}
		replace := replacer(filepath.Base(dir), language)
		err = fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			return writeScaffold(cmd, from, name, dir, replace)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func replacer(name, language string) *strings.Replacer {
	words := scaffoldWords[language]
	return strings.NewReplacer("NAME", name, "SOURCE", words.source, "NEEDS", words.needs, ": ABI,", ": "+words.abi+",")
}

// writeScaffold writes one file of a scaffold below dir.
func writeScaffold(cmd *cobra.Command, from fs.FS, name, dir string, replace *strings.Replacer) error {
	content, err := fs.ReadFile(from, name)
	if err != nil {
		return err
	}
	into := filepath.Join(dir, filepath.FromSlash(strings.TrimSuffix(name, ".tmpl")))
	mode := fs.FileMode(0o644)
	if path.Ext(name) == ".sh" {
		mode = 0o755
	}
	if err := os.MkdirAll(filepath.Dir(into), 0o755); err != nil { //nolint:gosec // validators are no secret
		return err
	}
	if err := os.WriteFile(into, []byte(replace.Replace(string(content))), mode); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), into)
	return err
}
