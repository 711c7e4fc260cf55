package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

func isArchive(name string) bool {
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz")
}

// readArchive reads a gzipped tar file. All that is unpacked counts against the
// limit, relevant or not, so that a bomb ends early.
func (r *reader) readArchive(src io.Reader) error {
	unzipped, err := gzip.NewReader(src)
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
		case isLink(entry) && !isLeftAlone(p) && !hidden(path.Base(p)):
			return fmt.Errorf("%s is a link, which is not followed in archives: put what it leads to there (tar --dereference)", entry.Name)
		case entry.Typeflag != tar.TypeReg || !r.unpacks(p):
			continue
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
		r.into.Files = append(r.into.Files, rawFile{Path: p, Content: content})
	}
}

func isLink(entry *tar.Header) bool {
	return entry.Typeflag == tar.TypeSymlink || entry.Typeflag == tar.TypeLink
}

// unpacks reports whether the entry at p of an archive is to be read.
func (r *reader) unpacks(p string) bool {
	return r.all || r.keeps(p) && !isLeftAlone(p)
}

// isLeftAlone reports whether the file at p is in a directory that is not looked into.
func isLeftAlone(p string) bool {
	return slices.ContainsFunc(strings.Split(path.Dir(p), "/"), func(element string) bool {
		return leftAlone(element) && element != "." && element != ".."
	})
}

// pack makes an archive of files: the same bytes each time.
func pack(files []rawFile) ([]byte, error) {
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	archive := tar.NewWriter(zipped)
	for _, f := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Size: int64(len(f.Content)), Mode: 0o644, Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		if _, err := archive.Write(f.Content); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
