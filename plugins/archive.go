package plugins

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// An archive carries a configuration with the modules that it binds from whoever wrote it
// to a server. It is a zip file: it can be read here and there without unpacking all of
// it. At its top is validators.yaml; the modules, and their signatures, are at the paths
// that it says, and those of registries below archivedReferences.
const (
	archivedConfig     = "validators.yaml"
	archivedReferences = "oci"
	// maxArchiveBytes bounds all that is in an archive, unpacked.
	maxArchiveBytes = 64 << 20
)

// Archive is a validators.yaml in an archive that [Pack] has made. It is reported under
// name.
func Archive(name string, content []byte) Source {
	if content == nil { // which would stand for a file
		content = []byte{}
	}
	return Source{path: name, archive: content}
}

// openArchive returns the files of an archive.
func openArchive(content []byte) (fs.FS, error) {
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, fmt.Errorf("not an archive of validators: %w", err)
	}
	var size uint64
	for _, f := range r.File {
		// Reading a file fails when it turns out to be larger than it says.
		if size += f.UncompressedSize64; f.UncompressedSize64 > maxArchiveBytes || size > maxArchiveBytes {
			return nil, fmt.Errorf("what is in the archive has more than %s", sized(maxArchiveBytes))
		}
	}
	return r, nil
}

// archivedAt is where an archive has the module of a reference.
func archivedAt(reference string) string {
	return path.Join(archivedReferences, strings.TrimPrefix(reference, "oci://"))
}

// Pack makes an archive of a source: the same bytes each time. Modules in registries are
// fetched. Signatures come along, and are not looked at.
func Pack(ctx context.Context, opts Options, source Source) ([]byte, error) {
	r := source.read(ctx, opts)
	if err := errors.Join(r.problems...); err != nil {
		return nil, fmt.Errorf("%s: %w", source.path, err)
	}
	files := map[string][]byte{archivedConfig: r.config}
	for i, m := range r.modules {
		at := r.bindings[i].module
		if m.err != nil {
			return nil, fmt.Errorf("%s: %s.module: %w", source.path, r.bindings[i].at, m.err)
		}
		if isReference(at) {
			at = archivedAt(at)
		}
		if other, ok := files[at]; ok && !bytes.Equal(other, m.Content) {
			return nil, fmt.Errorf("%s: two files would be %s of the archive: rename one of them", source.path, at)
		}
		files[at] = m.Content
		if m.Signature != nil {
			files[at+SignatureExtension] = m.Signature
		}
	}
	return zipped(files)
}

func zipped(files map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	var names []string
	size := 0
	for name, content := range files {
		names = append(names, name)
		size += len(content)
	}
	if size > maxArchiveBytes {
		return nil, fmt.Errorf("the validators have more than %s together", sized(maxArchiveBytes))
	}
	slices.Sort(names)
	for _, name := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if _, err := f.Write(files[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
