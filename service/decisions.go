package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// decisionsV1 is plimsoll.v1.DecisionService: what was decided, and why.
type decisionsV1 struct {
	*Service
}

// maxLookedAt bounds how many decisions are looked at for one page.
const maxLookedAt = 10_000

// recordsOf are the records of decisions that are about to be committed with their change.
func (s *Service) recordsOf(results []*result) ([]storage.Record, error) {
	if !s.recorder.records {
		return nil, nil
	}
	records := make([]storage.Record, 0, len(results))
	for _, r := range results {
		r.decision.Duration = s.options.Now().Sub(r.decision.Time)
		record := recordOf(r, plimsoll.OutcomeAdmitted, nil)
		record.omitInput = true // what it costs is in docs/rationale.md
		logged, err := record.forLog()
		if err != nil {
			return nil, err
		}
		records = append(records, logged)
	}
	return records, nil
}

// recordOutcome records the decision of an attempt that changed nothing, and the input of
// one that did, whose decision was recorded with the change.
func (s *Service) recordOutcome(r *result) {
	d := r.decision
	switch {
	case !s.recorder.records || d.Replayed:
	case d.Outcome != plimsoll.OutcomeAdmitted:
		record := recordOf(r, d.Outcome, r.err)
		if s.options.DecisionInputs == InputsNone {
			record.omitInput = true
		}
		s.recorder.add(record)
	case s.inputs != nil && r.input != nil:
		s.inputs.add(recordOf(r, d.Outcome, nil))
	}
}

// findDecision returns the record of a decision, whether or not it is written yet.
func (s *Service) findDecision(ctx context.Context, id string) (*storagev1.Decision, error) {
	namespace, err := s.namespace(requestHeader(ctx))
	if err != nil {
		return nil, err
	}
	id = strings.ToUpper(id)
	if _, err := ulid.ParseStrict(id); err != nil {
		return nil, &plimsoll.RequestError{Field: "id", Problem: "is no ID of a decision: they have 26 letters and digits, such as 01JDF3Q8ZK4M2N6P8R0S2T4V6X"}
	}
	// First what is queued: what is not any more is stored.
	for _, r := range s.recorder.queued(namespace) {
		if r.decision.GetId() == id {
			return r.stored(), nil
		}
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	logged, err := view.Record(ctx, decisionKey(namespace, id))
	if errors.Is(err, plimsoll.ErrNotFound) {
		return nil, fmt.Errorf("decision %s in namespace %q: %w: there never was one, it is not kept any more, or it is of another namespace (-n, or the header containerd-namespace)", id, namespace, plimsoll.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return readRecord(logged)
}

// GetDecision implements plimsoll.v1.DecisionService.
func (s decisionsV1) GetDecision(ctx context.Context, req *plimsollv1.GetDecisionRequest) (*plimsollv1.GetDecisionResponse, error) {
	record, err := s.findDecision(ctx, req.GetId())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &plimsollv1.GetDecisionResponse{Decision: record.GetDecision()}, nil
}

// ExplainDecision implements plimsoll.v1.DecisionService.
func (s decisionsV1) ExplainDecision(ctx context.Context, req *plimsollv1.ExplainDecisionRequest) (*plimsollv1.ExplainDecisionResponse, error) {
	record, err := s.findDecision(ctx, req.GetId())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	explanation, err := s.explain(ctx, record, nil)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &plimsollv1.ExplainDecisionResponse{Explanation: explanation}, nil
}

// ListDecisions implements plimsoll.v1.DecisionService.
func (s decisionsV1) ListDecisions(ctx context.Context, req *plimsollv1.ListDecisionsRequest) (*plimsollv1.ListDecisionsResponse, error) {
	res, err := s.decisionsPage(ctx, req)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return res, nil
}

func (s decisionsV1) decisionsPage(ctx context.Context, req *plimsollv1.ListDecisionsRequest) (*plimsollv1.ListDecisionsResponse, error) {
	filter, err := s.newDecisionFilter(ctx, req)
	if err != nil {
		return nil, err
	}
	namespace := filter.namespace
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	token, err := readPageToken(req, namespace)
	if err != nil {
		return nil, err
	}
	if namespace == "" {
		s.recorder.caughtUp(ctx)
	}
	queued := s.recorder.queued(namespace) // before the view: what is not any more is stored
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()

	res := &plimsollv1.ListDecisionsResponse{Sequence: view.LogState().Head.Sequence}
	bytes, lookedAt, last := 0, 0, max(token.After, filter.first())
	all := newestFirst(ctx, view, queued, namespace, last)
	if namespace == "" {
		all = newestOfAll(ctx, s.store, view, last)
	}
	for key, d := range all {
		if d.err != nil {
			return nil, d.err
		}
		if filter.isBefore(d.decision) {
			break
		}
		size1 := 0
		if filter.selects(d.decision) {
			size1 = messageBytes(d.decision)
		}
		if lookedAt++; len(res.GetDecisions()) == size || lookedAt > maxLookedAt || bytes+size1 > maxPageBytes && len(res.GetDecisions()) > 0 {
			res.NextPageToken = pageToken{Revision: 1, After: last, Digest: token.Digest}.String()
			return res, nil
		}
		if last = key; size1 > 0 {
			bytes += size1
			res.Decisions = append(res.Decisions, d.decision)
		}
	}
	return res, nil
}

// listed is a decision, or why there are no more of them.
type listed struct {
	decision *plimsollv1.Decision
	err      error
}

// newestFirst yields the decisions of a namespace after a key, those that are stored and
// those that are queued, each once.
func newestFirst(ctx context.Context, view storage.View, queued []*record, namespace, after string) iter.Seq2[string, listed] {
	keyOf := func(r *record) string { return decisionKey(namespace, r.decision.GetId()).Key }
	queued = slices.DeleteFunc(queued, func(r *record) bool { return keyOf(r) <= after })
	slices.SortFunc(queued, func(a, b *record) int { return cmp.Compare(keyOf(a), keyOf(b)) })
	return func(yield func(string, listed) bool) {
		for logged, err := range view.Records(ctx, plimsoll.KindDecision, namespace+"/", after) {
			if err != nil {
				yield("", listed{err: err})
				return
			}
			for len(queued) > 0 && keyOf(queued[0]) <= logged.Key {
				if first := keyOf(queued[0]); first != logged.Key && !yield(first, listed{decision: queued[0].stored().GetDecision()}) {
					return
				}
				queued = queued[1:]
			}
			record, err := readRecord(logged)
			if !yield(logged.Key, listed{record.GetDecision(), err}) {
				return
			}
		}
		for _, r := range queued {
			if !yield(keyOf(r), listed{decision: r.stored().GetDecision()}) {
				return
			}
		}
	}
}
