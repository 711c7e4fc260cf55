package service

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// survey goes over what is stored, as of one revision, in the order of namespace and ID.
type survey struct {
	view       storage.View // only ever reopened
	query      storage.Query
	namespaces []*namespaceRecord // that are still to be gone over
	after      string             // in the first of them
	total      int64
	// metadataOnly leaves out payloads.
	metadataOnly bool
}

// surveyed is a stored container that is to be judged.
type surveyed struct {
	container *plimsoll.Container
	namespace *namespaceRecord
	view      storage.View // to be reopened
	// metadataOnly says that its payloads were not read.
	metadataOnly bool
}

func (c *surveyed) key() plimsoll.Key {
	return plimsoll.Key{Namespace: c.namespace.name, ID: c.container.ID}
}

func (c *surveyed) ref() *plimsollv1.ContainerRef {
	return &plimsollv1.ContainerRef{Namespace: c.namespace.name, Id: c.container.ID, Revision: uint64(c.container.Revision)}
}

// newSurvey reads what there is to go over. The caller closes its view.
func (s *Service) newSurvey(ctx context.Context, selection *plimsollv1.Selection) (*survey, error) {
	if err := checkPatterns("selection.namespaces", selection.GetNamespaces()); err != nil {
		return nil, err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	return surveyOf(ctx, view, selection)
}

// surveyOf reads what there is to go over in a view, which is the survey's from now on.
func surveyOf(ctx context.Context, view storage.View, selection *plimsollv1.Selection) (_ *survey, err error) {
	v := &survey{view: view}
	if v.query, err = parseFilters(selection.GetFilters(), filterFieldsPlimsoll, filterFieldPlimsoll); err == nil {
		err = v.plan(ctx, selection.GetNamespaces())
	}
	if err != nil {
		return nil, errors.Join(err, view.Close())
	}
	return v, nil
}

func checkPatterns(field string, patterns []string) error {
	for i, pattern := range patterns {
		if plimsoll.BadPattern(pattern) {
			return &plimsoll.RequestError{Field: fmt.Sprintf("%s[%d]", field, i), Problem: fmt.Sprintf("%q is no pattern: write it like \"prod-*\"", pattern)}
		}
	}
	return nil
}

// covered reports whether a name is meant by patterns, none of which is bad.
func covered(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := plimsoll.MatchesName(pattern, name)
		return ok && err == nil
	})
}

// plan finds the namespaces, and counts what is in them.
func (v *survey) plan(ctx context.Context, patterns []string) error {
	view, err := v.view.Reopen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = view.Close() }() // releasing a snapshot has nothing to report
	for entry, err := range view.Entries(ctx, plimsoll.KindNamespace, "", "") {
		if err != nil {
			return err
		}
		if !covered(patterns, entry.Key) {
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
		for _, err := range view.Scan(ctx, query) {
			if err != nil {
				return err
			}
			v.total++
		}
	}
	return nil
}

// next reads the next containers, and says whether there may be more.
func (v *survey) next(ctx context.Context) (page []*surveyed, more bool, err error) {
	if len(v.namespaces) == 0 {
		return nil, false, nil
	}
	if page, err = v.page(ctx, v.namespaces[0]); err != nil {
		return nil, false, err
	}
	if len(page) == jobPage {
		v.after = page[len(page)-1].container.ID
	} else {
		v.namespaces, v.after = v.namespaces[1:], ""
	}
	return page, len(v.namespaces) > 0, nil
}

func (v *survey) page(ctx context.Context, namespace *namespaceRecord) ([]*surveyed, error) {
	view, err := v.view.Reopen(ctx) // since a view remembers all that was read through it
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	query := v.query
	query.Namespace, query.After, query.WithPayloads = namespace.name, v.after, !v.metadataOnly
	var page []*surveyed
	for c, err := range view.Scan(ctx, query) {
		if err != nil {
			return nil, err
		}
		if page = append(page, &surveyed{c, namespace, v.view, v.metadataOnly}); len(page) == jobPage {
			break
		}
	}
	return page, nil
}

// othersOnDemand are the others as a view shows them, which is opened when rules first ask:
// most do not. The caller closes it.
type othersOnDemand struct {
	others
	from storage.View
}

var _ plimsoll.Others = (*othersOnDemand)(nil)

func (o *othersOnDemand) open(ctx context.Context) (err error) {
	if o.view == nil {
		o.view, err = o.from.Reopen(ctx)
	}
	return err
}

