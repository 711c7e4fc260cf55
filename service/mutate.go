package service

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// maxAttempts bounds how often mutations are judged because the state they were judged on
// changed before they could be committed. Each conflict means that another
// mutation succeeded, and in the lane few can, so this many is far beyond bad luck.
const maxAttempts = 128

// errContended is why a mutation ran out of time that waited for its turn in the lane.
var errContended = errors.New("others wrote the same all the time")

// errOvertakes is the conflict with a mutation that has a turn in the lane.
var errOvertakes = fmt.Errorf("others have their turn: %w", plimsoll.ErrConflict)

// result is what became of one mutation.
type result struct {
	mutation *plimsoll.Mutation
	// digest is that of everything the mutation was asked together with.
	digest []byte
	// state is the revision of the state that was judged, and stored what that had of
	// the container; nil if nothing.
	state  plimsoll.Revision
	stored *plimsoll.Container
	// object is the container as stored: on delete, as removed; on dry run, as it
	// would be stored.
	object  *plimsoll.Container
	changed []string
	// input is what was judged; nil if that was not come to. shown is its document without
	// secrets, and shownObject that of its object, if somebody has asked for them.
	input       *plimsoll.Input
	unpatched   *plimsoll.Input // the same before rules patched it
	shown       []byte
	shownObject *node
	mask        *mask // what is not recorded of it
	secrets     bool  // are recorded
	// decision is there whatever happened.
	decision *plimsoll.Decision
	// err is nil if the mutation was committed, or would be if it were no dry run.
	err error
	// shared says that err is about all mutations of the call, and not this one's own.
	shared bool
}

// errNotAlone is the error of mutations that were fit, but were not committed because
// others of their batch were not.
var errNotAlone = errors.New("not stored, because others of the batch were refused")

// mutate takes mutations of one namespace from request to one durable commit of all of
// them, or to the reasons why there was none. This is the only way to the store's
// Commit for containers.
func (s *Service) mutate(ctx context.Context, mutations ...*plimsoll.Mutation) []*result {
	results := make([]*result, len(mutations))
	for i, m := range mutations {
		results[i] = &result{mutation: m, decision: s.newDecision(m), secrets: s.options.RecordSecrets}
	}
	if err := s.commitAll(ctx, results); err != nil {
		for _, r := range results {
			if r.err == nil {
				r.err, r.shared = err, !errors.Is(err, errNotAlone)
			}
		}
	}
	for _, r := range results {
		s.conclude(r.decision, r.mutation.DryRun, r.err)
		s.recordOutcome(r)
	}
	return results
}

// commitAll judges mutations until they are judged on a state that still holds when
// they are committed. If it returns an error, nothing was committed, and mutations
// without an error of their own have that.
func (s *Service) commitAll(ctx context.Context, results []*result) (err error) {
	defer func() {
		if p := recover(); p != nil { // a judge that panics has not admitted anything
			err = fmt.Errorf("panic while judging: %v\n%s", p, debug.Stack())
		}
	}()
	// First of all, so that nobody who may not is told of as one who did.
	if err := s.checkBreakGlass(results[0].mutation); err != nil {
		return err
	}
	if err := checkRequests(results); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.MutationTimeout, plimsoll.ErrOutOfTime)
	defer cancel()
	leave, err := s.enter(ctx, len(results))
	if err != nil {
		return err
	}
	defer leave()

	rules, release := s.ruleset.hold() // the same rules for all attempts
	if rules == nil {
		return plimsoll.ErrNotReady
	}
	defer release()
	return s.untilCommitted(ctx, func(own *turn) (plan, error) { return s.attempt(ctx, rules, results, own) })
}

