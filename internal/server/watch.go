package server

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/plimsoll-project/plimsoll/internal/bundles"
	"github.com/plimsoll-project/plimsoll/plugins"
)

// run keeps the rules up to date until ctx ends: when files change, when there is news
// from other machines, every now and then, and when hangup says so.
func (k *rulekeeper) run(ctx context.Context, hangup <-chan os.Signal) {
	news := make(chan struct{}, 1)
	changed := func() {
		select {
		case news <- struct{}{}:
		default: // it is known already
		}
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, r := range k.remotes {
		all.Go(func() { r.poll(ctx, k.config.PolicyPoll, k.log, changed) })
	}
	all.Go(func() { k.watchFiles(ctx, changed) })
	all.Go(func() { k.resumeShadow(ctx) })
	k.look(ctx, news, hangup)
}

// look looks for other rules until ctx ends.
func (k *rulekeeper) look(ctx context.Context, news <-chan struct{}, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-news:
			k.fetchModules(ctx, false)
		case <-time.After(jittered(k.config.PolicyPoll)):
			k.fetchModules(ctx, true)
		case <-hangup:
			k.log.Info("looking for other rules (SIGHUP)")
			k.fetch(ctx)
		}
		_ = k.check(ctx) // it has said so
	}
}

// watchFiles calls changed when files have.
func (k *rulekeeper) watchFiles(ctx context.Context, changed func()) {
	paths := slices.DeleteFunc(slices.Clone(k.config.Policies), func(path string) bool { return path == None || bundles.IsRemote(path) })
	validators := slices.DeleteFunc(slices.Clone(k.config.Validators), func(path string) bool { return path == None })
	if len(paths) == 0 && len(validators) == 0 {
		return
	}
	watch, err := newFileWatch()
	if err == nil {
		defer watch.close()
	}
	for ctx.Err() == nil {
		if err == nil {
			err = watch.look(paths, validators)
		}
		if err == nil {
			// What changed before it was looked at.
			changed()
			err = watch.wait(ctx)
		}
		if err != nil {
			k.log.Warn("files are not watched; changes are found a little later", "error", err.Error(), "poll", k.config.PolicyPoll)
			return
		}
	}
}

// maxUnsettled is how long changes are waited out that go on and on.
const maxUnsettled = 2 * time.Second

// fileWatch sees when files of policies and validators change. What it misses, on file
// systems of other machines for one, polling finds.
type fileWatch struct {
	watcher *fsnotify.Watcher
	// dirs are the directories that are watched; the names in them that matter, nil for
	// all.
	dirs map[string]map[string]bool
}

// newFileWatch watches nothing yet.
func newFileWatch() (*fileWatch, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &fileWatch{watcher: watcher, dirs: map[string]map[string]bool{}}, nil
}

// look watches the directories there are now. Watching one again changes nothing.
func (w *fileWatch) look(policies, validators []string) error {
	for _, path := range policies {
		// The path itself may be replaced: a link by another, a file by a rename.
		if err := w.add(filepath.Dir(path), filepath.Base(path)); err != nil {
			return err
		}
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return nil //nolint:nilerr // what is gone again need not be watched
			}
			return w.add(name, "")
		})
		if err != nil {
			return err
		}
	}
	for _, dir := range plugins.Dirs(validatorFiles(validators)...) {
		if err := w.add(dir, ""); err != nil {
			return err
		}
	}
	return nil
}

// validatorFiles are the validators at paths, and not those that are built in.
func validatorFiles(paths []string) []plugins.Source {
	if len(paths) == 0 {
		return nil
	}
	return validatorSources(paths)
}

// add watches a name in a directory; all names if it is empty.
func (w *fileWatch) add(dir, name string) error {
	dir = filepath.Clean(dir)
	if err := w.watcher.Add(dir); err != nil {
		return err
	}
	names, watched := w.dirs[dir]
	switch {
	case name == "":
		w.dirs[dir] = nil
	case !watched:
		w.dirs[dir] = map[string]bool{name: true}
	case names != nil:
		names[name] = true
	}
	return nil
}

// matters reports whether an event may mean other rules.
func (w *fileWatch) matters(event fsnotify.Event) bool {
	names := w.dirs[filepath.Dir(event.Name)]
	return event.Op != fsnotify.Chmod && (names == nil || names[filepath.Base(event.Name)])
}

// wait returns when files have changed and have been left alone for a moment since, or
// nil when ctx ends.
func (w *fileWatch) wait(ctx context.Context) error {
	quiet := time.NewTimer(settle)
	quiet.Stop()
	var latest <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-w.watcher.Events:
			if !w.matters(event) {
				continue
			}
			quiet.Reset(settle)
			if latest == nil {
				latest = time.After(maxUnsettled)
			}
		case err := <-w.watcher.Errors:
			return err // such as that there were more changes than the kernel could note
		case <-quiet.C:
			return nil
		case <-latest:
			return nil
		}
	}
}

func (w *fileWatch) close() { _ = w.watcher.Close() }
