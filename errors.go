package plimsoll

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The outcomes that layers tell apart. An error that wraps none of them is
// unexpected: it is logged in full and told to nobody else.
var (
	// ErrNotFound: there is no such container.
	ErrNotFound = errors.New("not found")
	// ErrExists: there is such a container already.
	ErrExists = errors.New("already exists")
	// ErrStaleRevision: the caller's condition on the revision does not hold.
	ErrStaleRevision = errors.New("stale revision")
	// ErrConflict: what was read has changed since; nothing was stored.
	ErrConflict = errors.New("conflict: the state that was judged has changed")
	// ErrInvalidRequest: the request itself is wrong, whatever is stored.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrDenied: a rule said no.
	ErrDenied = errors.New("denied")
	// ErrFault: a policy or validator broke. It is not the caller's fault.
	ErrFault = errors.New("fault")
	// ErrOutOfTime: a policy or validator ran out of time.
	ErrOutOfTime = errors.New("out of time")
	// ErrQuarantined: a validator has failed too often to be asked again at once.
	ErrQuarantined = errors.New("quarantined")
	// ErrNotReady: there is no ruleset to judge with.
	ErrNotReady = errors.New("no active ruleset")
	// ErrOverloaded: more mutations are in flight than may be.
	ErrOverloaded = errors.New("overloaded")
	// ErrResponseTooLarge: what was asked for does not fit into one answer.
	ErrResponseTooLarge = errors.New("response too large")
	// ErrNoSpace: the disk is too full to write safely. Reads go on.
	ErrNoSpace = errors.New("not enough free disk space")
	// ErrClosed: the store was closed or has failed and takes nothing more.
	ErrClosed = errors.New("store is closed")
	// ErrCompacted: events or a state that old are no longer kept.
	ErrCompacted = errors.New("revision is no longer kept")
	// ErrTrimmed: records of the log were asked for that are no longer kept.
	ErrTrimmed = errors.New("record is no longer kept")
	// ErrRequestReused: the request ID belongs to another mutation.
	ErrRequestReused = errors.New("request ID was used for another request")
	// ErrFailedPrecondition: the request is fine, but not in this state.
	ErrFailedPrecondition = errors.New("failed precondition")
)

// RequestError says what is wrong with a request. It is an [ErrInvalidRequest].
type RequestError struct {
	// Field is a path into the request, such as container.labels.
	Field string
	// Problem says what is wrong and what would be right.
	Problem string
}

func (e *RequestError) Error() string { return e.Field + ": " + e.Problem }

// Unwrap makes a RequestError an [ErrInvalidRequest].
func (e *RequestError) Unwrap() error { return ErrInvalidRequest }

// DeniedError carries the verdict that denied a mutation. It is an [ErrDenied].
type DeniedError struct {
	Verdict Verdict
}

// Error leads with the first violation and counts the rest, because some clients,
// ctr for one, print nothing else.
func (e *DeniedError) Error() string {
	var b strings.Builder
	b.WriteString("denied: ")
	if len(e.Verdict.Violations) == 0 {
		b.WriteString("no reason was given")
		return b.String()
	}
	first := e.Verdict.Violations[0]
	b.WriteString(first.Message)
	if first.Source.Name != "" {
		fmt.Fprintf(&b, " [%s]", first.Source)
	}
	if n := len(e.Verdict.Violations) - 1; n > 0 {
		fmt.Fprintf(&b, " (and %d more)", n)
	}
	return b.String()
}

// Unwrap makes a DeniedError an [ErrDenied].
func (e *DeniedError) Unwrap() error { return ErrDenied }

// FaultError says that a policy or validator broke instead of judging: it
// trapped, erred, or gave an answer that is none. It is an [ErrFault].
type FaultError struct {
	Source Source
	Err    error
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("%s %s failed: %v", e.Source.Kind, e.Source, e.Err)
}

// Unwrap gives [ErrFault] and the cause.
func (e *FaultError) Unwrap() []error { return []error{ErrFault, e.Err} }

// TimeoutError says that a policy or validator did not come to a verdict in its
// time. It is an [ErrOutOfTime].
type TimeoutError struct {
	Source Source
	// OutOfFuel says that a validator used up its fuel: it would with the same input every
	// time, on every machine.
	OutOfFuel bool
}

func (e *TimeoutError) Error() string {
	resource := "time"
	if e.OutOfFuel {
		resource = "fuel"
	}
	return fmt.Sprintf("%s %s ran out of %s", e.Source.Kind, e.Source, resource)
}

// Unwrap makes a TimeoutError an [ErrOutOfTime].
func (e *TimeoutError) Unwrap() error { return ErrOutOfTime }

// QuarantinedError says that a validator was not asked, because it has failed to judge
// what the caller wanted again and again. It is an [ErrQuarantined].
type QuarantinedError struct {
	Source Source
	// RetryAfter is how long it will not be asked.
	RetryAfter time.Duration
}

func (e *QuarantinedError) Error() string {
	return fmt.Sprintf("%s %s is in quarantine for this caller, because it failed again and again", e.Source.Kind, e.Source)
}

// Unwrap makes a QuarantinedError an [ErrQuarantined].
func (e *QuarantinedError) Unwrap() error { return ErrQuarantined }

// TrimmedError says that records of the log were asked for that are no longer kept. It is
// an [ErrTrimmed].
type TrimmedError struct {
	// First is the sequence of the first record that is kept, or, if none is, that of the
	// next one to come.
	First uint64
}

// Error implements error.
func (e *TrimmedError) Error() string {
	return fmt.Sprintf("%v: the first one that is has the sequence %d", ErrTrimmed, e.First)
}

// Unwrap makes a TrimmedError an [ErrTrimmed].
func (e *TrimmedError) Unwrap() error { return ErrTrimmed }

// CompactedError says that events were asked for that are no longer kept. It is an
// [ErrCompacted].
type CompactedError struct {
	// Oldest is the oldest revision that events can be read after.
	Oldest Revision
}

func (e *CompactedError) Error() string {
	return fmt.Sprintf("events up to revision %d are no longer kept; the oldest revision to go on after is %d", e.Oldest, e.Oldest)
}

// Unwrap makes a CompactedError an [ErrCompacted].
func (e *CompactedError) Unwrap() error { return ErrCompacted }