// close returns what was read; nil if nothing was.
func (o *othersOnDemand) close() *storage.Footprint {
	if o.view == nil {
		return nil
	}
	_ = o.view.Close()
	return o.view.Footprint()
}

// Container implements [plimsoll.Others].
func (o *othersOnDemand) Container(ctx context.Context, key plimsoll.Key, withPayloads bool) (*plimsoll.OtherContainer, error) {
	if err := o.open(ctx); err != nil {
		return nil, err
	}
	return o.others.Container(ctx, key, withPayloads)
}

// Containers implements [plimsoll.Others].
func (o *othersOnDemand) Containers(ctx context.Context, selection plimsoll.Selection) iter.Seq2[*plimsoll.OtherContainer, error] {
	return func(yield func(*plimsoll.OtherContainer, error) bool) {
		if err := o.open(ctx); err != nil {
			yield(nil, err)
			return
		}
		o.others.Containers(ctx, selection)(yield)
	}
}

// Count implements [plimsoll.Others].
func (o *othersOnDemand) Count(ctx context.Context, selection plimsoll.Selection) (int, error) {
	if err := o.open(ctx); err != nil {
		return 0, err
	}
	return o.others.Count(ctx, selection)
}

// judged is what judging came to.
type judged struct {
	opinion *plimsollv1.Opinion
	cut     bool               // the opinion has not all that was found
	read    *storage.Footprint // of others; nil if nothing was
	until   time.Time          // when the first of the exemptions that count expires; zero: none does
}

// opinion judges a container as if it were created now. An error means that judging cannot
// go on.
func (s *Service) opinion(ctx context.Context, rules *Ruleset, c *surveyed) (judged, error) {
	others := &othersOnDemand{others{self: c.key()}, c.view}
	m := &plimsoll.Mutation{Operation: plimsoll.OperationCreate, Key: c.key(), DryRun: true}
	r := &result{mutation: m, decision: s.newDecision(m), object: c.container}
	options, err := readOptions(c.container.Runtime.Options)
	if err == nil {
		err = s.judgeAgain(ctx, rules, r, &plimsoll.Input{
			Operation: plimsoll.OperationCreate, Namespace: c.namespace.name, NamespaceLabels: c.namespace.labels, DryRun: true,
			Object: c.container, RuntimeOptions: options, Others: others,
		})
	}
	if err == nil && len(r.decision.Verdict.Violations) > 0 {
		if err = others.open(ctx); err == nil { // so that it is known that exemptions were read
			err = waive(ctx, s.exemptionsOf(others.view), r)
		}
	}
	read := others.close()
	if ctx.Err() != nil {
		return judged{}, ctx.Err()
	}
	out := judged{opinion: opinionOf(r, err), read: read}
	found, kept := r.decision.Verdict, out.opinion.GetVerdict()
	for _, w := range found.Warnings { // of all of them, since not all may be kept
		if w.Waiver != nil {
			out.until = earlier(out.until, w.Waiver.Until)
		}
	}
	out.cut = err == nil && (len(kept.GetViolations()) < len(found.Violations) || len(kept.GetWarnings()) < len(found.Warnings))
	return out, nil
}

// earlier is the earlier one of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// opinionOf is what rules made of a mutation, if they ended with err.
func opinionOf(r *result, err error) *plimsollv1.Opinion {
	out := &plimsollv1.Opinion{}
	switch {
	case err != nil:
		out.Standing, out.Failed = plimsollv1.Standing_STANDING_FAILED, failedSource(err)
		out.Error = clip(strings.TrimSuffix(statusMessage(err), "; nothing was stored"), maxMessageBytes)
		return out
	case len(r.decision.Verdict.Violations) > 0:
		out.Standing = plimsollv1.Standing_STANDING_DENIED
	default:
		out.Standing = plimsollv1.Standing_STANDING_ADMITTED
	}
	out.Verdict = recordedVerdict(r.decision)
	out.Verdict.DecisionId = "" // there was none
	return out
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

// judgeAgain has rules judge something that no caller waits for.
func (s *Service) judgeAgain(ctx context.Context, rules *Ruleset, r *result, in *plimsoll.Input) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.options.Logger.Error("panic while judging in the background", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.MutationTimeout, plimsoll.ErrOutOfTime)
	defer cancel()
	return s.applyRules(plimsoll.InBackground(ctx), rules, r, in)
}
