package service

import "slices"

// Bounds on the records that wait to be written.
const (
	maxQueuedRecords = 4096
	maxQueuedBytes   = 32 << 20
)

// caller is on whose behalf something is recorded. Nobody can make up users, but anybody
// namespaces.
type caller struct{ user, namespace string }

func (r *record) caller() caller {
	u := r.decision.GetUser()
	return caller{u.GetVia() + " " + u.GetName(), r.decision.GetNamespace()}
}

// recordQueue is the records that wait to be written, the oldest first. When it is full,
// those have to give way that have most in it, so that nobody is crowded out by others. It
// is not safe for concurrent use.
type recordQueue struct {
	records []*record
	busy    int // the first of records are being written
	bytes   int
	held    map[caller]int // bytes
}

// push adds a record and returns how many had to give way: others, or this one.
func (q *recordQueue) push(r *record) (dropped int) {
	for len(q.records) >= maxQueuedRecords || q.bytes+r.size() > maxQueuedBytes {
		dropped++
		most := r.caller()
		for c, bytes := range q.held {
			if bytes > q.held[most]+r.size() {
				most = c
			}
		}
		last := len(q.records) - 1
		for most != r.caller() && last >= q.busy && q.records[last].caller() != most {
			last--
		}
		if most == r.caller() || last < q.busy {
			return dropped
		}
		q.remove(last, last+1)
	}
	q.records = append(q.records, r)
	q.account(r, r.size())
	return dropped
}

// first returns the first n records, or all, which are being written from now on.
func (q *recordQueue) first(n int) []*record {
	q.busy = min(n, len(q.records))
	return slices.Clone(q.records[:q.busy])
}

// written takes off the queue those that first has returned.
func (q *recordQueue) written() {
	q.remove(0, q.busy)
	q.busy = 0
}

func (q *recordQueue) remove(from, to int) {
	for _, r := range q.records[from:to] {
		q.account(r, -r.size())
	}
	q.records = slices.Delete(q.records, from, to)
}

func (q *recordQueue) account(r *record, bytes int) {
	if q.held == nil {
		q.held = make(map[caller]int)
	}
	q.bytes += bytes
	if q.held[r.caller()] += bytes; q.held[r.caller()] <= 0 {
		delete(q.held, r.caller())
	}
}
