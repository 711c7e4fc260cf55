package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/internal/masking"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Bounds on the record of a decision.
const (
	maxRecordedInput    = 64 << 10
	maxRecordedFindings = 100      // violations, and as many warnings
	maxFindingBytes     = 64 << 10 // of all of them together
)

// record is what is kept of an attempt. It never changes.
type record struct {
	decision  *plimsollv1.Decision // as it was, before mask
	input     *plimsoll.Input      // nil if there is none, or shown is set
	shown     []byte               // the document, without secrets
	omitInput bool                 // the document is not recorded
	mask      *mask                // what policies hide of it; nil if nothing
	secrets   bool                 // the document is recorded with its secrets

	sealing sync.Once
	sealed  masked // what is left of all that
}

// recordOf makes the record of an attempt that ended with err.
func recordOf(r *result, outcome plimsoll.Outcome, err error) *record {
	d := r.decision
	v := &plimsollv1.Decision{
		Id: d.ID, Time: toTimestamp(d.Time), Operation: operationsV1[d.Operation],
		Namespace: d.Key.Namespace, ContainerId: clip(d.Key.ID, maxMetadataBytes), RequestId: r.mutation.RequestID,
		User:    &plimsollv1.User{Name: d.User.Name, Groups: d.User.Groups, Via: d.User.Via},
		Outcome: outcomesV1[outcome], DryRun: r.mutation.DryRun, Ruleset: d.Ruleset,
		Changed: r.changed, Attempts: int32(d.Attempts), //nolint:gosec // bounded by maxAttempts
		StateRevision: uint64(r.state), Timings: toTimings(d),
	}
	if err != nil {
		st := statusOf(err)
		v.Code, v.Reason, v.Message = codeName(st.code), st.reason, clip(orElse(st.message, err.Error()), maxMessageBytes)
	}
	exempted, overridden := countWaived(d.Verdict.Warnings)
	v.BreakGlass, v.Exempted, v.Overridden = d.BreakGlass, int32(exempted), int32(overridden) //nolint:gosec // bounded by judges
	left := findingRoom(maxFindingBytes)
	v.Verdict, v.Shadows = left.verdict(d), left.shadows(d)
	for _, p := range d.Patches {
		v.Patches = append(v.Patches, recordedPatch(p))
	}
	out := &record{decision: v, mask: r.mask}
	if r.input != nil && d.Attempts > 0 {
		v.ObjectDigest = objectDigest(r.input.Object)
		out.shown, out.input, out.secrets = r.shown, r.input, r.secrets
		if out.shown != nil && !out.secrets {
			out.input = nil
		}
	}
	return out
}

// recordedVerdict is as much of a verdict as is recorded.
func recordedVerdict(d *plimsoll.Decision) *plimsollv1.Verdict {
	left := findingRoom(maxFindingBytes)
	return left.verdict(d)
}

// findingRoom is how many bytes of findings there is room for in a record: what counted
// comes first, and then what was said in shadow.
type findingRoom int

func (left *findingRoom) verdict(d *plimsoll.Decision) *plimsollv1.Verdict {
	v := &plimsollv1.Verdict{DecisionId: d.ID, ViolationCount: int32(len(d.Verdict.Violations))} //nolint:gosec // bounded by judges
	v.Violations = left.take(d.Verdict.Violations)
	v.Warnings = left.take(d.Verdict.Warnings)
	return v
}

func (left *findingRoom) shadows(d *plimsoll.Decision) []*plimsollv1.Shadow {
	var all []*plimsollv1.Shadow
	for _, shadow := range d.Verdict.Shadows[:min(maxRecordedFindings, len(d.Verdict.Shadows))] {
		v := &plimsollv1.Shadow{Source: toSource(shadow.Source), ViolationCount: int32(len(shadow.Violations))} //nolint:gosec // bounded by judges
		if shadow.Err != nil {
			v.Error = clip(shadow.Err.Error(), maxMessageBytes)
		}
		v.Violations = left.take(shadow.Violations)
		v.Warnings = left.take(shadow.Warnings)
		all = append(all, v)
	}
	return all
}

// take takes as much of what was found as there is room for.
func (left *findingRoom) take(found []plimsoll.Violation) []*plimsollv1.Violation {
	var taken []*plimsollv1.Violation
	for _, violation := range found[:min(maxRecordedFindings, len(found))] {
		one := toProto(violation)
		if *left -= findingRoom(messageBytes(one)); *left < 0 {
			break
		}
		taken = append(taken, one)
	}
	return taken
}

// recordedPatch tells of a patch without secrets; toPatches, which answers the caller, has
// them.
func recordedPatch(p plimsoll.Patch) *plimsollv1.Patch {
	return &plimsollv1.Patch{Field: clip(p.Field, maxTextBytes), Value: patchValue(p), Source: toSource(p.Source)}
}

// patchValue is the new value as it would be shown at its place in the container.
func patchValue(p plimsoll.Patch) string {
	if len(p.Value) == 0 {
		return ""
	}
	shown, err := masking.At(p.Field, p.Value)
	if err != nil {
		return `"` + masking.Mask + `"`
	}
	return string(masking.Cut(shown, maxValueBytes))
}

