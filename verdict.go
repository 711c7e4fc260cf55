package plimsoll

import (
	"context"
	"fmt"
	"time"
)

// Judge decides whether a mutation may be committed. Policies and validators are
// Judges.
//
// A nil error means that every rule came to a decision, and the verdict holds all
// of them. Any error means that there is no verdict, and the mutation must not be
// committed: a [FaultError] if a rule broke, a [TimeoutError] if it ran out of
// time, ctx's error if ctx ended first.
//
// Judges are safe for concurrent use and do not keep or change the input.
type Judge interface {
	Judge(ctx context.Context, in *Input) (Verdict, error)
}

// Verdict is what judging found. No violations means that the mutation is
// admitted. Warnings admit it, but the caller is told.
type Verdict struct {
	Violations []Violation
	Warnings   []Violation
	// Shadows are what rules on trial said. They have no say, and callers are not told.
	Shadows []Shadow
}

// Add appends all of w to v.
func (v *Verdict) Add(w Verdict) {
	v.Violations = append(v.Violations, w.Violations...)
	v.Warnings = append(v.Warnings, w.Warnings...)
	v.Shadows = append(v.Shadows, w.Shadows...)
}

// Shadow is what a rule on trial said of a mutation.
type Shadow struct {
	Source     Source
	Violations []Violation
	Warnings   []Violation
	// Err is why it came to no verdict; nil if it did.
	Err error
}

// Violation is one reason against a mutation (or one warning), made to be acted
// on: what is wrong, where, which rule says so, and what would be right.
type Violation struct {
	// Message says what is wrong. Never empty.
	Message string
	// Field is the path of the offending field in the container, such as
	// labels.team or spec.mounts[2].destination. Empty when it concerns no one
	// field.
	Field string
	// Value is the offending value: what the container has in Field, as JSON, shortened
	// and with what may be secret masked. Empty if there is none.
	Value string
	// Code is a stable, machine-readable name for the kind of violation, if the
	// rule gives one. [CodeQuotaExceeded] has a meaning of its own.
	Code string
	// Fix says what would be right, if the rule knows.
	Fix string
	// Link is a URL to read more at.
	Link string
	// Title is the rule's own title.
	Title string
	// Severity is the rule's own word for it, such as low or high.
	Severity string
	// Source is the rule that says so.
	Source Source
	// Enforcement is that of the rule if it is a canary; empty otherwise. A warning with it
	// is a violation for containers that are in the canary's share.
	Enforcement Enforcement
	// Waiver, of a warning, says why it is no violation, which it would be; nil if none was
	// waived.
	Waiver *Waiver
}

// Leniency says why a warning is no violation, if it would be one: "would be denied,
// canary:10%", or what its waiver says; empty otherwise.
func (v *Violation) Leniency() string {
	switch {
	case v.Waiver != nil:
		return v.Waiver.String()
	case v.Enforcement != "":
		return "would be denied, " + string(v.Enforcement)
	}
	return ""
}

// WaiverKind is why a violation does not count.
type WaiverKind string

// The kinds of waivers.
const (
	WaiverExemption  WaiverKind = "exemption"   // an exemption covers it
	WaiverBreakGlass WaiverKind = "break-glass" // somebody who may has overridden it
)

// Waiver says why a violation was made a warning. It never changes.
type Waiver struct {
	Kind WaiverKind
	// Exemption is the ID of the exemption, Owner who answers for it, and Until when it
	// expires.
	Exemption string
	Owner     string
	Until     time.Time
	// Fault says that what was overridden is that a rule came to no verdict, and not what
	// it said.
	Fault bool
}

// String says it in words, such as "exempted by web-legacy until 2026-12-24".
func (w *Waiver) String() string {
	switch {
	case w.Kind == WaiverExemption:
		return "exempted by " + w.Exemption + " until " + w.Until.UTC().Format(time.RFC3339)
	case w.Fault:
		return "no verdict, overridden by break-glass"
	}
	return "overridden by break-glass"
}

// CodeQuotaExceeded is the violation code of quota rules. A mutation that only
// quotas deny is answered with RESOURCE_EXHAUSTED.
const CodeQuotaExceeded = "QUOTA_EXCEEDED"

// SourceKind tells a policy from a validator.
type SourceKind string

// The kinds of source.
const (
	SourcePolicy    SourceKind = "policy"
	SourceValidator SourceKind = "validator"
)

// Source names the rule or validator that a violation, fault or timeout is from.
type Source struct {
	Kind SourceKind
	// Name is a policy's package path (without the leading data) or a
	// validator's name.
	Name string
	// Version is a validator's own version.
	Version string
	// Rule is the name of the policy's rule: deny, violation or warn.
	Rule string
	// File and Line are where the policy's rule starts. File is relative to the
	// policy path that was loaded.
	File string
	Line int
}

// RuleName is what the rule or validator is called wherever it stands: labels.required.deny
// or runc-spec.
func (s Source) RuleName() string {
	if s.Kind == SourcePolicy && s.Rule != "" {
		return s.Name + "." + s.Rule
	}
	return s.Name
}

// String is how people refer to a source: "labels.required policies/labels.rego:12"
// or "runc-spec 1.0.0".
func (s Source) String() string {
	name := s.Name
	if s.Kind == SourcePolicy && s.File != "" {
		return fmt.Sprintf("%s %s:%d", name, s.File, s.Line)
	}
	if s.Version != "" {
		name += " " + s.Version
	}
	return name
}

// Patch is a change that a rule made to a container before it was judged.
type Patch struct {
	// Field is the path of what was changed, such as labels.tier or spec.process.user.
	Field string
	// Value is the new value as JSON; nil if the field was removed. It may be secret.
	Value []byte
	// Source is the rule that made the change.
	Source Source
}
