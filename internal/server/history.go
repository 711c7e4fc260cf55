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
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
	"github.com/plimsoll-project/plimsoll/service"
)

// history keeps the rules that have judged, to go back to: policies and validators. They
// are files in the data directory, named by their digests; an index says in which order
// they came. It is for one goroutine at a time.
type history struct {
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
func openHistory(data string) (*history, error) {
	h := &history{dir: filepath.Join(data, historyDir), modules: filepath.Join(data, modulesDir), index: historyIndex{Version: historyVersion}}
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
	return h.prune()
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
	return h.prune()
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

// isLike reports whether entries are of the same rules.
func (e historyEntry) isLike(other historyEntry) bool {
	return e.Policies == other.Policies && e.Validators == other.Validators
}

func without(entries []historyEntry, entry historyEntry) []historyEntry {
	return slices.DeleteFunc(slices.Clone(entries), entry.isLike)
}

// all are the entries of all rules, those that have judged last.
func (h *history) all() []historyEntry {
	all := slices.Clone(h.index.Candidates)
	if h.index.Shadow != nil {
		all = append(all, h.index.Shadow.historyEntry)
	}
	return append(all, h.index.Entries...)
}

// set is what an entry of the history calls the validators' set.
func (r *loadedRules) set() string {
	if r.read.set == nil {
		return ""
	}
	return r.read.fingerprint
}

// isOf reports whether an entry is that of rules.
func (e historyEntry) isOf(rules *loadedRules) bool {
	return e.Policies == rules.policies.digest && e.Ruleset == rules.Digest && e.Set == rules.set()
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

// prune removes what the index does not name, such as what a crash left behind.
func (h *history) prune() error {
	keep := []string{h.indexPath()}
	for _, e := range h.all() {
		keep = append(keep, h.path(e.Policies), h.setPath(e.Set))
		for _, digest := range e.Modules {
			keep = append(keep, h.modulePath(digest))
		}
	}
	return errors.Join(removeOthers(h.dir, keep), removeOthers(h.modules, keep))
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

// last is the entry that judged last, or nil.
func (h *history) last() *historyEntry {
	if len(h.index.Entries) == 0 {
		return nil
	}
	return &h.index.Entries[len(h.index.Entries)-1]
}

// previous is the latest that going back to would change something of current.
func (h *history) previous(current *loadedRules) (*historyEntry, error) {
	for _, e := range slices.Backward(h.index.Entries) {
		if e.differs(current) {
			return &e, nil
		}
	}
	return nil, errNoPrevious
}

// find returns the entry that a digest means: of a ruleset, of policies or of validators,
// in full or its beginning; the latest of several with the same.
func find(entries []historyEntry, digest string) (*historyEntry, error) {
	const shortest = 6
	wanted := strings.TrimPrefix(strings.ToLower(digest), "sha256:")
	var found *historyEntry
	meant := ""
	for _, e := range slices.Backward(entries) {
		for _, d := range []string{e.Ruleset, e.Policies, e.Validators} {
			if len(wanted) < shortest || !strings.HasPrefix(d, "sha256:"+wanted) || d == meant {
				continue
			}
			if found != nil {
				return nil, errAmbiguousDigest
			}
			found, meant = &e, d
		}
	}
	if found == nil {
		return nil, errNotKept
	}
	return found, nil
}

// kept describes all rules, those of active first: see [service.RulesetControl].
func (h *history) kept(active *loadedRules) []service.KeptRuleset {
	var list []service.KeptRuleset
	add := func(e historyEntry, state service.RulesetState) {
		kept := e.kept(e.Ruleset)
		kept.State = state
		list = append(list, kept)
	}
	isShadow := func(e historyEntry) bool { return h.index.Shadow != nil && h.index.Shadow.isLike(e) }
	for _, e := range slices.Backward(h.index.Entries) {
		if e.isOf(active) {
			add(e, plimsollv1.RulesetState_RULESET_STATE_ACTIVE)
		}
	}
	if h.index.Shadow != nil {
		add(h.index.Shadow.historyEntry, plimsollv1.RulesetState_RULESET_STATE_SHADOW)
	}
	for _, e := range slices.Backward(h.index.Entries) {
		if !e.isOf(active) && !isShadow(e) {
			add(e, plimsollv1.RulesetState_RULESET_STATE_PAST)
		}
	}
	for _, e := range slices.Backward(h.index.Candidates) {
		if !isShadow(e) {
			add(e, plimsollv1.RulesetState_RULESET_STATE_CANDIDATE)
		}
	}
	return list
}

// kept describes an entry; ruleset is its digest with the settings of now.
func (e historyEntry) kept(ruleset string) service.KeptRuleset {
	kept := service.KeptRuleset{Ruleset: ruleset, Policies: e.Policies, Validators: e.Validators, Since: e.Since, By: e.By}
	for _, s := range e.Sources {
		kept.Revisions = append(kept.Revisions, service.SourceRevision(s))
	}
	return kept
}

// differs reports whether going back to an entry would make other rules than current ones
// judge. Of what it does not have the current ones stay.
func (e historyEntry) differs(current *loadedRules) bool {
	return e.Policies != None && e.Policies != current.policies.digest || e.Set != "" && e.Validators != current.validatorsDigest()
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
	if !isDigest(strings.TrimPrefix(digest, "sha256:")) {
		return nil, fmt.Errorf("%q is no digest", digest) // but perhaps a path
	}
	encoded, err := readZipped(h.path(digest))
	if err != nil {
		return nil, err
	}
	return policy.Decode(encoded)
}

// validators reads a set of validators by its fingerprint.
func (h *history) validators(fingerprint string) (*plugins.Set, error) {
	if !isDigest(fingerprint) {
		return nil, fmt.Errorf("%q is no digest", fingerprint)
	}
	encoded, err := readZipped(h.setPath(fingerprint))
	if err != nil {
		return nil, err
	}
	set, err := plugins.Decode(encoded, func(digest string) ([]byte, error) {
		if !isDigest(digest) {
			return nil, fmt.Errorf("%q is no digest", digest)
		}
		return os.ReadFile(h.modulePath(digest))
	})
	if err == nil && set.Fingerprint() != fingerprint {
		err = errors.New("it is not what it was")
	}
	return set, err
}

// module is the latest that judged of a module in a registry, and since when it did.
func (h *history) module(reference, pin string) (plugins.Module, time.Time, error) {
	for _, e := range slices.Backward(h.index.Entries) {
		if e.Set == "" {
			continue
		}
		set, err := h.validators(e.Set)
		if err != nil {
			return plugins.Module{}, time.Time{}, fmt.Errorf("the copy of what judged last cannot be read: %w", err)
		}
		if m, ok := set.Module(reference, pin); ok {
			return m, e.Since, nil
		}
	}
	return plugins.Module{}, time.Time{}, errors.New("there is no copy of it that has judged before")
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
