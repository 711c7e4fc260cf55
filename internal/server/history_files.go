package server

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// prune removes what the index does not name, such as what a crash left behind. What cannot
// be removed does not undo what the index says: it is tried again the next time.
func (h *history) prune() {
	keep := []string{h.indexPath()}
	for _, e := range h.all() {
		keep = append(keep, h.path(e.Policies), h.setPath(e.Set))
		for _, digest := range e.Modules {
			keep = append(keep, h.modulePath(digest))
		}
	}
	if err := errors.Join(removeOthers(h.dir, keep), removeOthers(h.modules, keep)); err != nil {
		h.log.Warn("the history of rules has files that are not needed any more and cannot be removed", "error", err.Error())
	}
}

// ownName is what files of the history are called, also those that are half written.
var ownName = regexp.MustCompile(`^([0-9a-f]{64}\.(json\.gz|wasm)|\.new-.*)$`)

// removeOthers removes those of its own files from a directory that are not in keep.
func removeOthers(dir string, keep []string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if name := filepath.Join(dir, e.Name()); ownName.MatchString(e.Name()) && !slices.Contains(keep, name) {
			errs = append(errs, os.Remove(name))
		}
	}
	return errors.Join(errs...)
}

// isDigest reports whether text is hexadecimal digits, and no path.
func isDigest(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && text != ""
}

func readZipped(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(unzipped, maxKeptBytes))
}

func zipped(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content) // to memory
	_ = w.Close()
	return b.Bytes()
}

// writeDurably replaces a file so that after a crash there is either the old one or the
// new one.
func writeDurably(path string, content []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
