package policy

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// tree is the directory of a source.
type tree struct {
	fsys fs.FS
	root string // on disk, without links in it; empty if it is not on disk
}

// treeAt is the directory at a path on disk.
func treeAt(name string) (tree, error) {
	root, err := filepath.EvalSymlinks(name)
	return tree{fsys: os.DirFS(name), root: root}, err
}

// walk calls visit with all files that are not left alone, by name. Links to directories
// are followed inside of the tree, as a mounted Kubernetes ConfigMap may have them, and
// refused otherwise: what is behind them must not be missing without a word.
func (t tree) walk(visit func(p string) error) error { return t.walkBelow(".", nil, visit) }

// walkBelow is walk from a directory on. above are the directories, without links in their
// paths, that have the links that led there.
func (t tree) walkBelow(dir string, above []string, visit func(p string) error) error {
	return fs.WalkDir(t.fsys, dir, func(p string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != dir && leftAlone(entry.Name()) && entry.IsDir():
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case entry.Type()&fs.ModeSymlink == 0 || leftAlone(entry.Name()):
			return visit(p)
		}
		if info, err := fs.Stat(t.fsys, p); err != nil || !info.IsDir() {
			return visit(p) // a link to nothing matters if it is to be read
		}
		above, err := t.enter(p, above)
		if err != nil {
			return err
		}
		return t.walkBelow(p, above, visit)
	})
}

// enter checks that a link to a directory may be followed, and returns what is above then.
func (t tree) enter(link string, above []string) ([]string, error) {
	if t.root == "" {
		return nil, fmt.Errorf("%s is a link to a directory", link)
	}
	target, err := filepath.EvalSymlinks(filepath.Join(t.root, filepath.FromSlash(link)))
	if err != nil {
		return nil, err
	}
	here, err := filepath.EvalSymlinks(filepath.Join(t.root, filepath.FromSlash(path.Dir(link))))
	if err != nil {
		return nil, err
	}
	above = append(slices.Clip(above), here)
	switch {
	case !isWithin(t.root, target):
		return nil, fmt.Errorf("%s is a link to a directory outside of the policies: give that as a source of its own", link)
	case slices.ContainsFunc(above, func(dir string) bool { return isWithin(target, dir) }):
		return nil, fmt.Errorf("%s is a link to a directory that it is in itself", link)
	}
	return above, nil
}

// isWithin reports whether a path is that of dir or of something in it.
func isWithin(dir, name string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && filepath.IsLocal(rel)
}

// tellApart gives sources names of which none is the beginning of another's, because their
// files could have the same names then: sources on disk are shown with their whole path
// where they have to be. Relative paths stay, since they are of the same place anyway.
func tellApart(sources []Source) []Source {
	apart := slices.Clone(sources)
	for i, s := range sources {
		overlaps := func(other Source) bool {
			return (filepath.IsAbs(s.path) || other.path == "") && (beginsWith(s.name, other.name) || beginsWith(other.name, s.name))
		}
		if s.path == "" || !slices.ContainsFunc(slices.Concat(sources[:i], sources[i+1:]), overlaps) {
			continue
		}
		if absolute, err := filepath.Abs(s.path); err == nil {
			apart[i].name = filepath.ToSlash(absolute)
		}
	}
	return apart
}

// beginsWith reports whether a slash-separated name is that of dir or of something in it.
func beginsWith(name, dir string) bool {
	return name == dir || dir == "." && !path.IsAbs(name) || strings.HasPrefix(name, dir+"/")
}
