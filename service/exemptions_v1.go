package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// exemptionsV1 is plimsoll.v1.ExemptionService.
type exemptionsV1 struct {
	*Service
}

// CreateExemption implements plimsoll.v1.ExemptionService.
func (s exemptionsV1) CreateExemption(ctx context.Context, req *plimsollv1.CreateExemptionRequest) (*plimsollv1.CreateExemptionResponse, error) {
	res, err := s.create(ctx, req)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return res, nil
}

func (s exemptionsV1) create(ctx context.Context, req *plimsollv1.CreateExemptionRequest) (*plimsollv1.CreateExemptionResponse, error) {
	if err := requireKnown(ctx); err != nil {
		return nil, err
	}
	if req.GetExemption() == nil {
		return nil, &plimsoll.RequestError{Field: "exemption", Problem: "the request has no exemption"}
	}
	now := s.options.Now().UTC()
	e := fromExemption(req.GetExemption())
	if e.ID == "" {
		e.ID = strings.ToLower(ulid.MustNew(ulid.Timestamp(now), rand.Reader).String())
	}
	e.CreatedAt, e.CreatedBy, e.Ruleset, e.Revision = now, userOf(ctx), "", 0
	if err := s.checkExemption(e); err != nil {
		return nil, err
	}
	change, warnings, err := s.judged(ctx, plimsoll.OperationCreate, e)
	if err != nil {
		return nil, err
	}
	change.decide = func(ctx context.Context, view storage.View) ([]storage.Write, error) {
		all, err := readExemptions(ctx, view)
		if err != nil {
			return nil, err
		}
		for _, other := range all {
			if other.ID == e.ID {
				return nil, fmt.Errorf("exemption %q: %w", e.ID, plimsoll.ErrExists)
			}
		}
		if len(all) >= maxExemptions {
			return nil, fmt.Errorf("there are %d exemptions, those counted that have expired; delete some: %w", len(all), plimsoll.ErrFailedPrecondition)
		}
		entry, err := encodeExemption(e)
		if err != nil {
			return nil, err
		}
		if err := change.checkRevision(entry.EntryKey, nil); err != nil {
			return nil, err
		}
		return []storage.Write{{Operation: plimsoll.OperationCreate, Entry: entry}}, nil
	}
	if e.Revision, err = s.commitEntry(ctx, change); err != nil {
		return nil, err
	}
	answerEntry(ctx, e.Revision)
	s.tellOf(ctx, "exemption created", e)
	res := &plimsollv1.CreateExemptionResponse{Exemption: toExemption(e, now)}
	for _, w := range warnings {
		res.Warnings = append(res.Warnings, toProto(w))
	}
	return res, nil
}

// judged has the rules of now judge a change of an exemption, and begins it. It returns what
// they warn about.
func (s exemptionsV1) judged(ctx context.Context, operation plimsoll.Operation, e *plimsoll.Exemption) (*entryChange, []plimsoll.Violation, error) {
	change, err := s.newEntryChange(ctx)
	if err != nil {
		return nil, nil, err
	}
	rules, release := s.ruleset.hold()
	if rules == nil {
		return nil, nil, plimsoll.ErrNotReady
	}
	defer release()
	if operation == plimsoll.OperationCreate {
		e.Ruleset = rules.Digest
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.MutationTimeout, plimsoll.ErrOutOfTime)
	defer cancel()
	warnings, err := judgeExemption(ctx, rules, &plimsoll.ExemptionRequest{
		Operation: operation, User: change.user, Operator: requireOperator(ctx) == nil, DryRun: change.dryRun, Exemption: e,
	})
	if errors.Is(err, plimsoll.ErrDenied) {
		s.options.Logger.WarnContext(ctx, "exemption denied", "operation", string(operation), "exemption", e.ID, "rule", e.Rule, "user", change.user.Name)
	}
	return change, warnings, err
}

