package decisionlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// Path is what all events have as the path of what was asked: the decision whether a
// mutation may be.
const Path = "plimsoll/mutation"

// Event is a decision as OPA's decision log has it.
type Event struct {
	// Labels tell servers apart.
	Labels     map[string]string `json:"labels"`
	DecisionID string            `json:"decision_id"`
	// Bundles has the digest of the rules as the revision of ruleset; none if there were
	// no rules.
	Bundles map[string]Bundle `json:"bundles,omitempty"`
	Path    string            `json:"path"`
	// Input is the document that was judged, as far as it was recorded.
	Input json.RawMessage `json:"input,omitempty"`
	// Result is what the rules found; see [ResultOf].
	Result json.RawMessage `json:"result,omitempty"`
	Erased []string        `json:"erased,omitempty"`
	Masked []string        `json:"masked,omitempty"`
	// Error is what the caller was told; nil unless the attempt failed. Denials are results.
	Error       *Error         `json:"error,omitempty"`
	RequestedBy string         `json:"requested_by"`
	Timestamp   time.Time      `json:"timestamp"`
	Metrics     map[string]any `json:"metrics,omitempty"`
	Plimsoll    Plimsoll       `json:"plimsoll"`
}

// Bundle says which revision of something judged.
type Bundle struct {
	Revision string `json:"revision"`
}

// Error is how an attempt failed.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Plimsoll is what OPA's events do not have.
type Plimsoll struct {
	// Sequence is the decision's number in the log, and Link what chains it to those before.
	// They are left out of what is not recorded yet.
	Sequence uint64 `json:"sequence,omitempty"`
	Link     string `json:"link,omitempty"`
	// Outcome is admitted, dry_run, denied or failed.
	Outcome       string   `json:"outcome"`
	Operation     string   `json:"operation"`
	Namespace     string   `json:"namespace"`
	Container     string   `json:"container"`
	User          User     `json:"user"`
	DryRun        bool     `json:"dry_run"`
	RequestID     string   `json:"request_id,omitempty"`
	Code          string   `json:"code,omitempty"`
	Reason        string   `json:"reason,omitempty"`
	Message       string   `json:"message,omitempty"`
	Ruleset       string   `json:"ruleset,omitempty"`
	Revision      uint64   `json:"revision,omitempty"`
	StateRevision uint64   `json:"state_revision,omitempty"`
	ObjectDigest  string   `json:"object_digest,omitempty"`
	Changed       []string `json:"changed,omitempty"`
	Attempts      int32    `json:"attempts,omitempty"`
	BreakGlass    string   `json:"break_glass,omitempty"`
	Exempted      int32    `json:"exempted,omitempty"`
	Overridden    int32    `json:"overridden,omitempty"`
	MaskError     string   `json:"mask_error,omitempty"`
}

// User is who asked.
type User struct {
	Name   string   `json:"name"`
	Groups []string `json:"groups,omitempty"`
	Via    string   `json:"via"`
}

var outcomes = map[plimsollv1.Outcome]string{
	plimsollv1.Outcome_OUTCOME_ADMITTED: "admitted", plimsollv1.Outcome_OUTCOME_DRY_RUN: "dry_run",
	plimsollv1.Outcome_OUTCOME_DENIED: "denied", plimsollv1.Outcome_OUTCOME_FAILED: "failed",
}

var operations = map[plimsollv1.Operation]string{
	plimsollv1.Operation_OPERATION_CREATE: "CREATE", plimsollv1.Operation_OPERATION_UPDATE: "UPDATE", plimsollv1.Operation_OPERATION_DELETE: "DELETE",
}

// EventOf makes the event of a decision. input is the document that was judged; nil if it is
// not known. labels are shared with the event.
func EventOf(d *plimsollv1.Decision, input []byte, labels map[string]string) (*Event, error) {
	result, err := json.Marshal(ResultOf(d))
	if err != nil {
		return nil, fmt.Errorf("event of a decision: %w", err)
	}
	e := &Event{
		Labels: labels, DecisionID: d.GetId(), Path: Path, Input: bytes.ToValidUTF8(input, []byte("\uFFFD")), Result: result, Erased: d.GetErased(), Masked: d.GetMasked(),
		RequestedBy: d.GetUser().GetName(), Timestamp: d.GetTime().AsTime().UTC(), Metrics: metricsOf(d),
		Plimsoll: Plimsoll{
			Sequence: d.GetSequence(), Link: d.GetLink(), Outcome: outcomes[d.GetOutcome()], Operation: operations[d.GetOperation()],
			Namespace: d.GetNamespace(), Container: d.GetContainerId(),
			User:   User{Name: d.GetUser().GetName(), Groups: d.GetUser().GetGroups(), Via: d.GetUser().GetVia()},
			DryRun: d.GetDryRun(), RequestID: d.GetRequestId(), Code: d.GetCode(), Reason: d.GetReason(), Message: d.GetMessage(),
			Ruleset: d.GetRuleset(), Revision: d.GetRevision(), StateRevision: d.GetStateRevision(), ObjectDigest: d.GetObjectDigest(),
			Changed: d.GetChanged(), Attempts: d.GetAttempts(), MaskError: d.GetMaskError(),
			BreakGlass: d.GetBreakGlass(), Exempted: d.GetExempted(), Overridden: d.GetOverridden(),
		},
	}
	if e.RequestedBy == "" {
		e.RequestedBy = d.GetUser().GetVia()
	}
	if d.GetRuleset() != "" {
		e.Bundles = map[string]Bundle{"ruleset": {Revision: d.GetRuleset()}}
	}
	if d.GetOutcome() == plimsollv1.Outcome_OUTCOME_FAILED {
		e.Error = &Error{Code: d.GetCode(), Message: d.GetMessage()}
	}
	return e, nil
}

