package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// compactionInterval is how often events are counted.
const compactionInterval = time.Minute

// startCompaction lets go of the events of all but the latest revisions, limit of them,
// now and then until ctx ends. The group it returns is done then. A limit of 0 keeps all.
func startCompaction(ctx context.Context, store storage.Store, limit plimsoll.Revision, log *slog.Logger) *sync.WaitGroup {
	var running sync.WaitGroup
	if limit == 0 {
		return &running
	}
	running.Go(func() {
		tick := time.NewTicker(compactionInterval)
		defer tick.Stop()
		for {
			if err := compact(ctx, store, limit); err != nil && ctx.Err() == nil {
				log.Warn("old events could not be let go of", "error", err.Error())
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return &running
}

// compact leaves the events of limit revisions, and up to a tenth more: a compaction
// for each commit would cost more than it saves.
func compact(ctx context.Context, store storage.Store, limit plimsoll.Revision) error {
	view, err := store.View(ctx)
	if err != nil {
		return err
	}
	now, compacted := view.Revision(), view.Compacted()
	if err := view.Close(); err != nil || now-compacted <= limit+limit/10 {
		return err
	}
	return store.Compact(ctx, now-limit)
}
