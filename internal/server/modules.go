package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plimsoll-project/plimsoll/internal/bundles"
	"github.com/plimsoll-project/plimsoll/plugins"
)

// modules are those that validators.yaml files name in registries, and the latest that was
// fetched of each. It is safe for concurrent use.
type modules struct {
	options bundles.Options
	now     func() time.Time

	mu      sync.Mutex
	remotes map[string]*remoteModule // by reference
}

type remoteModule = remote[bundles.Module]

// maxFetches bounds how many modules are fetched at once.
const maxFetches = 8

// refresh asks for the modules of references, and forgets all others. Those that are as
// they are pinned are asked for only if again says so. What fails is kept with each.
func (m *modules) refresh(ctx context.Context, references []plugins.Reference, again bool) {
	m.keepOnly(references)
	var all errgroup.Group
	all.SetLimit(maxFetches)
	for _, reference := range references {
		r, err := m.remote(reference.Module)
		if err != nil { // which get says, too
			continue
		}
		all.Go(func() error {
			if content, ok := r.fetched(); again || !ok || !isPinned(content, reference.SHA256) {
				_, _ = r.refresh(ctx)
			}
			return nil
		})
	}
	_ = all.Wait() // none returns any
}

func (m *modules) keepOnly(references []plugins.Reference) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.remotes {
		if !slices.ContainsFunc(references, func(r plugins.Reference) bool { return r.Module == name }) {
			delete(m.remotes, name)
		}
	}
}

// remote is that of a reference.
func (m *modules) remote(reference string) (*remoteModule, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.remotes[reference]; r != nil {
		return r, nil
	}
	source, err := bundles.ParseModule(reference, m.options)
	if err != nil {
		return nil, err
	}
	r := &remoteModule{what: "validator", source: source, now: m.now}
	m.remotes[reference] = r
	return r, nil
}

// all are the modules, by the name of their sources.
func (m *modules) all() []*remoteModule {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*remoteModule
	for _, r := range m.remotes {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *remoteModule) int { return compareNames(a.source, b.source) })
	return all
}

// isPinned reports whether a module is the one of a digest. A reference that has none
// beside it is one by digest itself, or will be refused.
func isPinned(m bundles.Module, pin string) bool {
	sum := sha256.Sum256(m.Content)
	return pin == "" || pin == hex.EncodeToString(sum[:])
}

// module returns what was fetched last of a reference, or a copy of what has judged. It
// does not ask anybody: see fetchModules. While the server starts, the copy also takes the
// place of what is not what was pinned, such as when a tag was moved: it is safe to judge
// by what judged before, and then it is said that this cannot be had any more.
func (k *rulekeeper) module(_ context.Context, reference, pin string) (plugins.Module, error) {
	r, err := k.modules.remote(reference)
	if err != nil {
		return plugins.Module{}, err
	}
	fetched, ok := r.fetched()
	if ok && (k.active != nil || isPinned(fetched, pin)) {
		return plugins.Module(fetched), nil
	}
	kept, since, err := k.history.module(reference, pin)
	switch {
	case err == nil:
		if !k.saidKept[reference] { // and not each time
			k.saidKept[reference] = true
			k.log.Error("a validator cannot be fetched as it is pinned; the copy of it that judged last does so again", "module", r.source.Name(), "error", fmt.Sprint(r.failure()), "since", since)
		}
		return kept, nil
	case ok:
		return plugins.Module(fetched), nil // and it will be said what is wrong with it
	}
	return plugins.Module{}, fmt.Errorf("%w, and %w", r.failure(), err)
}

// fetchModules asks registries for the modules that are configured: for all, or for those
// only that were not fetched yet as they are pinned.
func (k *rulekeeper) fetchModules(ctx context.Context, again bool) {
	if sources := k.config.validatorSources(); len(sources) > 0 {
		k.modules.refresh(ctx, plugins.References(sources...), again)
	}
}

// pluginOptions are the settings in the terms of package plugins. fetch gets modules from
// registries.
func (c Config) pluginOptions(log *slog.Logger, fetch func(ctx context.Context, reference, sha256 string) (plugins.Module, error)) (plugins.Options, error) {
	verifier, err := c.moduleVerifier()
	return plugins.Options{Logger: log, Verifier: verifier, Fetch: fetch, CacheDir: moduleCacheDir(c.Data), Try: tryModule}, err
}

// moduleVerifier verifies signatures with the configured keys; nil if there are none.
func (c Config) moduleVerifier() (*plugins.Verifier, error) {
	if len(c.ValidatorKeys) == 0 {
		return nil, nil //nolint:nilnil // no keys, no verifier
	}
	var keys [][]byte
	for _, path := range c.ValidatorKeys {
		key, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("validator-keys: %w", err)
		}
		if _, err := plugins.NewVerifier(key); err != nil {
			return nil, fmt.Errorf("validator-keys: %s: %w", path, err)
		}
		keys = append(keys, key)
	}
	return plugins.NewVerifier(keys...)
}

// fetchModule fetches a module from a registry, for tools.
func fetchModule(options bundles.Options) func(context.Context, string, string) (plugins.Module, error) {
	return func(ctx context.Context, reference, _ string) (plugins.Module, error) {
		source, err := bundles.ParseModule(reference, options)
		if err != nil {
			return plugins.Module{}, err
		}
		m, _, err := source.Fetch(ctx, "")
		if err != nil {
			return plugins.Module{}, fmt.Errorf("fetching validator %s: %w", source.Name(), err)
		}
		return plugins.Module(m), nil
	}
}

// toolOptions are those of tools, which verify nothing.
func toolOptions() plugins.Options {
	return plugins.Options{Logger: slog.New(slog.DiscardHandler), Fetch: fetchModule(bundles.Options{}), Try: tryModule, AlwaysAsk: true}
}
