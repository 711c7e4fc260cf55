package service

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/internal/decisionlog"
	"github.com/plimsoll-project/plimsoll/internal/masking"
)

// Masker is what a ruleset's policies may be, besides a judge: they say what of a decision
// is hidden before it is recorded, by its event, which has no secrets any more that are
// recognised as such. Errors quote nothing of the event. It is safe for concurrent use.
type Masker interface {
	// Masks reports whether Mask has anything to say.
	Masks() bool
	Mask(ctx context.Context, event []byte) ([]masking.Edit, error)
}

// maskTimeout bounds what a mask may take for one decision.
const maskTimeout = 100 * time.Millisecond

// mask is what a ruleset hides of decisions; nil if nothing.
type mask struct {
	Masker
	labels map[string]string
	failed func(error)
}

// maskOf returns the mask of a ruleset.
func (s *Service) maskOf(rules *Ruleset) *mask {
	if m, ok := rules.Policies.(Masker); ok && m.Masks() {
		return &mask{m, decisionlog.LabelsOf(s.options.ServerID, s.options.Version, nil), s.maskFailed}
	}
	return nil
}

// maskFailed counts a mask that came to no result, and says so now and then.
func (s *Service) maskFailed(err error) {
	s.metrics.maskFailures.Inc()
	if s.maskSaid.due(s.options.Now()) {
		s.options.Logger.Error("data.system.log.mask came to no result; what was judged is not recorded", "error", err.Error())
	}
}

// masked is a decision as it may be recorded, and shown.
type masked struct {
	decision *plimsollv1.Decision
	input    []byte
	// edits are what was hidden.
	edits []masking.Edit
}

// apply hides what m says of a decision and the document that was judged. If that cannot be
// told, everything is hidden that it could be about.
func (m *mask) apply(ctx context.Context, d *plimsollv1.Decision, input []byte) masked {
	ctx, cancel := context.WithTimeout(ctx, maskTimeout)
	defer cancel()
	edits, err := m.edits(ctx, d, input)
	if err == nil && len(edits) == 0 {
		return masked{decision: d, input: input}
	}
	var hidden masked
	if err == nil {
		hidden, err = edit(d, input, edits)
	}
	if err != nil {
		m.failed(err)
		return withhold(d, err)
	}
	return hidden
}

func (m *mask) edits(ctx context.Context, d *plimsollv1.Decision, input []byte) ([]masking.Edit, error) {
	event, err := decisionlog.EventOf(d, input, m.labels)
	if err != nil {
		return nil, err
	}
	doc, err := event.JSON()
	if err != nil {
		return nil, err
	}
	return m.Mask(ctx, doc)
}

// withhold is a decision without anything that rules found on what was judged.
func withhold(d *plimsollv1.Decision, err error) masked {
	d = proto.CloneOf(d)
	why := err.Error()
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		why = "the mask took too long"
	}
	d.MaskError = clip(why, maxMessageBytes)
	eachText(d, func(text *string) { *text = masking.Mask })
	eachFinding(d, func(v *plimsollv1.Violation) {
		v.Field, v.Value, v.Code, v.Severity, v.Link = "", "", "", "", "" // rules may make them of anything
	})
	for _, p := range d.GetPatches() {
		p.Field = ""
		hide(&p.Value)
	}
	return masked{decision: d}
}

// hide hides a value, which is JSON, if there is one.
func hide(value *string) {
	if *value != "" {
		*value = `"` + masking.Mask + `"`
	}
}

// eachFinding calls do with all that rules found.
func eachFinding(d *plimsollv1.Decision, do func(*plimsollv1.Violation)) {
	all := [][]*plimsollv1.Violation{d.GetVerdict().GetViolations(), d.GetVerdict().GetWarnings()}
	for _, shadow := range d.GetShadows() {
		all = append(all, shadow.GetViolations(), shadow.GetWarnings())
	}
	for _, found := range all {
		for _, v := range found {
			do(v)
		}
	}
}

// eachText calls do with all texts of rules that are not empty, and with the message that
// the caller was given, which leads with one of them.
func eachText(d *plimsollv1.Decision, do func(text *string)) {
	texts := []*string{&d.Message}
	eachFinding(d, func(v *plimsollv1.Violation) { texts = append(texts, &v.Message, &v.Fix) })
	for _, shadow := range d.GetShadows() {
		texts = append(texts, &shadow.Error)
	}
	for _, text := range texts {
		if *text != "" {
			do(text)
		}
	}
}