// tellOf logs a change of an exemption, if it was one.
func (s exemptionsV1) tellOf(ctx context.Context, what string, e *plimsoll.Exemption) {
	if e.Revision == 0 { // a dry run
		return
	}
	s.options.Logger.InfoContext(ctx, what, "exemption", e.ID, "rule", e.Rule, "namespaces", e.Namespaces, "containers", e.Containers,
		"owner", e.Owner, "expires", e.ExpiresAt, "user", userOf(ctx).Name, "revision", uint64(e.Revision))
}

// GetExemption implements plimsoll.v1.ExemptionService.
func (s exemptionsV1) GetExemption(ctx context.Context, req *plimsollv1.GetExemptionRequest) (*plimsollv1.GetExemptionResponse, error) {
	e, err := s.find(ctx, req.GetId())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &plimsollv1.GetExemptionResponse{Exemption: toExemption(e, s.options.Now())}, nil
}

func (s exemptionsV1) find(ctx context.Context, id string) (*plimsoll.Exemption, error) {
	if err := requireKnown(ctx); err != nil {
		return nil, err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	return exemptionIn(ctx, view, id)
}

func exemptionIn(ctx context.Context, view storage.View, id string) (*plimsoll.Exemption, error) {
	notFound := fmt.Errorf("exemption %q: %w", clip(id, maxMetadataBytes), plimsoll.ErrNotFound)
	if checkID("id", id) != nil {
		return nil, notFound
	}
	entry, err := findEntry(ctx, view, exemptionKey(id))
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return nil, notFound
	}
	return decodeExemption(entry)
}

// ListExemptions implements plimsoll.v1.ExemptionService.
func (s exemptionsV1) ListExemptions(ctx context.Context, req *plimsollv1.ListExemptionsRequest) (*plimsollv1.ListExemptionsResponse, error) {
	res, err := s.list(ctx, req)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return res, nil
}

func (s exemptionsV1) list(ctx context.Context, req *plimsollv1.ListExemptionsRequest) (*plimsollv1.ListExemptionsResponse, error) {
	if err := requireKnown(ctx); err != nil {
		return nil, err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	all, err := readExemptions(ctx, view)
	if err != nil {
		return nil, err
	}
	res, now := &plimsollv1.ListExemptionsResponse{}, s.options.Now()
	for _, e := range all {
		if (req.GetIncludeExpired() || !e.Expired(now)) && coversNamespace(e, req.GetNamespace()) {
			res.Exemptions = append(res.Exemptions, toExemption(e, now))
		}
	}
	return res, nil
}

// DeleteExemption implements plimsoll.v1.ExemptionService.
func (s exemptionsV1) DeleteExemption(ctx context.Context, req *plimsollv1.DeleteExemptionRequest) (*plimsollv1.DeleteExemptionResponse, error) {
	e, err := s.delete(ctx, req.GetId())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &plimsollv1.DeleteExemptionResponse{Exemption: toExemption(e, s.options.Now())}, nil
}

func (s exemptionsV1) delete(ctx context.Context, id string) (*plimsoll.Exemption, error) {
	e, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	change, _, err := s.judged(ctx, plimsoll.OperationDelete, e)
	if err != nil {
		return nil, err
	}
	change.decide = func(ctx context.Context, view storage.View) ([]storage.Write, error) {
		now, err := exemptionIn(ctx, view, id)
		if err != nil {
			return nil, err
		}
		if now.Revision != e.Revision { // it is another than was judged
			return nil, fmt.Errorf("exemption %q has been deleted and created anew: %w", id, plimsoll.ErrStaleRevision)
		}
		entry, err := encodeExemption(e)
		if err != nil {
			return nil, err
		}
		if err := change.checkRevision(entry.EntryKey, &plimsoll.Entry{Revision: now.Revision}); err != nil {
			return nil, err
		}
		return []storage.Write{{Operation: plimsoll.OperationDelete, Entry: entry}}, nil
	}
	revision, err := s.commitEntry(ctx, change)
	if err != nil {
		return nil, err
	}
	answerEntry(ctx, revision)
	if revision != 0 {
		s.tellOf(ctx, "exemption deleted", e)
	}
	return e, nil
}
