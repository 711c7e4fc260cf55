package server

import (
	"context"
	"log/slog"
	"time"
)

// trimInterval is how often decisions that are not to be kept any more are looked for.
const trimInterval = time.Minute

// runTrimming lets go of old decisions now and then, until ctx ends.
func runTrimming(ctx context.Context, trim func(context.Context) error, log *slog.Logger) {
	tick := time.NewTicker(trimInterval)
	defer tick.Stop()
	for {
		if err := trim(ctx); err != nil && ctx.Err() == nil {
			log.Warn("old decisions could not be let go of", "error", err.Error())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
