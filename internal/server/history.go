package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/plimsoll-project/plimsoll/policy"
)

// history keeps the rules that have judged, to go back to: policies and validators. They
// are files in the data directory, named by their digests; an index says in which order
// they came. It is for one goroutine at a time.
type history struct {
	log     *slog.Logger
	dir     string // of policies, and the index
	modules string // the directory of validators
	index   historyIndex
}

// historyIndex is the file index.json.
type historyIndex struct {
	Version int `json:"version"`
	// Pinned says that the last entry was promoted or gone back to, and stays until that
	// is undone.
	Pinned bool `json:"pinned"`
	// Entries are in the order in which they began to judge, the latest last.
	Entries []historyEntry `json:"entries"`
	// Candidates were sent to be tried and have not judged, the latest last. Versions 1
	// and 2 had none.
	Candidates []historyEntry `json:"candidates,omitempty"`
	// Shadow is what runs in shadow; nil if nothing does.
	Shadow *historyShadow `json:"shadow,omitempty"`
}

// historyShadow is rules that run in shadow, for Percent of the mutations.
type historyShadow struct {
	historyEntry

	Percent float64 `json:"percent"`
}

// historyEntry is rules that have judged, or were to be tried.
type historyEntry struct {
	// Policies and Validators are their digests, none if there were none; Ruleset is that
	// of all rules. Version 1 said nothing of validators.
	Policies   string `json:"policies"`
	Validators string `json:"validators,omitempty"`
	Ruleset    string `json:"ruleset"`
	// Set is the fingerprint of what the validators were made of; empty if it is not kept.
	Set string `json:"validator_set,omitempty"`
	// Modules are the digests of those in the set.
	Modules []string `json:"modules,omitempty"`
	// Since is when they last began to judge, or were sent, and By who made them; empty if
	// nobody but the configuration did.
	Since   time.Time       `json:"since"`
	By      string          `json:"by,omitempty"`
	Sources []historySource `json:"sources"`
}

type historySource struct {
	Name     string `json:"name"`
	Revision string `json:"revision,omitempty"`
}

const (
	historyDir     = "history/policies"   // below the data directory
	modulesDir     = "history/validators" // likewise
	historyVersion = 3
	// maxHistory is how many rulesets are kept, that which judges among them, and
	// maxCandidates how many that have not judged.
	maxHistory    = 5
	maxCandidates = 5
	// maxKeptBytes bounds a set, which has its files in base64.
	maxKeptBytes = 2*policy.DefaultMaxBytes + 1<<20
)

// openHistory reads the index in the data directory, which need not be there. Nothing is
// written yet.
func openHistory(data string, log *slog.Logger) (*history, error) {
	h := &history{log: log, dir: filepath.Join(data, historyDir), modules: filepath.Join(data, modulesDir), index: historyIndex{Version: historyVersion}}
	text, err := os.ReadFile(h.indexPath())
	// A path that leads through a file is one that the store will have more to say about.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.ENOTDIR) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &h.index)
	}
	if err == nil && (h.index.Version < 1 || h.index.Version > historyVersion) {
		err = fmt.Errorf("it has version %d, and this Plimsoll knows versions up to %d", h.index.Version, historyVersion)
	}
	if err != nil {
		return nil, fmt.Errorf("the history of rules, %s: %w; without that file, they are loaded from where they come from", h.indexPath(), err)
	}
	h.index.Version = historyVersion
	return h, nil
}

func (h *history) indexPath() string { return filepath.Join(h.dir, "index.json") }

func (h *history) path(digest string) string {
	return filepath.Join(h.dir, strings.TrimPrefix(digest, "sha256:")+".json.gz")
}

func (h *history) setPath(fingerprint string) string {
	return filepath.Join(h.modules, fingerprint+".json.gz")
}

func (h *history) modulePath(digest string) string { return filepath.Join(h.modules, digest+".wasm") }

