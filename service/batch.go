package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// maxBatch bounds the operations of a batch.
const maxBatch = 1000

// maskPathsPlimsoll are the update mask paths of this API, and mutablePlimsoll those
// that an empty mask stands for.
var (
	maskPathsPlimsoll = []string{"labels", "labels.KEY", "image", "spec", "snapshot_key", "extensions", "extensions.KEY"}
	mutablePlimsoll   = []string{"labels", "image", "spec", "snapshot_key", "extensions"}
)

// requested is the container of a request, without what only answers have.
func requested(v *plimsollv1.Container) *plimsoll.Container {
	c := fromPlimsoll(v)
	c.CreatedAt, c.UpdatedAt, c.Revision = time.Time{}, time.Time{}, 0
	return c
}

func (s plimsollV1) newCreate(ctx context.Context, op *plimsollv1.CreateOperation) (*plimsoll.Mutation, error) {
	if op.GetContainer() == nil {
		return nil, errNoContainer
	}
	m, err := s.newMutation(ctx, plimsoll.OperationCreate, op.GetContainer().GetId())
	if err != nil {
		return nil, err
	}
	m.Container = requested(op.GetContainer())
	return m, nil
}

func (s plimsollV1) newUpdate(ctx context.Context, op *plimsollv1.UpdateOperation) (*plimsoll.Mutation, error) {
	if op.GetContainer() == nil {
		return nil, errNoContainer
	}
	if err := checkLookup("container.id", op.GetContainer().GetId()); err != nil {
		return nil, err
	}
	m, err := s.newMutation(ctx, plimsoll.OperationUpdate, op.GetContainer().GetId())
	if err != nil {
		return nil, err
	}
	m.Container = requested(op.GetContainer())
	if m.Mask, err = parseMask(op.GetUpdateMask().GetPaths(), maskPathsPlimsoll); err != nil {
		return nil, err
	}
	if len(m.Mask) == 0 {
		m.Mask, m.CheckRuntime, m.CheckSnapshotter = slices.Clone(mutablePlimsoll), true, true
	}
	for i, path := range m.Mask {
		if path == "snapshot_key" {
			m.Mask[i] = "rootfs" // as the input document has it
		}
	}
	if op.IfRevision != nil {
		m.IfRevision = (*plimsoll.Revision)(op.IfRevision)
	}
	return m, nil
}

func (s plimsollV1) newDelete(ctx context.Context, op *plimsollv1.DeleteOperation) (*plimsoll.Mutation, error) {
	if err := checkLookup("id", op.GetId()); err != nil {
		return nil, err
	}
	m, err := s.newMutation(ctx, plimsoll.OperationDelete, op.GetId())
	if err != nil {
		return nil, err
	}
	if op.IfRevision != nil {
		m.IfRevision = (*plimsoll.Revision)(op.IfRevision)
	}
	return m, nil
}

// Review implements plimsoll.v1.ContainerService.
func (s plimsollV1) Review(ctx context.Context, req *plimsollv1.ReviewRequest) (*plimsollv1.ReviewResponse, error) {
	var (
		m   *plimsoll.Mutation
		err error
	)
	switch op := req.GetOperation().(type) {
	case *plimsollv1.ReviewRequest_Create:
		m, err = s.newCreate(ctx, op.Create)
	case *plimsollv1.ReviewRequest_Update:
		m, err = s.newUpdate(ctx, op.Update)
	case *plimsollv1.ReviewRequest_Delete:
		m, err = s.newDelete(ctx, op.Delete)
	default:
		err = &plimsoll.RequestError{Field: "operation", Problem: "say what to review: create, update or delete"}
	}
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	m.DryRun = true
	r := s.mutate(ctx, m)[0]
	answerHeaders(ctx, r.decision)
	if st := statusOf(r.err); r.err != nil && !st.isDenial() {
		return nil, s.connectError(ctx, r.err, r.decision)
	}
	var explanation *plimsollv1.Explanation
	if req.GetExplain() {
		if explanation, err = s.explain(ctx, recordOf(r, r.decision.Outcome, r.err).whole(), r.unpatched); err != nil {
			return nil, s.connectError(ctx, err, r.decision)
		}
	}
	return &plimsollv1.ReviewResponse{
		Allowed: r.err == nil, Verdict: toVerdict(r.decision), Container: toPlimsoll(r.object),
		Revision: uint64(r.state), Ruleset: r.decision.Ruleset, Changed: r.changed,
		Patches: toPatches(r.decision.Patches), Timings: toTimings(r.decision), Explanation: explanation,
	}, nil
}

// BatchCreate implements plimsoll.v1.ContainerService.
func (s plimsollV1) BatchCreate(ctx context.Context, req *plimsollv1.BatchCreateRequest) (*plimsollv1.BatchCreateResponse, error) {
	results, err := batch(ctx, s, req.GetMode(), req.GetOperations(), s.newCreate)
	if err != nil {
		return nil, err
	}
	return &plimsollv1.BatchCreateResponse{Committed: allCommitted(results), Results: results}, nil
}

// BatchUpdate implements plimsoll.v1.ContainerService.
func (s plimsollV1) BatchUpdate(ctx context.Context, req *plimsollv1.BatchUpdateRequest) (*plimsollv1.BatchUpdateResponse, error) {
	results, err := batch(ctx, s, req.GetMode(), req.GetOperations(), s.newUpdate)
	if err != nil {
		return nil, err
	}
	return &plimsollv1.BatchUpdateResponse{Committed: allCommitted(results), Results: results}, nil
}

