package service

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// maxAttempts bounds how often a mutation is judged because the state it was judged
// on changed before it could be committed. Each conflict means that another
// mutation succeeded, so this many is far beyond bad luck.
const maxAttempts = 128

// mutate takes one mutation from request to durable commit, or to the reason why
// there was none. This is the only way to the store's Commit.
//
// It returns the container as stored (on delete, as removed; on dry run, as it
// would be stored) and the decision, which is there on errors too.
func (s *Service) mutate(ctx context.Context, m *plimsoll.Mutation) (_ *plimsoll.Container, decision *plimsoll.Decision, err error) {
	decision = s.newDecision(m)
	defer func() {
		if p := recover(); p != nil { // a judge that panics has not admitted anything
			err = fmt.Errorf("panic while judging: %v\n%s", p, debug.Stack())
		}
		s.conclude(decision, m.DryRun, err)
	}()

	if m.Operation == plimsoll.OperationCreate { // before existence, as containerd does
		if err := checkContainer(m.Container); err != nil {
			return nil, decision, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.MutationTimeout, plimsoll.ErrOutOfTime)
	defer cancel()
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, decision, err
	}
	defer leave()

	rules := s.ruleset.Load() // the same rules for all attempts
	if rules == nil {
		return nil, decision, plimsoll.ErrNotReady
	}
	decision.Ruleset = rules.Digest

	for {
		decision.Attempts++
		object, err := s.attempt(ctx, rules, m, decision)
		if errors.Is(err, plimsoll.ErrConflict) && decision.Attempts < maxAttempts && ctx.Err() == nil {
			continue // the state has changed: judge again, on what it is now
		}
		if ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w (%w)", context.Cause(ctx), err) // whose deadline: the caller's or ours
		}
		return object, decision, err
	}
}

// attempt judges m on the latest state and commits it if that state still holds.
func (s *Service) attempt(ctx context.Context, rules *Ruleset, m *plimsoll.Mutation, decision *plimsoll.Decision) (*plimsoll.Container, error) {
	// 1. View: everything below reads the store at one revision.
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }() // releasing a snapshot has nothing to report
	stored, err := view.Get(ctx, m.Key)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return nil, err
	}

	// 2. Merge: what would be stored, or why it cannot be.
	object, err := m.Merge(stored, s.options.Now())
	if err != nil {
		return nil, err
	}
	if m.Operation == plimsoll.OperationUpdate {
		if err := checkContainer(object); err != nil {
			return nil, err
		}
	}

	// 3. Policies, 4. validators. All of them judge the merged object, so that a
	// denial can name everything that is wrong. Any error ends the attempt.
	input := &plimsoll.Input{
		Operation: m.Operation, Namespace: m.Key.Namespace, DryRun: m.DryRun, User: m.User,
		Object: object, Old: stored, UpdateMask: m.Mask, RequestID: m.RequestID,
	}
	if m.Operation == plimsoll.OperationDelete {
		input.Object = stored
	}
	decision.Verdict = plimsoll.Verdict{}
	for _, judge := range []plimsoll.Judge{rules.Policies, rules.Validators} {
		verdict, err := judge.Judge(ctx, input)
		if err != nil {
			return nil, err
		}
		decision.Verdict.Add(verdict)
	}
	if len(decision.Verdict.Violations) > 0 {
		return nil, &plimsoll.DeniedError{Verdict: decision.Verdict}
	}
	if m.DryRun {
		return object, nil
	}

	var changed []string
	if m.Operation == plimsoll.OperationUpdate {
		changed = plimsoll.Changed(stored, object)
	}
	// 5. Commit, if nothing that was read has changed since.
	object.Revision, err = s.store.Commit(ctx, view, storage.Change{
		Writes: []storage.Write{{
			Operation: m.Operation, Namespace: m.Key.Namespace, Container: object, Changed: changed, Decision: decision.ID,
		}},
		Time:    decision.Time,
		Ruleset: rules.Digest,
		User:    m.User,
	})
	if err != nil {
		return nil, err
	}

	// 6. Answer: from here on the change is durable.
	decision.Revision = object.Revision
	return object, nil
}
