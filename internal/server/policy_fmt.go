package server

import (
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/plimsoll-project/plimsoll/policy/policytool"
)

// FormatPolicy returns the source of a policy or of its tests as it is to be written.
// name is what errors call it.
func FormatPolicy(name string, source []byte) ([]byte, error) {
	return policytool.Format(name, source)
}

// PolicyFiles returns the files in Rego at paths: those that are named, and those in
// directories and below, but for hidden ones.
func PolicyFiles(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case name != path && strings.HasPrefix(entry.Name(), "."):
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			case !entry.IsDir() && (name == path || filepath.Ext(name) == ".rego"):
				files = append(files, name)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}