// edit makes edits in a decision and the document that was judged: in the document and the
// result, as they say, and in all that repeats what was hidden there.
func edit(d *plimsollv1.Decision, input []byte, edits []masking.Edit) (masked, error) {
	edits = slices.Clone(edits)
	for _, e := range edits { // what is hidden of the object is hidden of the one before, too
		if below, ok := e.Below(masking.PartInput, "object"); ok && len(e.Path) > 1 {
			below.Path = append([]string{masking.PartInput, "old_object"}, below.Path...)
			edits = append(edits, below)
		}
	}
	masking.Sort(edits)
	out := masked{decision: proto.CloneOf(d)}
	document := map[string]any{}
	if len(input) > 0 {
		value, err := masking.Decode(input)
		if err != nil {
			return masked{}, errors.New("what was judged cannot be read") // err may quote it
		}
		document[masking.PartInput] = value
	}
	result, err := json.Marshal(decisionlog.ResultOf(d))
	if err != nil {
		return masked{}, err
	}
	if document[masking.PartResult], err = masking.Decode(result); err != nil {
		return masked{}, err
	}
	var hidden []any
	inResult := false
	for _, e := range edits {
		isMirror := len(e.Path) > 1 && e.Path[1] == "old_object"
		if isMirror && !e.Remove && !isThere(document, e) {
			continue // nothing is made up of what was not there before
		}
		_, before, ok := e.Apply(document)
		if !ok {
			continue
		}
		out.edits = append(out.edits, e)
		hidden = append(hidden, before)
		inResult = inResult || e.Path[0] == masking.PartResult
		if e.Remove {
			out.decision.Erased = append(out.decision.Erased, e.String())
		} else {
			out.decision.Masked = append(out.decision.Masked, e.String())
		}
	}
	out.decision.Erased, out.decision.Masked = sorted(out.decision.GetErased()), sorted(out.decision.GetMasked())
	if value, ok := document[masking.PartInput]; ok && value != nil {
		if out.input, err = json.Marshal(value); err != nil {
			return masked{}, err
		}
	}
	if inResult {
		if err := setResult(out.decision, document[masking.PartResult]); err != nil {
			return masked{}, err
		}
	}
	texts, all := masking.Texts(hidden)
	out.hideRepeated(texts)
	if !all { // more is hidden than can be looked for
		eachText(out.decision, func(text *string) { *text = masking.Mask })
		eachFinding(out.decision, func(v *plimsollv1.Violation) { hide(&v.Value) })
	}
	return out, nil
}

func sorted(pointers []string) []string {
	slices.Sort(pointers)
	return slices.Compact(pointers)
}

// isThere reports whether there is anything where e puts something else.
func isThere(document any, e masking.Edit) bool {
	for _, key := range e.Path {
		object, ok := document.(map[string]any)
		if !ok {
			list, isList := document.([]any)
			_, _, found := (masking.Edit{Path: []string{key}, Value: nil}).Apply(slices.Clone(list))
			return isList && found
		}
		if document, ok = object[key]; !ok {
			return false
		}
	}
	return document != nil
}

// setResult makes what masks left of the result that of a decision.
func setResult(d *plimsollv1.Decision, edited any) error {
	var result decisionlog.Result
	if edited != nil {
		text, err := json.Marshal(edited)
		if err != nil {
			return err
		}
		if json.Unmarshal(text, &result) != nil {
			return errors.New("the mask made of the result what is none")
		}
	}
	if d.GetMessage() != "" { // it leads with the first violation
		d.Message = masking.Mask
	}
	return decisionlog.SetResult(d, result)
}

// hideRepeated hides what is hidden in the document where it is told again: as the value in a
// field, and quoted in texts.
func (m *masked) hideRepeated(texts []string) {
	isHidden := func(field string) bool {
		return field != "" && slices.ContainsFunc(m.edits, func(e masking.Edit) bool { return concerns(e, field) })
	}
	eachFinding(m.decision, func(v *plimsollv1.Violation) {
		if isHidden(v.GetField()) {
			hide(&v.Value)
		}
	})
	for _, p := range m.decision.GetPatches() {
		if isHidden(p.GetField()) {
			hide(&p.Value)
		}
	}
	quotes := make([]string, 0, 2*len(texts))
	for _, text := range texts {
		if text != masking.Mask {
			quotes = append(quotes, text, masking.Mask)
		}
	}
	replace := strings.NewReplacer(quotes...)
	hideIn := func(text *string) { *text = masking.HideCut(replace.Replace(*text), texts) } // what is long was cut
	eachText(m.decision, hideIn)
	eachFinding(m.decision, func(v *plimsollv1.Violation) {
		for _, text := range []*string{&v.Value, &v.Code, &v.Severity, &v.Link} { // rules may make them of anything
			hideIn(text)
		}
	})
}

var fieldPath = strings.NewReplacer(`["`, ".", `"]`, "", "[", ".", "]", "")

// concerns reports whether an edit is made in a field of the object as rules name it, in
// what the field is in, or in something in it.
func concerns(e masking.Edit, field string) bool {
	below, ok := e.Below(masking.PartInput, "object")
	if !ok || len(below.Path) == 0 {
		return ok
	}
	edited, named := strings.Join(below.Path, "."), fieldPath.Replace(field)
	return edited == named || strings.HasPrefix(named, edited+".") || strings.HasPrefix(edited, named+".")
}

// editsOf are what was hidden of a decision that was recorded, by its pointers, as edits that
// remove it.
func editsOf(pointers []string) []masking.Edit {
	said := make([]any, len(pointers))
	for i, pointer := range pointers {
		said[i] = pointer
	}
	edits, err := masking.ReadEdits(said)
	if err != nil {
		return []masking.Edit{{Path: []string{masking.PartInput}, Remove: true}}
	}
	return edits
}
