package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/storage/badgerstore"
)

// survivors are the digests of jobs that went well, so that reloading is quick. A job
// takes the same for the same bytes.
var survivors, _ = lru.New[[sha256.Size]byte, struct{}](4096) // which fails for a size of 0 alone

// tryModule does a job in a process of its own, unless the same has gone well.
func tryModule(ctx context.Context, j plugins.Job) error {
	digest := jobDigest(j)
	if survivors.Contains(digest) {
		return nil
	}
	limits, what := moduleLimits, "it takes more than %s to compile: make it smaller, above all its largest functions"
	if j.Module == nil {
		limits, what = schemaLimits, "it takes more than %s to look at settings with its schema: look for definitions that refer twice to the next one"
	}
	result, err := compileElsewhere(ctx, compileJob{Limits: limits, Module: &j})
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

// jobDigest identifies a job. Where compiled code is kept does not count: what it takes
// to compile is the same.
func jobDigest(j plugins.Job) [sha256.Size]byte {
	return sha256.Sum256(slices.Concat(
		hashOf(j.Module), hashOf(j.Schema), hashOf(j.Settings),
	))
}

func hashOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// cacheDir is where compiled validators are kept, below the data directory.
const cacheDir = "compiled-validators"

// moduleCacheDir returns where what was compiled is kept, below a data directory. Nothing is
// kept in one that the store has not begun yet: it may be somebody else's.
func moduleCacheDir(data string) string {
	if badgerstore.IsData(data) {
		return filepath.Join(data, cacheDir)
	}
	return ""
}
