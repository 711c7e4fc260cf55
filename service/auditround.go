package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// auditRound is a round that is under way.
type auditRound struct {
	*auditor
	view   storage.View // only ever reopened
	rules  *rulesUnderAudit
	number int64
	began  time.Time
	done   int64
	total  int64
}

// everything looks at all containers, and forgets those that are not there any more.
func (r *auditRound) everything(ctx context.Context) error {
	var survey *survey
	err := r.crew.do(ctx, &r.crew.workers[0], func() error {
		view, err := r.view.Reopen(ctx)
		if err != nil {
			return err
		}
		survey, err = surveyOf(ctx, view, nil)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = survey.view.Close() }() // releasing a snapshot has nothing to report
	survey.metadataOnly = true
	r.total = survey.total
	for more := true; more; {
		var page []*surveyed
		err := r.crew.do(ctx, &r.crew.workers[0], func() (err error) {
			page, more, err = survey.next(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if err := r.judgeAll(ctx, page); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var gone []*audited
	r.containers.Scan(func(c *audited) bool {
		if c.round != r.number {
			gone = append(gone, c)
		}
		return true
	})
	for _, c := range gone {
		r.remove(c.key)
	}
	clear(r.dirty)
	return nil
}

// some looks at the containers that are dirty.
func (r *auditRound) some(ctx context.Context) error {
	r.total = int64(len(r.dirty))
	namespaces := map[string]*namespaceRecord{}
	for len(r.dirty) > 0 {
		var page []*surveyed
		err := r.crew.do(ctx, &r.crew.workers[0], func() (err error) {
			page, err = r.read(ctx, namespaces)
			return err
		})
		if err != nil {
			return err
		}
		if err := r.judgeAll(ctx, page); err != nil {
			return err
		}
	}
	return nil
}

// read reads some of the containers that are dirty. Those that are gone it forgets.
func (r *auditRound) read(ctx context.Context, namespaces map[string]*namespaceRecord) ([]*surveyed, error) {
	view, err := r.view.Reopen(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	var page []*surveyed
	for key := range r.dirty {
		if len(page) == jobPage {
			break
		}
		c, err := view.Get(ctx, key)
		switch {
		case errors.Is(err, plimsoll.ErrNotFound):
			r.mu.Lock()
			r.remove(key)
			r.mu.Unlock()
			delete(r.dirty, key)
			continue
		case err != nil:
			return nil, err
		}
		if namespaces[key.Namespace] == nil {
			if namespaces[key.Namespace], err = loadNamespace(ctx, view, key.Namespace); err != nil {
				return nil, err
			}
		}
		page = append(page, &surveyed{container: c, namespace: namespaces[key.Namespace], view: r.view})
	}
	return page, nil
}

// remove forgets a container. The caller holds mu.
func (a *auditor) remove(key plimsoll.Key) {
	if c, ok := a.containers.Delete(&audited{key: key}); ok {
		a.bytes -= c.bytes
	}
}

// judgeAll brings what is known of some containers to the view and the rules of the round.
func (r *auditRound) judgeAll(ctx context.Context, page []*surveyed) error {
	found := make([]*audited, len(page))
	plans := make([]auditPlan, len(page))
	for i, c := range page {
		plans[i] = r.plan(c)
	}
	err := r.crew.each(ctx, len(page), func(ctx context.Context, i int) (err error) {
		found[i], err = r.judgeOne(ctx, page[i], &plans[i])
		return err
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, c := range found {
		if c == nil { // not come to
			continue
		}
		r.put(c)
		delete(r.dirty, c.key)
		r.count(page[i], &plans[i])
		r.done++
	}
	r.status.Progress = &plimsollv1.Progress{Revision: uint64(r.view.Revision()), Done: r.done, Total: r.total}
	if r.done > 0 {
		r.status.Progress.Remaining = durationpb.New(time.Duration(float64(time.Since(r.began)) / float64(r.done) * float64(r.total-r.done)))
	}
	return err
}

// put remembers what is known of a container. The caller holds mu.
func (a *auditor) put(c *audited) {
	a.remove(c.key)
	if c.opinion != nil {
		c.bytes = proto.Size(c.opinion)
		if a.bytes+c.bytes > maxAuditedBytes {
			c.opinion, c.cut = withoutTexts(c.opinion), true
			c.bytes = proto.Size(c.opinion)
		}
	}
	a.bytes += c.bytes
	a.containers.Set(c)
}

// withoutTexts says which rules said something, and not what.
func withoutTexts(o *plimsollv1.Opinion) *plimsollv1.Opinion {
	sources := func(found []*plimsollv1.Violation) []*plimsollv1.Violation {
		var out []*plimsollv1.Violation
		for _, source := range sourcesOf(found) {
			out = append(out, &plimsollv1.Violation{Source: source})
		}
		return out
	}
	return &plimsollv1.Opinion{
		Standing: o.GetStanding(), Failed: o.GetFailed(),
		Verdict: &plimsollv1.Verdict{
			Violations: sources(o.GetVerdict().GetViolations()), Warnings: sources(o.GetVerdict().GetWarnings()),
			ViolationCount: o.GetVerdict().GetViolationCount(),
		},
	}
}

// auditPlan is what is to be done about a container.
type auditPlan struct {
	before *audited // nil: it is judged by all rules
	chosen changedParts
}

func (p *auditPlan) whole() bool { return p.before == nil }

// plan says what is to be done about a container.
func (r *auditRound) plan(c *surveyed) auditPlan {
	r.mu.Lock()
	before, known := r.containers.Get(&audited{key: c.key()})
	r.mu.Unlock()
	if !known || r.dirty[c.key()] || before.revision != c.container.Revision {
		return auditPlan{}
	}
	if before.by == r.rules.auditedRules {
		return auditPlan{before: before}
	}
	changed := r.rules.changed(before.by)
	if changed == nil || before.cut || before.opinion.GetStanding() == plimsollv1.Standing_STANDING_FAILED {
		return auditPlan{}
	}
	if r.rules.rules.Patches != nil { // which may make of it what the parts cover
		return auditPlan{before, *changed}
	}
	in := c.metadata()
	chosen := changedParts{}
	for _, part := range r.rules.order {
		if (*changed)[part.partKey] && part.Covers(in) {
			chosen[part.partKey] = true
		}
	}
	return auditPlan{before, chosen}
}

// metadata is the input that a container is judged by, as far as matches look at it.
func (c *surveyed) metadata() *plimsoll.Input {
	return &plimsoll.Input{
		Operation: plimsoll.OperationCreate, Namespace: c.namespace.name, NamespaceLabels: c.namespace.labels, DryRun: true, Object: c.container,
	}
}

// count counts what was done about a container. The caller holds mu.
func (r *auditRound) count(c *surveyed, p *auditPlan) {
	in := c.metadata()
	for _, part := range r.rules.order {
		switch {
		case !part.Covers(in):
		case p.whole() || p.chosen[part.partKey]:
			r.status.PartsJudged++
		default:
			r.status.PartsKept++
		}
	}
	how := ""
	switch {
	case p.whole():
		r.status.Judged++
		how = "whole"
	case len(p.chosen) > 0:
		r.status.JudgedInPart++
		how = "part"
	default:
		r.status.Kept++
		how = "kept"
	}
	r.metrics.audit.judged.WithLabelValues(how).Inc()
}

// judgeOne carries out a plan.
func (r *auditRound) judgeOne(ctx context.Context, c *surveyed, p *auditPlan) (*audited, error) {
	if !p.whole() {
		found, err := r.judgeParts(ctx, c, p)
		if found != nil || err != nil {
			return found, err
		}
		*p = auditPlan{} // it has to be all of them
	}
	opinion, err := r.judgeBy(ctx, r.rules.rules, c)
	if err != nil {
		return nil, err
	}
	return r.auditedAs(c, opinion), nil
}

// judgeBy judges a container, of which maybe only metadata was read.
func (r *auditRound) judgeBy(ctx context.Context, rules *Ruleset, c *surveyed) (judged, error) {
	whole := c
	if c.metadataOnly {
		view, err := r.view.Reopen(ctx)
		if err != nil {
			return judged{}, err
		}
		defer func() { _ = view.Close() }()
		container, err := view.Get(ctx, c.key())
		if err != nil {
			return judged{}, fmt.Errorf("reading what is to be judged: %w", err)
		}
		whole = &surveyed{container: container, namespace: c.namespace, view: c.view}
	}
	return r.opinion(ctx, rules, whole)
}

// auditedAs is what is known of a container that was judged so.
func (r *auditRound) auditedAs(c *surveyed, j judged) *audited {
	out := &audited{
		key: c.key(), revision: c.container.Revision, round: r.number, by: r.rules.auditedRules, opinion: j.opinion, cut: j.cut, read: j.read,
		until: j.until,
	}
	if j.opinion.GetStanding() == plimsollv1.Standing_STANDING_ADMITTED && len(j.opinion.GetVerdict().GetWarnings()) == 0 {
		out.opinion = nil
	}
	if out.read != nil && out.read.Len() > maxAuditedReads {
		out.read, out.readsAll = nil, true
	}
	return out
}

// judgeParts judges by the parts of a plan, and puts what they find to what is known of
// the others. It returns nil if that cannot be done.
func (r *auditRound) judgeParts(ctx context.Context, c *surveyed, p *auditPlan) (*audited, error) {
	if p.before.by == r.rules.auditedRules {
		same := *p.before
		same.round = r.number
		return &same, nil
	}
	some := judged{opinion: &plimsollv1.Opinion{Standing: plimsollv1.Standing_STANDING_ADMITTED, Verdict: &plimsollv1.Verdict{}}}
	if len(p.chosen) > 0 {
		var err error
		if some, err = r.judgeBy(ctx, r.rules.only(p.chosen), c); err != nil || some.cut {
			return nil, err
		}
	}
	if some.opinion.GetStanding() != plimsollv1.Standing_STANDING_FAILED {
		if some.opinion = r.merge(p.before.shown(), some.opinion, p.chosen); some.opinion == nil {
			return nil, nil
		}
	}
	if p.before.read != nil {
		both := &storage.Footprint{}
		both.Merge(p.before.read)
		if some.read != nil {
			both.Merge(some.read)
		}
		some.read = both
	}
	some.until = earlier(some.until, p.before.until) // too early does no harm
	out := r.auditedAs(c, some)
	if p.before.readsAll {
		out.read, out.readsAll = nil, true
	}
	return out, nil
}

// merge is what all parts find: those that are chosen what is in now, and the others what
// they found before. It is nil if that is more than is recorded of one verdict.
func (r *auditRound) merge(before, now *plimsollv1.Opinion, chosen changedParts) *plimsollv1.Opinion {
	bytes := 0
	collect := func(of func(*plimsollv1.Opinion) []*plimsollv1.Violation, waived bool) []*plimsollv1.Violation {
		byPart := map[partKey][]*plimsollv1.Violation{}
		for _, side := range []struct {
			opinion *plimsollv1.Opinion
			chosen  bool
		}{{before, false}, {now, true}} {
			for _, v := range of(side.opinion) {
				key := partKey{v.GetSource().GetKind(), v.GetSource().GetName()}
				if chosen[key] == side.chosen && (v.GetWaiver() != nil) == waived {
					byPart[key] = append(byPart[key], v)
					bytes += messageBytes(v)
				}
			}
		}
		var all []*plimsollv1.Violation
		for _, part := range r.rules.order { // those that are gone are left out
			all = append(all, byPart[part.partKey]...)
		}
		return all
	}
	out := &plimsollv1.Opinion{Standing: plimsollv1.Standing_STANDING_ADMITTED, Verdict: &plimsollv1.Verdict{}}
	violations := func(o *plimsollv1.Opinion) []*plimsollv1.Violation { return o.GetVerdict().GetViolations() }
	warnings := func(o *plimsollv1.Opinion) []*plimsollv1.Violation { return o.GetVerdict().GetWarnings() }
	out.Verdict.Violations = collect(violations, false)
	out.Verdict.Warnings = append(collect(warnings, true), collect(warnings, false)...) // as waive has them
	out.Verdict.ViolationCount = int32(len(out.GetVerdict().GetViolations()))           //nolint:gosec // bounded by what is recorded
	if out.GetVerdict().GetViolationCount() > 0 {
		out.Standing = plimsollv1.Standing_STANDING_DENIED
	}
	if len(out.GetVerdict().GetViolations()) > maxRecordedFindings || len(out.GetVerdict().GetWarnings()) > maxRecordedFindings || bytes > maxFindingBytes {
		return nil
	}
	return out
}
