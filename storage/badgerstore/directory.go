package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The names in a data directory: see the package documentation.
const (
	formatFile  = "FORMAT"
	lockFile    = "LOCK"
	databaseDir = "badger"
)

var errLocked = errors.New("locked")

// directory is a data directory that this process has locked.
type directory struct {
	path string
	lock *os.File
	// fresh says that the directory has never been open to the end: whatever it
	// holds, nobody was told that it was stored.
	fresh bool
}

// openDirectory creates or checks the data directory, and locks it.
func openDirectory(path string) (_ *directory, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be created: %w", err)
	}
	if err := checkOwnership(path); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory %s is not writable by this user: %w", path, err)
	}
	d := &directory{path: path, lock: lock}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	if err := d.takeLock(); err != nil {
		return nil, err
	}
	// Only now is the answer sure not to change.
	d.fresh, err = d.readFormat()
	if err != nil {
		return nil, err
	}
	return d, nil
}

// checkOwnership refuses a directory that holds somebody else's files, before
// anything is written to it.
func checkOwnership(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("the data directory cannot be read: %w", err)
	}
	var others []string
	for _, e := range entries {
		switch e.Name() {
		case formatFile:
			return nil
		case lockFile, databaseDir, formatFile + ".tmp": // left by a first start that was cut short
		case "lost+found": // on a file system of its own
		default:
			others = append(others, e.Name())
		}
	}
	if len(others) > 0 {
		return fmt.Errorf("%s is not a Plimsoll data directory: it has no file %s, but it has %q; choose an empty directory",
			path, formatFile, others[0])
	}
	return nil
}

func (d *directory) takeLock() error {
	err := tryLock(d.lock)
	if errors.Is(err, errLocked) {
		owner := "another process"
		if pid, err := io.ReadAll(io.LimitReader(d.lock, 20)); err == nil && len(bytes.TrimSpace(pid)) > 0 {
			owner = "process " + string(bytes.TrimSpace(pid))
		}
		return fmt.Errorf("the data directory %s is in use by another Plimsoll (%s): stop it first, or choose another directory", d.path, owner)
	}
	if err != nil {
		return fmt.Errorf("locking the data directory %s: %w", d.path, err)
	}
	if err := d.lock.Truncate(0); err != nil {
		return fmt.Errorf("the data directory %s cannot be written: %w", d.path, err)
	}
	if _, err := d.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("the data directory %s cannot be written: %w", d.path, err)
	}
	return nil
}

// readFormat reports whether the directory has no format yet, and returns an error
// if it has one that this program does not know.
func (d *directory) readFormat() (fresh bool, err error) {
	path := filepath.Join(d.path, formatFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the format of the data directory: %w", err)
	}
	version, ok := strings.CutPrefix(strings.TrimSpace(string(content)), "plimsoll ")
	format, err := strconv.Atoi(version)
	switch {
	case !ok || err != nil || format < 1:
		return false, fmt.Errorf("%s is not a Plimsoll data directory, or it is damaged: its file %s should say %q",
			d.path, formatFile, "plimsoll "+strconv.Itoa(Format))
	case format < Format:
		return false, fmt.Errorf("the data directory %s has format %d, which was never released and which this Plimsoll, of format %d, does not read: choose an empty directory, and create the containers anew",
			d.path, format, Format)
	case format > Format:
		return false, fmt.Errorf("the data directory %s has format %d, and this Plimsoll knows formats up to %d: use the newer Plimsoll that wrote it",
			d.path, format, Format)
	}
	return false, nil
}

// writeFormat makes the directory a data directory, durably.
func (d *directory) writeFormat() error {
	path := filepath.Join(d.path, formatFile)
	tmp, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(tmp, "plimsoll %d\n", Format)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	dir, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (d *directory) database() string { return filepath.Join(d.path, databaseDir) }

func (d *directory) unlock() error { return d.lock.Close() }

// IsData reports whether a directory is one that a store keeps its data in.
func IsData(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, formatFile))
	return err == nil && info.Mode().IsRegular()
}
