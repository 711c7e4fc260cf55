package service

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Bounds on surveys.
const (
	// surveyPage is how many containers are read at once.
	surveyPage = 256
	// surveyShare is how much of one processor a survey takes, and surveySlice for how long
	// at a time.
	surveyShare = 0.5
	surveySlice = 10 * time.Millisecond
	// progressInterval is how often progress is told.
	progressInterval = 200 * time.Millisecond
)

// survey judges what is stored, as of one revision, and changes nothing.
type survey struct {
	*Service
	view       storage.View
	namespaces []*namespaceRecord
	query      storage.Query
	// progress tells how far it has come.
	progress func(*plimsollv1.Progress) error
	told     time.Time
	done     int64
	total    int64
}

var errPanicked = errors.New("the server has a fault that judging this meets; its log says more")

// surveyed is a stored container that is to be judged.
type surveyed struct {
	container *plimsoll.Container
	namespace *namespaceRecord
	view      storage.View
}

func (c *surveyed) ref() *plimsollv1.ContainerRef {
	return &plimsollv1.ContainerRef{Namespace: c.namespace.name, Id: c.container.ID, Revision: uint64(c.container.Revision)}
}

// startSurvey waits until there is no other, and reads what there is to do. The caller
// calls end when done.
func (s *Service) startSurvey(ctx context.Context, selection *plimsollv1.Selection, progress func(*plimsollv1.Progress) error) (_ *survey, end func(), err error) {
	v := &survey{Service: s, progress: progress}
	if v.query, err = parseFilters(selection.GetFilters(), filterFieldsPlimsoll, filterFieldPlimsoll); err != nil {
		return nil, nil, err
	}
	for i, pattern := range selection.GetNamespaces() {
		if plimsoll.BadPattern(pattern) {
			return nil, nil, &plimsoll.RequestError{Field: fmt.Sprintf("selection.namespaces[%d]", i), Problem: fmt.Sprintf("%q is no pattern: write it like \"prod-*\"", pattern)}
		}
	}
	if err := s.surveys.Acquire(ctx, 1); err != nil {
		return nil, nil, err
	}
	if v.view, err = s.store.View(ctx); err != nil {
		s.surveys.Release(1)
		return nil, nil, err
	}
	end = func() {
		_ = v.view.Close() // releasing a snapshot has nothing to report
		s.surveys.Release(1)
	}
	if err := v.plan(ctx, selection.GetNamespaces()); err != nil {
		end()
		return nil, nil, err
	}
	return v, end, nil
}

// plan finds the namespaces, and counts what is in them.
func (v *survey) plan(ctx context.Context, patterns []string) error {
	for entry, err := range v.view.Entries(ctx, plimsoll.KindNamespace, "", "") {
		if err != nil {
			return err
		}
		covered := len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, err := plimsoll.MatchesName(pattern, entry.Key)
			return ok && err == nil // checked before
		})
		if !covered {
			continue
		}
		namespace, err := decodeNamespace(entry)
		if err != nil {
			return err
		}
		v.namespaces = append(v.namespaces, namespace)
	}
	query := v.query
	query.IDsOnly = query.Match == nil
	for _, namespace := range v.namespaces {
		query.Namespace = namespace.name
		for _, err := range v.view.Scan(ctx, query) {
			if err != nil {
				return err
			}
			v.total++
		}
	}
	return nil
}

// each calls visit with every container, in the order of namespace and ID. In between it
// leaves the processor to others.
func (v *survey) each(ctx context.Context, visit func(*surveyed) error) error {
	pace := pacer{began: time.Now()}
	for _, namespace := range v.namespaces {
		for after, more := "", true; more; {
			page, err := v.page(ctx, namespace, after)
			if err != nil {
				return err
			}
			more = len(page) == surveyPage
			// Of a page's own, since a view remembers all that was read through it.
			view, err := v.view.Reopen(ctx)
			if err != nil {
				return err
			}
			for _, c := range page {
				if err = visit(&surveyed{c, namespace, view}); err == nil {
					err = pace.rest(ctx)
				}
				if err == nil {
					v.done++
					err = v.tell(false)
				}
				if err != nil {
					_ = view.Close()
					return err
				}
				after = c.ID
			}
			_ = view.Close()
		}
	}
	return v.tell(true)
}

