package service

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/btree"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// The continuous audit keeps it known how everything that is stored stands with the rules
// that judge now. It goes in rounds, each of which brings what is known to one revision and
// one ruleset:
//
//   - Containers that were written since the last round are judged.
//   - So are those whose verdict may depend on what was written: rules that ask for other
//     containers leave a footprint of what they read, as in a mutation, and what events say
//     was changed is held against it.
//   - So are those in namespaces whose labels have changed, and those that violate rules when
//     exemptions have changed or expired.
//   - If the rules have changed, every container is judged by those packages and validators
//     that are not what they were before and that cover it. What the others found is kept:
//     see [plimsoll.PartedJudge]. If the rules that patch have changed, nothing is kept.
//
// So it always comes to what judging everything anew would come to.

// Bounds on what an auditor remembers, and on how it works.
const (
	// maxAuditedBytes bounds what it remembers of what rules said. Beyond, it is
	// remembered which rules said something, and not what.
	maxAuditedBytes = 64 << 20
	// maxAuditedReads bounds what it remembers of what judging one container has read.
	// One that reads more is judged again whenever anything changes.
	maxAuditedReads = 256
	// maxAuditedEvents bounds the changes that it follows one by one. If there are more,
	// it looks at everything.
	maxAuditedEvents = 100_000
	// failedInterval is how long it takes to try again those that rules failed on.
	failedInterval = time.Minute
)

// auditor is the continuous audit. Its methods are safe for concurrent use, but for round.
type auditor struct {
	*Service
	crew *crew

	// Of the goroutine that does rounds:
	revision plimsoll.Revision     // that what is known is of, but for dirty and all
	known    bool                  // events after revision are all there is to follow
	all      bool                  // everything must be looked at
	dirty    map[plimsoll.Key]bool // is to be judged by all rules
	by       *auditedRules         // that the latest round was for
	retried  time.Time             // when those that failed were last judged

	mu         sync.Mutex
	containers *btree.BTreeG[*audited]
	bytes      int // of the opinions of containers
	status     *plimsollv1.AuditStatus
	lasted     time.Time // when the latest complete round began
}

// audited is what is known of a container. It is replaced, not changed.
type audited struct {
	key      plimsoll.Key
	revision plimsoll.Revision // of the container
	round    int64             // that last saw it
	by       *auditedRules
	opinion  *plimsollv1.Opinion // nil: it is simply admitted
	bytes    int                 // of opinion
	cut      bool                // opinion is not all that was found
	until    time.Time           // when an exemption expires that it has; zero: never
	read     *storage.Footprint  // of others; nil: nothing
	readsAll bool                // more than is remembered
}

func lessAudited(a, b *audited) bool {
	if a.key.Namespace != b.key.Namespace {
		return a.key.Namespace < b.key.Namespace
	}
	return a.key.ID < b.key.ID
}

func newAuditor(s *Service) *auditor {
	a := &auditor{
		Service: s, crew: s.background.newCrew(), all: true, dirty: map[plimsoll.Key]bool{}, lasted: time.Now(),
		containers: btree.NewBTreeGOptions(lessAudited, btree.Options{NoLocks: true}), status: &plimsollv1.AuditStatus{},
	}
	if s.options.AuditInterval > 0 {
		s.options.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "plimsoll_audit_age_seconds",
			Help: "How long ago what the continuous audit knows was all there was to know.",
		}, func() float64 {
			a.mu.Lock()
			defer a.mu.Unlock()
			return time.Since(a.lasted).Seconds()
		}))
	}
	return a
}

