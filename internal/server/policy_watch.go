package server

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long files must be left alone before a change counts: editors and
// version control write many at once.
const settle = 100 * time.Millisecond

// Watch calls work at once, and again each time that files of the policies have changed
// since, one call after the other, until ctx ends. Policies that are built in never
// change.
func (t Tools) Watch(ctx context.Context, work func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching files: %w", err)
	}
	defer func() { _ = watcher.Close() }() // only read
	for _, path := range t.Policies {
		if err := watchTree(watcher, path); err != nil {
			return fmt.Errorf("watching %s: %w", path, err)
		}
	}
	quiet := time.NewTimer(settle)
	quiet.Stop()
	work()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			if event.Has(fsnotify.Create) {
				_ = watchTree(watcher, event.Name) // it may be gone again, or be no directory
			}
			if event.Op != fsnotify.Chmod {
				quiet.Reset(settle)
			}
		case err := <-watcher.Errors:
			return fmt.Errorf("watching files: %w", err)
		case <-quiet.C:
			work()
		}
	}
}

// watchTree watches a directory and all below it, or the directory of a file: editors
// replace files, and a watch of the file itself would go with the old one.
func watchTree(watcher *fsnotify.Watcher, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return watcher.Add(filepath.Dir(path))
	}
	return filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return watcher.Add(name)
	})
}
