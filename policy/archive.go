package policy

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

func isArchive(name string) bool {
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz")
}

// readArchive reads a gzipped tar file. All that is unpacked counts against the
// limit, relevant or not, so that a bomb ends early.
func (r *reader) readArchive(s Source) (err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("not a gzipped tar file: %w", err)
	}
	seen := map[string]bool{}
	for archive := tar.NewReader(r.bound(unzipped)); ; {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		// opa build writes absolute names, tar relative ones.
		p := path.Clean(strings.TrimPrefix(entry.Name, "/"))
		switch {
		case entry.Typeflag != tar.TypeReg || !r.relevant(path.Base(p)) || slices.ContainsFunc(strings.Split(p, "/"), leftAloneIn):
			continue
		case p == "patch.json":
			return errors.New("this is a delta bundle, which holds changes only: give the whole bundle")
		case strings.HasPrefix(p, "../"):
			return fmt.Errorf("%s is outside of the archive", entry.Name)
		case seen[p]:
			return fmt.Errorf("%s is in the archive twice", p)
		}
		seen[p] = true
		content, err := io.ReadAll(archive)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		r.files = append(r.files, file{name: path.Join(s.name, p), dir: path.Dir(p), content: content})
	}
}

// leftAloneIn is leftAlone of an element of a path, which may begin with "..".
func leftAloneIn(element string) bool { return leftAlone(element) && element != ".." }
