package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/internal/masking"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Explainer is what a ruleset's policies may be, besides a judge: they tell how a verdict
// comes about, by evaluating once more on a document that has no secrets. Of in, only
// Operation, Namespace and Others are set.
type Explainer interface {
	Explain(ctx context.Context, in *plimsoll.Input, document []byte) (*plimsoll.Explanation, error)
}

// patchExplainer is an [Explainer] that can tell, too, which rules patch the object of an
// input document.
type patchExplainer interface {
	ExplainPatches(ctx context.Context, in *plimsoll.Input, document []byte) ([]plimsoll.FiredRule, error)
}

// maxExplains bounds how many explanations are worked out at once: they are for people, who
// can wait, and must not keep mutations from being judged.
const maxExplains = 2

// Secrets never come near a trace: rules are evaluated again on what was recorded, which
// has none, and are shown other containers without theirs. What they say may differ then,
// and that is told.

// explain tells how a decision came about, as far as that can still be found out. unpatched
// is what was judged as it was before rules patched it, if that is known.
func (s *Service) explain(ctx context.Context, record *storagev1.Decision, unpatched *plimsoll.Input) (*plimsollv1.Explanation, error) {
	out := &plimsollv1.Explanation{Decision: record.GetDecision()}
	note := func(format string, args ...any) { out.Notes = append(out.Notes, fmt.Sprintf(format, args...)) }
	d := record.GetDecision()
	rules, release := s.ruleset.hold()
	var explainer Explainer
	if rules != nil {
		defer release()
		explainer, _ = rules.Policies.(Explainer)
	}
	switch {
	case d.GetRuleset() == "" || d.GetObjectDigest() == "":
		note("the attempt ended before any rule judged it")
		return out, nil
	case rules == nil || rules.Digest != d.GetRuleset():
		note("the rules have changed since: those that judged are not active any more, so they cannot be shown or evaluated again")
		return out, nil
	case explainer == nil:
		note("there are no policies that could be evaluated again")
		return out, nil
	}
	if err := s.explains.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.explains.Release(1)
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	document, why, err := s.documentOf(ctx, view, record)
	if err != nil {
		return nil, err
	}
	hidden, isRecorded, err := hiddenOf(ctx, view, record)
	if err != nil {
		return nil, err
	}
	if mask := s.maskOf(rules); mask != nil && len(document) > 0 && !isRecorded {
		seen := mask.apply(ctx, d, document)
		document, hidden = seen.input, seen.edits
		if len(document) == 0 {
			document, why = nil, "policies hide what was judged (data.system.log.mask), or failed to say what of it"
		}
	}
	if document == nil {
		note("%s, so the rules were not evaluated again", why)
		return out, nil
	}

	in := &plimsoll.Input{
		Operation: inputOperation(d.GetOperation()), Namespace: d.GetNamespace(),
		Others: &maskedOthers{others{view: view, self: plimsoll.Key{Namespace: d.GetNamespace(), ID: d.GetContainerId()}}, hidden},
	}
	if len(d.GetPatches()) > 0 {
		why, err := explainPatches(ctx, explainer, in, unpatched, hidden, out)
		if err != nil {
			return nil, err
		}
		if why != "" {
			note("rules that patched are not shown: %s", why)
		}
	}
	again, err := explainer.Explain(ctx, in, document)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil: // faults and timeouts are what is to be explained, as often as not
		note("the policies came to no verdict when they were evaluated again: %s", statusMessage(err))
		return out, nil
	}
	out.Reevaluated = true
	for _, r := range again.Rules {
		out.Rules = append(out.Rules, toFiredRule(r))
	}
	if again.AsksOthers {
		out.ContextRevision = uint64(view.Revision())
		note("some rules ask for other containers, which they were shown as of revision %d and without secrets; judged was revision %d",
			view.Revision(), d.GetStateRevision())
	}
	if !saysTheSame(d.GetVerdict(), again.Verdict) {
		note("evaluated again, the policies came to another result than recorded: values that are hidden here (%s) or other containers made a difference; "+
			"the recorded verdict is what counts", masking.Mask)
	}
	return out, nil
}

