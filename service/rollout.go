package service

import (
	"context"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// rolloutV1 is plimsoll.v1.RolloutService: what rules make of what is stored, and of what
// was attempted.
type rolloutV1 struct {
	*Service
}

// Audit implements plimsoll.v1.RolloutService.
func (s rolloutV1) Audit(ctx context.Context, req *plimsollv1.AuditRequest, stream *connect.ServerStream[plimsollv1.AuditResponse]) error {
	err := perform(ctx, s.Service, req, func(j *auditJob) error { return s.beginAudit(ctx, req, j) }, sender(ctx, stream.Send))
	if err != nil {
		return s.connectError(ctx, err, nil)
	}
	return nil
}

type auditJob = job[*surveyed, plimsollv1.AuditResponse]

func (s rolloutV1) beginAudit(ctx context.Context, req *plimsollv1.AuditRequest, j *auditJob) error {
	rules, err := holdActive(s.Service, j)
	if err != nil {
		return err
	}
	survey, err := beginSurvey(ctx, s.Service, req.GetSelection(), j)
	if err != nil {
		return err
	}
	tally := newAuditTally(rules.Digest, survey.view.Revision())
	j.judge = func(ctx context.Context, c *surveyed) (func() *plimsollv1.AuditResponse, error) {
		judged, err := s.opinion(ctx, rules, c)
		if err != nil {
			return nil, err
		}
		opinion := judged.opinion
		return func() *plimsollv1.AuditResponse {
			if !tally.add(opinion) {
				return nil
			}
			return &plimsollv1.AuditResponse{Event: &plimsollv1.AuditResponse_Finding{
				Finding: &plimsollv1.AuditFinding{Container: c.ref(), Opinion: opinion},
			}}
		}, nil
	}
	j.progress = func(p *plimsollv1.Progress) *plimsollv1.AuditResponse {
		return &plimsollv1.AuditResponse{Event: &plimsollv1.AuditResponse_Progress{Progress: p}}
	}
	j.summary = func() *plimsollv1.AuditResponse {
		return &plimsollv1.AuditResponse{Event: &plimsollv1.AuditResponse_Summary{Summary: tally.summary()}}
	}
	return nil
}

// holdActive has a job hold the rules that judge now.
func holdActive[S, M any](s *Service, j *job[S, M]) (*Ruleset, error) {
	rules, release := s.ruleset.hold()
	if rules == nil {
		return nil, plimsoll.ErrNotReady
	}
	j.hold(release)
	return rules, nil
}

// beginSurvey has a job go over what is stored.
func beginSurvey[M any](ctx context.Context, s *Service, selection *plimsollv1.Selection, j *job[*surveyed, M]) (*survey, error) {
	var survey *survey
	err := j.crew.do(ctx, &j.crew.workers[0], func() (err error) {
		survey, err = s.newSurvey(ctx, selection)
		return err
	})
	if err != nil {
		return nil, err
	}
	j.hold(func() { _ = survey.view.Close() }) // releasing a snapshot has nothing to report
	j.revision, j.total, j.next = survey.view.Revision(), survey.total, survey.next
	return survey, nil
}

// Impact implements plimsoll.v1.RolloutService.
func (s rolloutV1) Impact(ctx context.Context, req *plimsollv1.ImpactRequest, stream *connect.ServerStream[plimsollv1.ImpactResponse]) error {
	err := perform(ctx, s.Service, req, func(j *impactJob) error { return s.beginImpact(ctx, req, j) }, sender(ctx, stream.Send))
	if err != nil {
		return s.connectError(ctx, err, nil)
	}
	return nil
}

type impactJob = job[*surveyed, plimsollv1.ImpactResponse]

func (s rolloutV1) beginImpact(ctx context.Context, req *plimsollv1.ImpactRequest, j *impactJob) error {
	candidate, err := s.Service.candidate(ctx, req.GetCandidate())
	if err != nil {
		return err
	}
	j.hold(candidate.Release)
	active, err := holdActive(s.Service, j)
	if err != nil {
		return err
	}
	survey, err := beginSurvey(ctx, s.Service, req.GetSelection(), j)
	if err != nil {
		return err
	}
	tally := newImpactTally(active.Digest, candidate.Digest, survey.view.Revision(), req.GetGroupByLabel())
	j.judge = func(ctx context.Context, c *surveyed) (func() *plimsollv1.ImpactResponse, error) {
		now, err := s.opinion(ctx, active, c)
		if err != nil {
			return nil, err
		}
		then, err := s.opinion(ctx, candidate, c)
		if err != nil {
			return nil, err
		}
		return func() *plimsollv1.ImpactResponse {
			out := &plimsollv1.AffectedContainer{Container: c.ref(), Active: now.opinion, Candidate: then.opinion}
			effect, affected := tally.add(compared{container: out.GetContainer(), labels: c.container.Labels, active: now.opinion, candidate: then.opinion})
			if out.Effect = effect; !affected {
				return nil
			}
			return &plimsollv1.ImpactResponse{Event: &plimsollv1.ImpactResponse_Affected{Affected: out}}
		}, nil
	}
	j.progress = func(p *plimsollv1.Progress) *plimsollv1.ImpactResponse {
		return &plimsollv1.ImpactResponse{Event: &plimsollv1.ImpactResponse_Progress{Progress: p}}
	}
	j.summary = func() *plimsollv1.ImpactResponse {
		return &plimsollv1.ImpactResponse{Event: &plimsollv1.ImpactResponse_Summary{Summary: tally.summary()}}
	}
	return nil
}

// candidate loads the rules that a request is about.
func (s *Service) candidate(ctx context.Context, c *plimsollv1.Candidate) (*Ruleset, error) {
	candidate, err := candidateOf("candidate", c)
	if err != nil {
		return nil, err
	}
	return s.options.Rulesets.Candidate(ctx, candidate)
}
