package service

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// DecisionInputs says of which attempts the input that rules judged is recorded, without
// its secrets, so that they can be explained and replayed.
type DecisionInputs string

// Which inputs are recorded.
const (
	// InputsAll are those of all attempts: of admitted ones soon after, in the background.
	InputsAll DecisionInputs = "all"
	// InputsRefused are those of attempts that changed nothing.
	InputsRefused DecisionInputs = "refused"
	// InputsNone are none.
	InputsNone DecisionInputs = "none"
)

// inputRecorder records the inputs of attempts that were admitted, whose decisions are
// recorded with their change already. Nobody waits for it: what does not fit is dropped,
// and counted. It is safe for concurrent use.
type inputRecorder struct {
	store   storage.Store
	log     *slog.Logger
	now     func() time.Time
	budget  *budget // used by run alone
	crew    *crew   // likewise
	dropped *prometheus.CounterVec

	mu      sync.Mutex
	queue   recordQueue
	writing bool // a goroutine is at it; it closes idle when it ends
	idle    chan struct{}
}

// newInputRecorder returns nil if inputs of admitted attempts are not to be recorded.
func newInputRecorder(store storage.Store, o Options, background *background) *inputRecorder {
	if o.DecisionInputs != InputsAll || o.DecisionRetention <= 0 {
		return nil
	}
	r := &inputRecorder{
		store: store, log: o.Logger, now: o.Now, crew: background.newCrew(),
		budget: newBudget(o.DecisionLimit/4, o.DecisionRetention),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_decision_inputs_dropped_total",
			Help: "Inputs of admitted attempts that were not recorded, by reason, as in plimsoll_decisions_dropped_total.",
		}, []string{"reason"}),
	}
	for _, why := range dropReasons {
		r.dropped.WithLabelValues(string(why))
	}
	o.Metrics.MustRegister(r.dropped)
	return r
}

// add queues the input of an attempt that was admitted.
func (r *inputRecorder) add(admitted *record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.queue.push(admitted); n > 0 {
		r.dropped.WithLabelValues(string(dropQueue)).Add(float64(n))
	}
	if !r.writing && len(r.queue.records) > 0 {
		r.writing, r.idle = true, make(chan struct{})
		go r.run()
	}
}

// run writes until the queue is empty.
func (r *inputRecorder) run() {
	for {
		if !r.isBatch() {
			select {
			case <-time.After(recordInterval):
			case <-r.crew.draining:
			}
		}
		r.mu.Lock()
		batch := r.queue.first(recordBatch)
		if len(batch) == 0 {
			r.writing = false
			close(r.idle)
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		r.write(batch)
		r.mu.Lock()
		r.queue.written()
		r.mu.Unlock()
	}
}

func (r *inputRecorder) isBatch() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue.records) >= recordBatch
}

// write writes inputs. Hiding secrets in them takes a while, so it is done as all work in
// the background is, unless the service drains.
func (r *inputRecorder) write(batch []*record) {
	var records []storage.Record
	hide := func() error {
		records = r.recordsOf(batch)
		return nil
	}
	if err := r.crew.do(context.Background(), &r.crew.workers[0], hide); err != nil {
		_ = hide() // it has no error
	}
	if len(records) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	if err := r.store.Append(ctx, records); err != nil {
		r.drop(len(records), dropFailed, err)
	}
}

func (r *inputRecorder) recordsOf(batch []*record) []storage.Record {
	var records []storage.Record
	for _, one := range batch {
		record, err := one.inputForLog()
		if err != nil {
			r.drop(1, dropFailed, err)
			continue
		}
		if record == nil { // it is too large
			continue
		}
		if why := r.budget.take(one.caller(), len(record.Value), r.now()); why != "" {
			r.drop(1, why, nil)
			continue
		}
		records = append(records, *record)
	}
	return records
}

func (r *inputRecorder) drop(n int, why dropReason, err error) {
	r.dropped.WithLabelValues(string(why)).Add(float64(n))
	if err != nil {
		r.log.Debug("inputs of admitted attempts were not recorded", "dropped", n, "error", err.Error())
	}
}

// flush waits until what is queued is written.
func (r *inputRecorder) flush(ctx context.Context) error {
	if r == nil {
		return nil
	}
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

// inputForLog is the input of r as a record of the log; nil if there is none, or it is too
// large.
func (r *record) inputForLog() (*storage.Record, error) {
	stored := r.stored()
	if len(stored.GetInput()) == 0 {
		return nil, nil //nolint:nilnil // nil is the answer
	}
	hidden := slices.Concat(stored.GetDecision().GetErased(), stored.GetDecision().GetMasked())
	value, err := proto.Marshal(&storagev1.DecisionInput{Input: stored.GetInput(), Hidden: hidden})
	if err != nil {
		return nil, err
	}
	return &storage.Record{EntryKey: inputKey(r.decision.GetNamespace(), r.decision.GetId()), Value: value, Time: r.decision.GetTime().AsTime()}, nil
}

// inputKey is the key of the input of an admitted attempt.
func inputKey(namespace, id string) plimsoll.EntryKey {
	return plimsoll.EntryKey{Kind: plimsoll.KindDecisionInput, Key: decisionKey(namespace, id).Key}
}