// BatchDelete implements plimsoll.v1.ContainerService.
func (s plimsollV1) BatchDelete(ctx context.Context, req *plimsollv1.BatchDeleteRequest) (*plimsollv1.BatchDeleteResponse, error) {
	results, err := batch(ctx, s, req.GetMode(), req.GetOperations(), s.newDelete)
	if err != nil {
		return nil, err
	}
	return &plimsollv1.BatchDeleteResponse{Committed: allCommitted(results), Results: results}, nil
}

// operation is one of a batch.
type operation interface {
	*plimsollv1.CreateOperation | *plimsollv1.UpdateOperation | *plimsollv1.DeleteOperation
}

// batch takes operations through the pipeline, all in one commit or each on its own. An
// error is one of the batch as a whole, for callers.
func batch[O operation](
	ctx context.Context, s plimsollV1, mode plimsollv1.BatchMode, operations []O, mutation func(context.Context, O) (*plimsoll.Mutation, error),
) ([]*plimsollv1.BatchResult, error) {
	refuse := func(format string, args ...any) ([]*plimsollv1.BatchResult, error) {
		return nil, s.connectError(ctx, &plimsoll.RequestError{Field: "operations", Problem: fmt.Sprintf(format, args...)}, nil)
	}
	switch {
	case len(operations) == 0:
		return refuse("there is none")
	case len(operations) > maxBatch:
		return refuse("there are %d; at most %d are allowed", len(operations), maxBatch)
	}
	if mode == plimsollv1.BatchMode_BATCH_MODE_UNSPECIFIED {
		mode = plimsollv1.BatchMode_BATCH_MODE_ATOMIC
	}
	if _, known := plimsollv1.BatchMode_name[int32(mode)]; !known {
		return nil, s.connectError(ctx, &plimsoll.RequestError{Field: "mode", Problem: fmt.Sprintf("%d is unknown", mode)}, nil)
	}
	// What is wrong with the headers is wrong with all of it.
	if _, err := s.newMutation(ctx, plimsoll.OperationCreate, ""); err != nil {
		return nil, s.connectError(ctx, err, nil)
	}

	out := make([]*plimsollv1.BatchResult, len(operations))
	mutations := make([]*plimsoll.Mutation, len(operations))
	places := make(map[string]int, len(operations))
	for i, op := range operations {
		m, err := mutation(ctx, op)
		if err != nil && mode == plimsollv1.BatchMode_BATCH_MODE_ATOMIC {
			return nil, s.connectError(ctx, fmt.Errorf("operation %d: %w", i, err), nil)
		}
		if err != nil {
			out[i] = &plimsollv1.BatchResult{Id: idOf(op)}
			s.fail(ctx, out[i], err, nil)
			continue
		}
		if first, ok := places[m.Key.ID]; ok {
			return refuse("%d and %d are both of container %q", first, i, m.Key.ID)
		}
		places[m.Key.ID] = i
		if m.RequestID != "" {
			m.RequestID = fmt.Sprintf("%s/%d", m.RequestID, i)
		}
		m.OutcomeOnly = true
		mutations[i] = m
	}

	if mode == plimsollv1.BatchMode_BATCH_MODE_BEST_EFFORT {
		for i, m := range mutations {
			if m != nil {
				out[i] = s.toBatchResult(ctx, s.mutate(ctx, m)[0])
			}
		}
		return out, nil
	}
	results := s.mutate(ctx, mutations...)
	for _, r := range results {
		if r.shared { // it is not about any one of them
			return nil, s.connectError(ctx, r.err, r.decision)
		}
	}
	for i, r := range results {
		out[i] = s.toBatchResult(ctx, r)
	}
	return out, nil
}

// idOf is the id of the container that op is about.
func idOf[O operation](op O) string {
	switch op := any(op).(type) {
	case interface {
		GetContainer() *plimsollv1.Container
	}:
		return op.GetContainer().GetId()
	case interface{ GetId() string }:
		return op.GetId()
	}
	return ""
}

func allCommitted(results []*plimsollv1.BatchResult) bool {
	return !slices.ContainsFunc(results, func(r *plimsollv1.BatchResult) bool {
		return r.GetOutcome() != plimsollv1.BatchResult_OUTCOME_COMMITTED
	})
}

func (s plimsollV1) toBatchResult(ctx context.Context, r *result) *plimsollv1.BatchResult {
	b := &plimsollv1.BatchResult{Id: r.mutation.Key.ID, Revision: uint64(r.decision.Revision), Patches: toPatches(r.decision.Patches)}
	if r.decision.Ruleset != "" {
		b.Verdict = toVerdict(r.decision)
	}
	switch {
	case r.err == nil && r.mutation.DryRun, errors.Is(r.err, errNotAlone):
		b.Outcome = plimsollv1.BatchResult_OUTCOME_ADMITTED
	case r.err == nil:
		b.Outcome = plimsollv1.BatchResult_OUTCOME_COMMITTED
	default:
		s.fail(ctx, b, r.err, r.decision)
	}
	return b
}

// fail says in b why an operation failed.
func (s plimsollV1) fail(ctx context.Context, b *plimsollv1.BatchResult, err error, decision *plimsoll.Decision) {
	b.Outcome = plimsollv1.BatchResult_OUTCOME_FAILED
	if statusOf(err).isDenial() {
		b.Outcome = plimsollv1.BatchResult_OUTCOME_DENIED
	}
	told := s.connectError(ctx, err, decision)
	b.Code, b.Message = codeName(told.Code()), told.Message()
}

// codeName is the name of a code as gRPC has it, such as NOT_FOUND.
func codeName(code connect.Code) string { return strings.ToUpper(code.String()) }