// AuditContinuously judges what is stored until ctx ends or the service drains, and looks
// for changes at every interval. It is to be called once.
func (s *Service) AuditContinuously(ctx context.Context) {
	if s.options.AuditInterval <= 0 {
		return
	}
	tick := time.NewTicker(s.options.AuditInterval)
	defer tick.Stop()
	for {
		err := s.auditor.round(ctx)
		if ctx.Err() != nil || errors.Is(err, errDraining) {
			return
		}
		if err != nil {
			s.options.Logger.Warn("the continuous audit could not go on, and tries again", "error", err.Error())
		}
		s.auditor.failed(err)
		select {
		case <-tick.C:
		case <-s.draining:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (a *auditor) failed(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Error = ""
	if err != nil {
		a.status.Error, a.status.Progress = clip(statusMessage(err), maxMessageBytes), nil
	}
}

// round brings what is known to the latest revision and the rules that judge now. An error
// means that it is not complete; the next goes on.
func (a *auditor) round(ctx context.Context) error {
	rules, release := a.ruleset.hold()
	if rules == nil {
		return nil
	}
	defer release()
	began := time.Now()
	view, err := a.store.View(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = view.Close() }() // releasing a snapshot has nothing to report

	now := partsOf(rules)
	if a.by != nil && a.by.digest == now.digest {
		now.auditedRules = a.by // so that what it judged is known to be its
	} else {
		a.by, a.all = now.auditedRules, true
	}
	if err := a.follow(ctx, view); err != nil {
		return err
	}
	a.retryFailed()
	if a.expire(); !a.all && len(a.dirty) == 0 {
		a.finish(view.Revision(), now, began, false)
		return nil
	}
	r := &auditRound{auditor: a, view: view, rules: now, number: began.UnixNano(), began: began}
	if a.all {
		err = r.everything(ctx)
	} else {
		err = r.some(ctx)
	}
	if err != nil {
		return err
	}
	a.finish(view.Revision(), now, began, true)
	return nil
}

// follow finds out what has changed up to what a view sees, and what depends on that.
func (a *auditor) follow(ctx context.Context, view storage.View) error {
	if !a.known { // the first time
		a.known, a.all, a.revision = true, true, view.Revision()
		return nil
	}
	if a.revision == view.Revision() {
		return nil
	}
	var effects storage.Effects
	namespaces := map[string]bool{}
	n := 0
	for event, err := range a.store.Watch(ctx, a.revision) {
		if errors.Is(err, plimsoll.ErrCompacted) {
			n = maxAuditedEvents
		} else if err != nil {
			return err
		}
		if n++; n > maxAuditedEvents {
			a.all = true
			// What is known now may depend on what was not followed.
			a.forget()
			break
		}
		effects.Add(touchOf(event))
		switch {
		case event.Container != nil:
			a.dirty[plimsoll.Key{Namespace: event.Namespace, ID: event.Container.ID}] = true
		case event.Entry.Kind == plimsoll.KindNamespace:
			namespaces[event.Entry.Key] = true
		}
		if event.Last && event.Revision >= view.Revision() {
			break
		}
	}
	a.revision = view.Revision()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.containers.Scan(func(c *audited) bool {
		if c.readsAll || c.read != nil && effects.On(c.read) || namespaces[c.key.Namespace] {
			a.dirty[c.key] = true
		}
		return true
	})
	return nil
}

// touchOf is what an event says was done.
func touchOf(e plimsoll.Event) storage.Touch {
	switch {
	case e.Container == nil:
		return storage.Touch{Key: storage.Write{Entry: e.Entry}.Key()}
	case e.Operation == plimsoll.OperationDelete:
		return storage.Touch{Key: plimsoll.Key{Namespace: e.Namespace, ID: e.Container.ID}, Before: e.Container}
	}
	return storage.Touch{Key: plimsoll.Key{Namespace: e.Namespace, ID: e.Container.ID}, Before: e.Previous, After: e.Container}
}

// forget forgets all that was found.
func (a *auditor) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.containers.Clear()
	a.bytes = 0
}

// retryFailed has those judged again that rules failed on, from time to time: failing may
// have passed.
func (a *auditor) retryFailed() {
	if time.Since(a.retried) < failedInterval {
		return
	}
	a.retried = time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.containers.Scan(func(c *audited) bool {
		if c.opinion.GetStanding() == plimsollv1.Standing_STANDING_FAILED {
			a.dirty[c.key] = true
		}
		return true
	})
}

// expire has those judged again that have had an exemption which has expired.
func (a *auditor) expire() {
	now := a.options.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.containers.Scan(func(c *audited) bool {
		if !c.until.IsZero() && !now.Before(c.until) {
			a.dirty[c.key] = true
		}
		return true
	})
}

// finish tells what is known now.
func (a *auditor) finish(revision plimsoll.Revision, rules *rulesUnderAudit, began time.Time, changed bool) {
	a.all = false
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lasted = began
	a.status.Progress = nil
	if !changed && a.status.GetSummary() != nil {
		a.status.Summary.Revision = uint64(revision)
		a.metrics.audit.revision.Set(float64(revision))
		return
	}
	tally := newAuditTally(rules.digest, revision)
	a.containers.Scan(func(c *audited) bool {
		tally.add(c.shown())
		return true
	})
	a.status.Summary, a.status.Time = tally.summary(), timestamp(a.options.Now())
	a.metrics.audit.tell(a.status.GetSummary())
}

// shown is the opinion of a container.
func (c *audited) shown() *plimsollv1.Opinion {
	if c.opinion == nil {
		return &plimsollv1.Opinion{Standing: plimsollv1.Standing_STANDING_ADMITTED, Verdict: &plimsollv1.Verdict{}}
	}
	return c.opinion
}