// metricsOf are the timings in nanoseconds. Those that OPA has, too, have its names.
func metricsOf(d *plimsollv1.Decision) map[string]any {
	t := d.GetTimings()
	if t == nil {
		return nil
	}
	return map[string]any{
		"timer_server_handler_ns": t.GetTotal().AsDuration().Nanoseconds(), "timer_rego_query_eval_ns": t.GetPolicies().AsDuration().Nanoseconds(),
		"timer_plimsoll_patches_ns": t.GetPatches().AsDuration().Nanoseconds(), "timer_plimsoll_validators_ns": t.GetValidators().AsDuration().Nanoseconds(),
	}
}

// Result is what the rules found, with the names of plimsoll.v1.
type Result struct {
	Allowed        bool              `json:"allowed"`
	ViolationCount int32             `json:"violation_count"`
	Violations     []json.RawMessage `json:"violations"`
	Warnings       []json.RawMessage `json:"warnings,omitempty"`
	Patches        []json.RawMessage `json:"patches,omitempty"`
	Shadows        []json.RawMessage `json:"shadows,omitempty"`
}

// ResultOf is what the rules found of a decision.
func ResultOf(d *plimsollv1.Decision) Result {
	o := d.GetOutcome()
	return Result{
		Allowed:        o == plimsollv1.Outcome_OUTCOME_ADMITTED || o == plimsollv1.Outcome_OUTCOME_DRY_RUN,
		ViolationCount: d.GetVerdict().GetViolationCount(), Violations: encode(d.GetVerdict().GetViolations()),
		Warnings: encode(d.GetVerdict().GetWarnings()), Patches: encode(d.GetPatches()), Shadows: encode(d.GetShadows()),
	}
}

// encode writes messages as JSON, the same bytes each time.
func encode[M proto.Message](messages []M) []json.RawMessage {
	all := make([]json.RawMessage, len(messages))
	for i, m := range messages {
		text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
		if err != nil { // a string that is no UTF-8
			text = []byte("{}")
		}
		var compact bytes.Buffer
		_ = json.Compact(&compact, text) // which it is
		all[i] = compact.Bytes()
	}
	return all
}

// SetResult makes what r says the result of a decision, of which ResultOf gave another.
func SetResult(d *plimsollv1.Decision, r Result) error {
	if d.Verdict == nil {
		d.Verdict = &plimsollv1.Verdict{DecisionId: d.GetId()}
	}
	var err error
	if d.Verdict.Violations, err = decode(r.Violations, func() *plimsollv1.Violation { return new(plimsollv1.Violation) }); err != nil {
		return err
	}
	if d.Verdict.Warnings, err = decode(r.Warnings, func() *plimsollv1.Violation { return new(plimsollv1.Violation) }); err != nil {
		return err
	}
	if d.Patches, err = decode(r.Patches, func() *plimsollv1.Patch { return new(plimsollv1.Patch) }); err != nil {
		return err
	}
	d.Shadows, err = decode(r.Shadows, func() *plimsollv1.Shadow { return new(plimsollv1.Shadow) })
	return err
}

func decode[M proto.Message](messages []json.RawMessage, anew func() M) ([]M, error) {
	var all []M
	for _, text := range messages {
		m := anew()
		if err := protojson.Unmarshal(text, m); err != nil {
			return nil, errors.New("it made of the result what is none") // err may quote it
		}
		all = append(all, m)
	}
	return all, nil
}

// JSON is e as it is sent: one line, without its end.
func (e *Event) JSON() ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return nil, fmt.Errorf("event of a decision: %w", err)
	}
	return bytes.TrimSuffix(line.Bytes(), []byte("\n")), nil
}

// LabelsOf are labels with those that every event has. Later ones count.
func LabelsOf(id, version string, more map[string]string) map[string]string {
	labels := map[string]string{"app": "plimsoll", "id": id, "version": version}
	maps.Copy(labels, more)
	return labels
}
