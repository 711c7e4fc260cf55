package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// Bounds on what is remembered of rules in shadow.
const (
	maxShadowRules   = 256
	maxShadowSamples = 50
	maxSampleFound   = 5
	maxLatencies     = 1024
)

// shadowTally counts what rules in shadow would have said. It is safe for concurrent use.
type shadowTally struct {
	since   time.Time
	metrics *shadowMetrics

	mu        sync.Mutex
	counts    plimsollv1.ShadowCounts
	verdicts  plimsollv1.RulesetCounts // what they said, for themselves
	rules     map[string]*plimsollv1.ShadowRule
	failures  plimsollv1.ShadowFailures
	dropped   int64
	samples   []*plimsollv1.ShadowSample // the latest last
	candidate latencies
	active    latencies
}

func newShadowTally(now time.Time, metrics *shadowMetrics) *shadowTally {
	return &shadowTally{since: now, metrics: metrics, rules: map[string]*plimsollv1.ShadowRule{}}
}

// latencies are the last maxLatencies of them.
type latencies struct {
	last []time.Duration
	next int
}

func (l *latencies) add(d time.Duration) {
	if len(l.last) < maxLatencies {
		l.last = append(l.last, d)
		return
	}
	l.last[l.next] = d
	l.next = (l.next + 1) % maxLatencies
}

// toProto returns the median and the 99th percentile; nil if there are none.
func (l *latencies) toProto() *plimsollv1.Latency {
	if len(l.last) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(l.last))
	at := func(share float64) time.Duration { return sorted[int(share*float64(len(sorted)-1))] }
	return &plimsollv1.Latency{P50: durationpb.New(at(0.5)), P99: durationpb.New(at(0.99))}
}

// drop counts mutations that were not judged.
func (t *shadowTally) drop(n int) {
	t.metrics.dropped.Add(float64(n))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropped += int64(n)
}

// divergences are what they are called in metrics.
var divergences = map[plimsollv1.Divergence]string{
	plimsollv1.Divergence_DIVERGENCE_SAME:        "same",
	plimsollv1.Divergence_DIVERGENCE_WOULD_DENY:  "would_deny",
	plimsollv1.Divergence_DIVERGENCE_WOULD_ADMIT: "would_admit",
	plimsollv1.Divergence_DIVERGENCE_WOULD_PATCH: "would_patch",
	plimsollv1.Divergence_DIVERGENCE_FAILED:      "failed",
}

// add counts what became of the trial of one mutation: out and err are what the rules in
// shadow made of it.
func (t *shadowTally) add(item *trialItem, out *result, err error, took time.Duration) {
	opinion := shadowOpinion(out, err)
	divergence, fields := item.compare(out, opinion)
	cause := ""
	if divergence == plimsollv1.Divergence_DIVERGENCE_FAILED {
		cause = causeOf(err)
	}
	t.metrics.observe(divergences[divergence], cause, took)

	t.mu.Lock()
	defer t.mu.Unlock()
	t.candidate.add(took)
	t.active.add(item.took)
	countDivergence(&t.counts, divergence)
	switch opinion.GetStanding() {
	case plimsollv1.Standing_STANDING_ADMITTED:
		t.verdicts.Admitted++
	case plimsollv1.Standing_STANDING_DENIED:
		t.verdicts.Denied++
	default:
		t.verdicts.Failed++
	}
	if divergence == plimsollv1.Divergence_DIVERGENCE_SAME {
		return
	}
	t.countFailure(cause)
	denied := item.deniedBy()
	for _, source := range blamed(divergence, out, opinion, denied) {
		t.countRule(source, divergence)
	}
	t.samples = append(t.samples, &plimsollv1.ShadowSample{
		DecisionId: item.decision, Time: timestamp(item.time), Operation: operationsV1[item.mutation.Operation],
		Namespace: item.mutation.Key.Namespace, ContainerId: clip(item.mutation.Key.ID, maxMetadataBytes),
		Divergence: divergence, Opinion: opinion, DeniedBy: denied, Fields: fields,
	})
	t.samples = t.samples[max(0, len(t.samples)-maxShadowSamples):]
}

