package service

import (
	"context"
	"errors"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// All that keeps a violation from denying is in this file, but for the share of a canary,
// which the judges apply themselves (plimsoll.Enforcement): a violation that an exemption
// covers, or that break-glass overrides, becomes a warning with a waiver. Nothing is lost
// on the way: what rules said is in the decision, and why it did not count.

// exemptionsOf reads the exemptions of a view when they are first asked for. Most
// mutations violate nothing and never ask, so they cost nothing, and are in no conflict
// with those who change them. Whoever asks has read all of them: if any changes before the
// commit, the mutation is judged again.
type exemptionsOf struct {
	view storage.View
	read bool
	all  []*plimsoll.Exemption
}

func (e *exemptionsOf) list(ctx context.Context) ([]*plimsoll.Exemption, error) {
	if e.read {
		return e.all, nil
	}
	all, err := readExemptions(ctx, e.view)
	if err != nil {
		return nil, err
	}
	e.read, e.all = true, all
	return all, nil
}

// waive makes warnings of the violations in r's verdict that do not count. They come first
// among the warnings, since of very many some are not shown.
func waive(ctx context.Context, exemptions *exemptionsOf, r *result) error {
	verdict := &r.decision.Verdict
	if len(verdict.Violations) == 0 {
		return nil
	}
	all, err := exemptions.list(ctx)
	if err != nil {
		return err
	}
	var violations, waived []plimsoll.Violation
	for _, v := range verdict.Violations {
		if v.Waiver = waiverOf(v, r, all); v.Waiver != nil {
			waived = append(waived, v)
		} else {
			violations = append(violations, v)
		}
	}
	verdict.Violations, verdict.Warnings = violations, append(waived, verdict.Warnings...)
	return nil
}

// waiverOf says why a violation does not count; nil if it does.
func waiverOf(v plimsoll.Violation, r *result, exemptions []*plimsoll.Exemption) *plimsoll.Waiver {
	for _, e := range exemptions { // the first one that covers it, in the order of IDs
		if e.Covers(r.decision.Time, v.Source, r.mutation.Key, r.input.Object.Labels) {
			return &plimsoll.Waiver{Kind: plimsoll.WaiverExemption, Exemption: e.ID, Owner: e.Owner, Until: e.ExpiresAt}
		}
	}
	if r.mutation.BreakGlass != "" {
		return &plimsoll.Waiver{Kind: plimsoll.WaiverBreakGlass}
	}
	return nil
}

// overrideFault makes a warning of it that judges came to no verdict, if that is why and
// the glass was broken. Exemptions are about what rules say, and never about that.
func (s *Service) overrideFault(ctx context.Context, r *result, verdict plimsoll.Verdict, err error) (plimsoll.Verdict, error) {
	if err == nil || r.mutation.BreakGlass == "" || ctx.Err() != nil {
		return verdict, err
	}
	source, failed := sourceOfFailure(err)
	if !failed {
		return verdict, err
	}
	s.options.Logger.ErrorContext(ctx, "break-glass: a rule came to no verdict, which is overridden",
		"decision", r.decision.ID, "source", source.String(), "error", err.Error())
	message := source.String() + " came to no verdict, so that no policy judged"
	if source.Kind == plimsoll.SourceValidator {
		message = source.String() + " came to no verdict, and validators after it were not asked"
	}
	return plimsoll.Verdict{Warnings: []plimsoll.Violation{{
		Message: message, Source: source,
		Waiver: &plimsoll.Waiver{Kind: plimsoll.WaiverBreakGlass, Fault: true},
	}}}, nil
}

// sourceOfFailure is the rule or validator that came to no verdict, if err says that.
func sourceOfFailure(err error) (plimsoll.Source, bool) {
	if fault, ok := errors.AsType[*plimsoll.FaultError](err); ok {
		return fault.Source, true
	}
	if timeout, ok := errors.AsType[*plimsoll.TimeoutError](err); ok {
		return timeout.Source, true
	}
	if apart, ok := errors.AsType[*plimsoll.QuarantinedError](err); ok {
		return apart.Source, true
	}
	return plimsoll.Source{}, false
}

// countWaived counts the warnings of a verdict that are exempted, and overridden.
func countWaived(warnings []plimsoll.Violation) (exempted, overridden int) {
	for _, w := range warnings {
		switch {
		case w.Waiver == nil:
		case w.Waiver.Kind == plimsoll.WaiverExemption:
			exempted++
		default:
			overridden++
		}
	}
	return exempted, overridden
}