// untilCommitted makes attempts until one meets no conflict. own is the attempt's turn in
// the lane; nil at first.
func (s *Service) untilCommitted(ctx context.Context, attempt func(own *turn) (plan, error)) error {
	var own *turn
	defer func() { s.lane.leave(own) }()
	for attempts := 1; ; attempts++ {
		p, err := attempt(own)
		if errors.Is(err, plimsoll.ErrConflict) && attempts < maxAttempts && ctx.Err() == nil {
			// The state has changed: judge again, on what it is now.
			if own != nil || attempts > maxOptimistic || errors.Is(err, errOvertakes) {
				if own, err = s.lane.wait(ctx, own, p); err != nil {
					return fmt.Errorf("%w: %w", errContended, err)
				}
			}
			continue
		}
		if ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w (%w)", context.Cause(ctx), err) // whose deadline: the caller's or ours
		}
		return err
	}
}

// attempt judges mutations on the latest state and commits them if all are fit and that
// state still holds. own is their turn in the lane, if they have one. The plan is what was
// read and would be written, of an attempt that ended in a conflict.
func (s *Service) attempt(ctx context.Context, rules *Ruleset, results []*result, own *turn) (p plan, err error) {
	// 1. View: everything below reads the store at one revision.
	view, err := s.store.View(ctx)
	if err != nil {
		return p, err
	}
	p.reads = view.Footprint()
	defer func() { _ = view.Close() }() // releasing a snapshot has nothing to report

	first := results[0]
	namespace, err := loadNamespace(ctx, view, first.mutation.Key.Namespace)
	if err != nil {
		return p, err
	}
	change := storage.Change{Time: first.decision.Time, Ruleset: rules.Digest, User: first.mutation.User}
	if !namespace.exists && first.mutation.Operation == plimsoll.OperationCreate {
		change.Writes = append(change.Writes, namespace.creation(first.decision.ID))
		p.touches = append(p.touches, storage.Touch{Key: change.Writes[0].Key()})
	}

	// 2. to 4. Judge each, whatever was found of the others: a caller wants to know
	// everything that is wrong.
	refused, replayed, mask := false, 0, s.maskOf(rules)
	on := &basis{
		rules: rules, view: view, namespace: namespace, exemptions: s.exemptionsOf(view),
		earlier:        map[plimsoll.Key]*plimsoll.Container{},
		requestExpires: first.decision.Time.Add(s.options.RequestRetention), // the same for all
	}
	for _, r := range results {
		if r.err != nil { // known before any state was looked at
			refused = true
			continue
		}
		r.decision.Attempts++
		r.decision.Ruleset, r.decision.Replayed, r.mask = rules.Digest, false, mask
		r.state = view.Revision()
		writes, err := s.judge(ctx, on, r)
		switch {
		case ctx.Err() != nil && err != nil && !errors.Is(err, plimsoll.ErrDenied):
			return p, err
		case err != nil:
			r.err, refused = err, true
		case r.decision.Replayed:
			replayed++
		default:
			touch := storage.Touch{Key: r.mutation.Key, Before: r.stored, After: r.object}
			if r.mutation.Operation == plimsoll.OperationDelete {
				touch.After = nil
			}
			on.earlier[touch.Key] = touch.After
			p.touches = append(p.touches, touch)
		}
		change.Writes = append(change.Writes, writes...)
	}
	// Beside the attempt, rules in shadow will judge the same, if there are any.
	trial := s.trialOf(ctx, on, results)
	defer func() { trial.begin(err) }()
	switch {
	case refused:
		return p, errNotAlone
	case first.mutation.DryRun, replayed == len(results):
		return p, nil
	case replayed > 0: // together these were never asked for
		return p, fmt.Errorf("%q: %w", first.mutation.RequestID, plimsoll.ErrRequestReused)
	}

	// 5. Commit, if nothing that was read has changed since.
	if change.Records, err = s.recordsOf(results); err != nil {
		return p, err
	}
	revision, err := s.commit(ctx, view, change, p, own)
	if err != nil {
		return p, err
	}

	// 6. Answer: from here on the change is durable.
	for _, r := range results {
		r.object.Revision, r.decision.Revision = revision, revision
	}
	return p, nil
}

// commit commits a change unless that would overtake others that have their turn.
func (s *Service) commit(ctx context.Context, view storage.View, change storage.Change, p plan, own *turn) (plimsoll.Revision, error) {
	if s.lane.overtakes(p, own) {
		return 0, errOvertakes
	}
	return s.store.Commit(ctx, view, change)
}

