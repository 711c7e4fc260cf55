package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/plimsoll-project/plimsoll/plugins"
)

// survivors are the digests of trials that went well, so that reloading is quick. A trial
// is the same for the same bytes.
var survivors, _ = lru.New[[sha256.Size]byte, struct{}](4096) // which fails for a size of 0 alone

// tryModule runs a trial in a process of its own, unless one of the same has gone well.
func tryModule(ctx context.Context, t plugins.Trial) error {
	digest := trialDigest(t)
	if survivors.Contains(digest) {
		return nil
	}
	limits, what := moduleLimits, "it takes more than %s to compile: make it smaller, above all its largest functions"
	if t.Module == nil {
		limits, what = schemaLimits, "it takes more than %s to look at settings with its schema: look for definitions that refer twice to the next one"
	}
	result, err := compileElsewhere(ctx, compileJob{Limits: limits, Module: &t})
	switch tooMuch, excess := errors.AsType[*tooMuchError](err); {
	case excess:
		return fmt.Errorf(what, tooMuch.what)
	case err != nil:
		return fmt.Errorf("compiling the module: %w", err)
	case result.Err != "":
		return errors.New(result.Err)
	}
	survivors.Add(digest, struct{}{})
	return nil
}

// trialDigest identifies a trial. Where compiled code is kept does not count: what it takes
// to compile is the same.
func trialDigest(t plugins.Trial) [sha256.Size]byte {
	return sha256.Sum256(slices.Concat(
		hashOf(t.Module), hashOf(t.Schema), hashOf(t.Settings),
	))
}

func hashOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// cacheDir is where compiled validators are kept, below the data directory.
const cacheDir = "compiled-validators"

// pluginOptions are what validators are run with. Those that are part of the program need
// no trial. Nothing is kept in a data directory that is empty: it is for the store to
// begin one.
func pluginOptions(paths []string, data string, log *slog.Logger) plugins.Options {
	options := plugins.Options{Logger: log}
	if entries, err := os.ReadDir(data); err == nil && len(entries) > 0 {
		options.CacheDir = filepath.Join(data, cacheDir)
	}
	if len(paths) > 0 {
		options.Try = tryModule
	}
	return options
}