// compare says how an opinion compares with what was said, and which fields would have
// been patched in another way.
func (i *trialItem) compare(out *result, opinion *plimsollv1.Opinion) (plimsollv1.Divergence, []string) {
	admitted, would := i.err == nil, opinion.GetStanding() == plimsollv1.Standing_STANDING_ADMITTED
	switch {
	case opinion.GetStanding() == plimsollv1.Standing_STANDING_FAILED:
		return plimsollv1.Divergence_DIVERGENCE_FAILED, nil
	case admitted && !would:
		return plimsollv1.Divergence_DIVERGENCE_WOULD_DENY, nil
	case !admitted && would:
		return plimsollv1.Divergence_DIVERGENCE_WOULD_ADMIT, nil
	case admitted && i.after != nil:
		if fields := plimsoll.Changed(i.after, out.object); len(fields) > 0 {
			for at, field := range fields {
				fields[at] = clip(field, maxTextBytes)
			}
			return plimsollv1.Divergence_DIVERGENCE_WOULD_PATCH, fields[:min(maxSampleFound, len(fields))]
		}
	}
	return plimsollv1.Divergence_DIVERGENCE_SAME, nil
}

// deniedBy are the rules that judge and denied it, each once.
func (i *trialItem) deniedBy() []*plimsollv1.Source {
	denied, ok := errors.AsType[*plimsoll.DeniedError](i.err)
	if !ok {
		return nil
	}
	return sourcesFound(denied.Verdict.Violations)
}

// sourcesFound are the first few rules that found something, each once, without the line.
func sourcesFound(found []plimsoll.Violation) []*plimsollv1.Source {
	var sources []*plimsollv1.Source
	seen := map[string]bool{}
	for _, v := range found {
		source := toSource(v.Source)
		if name := ruleName(source); !seen[name] && len(sources) < maxSampleFound {
			seen[name] = true
			source.File, source.Line = "", 0
			sources = append(sources, source)
		}
	}
	return sources
}

// blamed are the rules that make the difference.
func blamed(divergence plimsollv1.Divergence, out *result, opinion *plimsollv1.Opinion, denied []*plimsollv1.Source) []*plimsollv1.Source {
	switch divergence {
	case plimsollv1.Divergence_DIVERGENCE_WOULD_DENY:
		return sourcesFound(out.decision.Verdict.Violations)
	case plimsollv1.Divergence_DIVERGENCE_WOULD_ADMIT:
		return denied
	case plimsollv1.Divergence_DIVERGENCE_FAILED:
		if opinion.GetFailed() != nil {
			return []*plimsollv1.Source{opinion.GetFailed()}
		}
	case plimsollv1.Divergence_DIVERGENCE_UNSPECIFIED, plimsollv1.Divergence_DIVERGENCE_SAME, plimsollv1.Divergence_DIVERGENCE_WOULD_PATCH:
	}
	return nil
}

// countRule counts a difference that a rule makes, if there are not too many rules.
func (t *shadowTally) countRule(source *plimsollv1.Source, divergence plimsollv1.Divergence) {
	name := ruleName(source)
	rule := t.rules[name]
	if rule == nil {
		if len(t.rules) >= maxShadowRules {
			return
		}
		rule = &plimsollv1.ShadowRule{
			Source: &plimsollv1.Source{Kind: source.GetKind(), Name: source.GetName(), Version: source.GetVersion(), Rule: source.GetRule()},
			Counts: &plimsollv1.ShadowCounts{},
		}
		t.rules[name] = rule
	}
	countDivergence(rule.GetCounts(), divergence)
}