// explainPatches adds the rules that patched to an explanation, or tells why it cannot.
func explainPatches(ctx context.Context, explainer Explainer, in, unpatched *plimsoll.Input, hidden []masking.Edit, out *plimsollv1.Explanation) (why string, err error) {
	patches, ok := explainer.(patchExplainer)
	if unpatched == nil || !ok {
		return "the container as it was before them is not recorded", nil
	}
	document, err := shownInput(unpatched)
	if err == nil && len(hidden) > 0 {
		document, err = hideOfDocument(document, hidden)
	}
	if err != nil {
		return "what they were given cannot be shown", nil //nolint:nilerr // it may be quoted in there
	}
	rules, err := patches.ExplainPatches(ctx, in, document)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return statusMessage(err), nil
	}
	for _, r := range rules {
		out.Rules = append(out.Rules, toFiredRule(r))
	}
	for _, p := range out.GetDecision().GetPatches() {
		if !slices.ContainsFunc(out.GetRules(), func(r *plimsollv1.FiredRule) bool {
			return r.GetSource().GetFile() == p.GetSource().GetFile() && r.GetSource().GetLine() == p.GetSource().GetLine()
		}) {
			return "some fired only on what others had made of the container, or on values that are hidden here", nil
		}
	}
	return "", nil
}

func statusMessage(err error) string { return orElse(statusOf(err).message, err.Error()) }

// documentOf is the document that was judged, without secrets, or why there is none.
func (s *Service) documentOf(ctx context.Context, view storage.View, record *storagev1.Decision) (document []byte, why string, err error) {
	d := record.GetDecision()
	switch {
	case len(record.GetInput()) > 0:
		return record.GetInput(), "", nil
	case d.GetMaskError() != "":
		return nil, "what policies hide of decisions (data.system.log.mask) could not be told, and what was judged was not recorded", nil
	case d.GetOutcome() != plimsollv1.Outcome_OUTCOME_ADMITTED:
		return nil, "what was judged was not recorded, or was too large for that", nil
	}
	input, err := readInputOf(ctx, view, d)
	switch {
	case input != nil || err != nil:
		return input.GetInput(), "", err
	case d.GetOperation() != plimsollv1.Operation_OPERATION_CREATE:
		return nil, "of this change, what was judged was not recorded, and what was there before is not kept", nil
	}
	// What was created is still there, if nobody has changed it since.
	c, err := view.Get(ctx, plimsoll.Key{Namespace: d.GetNamespace(), ID: d.GetContainerId()})
	if errors.Is(err, plimsoll.ErrNotFound) || err == nil && objectDigest(c) != d.GetObjectDigest() {
		return nil, "what was created has been changed or deleted since", nil
	}
	if err != nil {
		return nil, "", err
	}
	namespace, err := loadNamespace(ctx, view, d.GetNamespace())
	if err != nil {
		return nil, "", err
	}
	options, err := readOptions(c.Runtime.Options)
	if err != nil {
		return nil, "", err
	}
	user := d.GetUser()
	document, err = shownInput(&plimsoll.Input{
		Operation: plimsoll.OperationCreate, Namespace: d.GetNamespace(), NamespaceLabels: namespace.labels,
		User:   plimsoll.User{Name: user.GetName(), Groups: user.GetGroups(), Via: user.GetVia()},
		Object: c, RuntimeOptions: options, RequestID: d.GetRequestId(),
	})
	return document, "", err
}

// readInputOf reads the input of an attempt that was admitted; nil if it was not recorded.
func readInputOf(ctx context.Context, view storage.View, d *plimsollv1.Decision) (*storagev1.DecisionInput, error) {
	logged, err := view.Record(ctx, inputKey(d.GetNamespace(), d.GetId()))
	if errors.Is(err, plimsoll.ErrNotFound) {
		return nil, nil //nolint:nilnil // nil is the answer
	}
	if err != nil {
		return nil, err
	}
	var v storagev1.DecisionInput
	if err := proto.Unmarshal(logged.Value, &v); err != nil {
		return nil, errors.New("the input of a decision cannot be read") // err may quote it
	}
	return &v, nil
}