// page reads the next containers of a namespace.
func (v *survey) page(ctx context.Context, namespace *namespaceRecord, after string) ([]*plimsoll.Container, error) {
	view, err := v.view.Reopen(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	query := v.query
	query.Namespace, query.After, query.WithPayloads = namespace.name, after, true
	var page []*plimsoll.Container
	for c, err := range view.Scan(ctx, query) {
		if err != nil {
			return nil, err
		}
		if page = append(page, c); len(page) == surveyPage {
			break
		}
	}
	return page, nil
}

// tell tells how far it has come, if it has not just done so.
func (v *survey) tell(now bool) error {
	if !now && time.Since(v.told) < progressInterval {
		return nil
	}
	v.told = time.Now()
	return v.progress(&plimsollv1.Progress{Revision: uint64(v.view.Revision()), Done: v.done, Total: v.total})
}

// pacer makes a worker rest from time to time.
type pacer struct{ began time.Time }

// rest waits if there has been work for long enough.
func (p *pacer) rest(ctx context.Context) error {
	worked := time.Since(p.began)
	if worked < surveySlice {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(float64(worked) * (1 - surveyShare) / surveyShare)):
	}
	p.began = time.Now()
	return nil
}

// opinion judges a container as if it were created now. An error means that the survey
// cannot go on.
func (s *Service) opinion(ctx context.Context, rules *Ruleset, c *surveyed) (*plimsollv1.Opinion, error) {
	m := &plimsoll.Mutation{Operation: plimsoll.OperationCreate, Key: plimsoll.Key{Namespace: c.namespace.name, ID: c.container.ID}, DryRun: true}
	r := &result{mutation: m, decision: s.newDecision(m), object: c.container}
	err := s.judgeStored(ctx, rules, c, r)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out := &plimsollv1.Opinion{Verdict: recordedVerdict(r.decision)}
	out.Verdict.DecisionId = "" // there was none
	switch {
	case err != nil:
		out.Standing, out.Failed = plimsollv1.Standing_STANDING_FAILED, failedSource(err)
		out.Error = clip(strings.TrimSuffix(statusMessage(err), "; nothing was stored"), maxMessageBytes)
		out.Verdict = nil
	case len(r.decision.Verdict.Violations) > 0:
		out.Standing = plimsollv1.Standing_STANDING_DENIED
	default:
		out.Standing = plimsollv1.Standing_STANDING_ADMITTED
	}
	return out, nil
}

// failedSource is the rule or validator that came to no verdict, if err says which.
func failedSource(err error) *plimsollv1.Source {
	if fault, ok := errors.AsType[*plimsoll.FaultError](err); ok {
		return toSource(fault.Source)
	}
	if timeout, ok := errors.AsType[*plimsoll.TimeoutError](err); ok {
		return toSource(timeout.Source)
	}
	return nil
}

// judgeStored has rules judge a container that is stored.
func (s *Service) judgeStored(ctx context.Context, rules *Ruleset, c *surveyed, r *result) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.options.Logger.Error("panic while judging what is stored", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	options, err := readOptions(c.container.Runtime.Options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.MutationTimeout, plimsoll.ErrOutOfTime)
	defer cancel()
	err = s.applyRules(ctx, rules, r, &plimsoll.Input{
		Operation: plimsoll.OperationCreate, Namespace: c.namespace.name, NamespaceLabels: c.namespace.labels, DryRun: true,
		Object: c.container, RuntimeOptions: options, Others: &others{view: c.view, self: r.mutation.Key},
	})
	if err != nil {
		return err
	}
	return waive(ctx, &exemptionsOf{view: c.view}, r)
}
