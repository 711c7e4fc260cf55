package service

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Replay implements plimsoll.v1.RolloutService.
func (s rolloutV1) Replay(ctx context.Context, req *plimsollv1.ReplayRequest, stream *connect.ServerStream[plimsollv1.ReplayResponse]) error {
	err := perform(ctx, s.Service, req, func(j *replayJob) error { return s.beginReplay(ctx, req, j) }, sender(ctx, stream.Send))
	if err != nil {
		return s.connectError(ctx, err, nil)
	}
	return nil
}

type replayJob = job[*storagev1.Decision, plimsollv1.ReplayResponse]

// replaying is a replay that is under way.
type replaying struct {
	*Service
	attempts          *attempts
	active, candidate *Ruleset
	tally             *replayTally
	past              onceDone[past]
}

func (s rolloutV1) beginReplay(ctx context.Context, req *plimsollv1.ReplayRequest, j *replayJob) error {
	a, err := newAttempts(req)
	if err != nil {
		return err
	}
	candidate, err := s.Service.candidate(ctx, req.GetCandidate())
	if err != nil {
		return err
	}
	j.hold(candidate.Release)
	active, err := holdActive(s.Service, j)
	if err != nil {
		return err
	}
	if a.view, err = s.store.View(ctx); err != nil {
		return err
	}
	j.hold(func() { _ = a.view.Close() }) // releasing a snapshot has nothing to report
	if err := a.count(ctx, j.crew); err != nil {
		return err
	}
	j.revision, j.total, j.next = a.view.Revision(), a.total, a.next
	r := &replaying{Service: s.Service, attempts: a, active: active, candidate: candidate, tally: newReplayTally(active, candidate, a.view.Revision(), req.GetGroupByLabel())}
	j.judge = r.judge
	j.progress = func(p *plimsollv1.Progress) *plimsollv1.ReplayResponse {
		return &plimsollv1.ReplayResponse{Event: &plimsollv1.ReplayResponse_Progress{Progress: p}}
	}
	j.summary = func() *plimsollv1.ReplayResponse {
		return &plimsollv1.ReplayResponse{Event: &plimsollv1.ReplayResponse_Summary{Summary: r.tally.summary()}}
	}
	return nil
}

// attempts are the recorded attempts that a request selects, by namespace, the newest
// first.
type attempts struct {
	view         storage.View // only ever reopened
	since, until time.Time
	outcomes     []plimsollv1.Outcome
	namespaces   []string
	after        string
	total        int64
	// oldest is the earliest state that any was judged on.
	oldest plimsoll.Revision
}

func newAttempts(req *plimsollv1.ReplayRequest) (*attempts, error) {
	a := &attempts{outcomes: req.GetOutcomes(), namespaces: req.GetNamespaces()}
	for i, outcome := range req.GetOutcomes() {
		if _, known := plimsollv1.Outcome_name[int32(outcome)]; !known || outcome == plimsollv1.Outcome_OUTCOME_UNSPECIFIED {
			return nil, &plimsoll.RequestError{Field: fmt.Sprintf("outcomes[%d]", i), Problem: fmt.Sprintf("%d is unknown", outcome)}
		}
	}
	if err := checkPatterns("namespaces", req.GetNamespaces()); err != nil {
		return nil, err
	}
	if req.GetSince() != nil {
		a.since = req.GetSince().AsTime()
	}
	if req.GetUntil() != nil {
		a.until = req.GetUntil().AsTime()
	}
	return a, nil
}

// selects reports whether an attempt is meant.
func (a *attempts) selects(d *plimsollv1.Decision) bool {
	at := d.GetTime().AsTime()
	return !at.Before(a.since) && (a.until.IsZero() || at.Before(a.until)) &&
		(len(a.outcomes) == 0 || slices.Contains(a.outcomes, d.GetOutcome())) && covered(a.namespaces, d.GetNamespace())
}

// count counts what there is to replay.
func (a *attempts) count(ctx context.Context, crew *crew) error {
	counting := *a
	a.oldest = a.view.Revision()
	for more := true; more; {
		var page []*storagev1.Decision
		err := crew.do(ctx, &crew.workers[0], func() (err error) {
			page, more, err = counting.next(ctx)
			return err
		})
		if err != nil {
			return err
		}
		a.total += int64(len(page))
		for _, record := range page {
			if isJudged(record.GetDecision()) {
				a.oldest = min(a.oldest, plimsoll.Revision(record.GetDecision().GetStateRevision()))
			}
		}
	}
	return nil
}