// hiddenOf is what policies hid of an input that is recorded; false if none is.
func hiddenOf(ctx context.Context, view storage.View, record *storagev1.Decision) (hidden []masking.Edit, isRecorded bool, err error) {
	d := record.GetDecision()
	if len(record.GetInput()) == 0 && d.GetOutcome() == plimsollv1.Outcome_OUTCOME_ADMITTED {
		input, err := readInputOf(ctx, view, d)
		return editsOf(input.GetHidden()), input != nil, err
	}
	return editsOf(slices.Concat(d.GetErased(), d.GetMasked())), len(record.GetInput()) > 0, nil
}

func inputOperation(o plimsollv1.Operation) plimsoll.Operation {
	for operation, v1 := range operationsV1 {
		if v1 == o {
			return operation
		}
	}
	return ""
}

// saysTheSame reports whether policies found the same, rule by rule and field by field, as
// far as that was recorded. Messages may quote what is hidden now. Violations that did not
// count are recorded as warnings, but rules say them again as they are.
func saysTheSame(recorded *plimsollv1.Verdict, again plimsoll.Verdict) bool {
	violations, warnings := slices.Clone(recorded.GetViolations()), []*plimsollv1.Violation(nil)
	for _, w := range recorded.GetWarnings() {
		switch {
		case w.GetWaiver() == nil:
			warnings = append(warnings, w)
		case !w.GetWaiver().GetFault():
			violations = append(violations, w)
		}
	}
	// Of very long verdicts a part was recorded.
	cut := len(again.Violations)+len(again.Warnings) > maxRecordedFindings
	return same(violations, again.Violations, cut || len(recorded.GetViolations()) < int(recorded.GetViolationCount())) && same(warnings, again.Warnings, cut)
}

// said is what tells findings of policies apart, texts aside.
type said struct {
	name, file string
	line       int32
	field      string
	code       string
}

func saidBy(v *plimsollv1.Violation) said {
	return said{v.GetSource().GetName(), v.GetSource().GetFile(), v.GetSource().GetLine(), v.GetField(), v.GetCode()}
}

// same reports whether all of policies that was recorded is said now, and nothing else,
// unless not all was recorded.
func same(before []*plimsollv1.Violation, now []plimsoll.Violation, cut bool) bool {
	left := map[said]int{}
	for _, v := range now {
		left[saidBy(toProto(v))]++
	}
	n := 0
	for _, v := range before {
		if v.GetSource().GetKind() != plimsollv1.Source_KIND_POLICY {
			continue
		}
		key := saidBy(v)
		if left[key] == 0 {
			return false
		}
		left[key]--
		n++
	}
	return cut || n == len(now)
}

func toFiredRule(r plimsoll.FiredRule) *plimsollv1.FiredRule {
	v := &plimsollv1.FiredRule{
		Source: toSource(r.Source), Title: clip(r.Title, maxTextBytes), Warns: r.Warns, Text: clip(r.Text, 4*maxTextBytes),
		Count: int32(r.Count), //nolint:gosec // bounded by judges
	}
	for _, variables := range r.Firings {
		firing := &plimsollv1.Firing{}
		for _, one := range variables {
			firing.Variables = append(firing.Variables, &plimsollv1.Variable{Name: one.Name, Value: clip(one.Value, maxTextBytes)})
		}
		v.Firings = append(v.Firings, firing)
	}
	return v
}

// maskedOthers shows rules other containers without secrets.
type maskedOthers struct {
	others
	// hidden is what policies hide of the container that was judged, and hence of others.
	hidden []masking.Edit
}

// Container implements [plimsoll.Others].
func (m *maskedOthers) Container(ctx context.Context, key plimsoll.Key, withPayloads bool) (*plimsoll.OtherContainer, error) {
	other, err := m.others.Container(ctx, key, withPayloads)
	if other == nil || err != nil {
		return nil, err
	}
	return maskOther(other, m.hidden)
}

