package service

import (
	"context"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// rolloutV1 is plimsoll.v1.RolloutService: what rules make of what is stored.
type rolloutV1 struct {
	*Service
}

// Audit implements plimsoll.v1.RolloutService.
func (s rolloutV1) Audit(ctx context.Context, req *plimsollv1.AuditRequest, stream *connect.ServerStream[plimsollv1.AuditResponse]) error {
	if err := s.audit(ctx, req, sender(ctx, stream.Send)); err != nil {
		return s.connectError(ctx, err, nil)
	}
	return nil
}

func (s rolloutV1) audit(ctx context.Context, req *plimsollv1.AuditRequest, send func(*plimsollv1.AuditResponse) error) error {
	if err := requireOperator(ctx); err != nil {
		return err
	}
	rules, release := s.ruleset.hold()
	if rules == nil {
		return plimsoll.ErrNotReady
	}
	defer release()
	survey, end, err := s.startSurvey(ctx, req.GetSelection(), func(p *plimsollv1.Progress) error {
		return send(&plimsollv1.AuditResponse{Event: &plimsollv1.AuditResponse_Progress{Progress: p}})
	})
	if err != nil {
		return err
	}
	defer end()
	tally := newAuditTally(rules.Digest, survey.view.Revision())
	err = survey.each(ctx, func(c *surveyed) error {
		opinion, err := s.opinion(ctx, rules, c)
		if err != nil || !tally.add(opinion) {
			return err
		}
		return send(&plimsollv1.AuditResponse{Event: &plimsollv1.AuditResponse_Finding{
			Finding: &plimsollv1.AuditFinding{Container: c.ref(), Opinion: opinion},
		}})
	})
	if err != nil {
		return err
	}
	return send(&plimsollv1.AuditResponse{Event: &plimsollv1.AuditResponse_Summary{Summary: tally.summary()}})
}

// Impact implements plimsoll.v1.RolloutService.
func (s rolloutV1) Impact(ctx context.Context, req *plimsollv1.ImpactRequest, stream *connect.ServerStream[plimsollv1.ImpactResponse]) error {
	if err := s.impact(ctx, req, sender(ctx, stream.Send)); err != nil {
		return s.connectError(ctx, err, nil)
	}
	return nil
}

func (s rolloutV1) impact(ctx context.Context, req *plimsollv1.ImpactRequest, send func(*plimsollv1.ImpactResponse) error) error {
	if err := requireOperator(ctx); err != nil {
		return err
	}
	candidate, err := s.candidate(ctx, req.GetCandidate())
	if err != nil {
		return err
	}
	defer candidate.Release()
	active, release := s.ruleset.hold()
	if active == nil {
		return plimsoll.ErrNotReady
	}
	defer release()
	survey, end, err := s.startSurvey(ctx, req.GetSelection(), func(p *plimsollv1.Progress) error {
		return send(&plimsollv1.ImpactResponse{Event: &plimsollv1.ImpactResponse_Progress{Progress: p}})
	})
	if err != nil {
		return err
	}
	defer end()
	tally := newImpactTally(active.Digest, candidate.Digest, survey.view.Revision(), req.GetGroupByLabel())
	err = survey.each(ctx, func(c *surveyed) error {
		affected := &plimsollv1.AffectedContainer{Container: c.ref()}
		if affected.Active, err = s.opinion(ctx, active, c); err != nil {
			return err
		}
		if affected.Candidate, err = s.opinion(ctx, candidate, c); err != nil {
			return err
		}
		if !tally.add(c, affected) {
			return nil
		}
		return send(&plimsollv1.ImpactResponse{Event: &plimsollv1.ImpactResponse_Affected{Affected: affected}})
	})
	if err != nil {
		return err
	}
	return send(&plimsollv1.ImpactResponse{Event: &plimsollv1.ImpactResponse_Summary{Summary: tally.summary()}})
}

// candidate loads the rules that a request is about.
func (s *Service) candidate(ctx context.Context, c *plimsollv1.Candidate) (*Ruleset, error) {
	candidate, err := candidateOf("candidate", c)
	if err != nil {
		return nil, err
	}
	return s.options.Rulesets.Candidate(ctx, candidate)
}
