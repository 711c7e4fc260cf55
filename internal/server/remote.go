package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/plimsoll-project/plimsoll/internal/bundles"
	"github.com/plimsoll-project/plimsoll/policy"
)

// remote is a source of policies on another machine, and the latest that was fetched of
// it. It is safe for concurrent use.
type remote struct {
	source bundles.Source
	now    func() time.Time

	fetching sync.Mutex // one fetch at a time

	mu      sync.Mutex
	content []byte // nil: nothing yet
	version string
	checked time.Time // when it was last asked
	err     error     // of the last fetch
}

// refresh asks whether there is something new, and fetches it.
func (r *remote) refresh(ctx context.Context) (changed bool, err error) {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	r.mu.Lock()
	known := r.version
	r.mu.Unlock()
	content, version, err := r.source.Fetch(ctx, known)
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return false, ctx.Err() // says nothing of the source
	}
	r.checked = r.now()
	switch {
	case errors.Is(err, bundles.ErrNotModified):
		r.err = nil
		return false, nil
	case err != nil:
		r.err = fmt.Errorf("fetching policies %s: %w", r.source.Name(), err)
		return false, r.err
	}
	changed = !bytes.Equal(r.content, content)
	r.content, r.version, r.err = content, version, nil
	return changed, nil
}

// fetched returns what was fetched last, if anything was.
func (r *remote) fetched() (policy.Source, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return policy.Archive(r.source.Name(), r.content), r.content != nil
}

// poll refreshes every interval, give or take a tenth, so that many servers do not ask at
// once. While that fails it tries again sooner, and less and less often. It calls changed
// when there is something new, and returns when ctx ends.
func (r *remote) poll(ctx context.Context, interval time.Duration, log *slog.Logger, changed func()) {
	retry := &backoff.ExponentialBackOff{InitialInterval: time.Second, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: interval}
	retry.Reset()
	wait, failed := jittered(interval), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		isNew, err := r.refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !failed { // and not each time
				log.Error("policies cannot be fetched; those that were fetched last are kept", "error", err.Error())
			}
			wait, failed = retry.NextBackOff(), true
			continue
		case failed:
			log.Info("policies can be fetched again", "source", r.source.Name())
		}
		retry.Reset()
		wait, failed = jittered(interval), false
		if isNew {
			changed()
		}
	}
}

func jittered(interval time.Duration) time.Duration {
	return time.Duration(float64(interval) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // no secret
}
