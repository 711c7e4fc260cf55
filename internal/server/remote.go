package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/plimsoll-project/plimsoll/internal/bundles"
	"github.com/plimsoll-project/plimsoll/service"
)

// fetcher is where something is on another machine.
type fetcher[T any] interface {
	Name() string
	Fetch(ctx context.Context, known string) (content T, version string, err error)
}

// remote is a source of policies, or a module of a validator, on another machine, and the
// latest that was fetched of it. It is safe for concurrent use.
type remote[T any] struct {
	what   string // policies or validator
	source fetcher[T]
	now    func() time.Time

	fetching sync.Mutex // one fetch at a time

	mu      sync.Mutex
	content *T // nil: nothing yet
	version string
	checked time.Time // when it was last asked
	err     error     // of the last fetch
}

// refresh asks whether there is something new, and fetches it.
func (r *remote[T]) refresh(ctx context.Context) (changed bool, err error) {
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
		r.err = fmt.Errorf("fetching %s %s: %w", r.what, r.source.Name(), err)
		return false, r.err
	}
	changed = r.content == nil || !reflect.DeepEqual(*r.content, content)
	r.content, r.version, r.err = &content, version, nil
	return changed, nil
}

// fetched returns what was fetched last, if anything was.
func (r *remote[T]) fetched() (content T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.content == nil {
		return content, false
	}
	return *r.content, true
}

// forget drops what was fetched, because of err.
func (r *remote[T]) forget(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.content, r.version, r.err = nil, "", err
}

// failure is why the last fetch failed; nil if it did not.
func (r *remote[T]) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// status says how it stands with the source.
func (r *remote[T]) status() service.SourceStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return service.SourceStatus{Name: r.source.Name(), Version: strings.Trim(r.version, `W/"`), Checked: r.checked, Err: r.err, Remote: true}
}

func compareNames[T any](a, b fetcher[T]) int { return strings.Compare(a.Name(), b.Name()) }

// poll refreshes every interval, give or take a tenth, so that many servers do not ask at
// once. While that fails it tries again sooner, and less and less often. It calls changed
// when there is something new, and returns when ctx ends.
func (r *remote[T]) poll(ctx context.Context, interval time.Duration, log *slog.Logger, changed func()) {
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
