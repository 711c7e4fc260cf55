package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/plimsoll-project/plimsoll/policy"
)

// history keeps the policies that have judged, to go back to. They are files in the data
// directory, named by their digest; an index says in which order they came. It is for
// one goroutine at a time.
type history struct {
	dir   string
	index historyIndex
}

// historyIndex is the file index.json.
type historyIndex struct {
	Version int `json:"version"`
	// Pinned says that the last entry is a rollback's, which stays until it is undone.
	Pinned bool `json:"pinned"`
	// Entries are in the order in which they began to judge, the latest last.
	Entries []historyEntry `json:"entries"`
}

// historyEntry is a set of policies that has judged.
type historyEntry struct {
	// Policies is their digest, Ruleset that of them and the validators of that time.
	Policies string `json:"policies"`
	Ruleset  string `json:"ruleset"`
	// Since is when they last began to judge.
	Since   time.Time       `json:"since"`
	Sources []historySource `json:"sources"`
}

type historySource struct {
	Name     string `json:"name"`
	Revision string `json:"revision,omitempty"`
}

const (
	historyDir     = "policies" // below the data directory
	historyVersion = 1
	// maxHistory is how many sets are kept, that which judges among them.
	maxHistory = 5
	// maxKeptBytes bounds a set, which has its files in base64.
	maxKeptBytes = 2*policy.DefaultMaxBytes + 1<<20
)

// openHistory reads the index in the data directory, which need not be there. Nothing is
// written yet.
func openHistory(data string) (*history, error) {
	h := &history{dir: filepath.Join(data, historyDir), index: historyIndex{Version: historyVersion}}
	text, err := os.ReadFile(h.indexPath())
	// A path that leads through a file is one that the store will have more to say about.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.ENOTDIR) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &h.index)
	}
	if err == nil && h.index.Version != historyVersion {
		err = fmt.Errorf("it has version %d, and this Plimsoll knows version %d", h.index.Version, historyVersion)
	}
	if err != nil {
		return nil, fmt.Errorf("the history of policies, %s: %w; without that file, policies are loaded from where they come from", h.indexPath(), err)
	}
	return h, nil
}

func (h *history) indexPath() string { return filepath.Join(h.dir, "index.json") }

func (h *history) path(digest string) string {
	return filepath.Join(h.dir, strings.TrimPrefix(digest, "sha256:")+".json.gz")
}

// add notes that rules judge from now on, and keeps their policies.
func (h *history) add(rules *loadedRules, pinned bool, now time.Time) error {
	entry := historyEntry{Policies: rules.policies.digest, Ruleset: rules.Digest, Since: now.UTC()}
	for _, s := range rules.policies.set.Info() {
		entry.Sources = append(entry.Sources, historySource(s))
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return fmt.Errorf("keeping policies: %w", err)
	}
	encoded, err := rules.policies.set.Encode()
	if err != nil {
		return err
	}
	if err := writeDurably(h.path(entry.Policies), zipped(encoded), 0o600); err != nil {
		return fmt.Errorf("keeping policies: %w", err)
	}
	index := h.index
	index.Pinned = pinned
	index.Entries = slices.DeleteFunc(slices.Clone(index.Entries), func(e historyEntry) bool { return e.Policies == entry.Policies })
	index.Entries = append(index.Entries, entry)
	index.Entries = index.Entries[max(0, len(index.Entries)-maxHistory):]
	if err := h.write(index); err != nil {
		return err
	}
	return h.prune()
}

// unpin notes that what judges is not a rollback's any more.
func (h *history) unpin() error {
	index := h.index
	index.Pinned = false
	return h.write(index)
}

// write replaces the index.
func (h *history) write(index historyIndex) error {
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	if err := writeDurably(h.indexPath(), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keeping the history of policies: %w", err)
	}
	h.index = index
	return nil
}

// prune removes what the index does not name, such as what a crash left behind.
func (h *history) prune() error {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return err
	}
	keep := []string{h.indexPath()}
	for _, e := range h.index.Entries {
		keep = append(keep, h.path(e.Policies))
	}
	var errs []error
	for _, e := range entries {
		if name := filepath.Join(h.dir, e.Name()); !slices.Contains(keep, name) {
			errs = append(errs, os.Remove(name))
		}
	}
	return errors.Join(errs...)
}

// last is the entry that judged last, or nil.
func (h *history) last() *historyEntry {
	if len(h.index.Entries) == 0 {
		return nil
	}
	return &h.index.Entries[len(h.index.Entries)-1]
}

// find returns the entry that a digest means: of policies or of a ruleset, in full or
// its beginning. Empty means the latest that are others than current.
func (h *history) find(digest, current string) (*historyEntry, error) {
	if digest == "" {
		for _, e := range slices.Backward(h.index.Entries) {
			if e.Policies != current {
				return &e, nil
			}
		}
		return nil, errNoPrevious
	}
	const shortest = 6
	wanted := strings.TrimPrefix(strings.ToLower(digest), "sha256:")
	var found []historyEntry
	for _, e := range h.index.Entries {
		if len(wanted) >= shortest && (strings.HasPrefix(e.Policies, "sha256:"+wanted) || strings.HasPrefix(e.Ruleset, "sha256:"+wanted)) {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return nil, errNotKept
	case 1:
		return &found[0], nil
	}
	return nil, errAmbiguousDigest
}

// load reads a set again and checks it as if it were new. Only its digest shows whether
// it is what was kept: see loadKept.
func (h *history) load(ctx context.Context, options policy.Options, digest string) (*policy.Set, error) {
	set, err := h.decode(digest)
	if err != nil {
		return nil, err
	}
	return policy.Read(ctx, options, set.Again()...)
}

// decode reads a set and does not check it.
func (h *history) decode(digest string) (*policy.Set, error) {
	if _, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:")); err != nil {
		return nil, fmt.Errorf("%q is no digest", digest) // but perhaps a path
	}
	f, err := os.Open(h.path(digest))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	encoded, err := io.ReadAll(io.LimitReader(unzipped, maxKeptBytes))
	if err != nil {
		return nil, err
	}
	return policy.Decode(encoded)
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

// source is the latest that judged of the source of a name, and since when it did.
func (h *history) source(name string) (policy.Source, time.Time, error) {
	for _, e := range slices.Backward(h.index.Entries) {
		if !slices.ContainsFunc(e.Sources, func(s historySource) bool { return s.Name == name }) {
			continue
		}
		set, err := h.decode(e.Policies)
		if err != nil {
			return policy.Source{}, time.Time{}, fmt.Errorf("the copy of what judged last cannot be read: %w", err)
		}
		for _, s := range set.Again() {
			if s.Name() == name {
				return s, e.Since, nil
			}
		}
	}
	return policy.Source{}, time.Time{}, errors.New("there is no copy of it that has judged before")
}
