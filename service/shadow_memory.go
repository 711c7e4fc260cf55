package service

import (
	"context"
	runtimemetrics "runtime/metrics"
	"time"
)

// heapMetric is the memory of all that is in use, and of what is no more but was not
// collected yet.
const heapMetric = "/memory/classes/heap/objects:bytes"

func heapBytes() uint64 {
	sample := []runtimemetrics.Sample{{Name: heapMetric}}
	runtimemetrics.Read(sample)
	return sample[0].Value.Uint64()
}

// watchMemory stops what begins now if the memory of the process grows too much before it
// has ended, by whomever: a rule that takes gigabytes takes them from all. The caller
// calls end.
func watchMemory(ctx context.Context, stop context.CancelCauseFunc) (end func()) {
	before := heapBytes()
	ended := make(chan struct{})
	timer := time.AfterFunc(trialMemoryInterval, func() { // most have ended by then
		tick := time.NewTicker(trialMemoryInterval)
		defer tick.Stop()
		for {
			if heapBytes() > before+trialMemory {
				stop(errTrialMemory)
				return
			}
			select {
			case <-tick.C:
			case <-ended:
				return
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		timer.Stop()
		close(ended)
	}
}