// isJudged reports whether an attempt came to be judged by rules.
func isJudged(d *plimsollv1.Decision) bool { return d.GetObjectDigest() != "" && d.GetRuleset() != "" }

// next reads the next attempts, and says whether there may be more.
func (a *attempts) next(ctx context.Context) (page []*storagev1.Decision, more bool, err error) {
	const most = 4 * jobPage // to look at, of which maybe none is selected
	view, err := a.view.Reopen(ctx)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = view.Close() }()
	n := 0
	for entry, err := range view.Records(ctx, plimsoll.KindDecision, "", a.after) {
		if err != nil {
			return nil, false, err
		}
		record, err := readRecord(entry)
		if err != nil {
			return nil, false, err
		}
		a.after = entry.Key
		if a.selects(record.GetDecision()) {
			page = append(page, record)
		}
		if n++; len(page) == jobPage || n == most {
			return page, true, nil
		}
	}
	return page, false, nil
}

// judge judges an attempt again, by the rules of now and by the candidate.
func (r *replaying) judge(ctx context.Context, record *storagev1.Decision) (func() *plimsollv1.ReplayResponse, error) {
	d := record.GetDecision()
	in, why, err := r.input(ctx, record)
	if err != nil {
		return nil, err
	}
	if in == nil {
		return func() *plimsollv1.ReplayResponse {
			r.tally.skip(why)
			return nil
		}, nil
	}
	active, first, err := r.opinionOn(ctx, r.active, in, d)
	if err != nil {
		return nil, err
	}
	candidate, second, err := r.opinionOn(ctx, r.candidate, in, d)
	if err != nil {
		return nil, err
	}
	out := &plimsollv1.AffectedAttempt{
		DecisionId: d.GetId(), Time: d.GetTime(), Operation: d.GetOperation(), Outcome: d.GetOutcome(),
		Container: &plimsollv1.ContainerRef{Namespace: d.GetNamespace(), Id: d.GetContainerId(), Revision: d.GetStateRevision()},
		Active:    active, Candidate: candidate, Context: max(first, second), DiffersFromRecord: active.GetStanding() != recordedStanding(d),
	}
	return func() *plimsollv1.ReplayResponse {
		if !r.tally.add(out, in.Object.Labels) {
			return nil
		}
		return &plimsollv1.ReplayResponse{Event: &plimsollv1.ReplayResponse_Affected{Affected: out}}
	}, nil
}

// input is what was judged, without secrets, or why it is not known.
func (r *replaying) input(ctx context.Context, record *storagev1.Decision) (*plimsoll.Input, string, error) {
	if !isJudged(record.GetDecision()) {
		return nil, "it ended before any rule judged it", nil
	}
	view, err := r.attempts.view.Reopen(ctx)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = view.Close() }()
	document, why, err := r.documentOf(ctx, view, record)
	if document == nil || err != nil {
		return nil, why, err
	}
	in, err := plimsoll.ParseInput(document)
	if err != nil {
		return nil, err.Error(), nil
	}
	return in, "", nil
}

// opinionOn has rules judge an attempt again, and says as of when they were shown other
// containers. An error means that the replay cannot go on.
func (r *replaying) opinionOn(ctx context.Context, rules *Ruleset, in *plimsoll.Input, d *plimsollv1.Decision) (*plimsollv1.Opinion, plimsollv1.ReplayContext, error) {
	key := plimsoll.Key{Namespace: d.GetNamespace(), ID: d.GetContainerId()}
	others := &othersThen{
		othersOnDemand: othersOnDemand{others{self: key}, r.attempts.view}, history: r.history, revision: plimsoll.Revision(d.GetStateRevision()),
	}
	m := &plimsoll.Mutation{Operation: in.Operation, Key: key, User: in.User, RequestID: in.RequestID, DryRun: true}
	result := &result{mutation: m, decision: r.newDecision(m), object: in.Object, stored: in.Old}
	again := in.WithObject(in.Object)
	again.Others = others
	err := r.judgeAgain(ctx, rules, result, again)
	if err == nil && len(result.decision.Verdict.Violations) > 0 {
		if err = others.othersOnDemand.open(ctx); err == nil {
			err = waive(ctx, r.exemptionsOf(others.view), result) // by those of now
		}
	}
	others.close()
	if ctx.Err() != nil {
		return nil, 0, ctx.Err()
	}
	return opinionOf(result, err), others.context(), nil
}