// Containers implements [plimsoll.Others].
func (m *maskedOthers) Containers(ctx context.Context, selection plimsoll.Selection) iter.Seq2[*plimsoll.OtherContainer, error] {
	return func(yield func(*plimsoll.OtherContainer, error) bool) {
		for other, err := range m.others.Containers(ctx, selection) {
			if err == nil {
				other, err = maskOther(other, m.hidden)
			}
			if !yield(other, err) || err != nil {
				return
			}
		}
	}
}

// maskOther hides the secrets of a container, and what is hidden.
func maskOther(other *plimsoll.OtherContainer, hidden []masking.Edit) (*plimsoll.OtherContainer, error) {
	c := other.Container.Clone()
	for key, value := range c.Labels {
		c.Labels[key] = masking.Pair(key, value)
	}
	payloads := []struct {
		any  *plimsoll.Any
		mask func([]byte) ([]byte, error)
	}{{&c.Spec, masking.Document}, {&c.Runtime.Options, masking.Payload}}
	for _, p := range payloads {
		if err := maskPayload(p.any, p.mask); err != nil {
			return nil, err
		}
	}
	for name, extension := range c.Extensions {
		if err := maskPayload(&extension, masking.Payload); err != nil {
			return nil, err
		}
		c.Extensions[name] = extension
	}
	masked := &plimsoll.OtherContainer{Namespace: other.Namespace, Container: c}
	if len(other.RuntimeOptions) > 0 {
		options, err := masking.Payload(other.RuntimeOptions)
		if err != nil {
			return nil, err
		}
		masked.RuntimeOptions = json.RawMessage(options)
	}
	return masked, hideOfOther(masked, hidden)
}

// hideOfOther hides of another container what is hidden of the one that was judged: places in
// labels and specs as they are, and other payloads as a whole.
func hideOfOther(other *plimsoll.OtherContainer, hidden []masking.Edit) error {
	c := other.Container
	for _, e := range hidden {
		e, ok := e.Below(masking.PartInput, "object")
		switch {
		case !ok:
			continue
		case len(e.Path) == 0:
			*c = plimsoll.Container{ID: c.ID, Revision: c.Revision}
			other.RuntimeOptions = nil
			return nil
		}
		switch key := e.Path[0]; key {
		case "labels":
			if len(e.Path) == 1 {
				c.Labels = nil
			} else {
				delete(c.Labels, e.Path[1])
			}
		case "image":
			c.Image = masking.Mask
		case "rootfs":
			c.SnapshotKey = masking.Mask
		case "sandbox_id":
			c.SandboxID = masking.Mask
		case "extensions":
			c.Extensions = nil
		case "runtime_options":
			c.Runtime.Options.Value, other.RuntimeOptions = nil, nil
		case "spec":
			if err := hideOfSpec(&c.Spec, e.Path[1:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// hideOfDocument hides of an input document what is hidden of another.
func hideOfDocument(document []byte, hidden []masking.Edit) ([]byte, error) {
	value, err := masking.Decode(document)
	if err != nil {
		return nil, err
	}
	for _, e := range hidden {
		if e, ok := e.Below(masking.PartInput); ok {
			value, _, _ = e.Apply(value)
		}
	}
	return json.Marshal(value)
}

func hideOfSpec(spec *plimsoll.Any, path []string) error {
	if len(path) == 0 || len(spec.Value) == 0 {
		spec.Value = nil
		return nil
	}
	value, err := masking.Decode(spec.Value)
	if err != nil {
		return errors.New("the spec of another container cannot be read") // err may quote it
	}
	if value, _, ok := (masking.Edit{Path: path, Remove: true}).Apply(value); ok {
		spec.Value, err = json.Marshal(value)
	}
	return err
}

// maskPayload hides the secrets of a payload, which is all of one that is no JSON.
func maskPayload(a *plimsoll.Any, mask func([]byte) ([]byte, error)) error {
	if len(a.Value) == 0 {
		return nil
	}
	if !a.IsJSONObject() {
		a.Value = []byte(`{"base64":"` + masking.Mask + `"}`)
		return nil
	}
	var err error
	a.Value, err = mask(a.Value)
	return err
}