// basis is what mutations are judged on.
type basis struct {
	rules      *Ruleset
	view       storage.View
	namespace  *namespaceRecord
	exemptions *exemptionsOf
	// earlier is what those before in the same batch make of containers; nil for those
	// that they delete.
	earlier map[plimsoll.Key]*plimsoll.Container
	// requestExpires is when their request ID may be used anew.
	requestExpires time.Time
}

// judge says what would be written for one mutation, or why it must not be: an error of
// any kind.
func (s *Service) judge(ctx context.Context, on *basis, r *result) ([]storage.Write, error) {
	m := r.mutation
	r.input, r.unpatched, r.shown = nil, nil, nil
	if replayed, err := s.replay(ctx, on.view, r); replayed || err != nil {
		return nil, err
	}
	stored, err := on.view.Get(ctx, m.Key)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return nil, err
	}

	// 2. Merge: what would be stored, or why it cannot be.
	object, err := m.Merge(stored, s.options.Now())
	if err != nil {
		return nil, err
	}
	r.stored, r.object, r.changed = stored, object, nil
	if m.Operation == plimsoll.OperationUpdate {
		if err := checkContainer(object, stored); err != nil {
			return nil, err
		}
	}
	options, err := readOptions(object.Runtime.Options)
	if err != nil && m.Operation != plimsoll.OperationDelete {
		return nil, err
	}
	input := &plimsoll.Input{
		Operation: m.Operation, Namespace: m.Key.Namespace, NamespaceLabels: on.namespace.labels, DryRun: m.DryRun, User: m.User,
		Object: object, Old: stored, RuntimeOptions: options, UpdateMask: m.Mask, RequestID: m.RequestID,
		Others: &others{view: on.view, self: m.Key, over: earlierInBatch(on.earlier)},
	}
	if m.Operation == plimsoll.OperationDelete {
		input.Object = stored
	}
	if err := s.applyRules(ctx, on.rules, r, input); err != nil {
		return nil, err
	}
	if err := waive(ctx, on.exemptions, r); err != nil { // violations that do not count
		return nil, err
	}
	if len(r.decision.Verdict.Violations) > 0 {
		return nil, &plimsoll.DeniedError{Verdict: r.decision.Verdict}
	}

	writes := []storage.Write{{
		Operation: m.Operation, Namespace: m.Key.Namespace, Container: r.object, Changed: r.changed, Decision: r.decision.ID,
	}}
	if m.RequestID != "" {
		record, err := recordRequest(r, on.requestExpires)
		if err != nil {
			return nil, err
		}
		writes = append(writes, record)
	}
	return writes, nil
}

// applyRules has rules patch what would be stored, r.object, and then judge it. The verdict
// is in r.decision, unless there is none: any error ends the attempt.
func (s *Service) applyRules(ctx context.Context, rules *Ruleset, r *result, input *plimsoll.Input) error {
	// Patch, which is still a part of 2.
	r.input, r.unpatched, r.shown = input, input, nil
	input, err := s.patch(ctx, rules.Patches, r, input)
	if err != nil {
		return err
	}
	r.input = input
	if input.Operation == plimsoll.OperationUpdate {
		r.changed = plimsoll.Changed(r.stored, r.object)
	}

	// 3. Policies, 4. validators. All of them judge the merged and patched object, so that
	// a denial can name everything that is wrong.
	r.decision.Verdict = plimsoll.Verdict{}
	start := s.options.Now()
	verdict, err := rules.Policies.Judge(ctx, input)
	r.decision.PolicyTime = s.options.Now().Sub(start)
	if verdict, err = s.overrideFault(ctx, r, verdict, err); err != nil {
		return err
	}
	r.decision.Verdict.Add(verdict)
	start = s.options.Now()
	verdict, err = rules.Validators.Judge(ctx, input)
	r.decision.ValidatorTime = s.options.Now().Sub(start)
	if verdict, err = s.overrideFault(ctx, r, verdict, err); err != nil {
		return err
	}
	r.decision.Verdict.Add(verdict)
	r.addValues()
	return nil
}
