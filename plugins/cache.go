package plugins

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tetratelabs/wazero"
)

// maxCacheBytes is how much is kept of what was compiled: that of some fifty validators
// written in Go, or thousands in C. The engine gives each module a file of its own, named
// by a digest of what was compiled, in a directory of the engine's version.
const maxCacheBytes = 512 << 20

// openCache keeps what was compiled in dir, or in memory only if dir is empty.
func openCache(dir string) (wazero.CompilationCache, error) {
	if dir == "" {
		return wazero.NewCompilationCache(), nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := checkPrivate(dir); err != nil {
		return nil, err
	}
	if err := emptyIfLarge(dir); err != nil {
		return nil, err
	}
	return wazero.NewCompilationCacheWithDir(dir)
}

// checkPrivate makes sure that nobody else can write to dir, or to what is in it.
func checkPrivate(dir string) error {
	const advice = "what is in it is run as native code, so remove it, or choose another"
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) { // another process has just completed a file, or removed it
			return nil
		}
		if err != nil {
			return err
		}
		if !info.IsDir() && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is neither a file nor a directory; %s", path, advice)
		}
		if info.Mode().Perm()&0o022 != 0 {
			return fmt.Errorf("%s can be written to by others (%s); %s", path, info.Mode().Perm(), advice)
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && int64(stat.Uid) != int64(os.Geteuid()) {
			return fmt.Errorf("%s belongs to another user; %s", path, advice)
		}
		return nil
	})
}

// emptyIfLarge removes everything if there is too much of it, most of which is of modules
// and engines that are not used any more.
func emptyIfLarge(dir string) error {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	if err != nil || total <= maxCacheBytes {
		return err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}
