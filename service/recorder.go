package service

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Decisions that changed something are recorded together with the change. The others, of
// which anybody can cause as many as they like, are queued, and written in the background,
// many at a time. Nobody waits for that, and what does not fit in is dropped: it is counted,
// and the counts are recorded too.
const (
	// recordBatch is how many are written together, and recordInterval how long fewer than
	// that wait for company.
	recordBatch    = 256
	recordInterval = 100 * time.Millisecond
	// masksTimeout bounds what policies' masks may take for all records of one write.
	masksTimeout = 2 * time.Second
	// recordTimeout bounds one write.
	recordTimeout = 10 * time.Second
	// dropInterval is how often dropped records are logged, and how often recorded.
	dropInterval = 10 * time.Second
)

// dropReason is why a decision was not recorded.
type dropReason string

const (
	dropQueue  dropReason = "queue"  // more come than can be written
	dropCaller dropReason = "caller" // the caller has used up its share of the budget
	dropTotal  dropReason = "total"  // the budget is used up
	dropFailed dropReason = "failed" // writing failed
)

var dropReasons = []dropReason{dropQueue, dropCaller, dropTotal, dropFailed}

var dropTexts = map[dropReason]string{
	dropQueue:  "there are more of them than can be written",
	dropCaller: "there are more of one caller than are kept",
	dropTotal:  "there are more of them than are kept",
	dropFailed: "they could not be written",
}

// recorder writes the records of decisions that changed nothing. It is safe for concurrent
// use.
type recorder struct {
	store   storage.Store
	log     *slog.Logger
	metrics *metrics
	records bool // or nothing is recorded
	now     func() time.Time
	budget  *budget // used by run alone

	hurry    chan struct{} // closed when nothing waits for company any more
	flushing sync.Once     // closes hurry

	mu      sync.Mutex
	queue   recordQueue
	idle    chan struct{}
	writing bool // a goroutine is at it; it closes idle when it ends

	unlogged   int // dropped records since that was last logged
	logged     time.Time
	unrecorded map[dropReason]int // dropped records since that was last recorded
	since      time.Time          // of the first of them
	recorded   time.Time
}

func newRecorder(store storage.Store, o Options, m *metrics) *recorder {
	r := &recorder{
		store: store, log: o.Logger, metrics: m, records: o.DecisionRetention > 0, now: o.Now, hurry: make(chan struct{}), unrecorded: map[dropReason]int{},
	}
	if r.records {
		r.budget = newBudget(o.DecisionLimit/2, o.DecisionRetention)
	}
	return r
}

// add queues a record. It never waits for the store.
func (r *recorder) add(record *record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.queue.push(record); n > 0 {
		r.drop(n, dropQueue, nil)
	}
	if !r.writing && len(r.queue.records) > 0 {
		r.writing, r.idle = true, make(chan struct{})
		go r.run()
	}
}

// drop counts records that are lost. The caller holds mu.
func (r *recorder) drop(n int, why dropReason, err error) {
	r.metrics.dropped.WithLabelValues(string(why)).Add(float64(n))
	now := r.now()
	if len(r.unrecorded) == 0 {
		r.since = now
	}
	r.unrecorded[why] += n
	if r.unlogged += n; now.Sub(r.logged) >= dropInterval {
		attributes := []any{"dropped", r.unlogged, "why", dropTexts[why]}
		if err != nil {
			attributes = append(attributes, "error", err.Error())
		}
		r.log.Warn("decisions that changed nothing were not recorded", attributes...)
		r.logged, r.unlogged = now, 0
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
	return len(r.queue.records) >= recordBatch
}

// next returns what to write next; nil if there is nothing, and then run has ended.
func (r *recorder) next() []*record {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue.records) == 0 {
		r.writing = false
		close(r.idle)
		return nil
	}
	return r.queue.first(recordBatch)
}

// write writes the first of the queue and takes them off it.
func (r *recorder) write(batch []*record) {
	records := make([]storage.Record, 0, len(batch)+1)
	over := map[dropReason]int{}
	masking, done := context.WithTimeout(context.Background(), masksTimeout)
	defer done()
	for _, record := range batch {
		record.seal(masking)
		logged, err := record.forLog()
		if err != nil {
			over[dropFailed]++
			continue
		}
		if why := r.budget.take(record.caller(), len(logged.Value), r.now()); why != "" {
			over[why]++
			continue
		}
		records = append(records, logged)
	}
	drops, counted := r.drops()
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	var err error
	if all := append(records, drops...); len(all) > 0 {
		err = r.store.Append(ctx, all)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue.written()
	for _, why := range dropReasons {
		if n := over[why]; n > 0 {
			r.drop(n, why, nil)
		}
	}
	if err == nil {
		r.settle(counted)
	} else if len(records) > 0 {
		r.drop(len(records), dropFailed, err)
	}
}

// drops is the record of what was dropped, if it is time for one, and what it counts.
func (r *recorder) drops() ([]storage.Record, map[dropReason]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if len(r.unrecorded) == 0 || now.Sub(r.recorded) < dropInterval && !r.isHurrying() {
		return nil, nil
	}
	counts := maps.Clone(r.unrecorded)
	m := &storagev1.DroppedDecisions{Since: timestamppb.New(r.since), Counts: map[string]uint64{}}
	for why, n := range counts {
		m.Counts[string(why)] = uint64(n) //nolint:gosec // not negative
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil { // of numbers and names
		return nil, nil
	}
	r.recorded = now
	key := plimsoll.EntryKey{Kind: plimsoll.KindDrops, Key: ulid.MustNew(ulid.Timestamp(now), rand.Reader).String()}
	return []storage.Record{{EntryKey: key, Time: now, Value: value}}, counts
}

func (r *recorder) isHurrying() bool {
	select {
	case <-r.hurry:
		return true
	default:
		return false
	}
}

// queued returns the records of a namespace that are not written yet, or are just being
// written.
func (r *recorder) queued(namespace string) []*record {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*record
	for _, record := range r.queue.records {
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
	if writing {
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return r.flushDrops(ctx)
}

// flushDrops records what was dropped while nothing else is being written.
func (r *recorder) flushDrops(ctx context.Context) error {
	drops, counted := r.drops()
	if len(drops) == 0 {
		return nil
	}
	if err := r.store.Append(ctx, drops); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle(counted)
	return nil
}

// settle takes off the counts of what was dropped those that are recorded now. The caller
// holds mu.
func (r *recorder) settle(counted map[dropReason]int) {
	for why, n := range counted {
		if r.unrecorded[why] -= n; r.unrecorded[why] <= 0 {
			delete(r.unrecorded, why)
		}
	}
	if len(counted) > 0 {
		r.since = r.now() // of those that came meanwhile, if any
	}
}