func toTimings(d *plimsoll.Decision) *plimsollv1.Timings {
	return &plimsollv1.Timings{
		Policies: durationpb.New(d.PolicyTime), Validators: durationpb.New(d.ValidatorTime), Total: durationpb.New(d.Duration),
		Patches: durationpb.New(d.PatchTime),
	}
}

// objectDigest identifies a container as it was judged: see Decision.object_digest.
func objectDigest(c *plimsoll.Container) string {
	v := toPlimsoll(c)
	v.Revision = 0
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(v)
	if err != nil { // a string that is no UTF-8, which only a stored one of old could have
		return ""
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// size is about what r takes in memory.
func (r *record) size() int {
	const rest = 2 << 10
	size := rest + len(r.shown) + proto.Size(r.decision)
	if r.input != nil {
		for _, c := range []*plimsoll.Container{r.input.Object, r.input.Old} {
			if c != nil {
				size += 2 * sizeOf(c) // itself, and in the document
			}
		}
	}
	return size
}

// stored is r as it is kept.
func (r *record) stored() *storagev1.Decision {
	out := r.whole()
	if len(out.GetInput()) > maxRecordedInput {
		out.Input, out.Decision = nil, r.sealed.decision
	}
	return out
}

// whole is r with its input, however large that is.
func (r *record) whole() *storagev1.Decision {
	r.seal(context.Background())
	out := &storagev1.Decision{Decision: r.sealed.decision}
	if len(r.sealed.input) > 0 && !r.omitInput {
		out.Input, out.Decision = r.sealed.input, proto.CloneOf(r.sealed.decision)
		out.Decision.InputRecorded = true
	}
	return out
}

// seal hides what policies want hidden, once, in the time that ctx gives it at most.
func (r *record) seal(ctx context.Context) {
	r.sealing.Do(func() {
		if r.omitInput && (r.mask == nil || !hasFindings(r.decision)) { // there is nothing to hide
			r.sealed.decision = r.decision
			return
		}
		input := r.shown
		var err error
		switch {
		case r.input != nil && r.secrets:
			input, err = r.input.JSON()
		case r.input != nil:
			input, err = shownInput(r.input) // what cannot be masked is not kept
		}
		switch {
		case r.mask != nil && err != nil: // which may quote it
			r.sealed = withhold(r.decision, errors.New("what was judged cannot be read"))
		case r.mask != nil:
			r.sealed = r.mask.apply(ctx, r.decision, input)
		default:
			r.sealed = masked{decision: r.decision, input: input}
		}
	})
}

// hasFindings reports whether there is anything in d that tells of what was judged.
func hasFindings(d *plimsollv1.Decision) bool {
	return len(d.GetVerdict().GetViolations())+len(d.GetVerdict().GetWarnings())+len(d.GetPatches())+len(d.GetShadows()) > 0 || d.GetMessage() != ""
}

// forLog is r as a record of the log.
func (r *record) forLog() (storage.Record, error) {
	value, err := proto.Marshal(r.stored())
	if err != nil {
		return storage.Record{}, fmt.Errorf("record of a decision: %w", err)
	}
	return storage.Record{
		EntryKey: decisionKey(r.decision.GetNamespace(), r.decision.GetId()), Value: value, Time: r.decision.GetTime().AsTime(),
	}, nil
}

// readRecord reads what forLog has written.
func readRecord(e *storage.Logged) (*storagev1.Decision, error) {
	var v storagev1.Decision
	if err := proto.Unmarshal(e.Value, &v); err != nil {
		return nil, errors.New("the record of a decision cannot be read") // err may quote it
	}
	if v.GetDecision() == nil {
		return nil, errors.New("the record of a decision has none")
	}
	if v.GetDecision().GetOutcome() == plimsollv1.Outcome_OUTCOME_ADMITTED {
		v.Decision.Revision = uint64(e.Revision)
	}
	v.Decision.Sequence, v.Decision.Link = e.Sequence, e.Link.String()
	return &v, nil
}

// crockford is the alphabet of ULIDs, in order.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// decisionKey is the key of a decision: those of a namespace are listed together, the
// newest first.
func decisionKey(namespace, id string) plimsoll.EntryKey {
	reverse := []byte(id)
	for i, c := range reverse {
		if at := bytes.IndexByte([]byte(crockford), c); at >= 0 {
			reverse[i] = crockford[len(crockford)-1-at]
		}
	}
	return plimsoll.EntryKey{Kind: plimsoll.KindDecision, Key: namespace + "/" + string(reverse)}
}

var outcomesV1 = map[plimsoll.Outcome]plimsollv1.Outcome{
	plimsoll.OutcomeAdmitted: plimsollv1.Outcome_OUTCOME_ADMITTED,
	plimsoll.OutcomeDryRun:   plimsollv1.Outcome_OUTCOME_DRY_RUN,
	plimsoll.OutcomeDenied:   plimsollv1.Outcome_OUTCOME_DENIED,
	plimsoll.OutcomeFailed:   plimsollv1.Outcome_OUTCOME_FAILED,
}