// add notes that rules judge from now on, and keeps them.
func (h *history) add(rules *loadedRules, pinned bool, by string, now time.Time) error {
	entry, err := h.write(rules, true, by, now)
	if err != nil {
		return err
	}
	index := h.index
	index.Pinned = pinned
	index.Entries = append(without(index.Entries, entry), entry)
	index.Entries = index.Entries[max(0, len(index.Entries)-maxHistory):]
	index.Candidates = without(index.Candidates, entry)
	if index.Shadow != nil && index.Shadow.isLike(entry) {
		index.Shadow = nil
	}
	if err := h.writeIndex(index); err != nil {
		return err
	}
	h.prune()
	return nil
}

// addShadow notes that rules run in shadow from now on, and keeps them.
func (h *history) addShadow(rules *loadedRules, percent float64, by string, now time.Time) error {
	entry, err := h.write(rules, false, by, now)
	if err != nil {
		return err
	}
	index := h.index
	index.Shadow = &historyShadow{entry, percent}
	if !slices.ContainsFunc(index.Entries, entry.isLike) {
		index.Candidates = append(without(index.Candidates, entry), entry)
		index.Candidates = index.Candidates[max(0, len(index.Candidates)-maxCandidates):]
	}
	if err := h.writeIndex(index); err != nil {
		return err
	}
	h.prune()
	return nil
}

// endShadow notes that nothing runs in shadow any more.
func (h *history) endShadow() error {
	index := h.index
	index.Shadow = nil
	return h.writeIndex(index)
}

// write writes rules down, but for the index. A copy that has judged stays as it is if
// those are not to judge: it may be signed where this one is not.
func (h *history) write(rules *loadedRules, toJudge bool, by string, now time.Time) (historyEntry, error) {
	entry := historyEntry{
		Policies: rules.policies.digest, Validators: rules.validatorsDigest(), Ruleset: rules.Digest, Set: rules.set(), Since: now.UTC(), By: by,
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return entry, fmt.Errorf("keeping policies: %w", err)
	}
	if set := rules.policies.set; set != nil {
		for _, s := range set.Info() {
			entry.Sources = append(entry.Sources, historySource(s))
		}
		encoded, err := set.Encode()
		if err != nil {
			return entry, err
		}
		hasJudged := slices.ContainsFunc(h.index.Entries, func(e historyEntry) bool { return e.Policies == entry.Policies })
		if !toJudge && hasJudged {
			encoded = nil
		}
		if err := h.writePolicies(entry.Policies, encoded); err != nil {
			return entry, fmt.Errorf("keeping policies: %w", err)
		}
	}
	if entry.Set != "" {
		var err error
		if entry.Modules, err = h.addValidators(rules.read); err != nil {
			return entry, fmt.Errorf("keeping validators: %w", err)
		}
	}
	return entry, nil
}

// writePolicies writes a set that is encoded; nil stands for one that is there already.
func (h *history) writePolicies(digest string, encoded []byte) error {
	if encoded == nil {
		return nil
	}
	return writeDurably(h.path(digest), zipped(encoded), 0o600)
}

// addValidators keeps a set, and the modules of it that are not kept yet, whose digests it
// returns.
func (h *history) addValidators(read readValidators) ([]string, error) {
	encoded, modules, err := read.set.Encode()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(h.modules, 0o700); err != nil {
		return nil, err
	}
	for digest, content := range modules {
		if kept, err := os.ReadFile(h.modulePath(digest)); err == nil && bytes.Equal(kept, content) {
			continue
		}
		if err := writeDurably(h.modulePath(digest), content, 0o600); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(modules)), writeDurably(h.setPath(read.fingerprint), zipped(encoded), 0o600)
}

// unpin notes that what judges is not a rollback's any more.
func (h *history) unpin() error {
	index := h.index
	index.Pinned = false
	return h.writeIndex(index)
}

// writeIndex replaces the index.
func (h *history) writeIndex(index historyIndex) error {
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
