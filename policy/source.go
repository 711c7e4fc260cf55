package policy

import (
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

// Source is where policies come from: see [Path] and [FS].
//
// Files that end in .rego are modules, those that end in .json, .yaml or .yml are
// data, placed in the data document by their directory: a/b/limits.yaml with
// {max: 3} is data.a.b.max. Tests (*_test.rego), suites of cases (suite.yaml and
// *_suite.yaml), directories called testdata, hidden files and directories (a leading
// dot) and all other files are left alone.
type Source struct {
	name string // what files are reported under
	path string // of a source on disk
	fsys fs.FS  // of any other
}

// Path is a source on disk: a directory, a single file, or a .tar.gz archive, such
// as an OPA bundle. Signatures of bundles are not looked at. Files are reported
// relative to it: policies/labels.rego for the directory "policies".
func Path(name string) Source {
	shown := filepath.ToSlash(filepath.Clean(name))
	if filepath.IsAbs(name) { // where it is on the server is nobody's business
		shown = path.Base(shown)
	}
	return Source{name: shown, path: name}
}

// FS is a source in a file system, such as an embedded one. Its files are reported
// as if it were a directory called name.
func FS(name string, fsys fs.FS) Source { return Source{name: name, fsys: fsys} }

// file is a module or a data file.
type file struct {
	name    string // shown to people; unique
	dir     string // within its source, slash-separated; "." at the top
	content []byte
}

func (f file) isModule() bool { return strings.HasSuffix(f.name, ".rego") }

func (f file) isTest() bool { return isTest(path.Base(f.name)) }

// reader reads sources until limit bytes are used up.
type reader struct {
	left, limit int64
	tests       bool // are read too
	files       []file
}

// read returns the files of all sources, sorted by name.
func read(limit int64, tests bool, sources []Source) ([]file, error) {
	if len(sources) == 0 {
		return nil, errors.New("no policies given: name a directory, a file or a .tar.gz bundle")
	}
	r := &reader{left: limit, limit: limit, tests: tests}
	names := make(map[string]bool, len(sources))
	for _, s := range sources {
		if names[s.name] && s.fsys == nil {
			s.name = filepath.ToSlash(s.path) // to tell it from the other of that name
		}
		if names[s.name] {
			return nil, fmt.Errorf("policies %s are given twice", s.name)
		}
		names[s.name] = true
		before := len(r.files)
		if err := r.readSource(s); err != nil {
			return nil, fmt.Errorf("reading policies %s: %w", s.name, err)
		}
		if len(r.files) == before {
			return nil, fmt.Errorf("policies %s are empty: there is no .rego, .json or .yaml file in it", s.name)
		}
	}
	slices.SortFunc(r.files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return r.files, nil
}

func (r *reader) readSource(s Source) error {
	if s.fsys != nil {
		return r.readTree(s.name, s.fsys)
	}
	info, err := os.Stat(s.path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return r.readTree(s.name, os.DirFS(s.path))
	case isArchive(s.path):
		return r.readArchive(s)
	case !r.relevant(path.Base(s.name)):
		return errors.New("not a policy: want a directory, or a .rego, .json, .yaml or .tar.gz file, and no test")
	}
	return r.readFile(s.name, ".", os.DirFS(filepath.Dir(s.path)), filepath.Base(s.path))
}

func (r *reader) readTree(name string, fsys fs.FS) error {
	return fs.WalkDir(fsys, ".", func(p string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != "." && leftAlone(entry.Name()) && entry.IsDir():
			return fs.SkipDir
		case entry.IsDir() || !r.relevant(entry.Name()):
			return nil
		}
		// Not entry.Info: a mounted Kubernetes ConfigMap is made of symbolic links.
		info, err := fs.Stat(fsys, p)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		return r.readFile(path.Join(name, p), path.Dir(p), fsys, p)
	})
}

func (r *reader) readFile(name, dir string, fsys fs.FS, p string) error {
	f, err := fsys.Open(p)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	content, err := io.ReadAll(r.bound(f))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	r.files = append(r.files, file{name: name, dir: dir, content: content})
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

// relevant reports whether a file of that name is a module or data, or a test that is
// to be read.
func (r *reader) relevant(name string) bool {
	switch {
	case hidden(name) || isSuite(name):
		return false
	case isTest(name):
		return r.tests
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
