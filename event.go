package plimsoll

import "time"

// Event says that a commit changed a container or an entry. Events are stored in the
// same transaction as the change, so there is one for every change and none without.
type Event struct {
	// Revision is that of the commit. Events are ordered by it; those of one
	// commit share it, in the order of its writes.
	Revision  Revision
	Operation Operation
	Namespace string
	// Container is the state after the change, or, on delete, the one that was
	// removed. Its Spec, Extensions and Runtime.Options carry type URLs only:
	// payloads are in the record, not in the event. It is nil if Entry is not.
	Container *Container
	// Previous is the state before an update, without payloads, too; nil for other
	// operations.
	Previous *Container
	// Changed is what an update changed: see [Changed].
	Changed []string
	// Entry is set instead of Container if an entry was changed.
	Entry *Entry
	// Last says that no other event of the same commit follows.
	Last bool
	// Time is when the change was judged, in UTC.
	Time time.Time
	// Decision is the ID of the decision that let the change in.
	Decision string
	// Logged says that the commit appended decisions to the log, that one among them.
	Logged bool
	// Ruleset is the digest of the rules it was judged by.
	Ruleset string
	User    User
}

// Outcome is how a mutation ended.
type Outcome string

// The outcomes of a decision.
const (
	OutcomeAdmitted Outcome = "admitted" // judged and committed
	OutcomeDryRun   Outcome = "dry-run"  // judged fit, not committed because not asked to
	OutcomeDenied   Outcome = "denied"   // a rule said no
	OutcomeFailed   Outcome = "failed"   // anything else; nothing was stored
)

// Decision is the record of one mutation attempt that reached the rules or was
// refused before them. Only Patches may contain label values and parts of specs.
type Decision struct {
	// ID is a ULID: unique, and sortable by time.
	ID        string
	Time      time.Time
	Operation Operation
	Key       Key
	User      User
	// Ruleset is the digest of the rules; empty if there was none.
	Ruleset string
	Outcome Outcome
	Verdict Verdict
	// Patches are what rules changed before the object was judged.
	Patches []Patch
	// BreakGlass is the reason that the caller gave to override the rules by; empty if
	// none was given.
	BreakGlass string
	// Err is why the outcome is denied or failed; nil otherwise.
	Err error
	// Revision is that of the commit; 0 if there was none.
	Revision Revision
	// Replayed says that the mutation was committed before, under the same request
	// ID: it was not judged again, and ID is that of the first decision.
	Replayed bool
	// Attempts counts how often the mutation was judged: once, and once more
	// for every conflict.
	Attempts int
	// Duration is how long all of it took; PatchTime, PolicyTime and ValidatorTime are
	// what the last judgement took of it.
	Duration      time.Duration
	PatchTime     time.Duration
	PolicyTime    time.Duration
	ValidatorTime time.Duration
}
