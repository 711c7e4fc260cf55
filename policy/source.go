package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Source is where policies come from: see [Path], [Archive] and [FS].
//
// Files that end in .rego are modules, those that end in .json, .yaml or .yml are
// data, placed in the data document by their directory: a/b/limits.yaml with
// {max: 3} is data.a.b.max. Tests (*_test.rego), suites of cases (suite.yaml and
// *_suite.yaml), directories called testdata, hidden files and directories (a leading
// dot) and all other files are left alone.
//
// A source may be an OPA bundle: it then has a manifest (.manifest) at its top, whose
// roots its packages and data must lie under, and a signature (.signatures.json).
// Bundles of changes only (patch.json) are refused.
type Source struct {
	name     string // what files are reported under
	path     string // of a source on disk
	archive  []byte // of one that was fetched
	fsys     fs.FS  // of one that is part of the program
	contents *contents
}

// Path is a source on disk: a directory, a single file, or a .tar.gz archive, such
// as an OPA bundle. Files are reported relative to it: policies/labels.rego for the
// directory "policies", and for "/srv/policies" unless another source has files below that
// name, too.
func Path(name string) Source {
	shown := filepath.ToSlash(filepath.Clean(name))
	if filepath.IsAbs(name) { // where it is on the server is nobody's business
		shown = path.Base(shown)
	}
	return Source{name: shown, path: name}
}

// Archive is a .tar.gz archive, such as an OPA bundle, in memory. Its files are
// reported as if it were a directory called name.
func Archive(name string, content []byte) Source { return Source{name: name, archive: content} }

// FS is a source in a file system that is part of the program, such as an embedded one.
// Its files are reported as if it were a directory called name. It needs no signature:
// whoever could change it could change the program.
func FS(name string, fsys fs.FS) Source { return Source{name: name, fsys: fsys} }

// file is a module or a data file.
type file struct {
	name    string // shown to people; unique
	dir     string // within its source, slash-separated; "." at the top
	content []byte
	roots   []string // of its source's manifest; nil: anywhere
}

func (f file) isModule() bool { return strings.HasSuffix(f.name, ".rego") }

func (f file) isTest() bool { return isTest(path.Base(f.name)) }

// reader reads sources until limit bytes are used up.
type reader struct {
	left, limit int64
	tests       bool // are read too
	all         bool // files are read, since a signature covers them
	into        *contents
}

// read returns the files of all sources, sorted by name.
func read(limit int64, tests bool, sources []Source) ([]file, error) {
	set, err := readSet(&reader{left: limit, limit: limit, tests: tests}, sources)
	if err != nil {
		return nil, err
	}
	return set.files(tests), nil
}

// readSet reads all sources.
func readSet(r *reader, sources []Source) (*Set, error) {
	if len(sources) == 0 {
		return nil, errors.New("no policies given: name a directory, a file or a .tar.gz bundle")
	}
	set := &Set{}
	names := make(map[string]bool, len(sources))
	for _, s := range tellApart(sources) {
		if names[s.name] {
			return nil, fmt.Errorf("policies %s are given twice", s.name)
		}
		names[s.name] = true
		r.into = &contents{Name: s.name, BuiltIn: s.fsys != nil}
		if err := r.readSource(s); err != nil {
			return nil, fmt.Errorf("reading policies %s: %w", s.name, err)
		}
		if len(r.into.files(r.tests)) == 0 {
			return nil, fmt.Errorf("policies %s are empty: there is no .rego, .json or .yaml file in it", s.name)
		}
		if err := r.into.check(); err != nil {
			return nil, fmt.Errorf("reading policies %s: %w", s.name, err)
		}
		set.sources = append(set.sources, *r.into)
	}
	return set, nil
}

func (r *reader) readSource(s Source) error {
	switch {
	case s.contents != nil:
		r.into.Files = s.contents.Files
		return nil
	case s.fsys != nil:
		return r.readTree(tree{fsys: s.fsys})
	case s.archive != nil:
		return r.readArchive(bytes.NewReader(s.archive))
	}
	info, err := os.Stat(s.path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		t, err := treeAt(s.path)
		if err != nil {
			return err
		}
		return r.readTree(t)
	case isArchive(s.path):
		f, err := os.Open(s.path)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // only read
		return r.readArchive(f)
	case !relevant(path.Base(s.name), r.tests):
		return errors.New("not a policy: want a directory, or a .rego, .json, .yaml or .tar.gz file, and no test")
	}
	return r.readFile(".", os.DirFS(filepath.Dir(s.path)), filepath.Base(s.path))
}

func (r *reader) readTree(t tree) error {
	return t.walk(func(p string) error {
		if !r.keeps(p) {
			return nil
		}
		info, err := fs.Stat(t.fsys, p) // behind links
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		return r.readFile(p, t.fsys, p)
	})
}

// readFile reads what is at p of a file system as the file called name.
func (r *reader) readFile(name string, fsys fs.FS, p string) error {
	f, err := fsys.Open(p)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	content, err := io.ReadAll(r.bound(f))
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	r.into.Files = append(r.into.Files, rawFile{Path: name, Content: content})
	return nil
}

// bound makes reading from src count against the limit.
func (r *reader) bound(src io.Reader) io.Reader { return &boundReader{r, src} }

type boundReader struct {
	*reader
	src io.Reader
}

func (b *boundReader) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("policies are larger than %d bytes in all: remove what is not needed or raise the limit", b.limit)
	}
	return n, err
}

// keeps reports whether the file at p of a source is to be read.
func (r *reader) keeps(p string) bool {
	return relevant(path.Base(p), r.tests) || r.all && !hidden(path.Base(p)) ||
		slices.Contains([]string{manifestFile, manifestProtoFile, signaturesFile}, p)
}

// relevant reports whether a file of that name is a module or data, or a test if those
// are asked for.
func relevant(name string, tests bool) bool {
	switch {
	case hidden(name) || isSuite(name):
		return false
	case isTest(name):
		return tests
	}
	switch path.Ext(name) {
	case ".rego", ".json", ".yaml", ".yml":
		return true
	}
	return false
}

// isTest and isSuite report whether a file of that name has tests, in Rego or as cases.
func isTest(name string) bool { return strings.HasSuffix(name, "_test.rego") }

func isSuite(name string) bool {
	return name == "suite.yaml" || strings.HasSuffix(name, "_suite.yaml")
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// leftAlone reports whether directories of that name are not looked into.
func leftAlone(name string) bool { return hidden(name) || name == "testdata" }
