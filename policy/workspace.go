package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"

	"github.com/plimsoll-project/plimsoll"
)

// Workspace is the source of policies and of their tests, for those who write them. It
// is read by the rules of [Load], and what it compiles is what that would, with the same
// capabilities and schema; only the tests come with it. It never changes and is safe for
// concurrent use.
//
// Types of OPA are for the packages below this one, which are built on its tools.
type Workspace struct {
	options Options
	name    string // of all sources
	sources []Source
	files   []file
	text    text
	modules map[string]*ast.Module // by file; tests too
	data    map[string]any
}

// Open reads and parses policies and their tests. What is wrong with the content of
// files is reported all at once, as a [LoadError].
func Open(ctx context.Context, options Options, sources ...Source) (*Workspace, error) {
	if err := options.ensureDefaults(); err != nil {
		return nil, err
	}
	sources = tellApart(sources)
	files, err := read(options.MaxBytes, true, sources)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &Workspace{options: options, name: describe(sources), sources: sources, files: files, text: textOf(files)}
	modules, problems := parse(w.text, files)
	data, dataProblems := mergeData(files)
	if problems = append(problems, dataProblems...); len(problems) > 0 {
		return nil, asError(problems)
	}
	w.modules, w.data = modules, data
	return w, nil
}

// Load makes the policies that [Load] would make of the same sources.
func (w *Workspace) Load(ctx context.Context) (*Policies, error) {
	policies := slices.DeleteFunc(slices.Clone(w.files), file.isTest)
	if len(policies) == 0 {
		return nil, fmt.Errorf("policies %s are empty: there are only tests in it", w.name)
	}
	return load(ctx, w.options, policies, w.name)
}

// Check is Load, and also compiles the tests. The problems of both are one [LoadError].
func (w *Workspace) Check(ctx context.Context) (*Policies, error) {
	policies, err := w.Load(ctx)
	var failed *LoadError
	if err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	_, testErr := w.Compile()
	var tests *LoadError
	switch {
	case testErr == nil:
		return policies, err
	case !errors.As(testErr, &tests):
		return nil, testErr
	case failed == nil:
		return nil, tests
	}
	return nil, asError(slices.Concat(failed.Problems, tests.Problems))
}

// Compile compiles policies and tests together. Errors in them are a [LoadError].
func (w *Workspace) Compile() (*ast.Compiler, error) {
	compiler, err := w.Compiler()
	if err != nil {
		return nil, err
	}
	compiler.Compile(w.Modules())
	return compiler, asError(compileProblems(w.text, compiler))
}

// Compiler returns a new compiler for Modules, which has not compiled yet.
func (w *Workspace) Compiler() (*ast.Compiler, error) {
	compiler, err := newCompiler(w.data, w.modules)
	if err != nil {
		return nil, err
	}
	return compiler.WithEnablePrintStatements(true), nil
}

// Modules returns a copy of all modules by file. Compiling changes modules.
func (w *Workspace) Modules() map[string]*ast.Module {
	modules := make(map[string]*ast.Module, len(w.modules))
	for name, m := range w.modules {
		modules[name] = m.Copy()
	}
	return modules
}

// Store returns a new store with the data.
func (w *Workspace) Store() storage.Store { return newStore(w.data) }

// Explain makes a [LoadError] of what OPA's parser or compiler found wrong with the
// modules; other errors it returns as they are.
func (w *Workspace) Explain(err error) error {
	var errs ast.Errors
	if !errors.As(err, &errs) {
		return err
	}
	return asError(w.text.explainAll("", errs))
}

// ExplainSource does the same for what was found wrong with the source of one module.
func ExplainSource(name string, source []byte, err error) error {
	var errs ast.Errors
	if !errors.As(err, &errs) {
		return err
	}
	return asError(textOf([]file{{name: name, content: source}}).explainAll(name, errs))
}

// Builtins gives a query the builtins that ask for other containers. They answer in the
// context that [Policies.Context] returns, and err in any other.
func Builtins(r *rego.Rego) { withContext(r) }

// Context returns a context for evaluations of rules of p on in, outside of
// [Policies.Judge]: it has what p's rules may ask for. It is for one of them at a time.
func (p *Policies) Context(ctx context.Context, in *plimsoll.Input) context.Context {
	return context.WithValue(ctx, evaluationKey{}, &evaluation{policies: p, in: in, payloads: true})
}

// Forgetful returns the same policies, but those evaluate every input, whereas p remembers
// verdicts: see [Policies.Judge].
func (p *Policies) Forgetful() *Policies {
	anew := *p
	anew.groups = make([]*group, len(p.groups))
	for i, g := range p.groups {
		evaluated := *g
		evaluated.verdicts = nil
		anew.groups[i] = &evaluated
	}
	return &anew
}

// Line is a line of a file's source, or "" if there is none. Lines count from 1.
func (w *Workspace) Line(name string, line int) string {
	if lines := w.text[name]; line >= 1 && line <= len(lines) {
		return strings.TrimRight(lines[line-1], "\r")
	}
	return ""
}

// IsTest reports whether a file of the workspace has tests.
func IsTest(name string) bool { return isTest(path.Base(name)) }

// SuiteFile is a file with cases.
type SuiteFile struct {
	// Name is what people know it by, like the names of policies.
	Name    string
	Content []byte
	// Open reads another file that the suite names, relative to it.
	Open func(name string) ([]byte, error)
}

// Suites finds the suites beside the policies: suite.yaml and *_suite.yaml, by name.
// Archives have none.
func (w *Workspace) Suites() ([]SuiteFile, error) {
	var suites []SuiteFile
	for _, s := range w.sources {
		found, err := s.suites()
		if err != nil {
			return nil, fmt.Errorf("reading suites in %s: %w", s.name, err)
		}
		suites = append(suites, found...)
	}
	slices.SortFunc(suites, func(a, b SuiteFile) int { return strings.Compare(a.Name, b.Name) })
	return suites, nil
}

func (s Source) suites() ([]SuiteFile, error) {
	files, open := tree{fsys: s.fsys}, func(name string) ([]byte, error) { return fs.ReadFile(s.fsys, path.Clean(name)) }
	if s.fsys == nil {
		info, err := os.Stat(s.path)
		if err != nil || !info.IsDir() {
			return nil, err
		}
		if files, err = treeAt(s.path); err != nil {
			return nil, err
		}
		// Not through os.DirFS: a suite may name files outside of the policies.
		open = func(name string) ([]byte, error) {
			return os.ReadFile(filepath.Join(s.path, filepath.FromSlash(name)))
		}
	}
	var suites []SuiteFile
	err := files.walk(func(p string) error {
		if !isSuite(path.Base(p)) {
			return nil
		}
		content, err := fs.ReadFile(files.fsys, p)
		suites = append(suites, SuiteFile{
			Name: path.Join(s.name, p), Content: content,
			Open: func(name string) ([]byte, error) { return open(path.Join(path.Dir(p), name)) },
		})
		return err
	})
	return suites, err
}
