package service

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/plimsoll-project/plimsoll/storage"
)

// Decisions that changed something are recorded together with the change. The others, of
// which anybody can cause as many as they like, are queued, and written in the background,
// many at a time. Nobody waits for that, and what does not fit in is dropped.
const (
	maxQueuedRecords = 4096
	maxQueuedBytes   = 32 << 20
	// recordBatch is how many are written together, and recordInterval how long fewer than
	// that wait for company.
	recordBatch    = 256
	recordInterval = 100 * time.Millisecond
	// masksTimeout bounds what policies' masks may take for all records of one write.
	masksTimeout = 2 * time.Second
	// recordTimeout bounds one write.
	recordTimeout = 10 * time.Second
	// maxRecordedBytes bounds the records of decisions that changed nothing, over the time
	// that they are kept: one flood fills it, and then it fills anew over that time.
	maxRecordedBytes = 256 << 20
	// dropInterval is how often dropped records are logged.
	dropInterval = 10 * time.Second
)

// recorder writes the records of decisions that changed nothing. It is safe for concurrent
// use.
type recorder struct {
	store     storage.Store
	log       *slog.Logger
	retention time.Duration // 0: nothing is recorded
	now       func() time.Time
	budget    *rate.Limiter

	hurry    chan struct{} // closed when nothing waits for company any more
	flushing sync.Once     // closes hurry

	mu      sync.Mutex
	queue   []*record // oldest first; those that are being written are still in it
	bytes   int       // of queue
	idle    chan struct{}
	writing bool // a goroutine is at it; it closes idle when it ends
	dropped int  // since that was last logged
	logged  time.Time
}

func newRecorder(store storage.Store, o Options) *recorder {
	r := &recorder{store: store, log: o.Logger, retention: max(o.DecisionRetention, 0), now: o.Now, hurry: make(chan struct{})}
	if r.retention > 0 {
		r.budget = rate.NewLimiter(rate.Limit(maxRecordedBytes/r.retention.Seconds()), maxRecordedBytes)
	}
	return r
}

// add queues a record. It never waits for the store.
func (r *recorder) add(record *record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) >= maxQueuedRecords || r.bytes+record.size() > maxQueuedBytes {
		r.drop(1, "there are more of them than can be written")
		return
	}
	r.queue = append(r.queue, record)
	r.bytes += record.size()
	if !r.writing {
		r.writing, r.idle = true, make(chan struct{})
		go r.run()
	}
}

// drop counts records that are lost. The caller holds mu.
func (r *recorder) drop(n int, why string) {
	r.dropped += n
	if now := r.now(); now.Sub(r.logged) >= dropInterval {
		r.log.Warn("decisions that changed nothing were not recorded", "dropped", r.dropped, "why", why)
		r.logged, r.dropped = now, 0
	}
}

// run writes until the queue is empty.
func (r *recorder) run() {
	for {
		if !r.isBatch() {
			select {
			case <-time.After(recordInterval):
			case <-r.hurry:
			}
		}
		batch := r.next()
		if batch == nil {
			return
		}
		r.write(batch)
	}
}

func (r *recorder) isBatch() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) >= recordBatch
}

// next returns what to write next; nil if there is nothing, and then run has ended.
func (r *recorder) next() []*record {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		r.writing = false
		close(r.idle)
		return nil
	}
	return slices.Clone(r.queue[:min(recordBatch, len(r.queue))])
}

// write writes the first of the queue and takes them off it.
func (r *recorder) write(batch []*record) {
	records := make([]storage.Record, 0, len(batch))
	over := 0
	masking, done := context.WithTimeout(context.Background(), masksTimeout)
	defer done()
	for _, record := range batch {
		record.seal(masking)
		logged, err := record.forLog()
		if err != nil || !r.budget.AllowN(r.now(), len(logged.Value)) {
			over++
			continue
		}
		records = append(records, logged)
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	var err error
	if len(records) > 0 {
		err = r.store.Append(ctx, records)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = slices.Delete(r.queue, 0, len(batch))
	for _, record := range batch {
		r.bytes -= record.size()
	}
	if over > 0 {
		r.drop(over, "there are more of them than are kept")
	}
	if err != nil {
		r.drop(len(records), err.Error())
	}
}

// queued returns the records of a namespace that are not written yet, or are just being
// written.
func (r *recorder) queued(namespace string) []*record {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*record
	for _, record := range r.queue {
		if record.decision.GetNamespace() == namespace {
			found = append(found, record)
		}
	}
	return found
}

// flush writes what is queued, and from now on everything at once.
func (r *recorder) flush(ctx context.Context) error {
	r.flushing.Do(func() { close(r.hurry) })
	r.mu.Lock()
	writing, idle := r.writing, r.idle
	r.mu.Unlock()
	if !writing {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