func countDivergence(counts *plimsollv1.ShadowCounts, divergence plimsollv1.Divergence) {
	switch divergence {
	case plimsollv1.Divergence_DIVERGENCE_SAME:
		counts.Same++
	case plimsollv1.Divergence_DIVERGENCE_WOULD_DENY:
		counts.WouldDeny++
	case plimsollv1.Divergence_DIVERGENCE_WOULD_ADMIT:
		counts.WouldAdmit++
	case plimsollv1.Divergence_DIVERGENCE_WOULD_PATCH:
		counts.WouldPatch++
	case plimsollv1.Divergence_DIVERGENCE_FAILED:
		counts.Failed++
	case plimsollv1.Divergence_DIVERGENCE_UNSPECIFIED:
	}
}

// The causes of failures, as metrics name them.
const (
	causeFault   = "fault"
	causeTimeout = "timeout"
	causeMemory  = "memory"
	causePanic   = "panic"
	causeOther   = "other"
)

func causeOf(err error) string {
	switch {
	case errors.Is(err, errTrialMemory):
		return causeMemory
	case errors.Is(err, errPanicked):
		return causePanic
	case errors.Is(err, plimsoll.ErrOutOfTime), errors.Is(err, context.DeadlineExceeded):
		return causeTimeout
	case errors.Is(err, plimsoll.ErrFault):
		return causeFault
	}
	return causeOther
}

func (t *shadowTally) countFailure(cause string) {
	switch cause {
	case causeFault:
		t.failures.Faults++
	case causeTimeout:
		t.failures.Timeouts++
	case causeMemory:
		t.failures.Memory++
	case causePanic:
		t.failures.Panics++
	case causeOther:
		t.failures.Others++
	}
}

// shadowOpinion is what rules in shadow make of a mutation, for a sample.
func shadowOpinion(out *result, err error) *plimsollv1.Opinion {
	if err != nil {
		text := clip(strings.TrimSuffix(statusMessage(err), "; nothing was stored"), maxMessageBytes)
		if errors.Is(err, errTrialMemory) {
			text = errTrialMemory.Error()
		}
		return &plimsollv1.Opinion{Standing: plimsollv1.Standing_STANDING_FAILED, Failed: failedSource(err), Error: text}
	}
	found := out.decision.Verdict
	opinion := &plimsollv1.Opinion{Standing: plimsollv1.Standing_STANDING_ADMITTED, Verdict: &plimsollv1.Verdict{ViolationCount: int32(len(found.Violations))}} //nolint:gosec // bounded by judges
	if len(found.Violations) > 0 {
		opinion.Standing = plimsollv1.Standing_STANDING_DENIED
	}
	for _, v := range found.Violations[:min(maxSampleFound, len(found.Violations))] {
		opinion.Verdict.Violations = append(opinion.Verdict.Violations, withoutValue(v))
	}
	for _, v := range found.Warnings[:min(maxSampleFound, len(found.Warnings))] {
		opinion.Verdict.Warnings = append(opinion.Verdict.Warnings, withoutValue(v))
	}
	return opinion
}

func withoutValue(v plimsoll.Violation) *plimsollv1.Violation {
	v.Value = ""
	return toProto(v)
}

// report fills in all that was counted.
func (t *shadowTally) report(status *plimsollv1.ShadowStatus) {
	t.mu.Lock()
	defer t.mu.Unlock()
	status.CountedSince, status.Dropped = timestamp(t.since), t.dropped
	status.Counts, status.Failures = proto.CloneOf(&t.counts), proto.CloneOf(&t.failures)
	status.Latency, status.ActiveLatency = t.candidate.toProto(), t.active.toProto()
	for _, rule := range t.rules {
		status.Rules = append(status.Rules, proto.CloneOf(rule))
	}
	slices.SortFunc(status.GetRules(), func(a, b *plimsollv1.ShadowRule) int {
		return cmp.Compare(ruleName(a.GetSource()), ruleName(b.GetSource()))
	})
	status.Samples = slices.Clone(t.samples) // which never change
	slices.Reverse(status.GetSamples())
}

// said is what the rules said of mutations, for themselves.
func (t *shadowTally) said() *plimsollv1.RulesetCounts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return proto.CloneOf(&t.verdicts)
}
