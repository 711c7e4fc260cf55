package service

import (
	"context"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// ErrNoShadow says that nothing runs in shadow. It is an [plimsoll.ErrNotFound].
var ErrNoShadow error = noShadowError{}

type noShadowError struct{}

func (noShadowError) Error() string { return "no ruleset is in shadow" }

func (noShadowError) Unwrap() error { return plimsoll.ErrNotFound }

// Shadow implements plimsoll.v1.RulesetService.
func (s rulesetsV1) Shadow(ctx context.Context, req *plimsollv1.ShadowRequest) (*plimsollv1.ShadowResponse, error) {
	if err := s.startShadow(ctx, req); err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	status, _ := s.shadowStatus()
	return &plimsollv1.ShadowResponse{Status: status}, nil
}

func (s rulesetsV1) startShadow(ctx context.Context, req *plimsollv1.ShadowRequest) error {
	if err := requireOperator(ctx); err != nil {
		return err
	}
	percent := req.GetPercent()
	if percent == 0 {
		percent = 100
	}
	if !(percent > 0 && percent <= 100) { // nor is it NaN
		return &plimsoll.RequestError{Field: "percent", Problem: "must be more than 0, and at most 100"}
	}
	candidate, err := candidateOf("candidate", req.GetCandidate())
	if err != nil {
		return err
	}
	return s.options.Rulesets.Shadow(ctx, candidate, percent, userOf(ctx).Name)
}

// GetShadow implements plimsoll.v1.RulesetService.
func (s rulesetsV1) GetShadow(ctx context.Context, _ *plimsollv1.GetShadowRequest) (*plimsollv1.GetShadowResponse, error) {
	err := requireOperator(ctx)
	var status *plimsollv1.ShadowStatus
	if err == nil {
		status, err = s.shadowStatus()
	}
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &plimsollv1.GetShadowResponse{Status: status}, nil
}

// StopShadow implements plimsoll.v1.RulesetService.
func (s rulesetsV1) StopShadow(ctx context.Context, _ *plimsollv1.StopShadowRequest) (*plimsollv1.StopShadowResponse, error) {
	err := requireOperator(ctx)
	var status *plimsollv1.ShadowStatus
	if err == nil {
		status, err = s.shadowStatus()
	}
	if err == nil {
		err = s.options.Rulesets.StopShadow(ctx)
	}
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &plimsollv1.StopShadowResponse{Status: status}, nil
}

// shadowStatus says what runs in shadow and what it would have said.
func (s rulesetsV1) shadowStatus() (*plimsollv1.ShadowStatus, error) {
	shadowed, ok := s.options.Rulesets.InShadow()
	if !ok {
		return nil, ErrNoShadow
	}
	status := &plimsollv1.ShadowStatus{
		Ruleset: shadowed.Ruleset, Policies: shadowed.Policies, Validators: shadowed.Validators,
		Since: timestamp(shadowed.Since), By: shadowed.By, Percent: shadowed.Percent,
	}
	if shadowed.Err != nil {
		status.Error = clip(shadowed.Err.Error(), maxMessageBytes)
	}
	if run := s.shadow.Load(); run != nil {
		run.tally.report(status)
	}
	return status, nil
}

// maxDiffBytes bounds what is shown of differences.
const maxDiffBytes = 1 << 20

// DiffRulesets implements plimsoll.v1.RulesetService.
func (s rulesetsV1) DiffRulesets(ctx context.Context, req *plimsollv1.DiffRulesetsRequest) (*plimsollv1.DiffRulesetsResponse, error) {
	err := requireOperator(ctx)
	var diff *RulesetDiff
	if err == nil {
		diff, err = s.options.Rulesets.Diff(ctx, req.GetFrom(), req.GetTo())
	}
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	res := &plimsollv1.DiffRulesetsResponse{From: diff.From, To: diff.To}
	left := maxDiffBytes
	for _, d := range diff.Differences {
		if left -= messageBytes(d); left < 0 {
			res.Truncated = true
			break
		}
		res.Differences = append(res.Differences, d)
	}
	return res, nil
}