// history is what was before, which is read when a rule first asks.
func (r *replaying) history(ctx context.Context) (*past, error) {
	return r.past.get(func() (*past, error) { return readPast(ctx, r.store, r.attempts.view, r.attempts.oldest) })
}

// context says as of when rules were shown other containers.
func (o *othersThen) context() plimsollv1.ReplayContext {
	switch {
	case !o.asked:
		return plimsollv1.ReplayContext_REPLAY_CONTEXT_NOT_ASKED
	case !o.then:
		return plimsollv1.ReplayContext_REPLAY_CONTEXT_NOW
	case o.partly:
		return plimsollv1.ReplayContext_REPLAY_CONTEXT_PARTLY_THEN
	}
	return plimsollv1.ReplayContext_REPLAY_CONTEXT_THEN
}

// recordedStanding is what rules made of an attempt when it was judged.
func recordedStanding(d *plimsollv1.Decision) plimsollv1.Standing {
	switch d.GetReason() {
	case ReasonPolicyFault, ReasonValidatorFault, ReasonPolicyTimeout, ReasonValidatorTimeout, ReasonQuarantined, ReasonMutationTimeout:
		return plimsollv1.Standing_STANDING_FAILED
	}
	// Whatever else came in the way, such as a conflict, rules had judged before.
	if d.GetVerdict().GetViolationCount() > 0 {
		return plimsollv1.Standing_STANDING_DENIED
	}
	return plimsollv1.Standing_STANDING_ADMITTED
}

// replayTally counts what a replay finds.
type replayTally struct {
	effects  *impactTally
	contexts map[plimsollv1.ReplayContext]int64
	skipped  map[string]int64
	differ   int64
}

func newReplayTally(active, candidate *Ruleset, revision plimsoll.Revision, byLabel string) *replayTally {
	return &replayTally{
		effects:  newImpactTally(active.Digest, candidate.Digest, revision, byLabel),
		contexts: map[plimsollv1.ReplayContext]int64{}, skipped: map[string]int64{},
	}
}

func (t *replayTally) skip(why string) { t.skipped[why]++ }

// add says what the effect is, counts it, and reports whether it is worth telling.
func (t *replayTally) add(a *plimsollv1.AffectedAttempt, labels map[string]string) (affected bool) {
	a.Effect, affected = t.effects.add(compared{
		container: a.GetContainer(), labels: labels, decision: a.GetDecisionId(), active: a.GetActive(), candidate: a.GetCandidate(),
	})
	t.contexts[a.GetContext()]++
	if a.GetDiffersFromRecord() {
		t.differ++
	}
	return affected
}

func (t *replayTally) summary() *plimsollv1.ReplaySummary {
	effects := t.effects.summary()
	out := &plimsollv1.ReplaySummary{
		ActiveRuleset: effects.GetActiveRuleset(), CandidateRuleset: effects.GetCandidateRuleset(), Revision: effects.GetRevision(),
		All: effects.GetAll(), Groups: effects.GetGroups(), Differing: t.differ,
	}
	for kind, n := range t.contexts {
		out.Contexts = append(out.Contexts, &plimsollv1.ContextCount{Context: kind, Count: n})
	}
	slices.SortFunc(out.GetContexts(), func(a, b *plimsollv1.ContextCount) int { return cmp.Compare(a.GetContext(), b.GetContext()) })
	for why, n := range t.skipped {
		out.Skipped = append(out.Skipped, &plimsollv1.SkippedCount{Reason: why, Count: n})
	}
	slices.SortFunc(out.GetSkipped(), func(a, b *plimsollv1.SkippedCount) int { return strings.Compare(a.GetReason(), b.GetReason()) })
	return out
}
