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

// maxAttempts bounds how often mutations are judged because the state they were judged
// on changed before they could be committed. Each conflict means that another mutation
// succeeded, so this many is far beyond bad luck.
const maxAttempts = 128

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
		results[i] = &result{mutation: m, decision: s.newDecision(m)}
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
	if err := checkRequests(results); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.MutationTimeout, plimsoll.ErrOutOfTime)
	defer cancel()
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()

	rules := s.ruleset.Load() // the same rules for all attempts
	if rules == nil {
		return plimsoll.ErrNotReady
	}
	for attempt := 1; ; attempt++ {
		err := s.attempt(ctx, rules, results)
		if errors.Is(err, plimsoll.ErrConflict) && attempt < maxAttempts && ctx.Err() == nil {
			continue // the state has changed: judge again, on what it is now
		}
		if ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w (%w)", context.Cause(ctx), err) // whose deadline: the caller's or ours
		}
		return err
	}
}

// attempt judges mutations on the latest state and commits them if all are fit and that
// state still holds.
func (s *Service) attempt(ctx context.Context, rules *Ruleset, results []*result) error {
	// 1. View: everything below reads the store at one revision.
	view, err := s.store.View(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = view.Close() }() // releasing a snapshot has nothing to report

	first := results[0]
	namespace, err := loadNamespace(ctx, view, first.mutation.Key.Namespace)
	if err != nil {
		return err
	}
	change := storage.Change{Time: first.decision.Time, Ruleset: rules.Digest, User: first.mutation.User}
	if !namespace.exists && first.mutation.Operation == plimsoll.OperationCreate {
		change.Writes = append(change.Writes, namespace.creation(first.decision.ID))
	}

	// 2. to 4. Judge each, whatever was found of the others: a caller wants to know
	// everything that is wrong.
	refused, replayed := false, 0
	expiresAt := first.decision.Time.Add(s.options.RequestRetention) // the same for all
	for _, r := range results {
		if r.err != nil { // known before any state was looked at
			refused = true
			continue
		}
		r.decision.Attempts++
		r.decision.Ruleset, r.decision.Replayed = rules.Digest, false
		r.state = view.Revision()
		writes, err := s.judge(ctx, rules, view, namespace, r, expiresAt)
		switch {
		case ctx.Err() != nil && err != nil && !errors.Is(err, plimsoll.ErrDenied):
			return err
		case err != nil:
			r.err, refused = err, true
		case r.decision.Replayed:
			replayed++
		}
		change.Writes = append(change.Writes, writes...)
	}
	switch {
	case refused:
		return errNotAlone
	case first.mutation.DryRun, replayed == len(results):
		return nil
	case replayed > 0: // together these were never asked for
		return fmt.Errorf("%q: %w", first.mutation.RequestID, plimsoll.ErrRequestReused)
	}

	// 5. Commit, if nothing that was read has changed since.
	revision, err := s.store.Commit(ctx, view, change)
	if err != nil {
		return err
	}

	// 6. Answer: from here on the change is durable.
	for _, r := range results {
		r.object.Revision, r.decision.Revision = revision, revision
	}
	return nil
}

// judge says what would be written for one mutation, or why it must not be: an error of
// any kind.
func (s *Service) judge(
	ctx context.Context, rules *Ruleset, view storage.View, namespace *namespaceRecord, r *result, expiresAt time.Time,
) ([]storage.Write, error) {
	m := r.mutation
	if replayed, err := s.replay(ctx, view, r); replayed || err != nil {
		return nil, err
	}
	stored, err := view.Get(ctx, m.Key)
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
		if err := checkContainer(object); err != nil {
			return nil, err
		}
		r.changed = plimsoll.Changed(stored, object)
	}

	// 3. Policies, 4. validators. All of them judge the merged object, so that a
	// denial can name everything that is wrong. Any error ends the attempt.
	options, err := readOptions(object.Runtime.Options)
	if err != nil && m.Operation != plimsoll.OperationDelete {
		return nil, err
	}
	input := &plimsoll.Input{
		Operation: m.Operation, Namespace: m.Key.Namespace, NamespaceLabels: namespace.labels, DryRun: m.DryRun, User: m.User,
		Object: object, Old: stored, RuntimeOptions: options, UpdateMask: m.Mask, RequestID: m.RequestID,
	}
	if m.Operation == plimsoll.OperationDelete {
		input.Object = stored
	}
	r.decision.Verdict = plimsoll.Verdict{}
	start := s.options.Now()
	verdict, err := rules.Policies.Judge(ctx, input)
	r.decision.PolicyTime = s.options.Now().Sub(start)
	if err != nil {
		return nil, err
	}
	r.decision.Verdict.Add(verdict)
	start = s.options.Now()
	verdict, err = rules.Validators.Judge(ctx, input)
	r.decision.ValidatorTime = s.options.Now().Sub(start)
	if err != nil {
		return nil, err
	}
	r.decision.Verdict.Add(verdict)
	if len(r.decision.Verdict.Violations) > 0 {
		return nil, &plimsoll.DeniedError{Verdict: r.decision.Verdict}
	}

	writes := []storage.Write{{
		Operation: m.Operation, Namespace: m.Key.Namespace, Container: object, Changed: r.changed, Decision: r.decision.ID,
	}}
	if m.RequestID != "" {
		record, err := recordRequest(r, expiresAt)
		if err != nil {
			return nil, err
		}
		writes = append(writes, record)
	}
	return writes, nil
}
