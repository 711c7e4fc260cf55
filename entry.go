package plimsoll

import (
	"fmt"
	"time"
)

// EntryKind is what an [Entry] is.
type EntryKind string

// The kinds of entries.
const (
	// KindNamespace: a namespace, by its name. The value has its labels.
	KindNamespace EntryKind = "namespace"
	// KindLease: a lease of a client, by namespace and ID.
	KindLease EntryKind = "lease"
	// KindRequest: a mutation that was committed under a request ID, by namespace,
	// caller and that ID. It comes with the mutation and leaves no event of its own.
	KindRequest EntryKind = "request"
	// KindExemption: an exemption from rules, by its ID.
	KindExemption EntryKind = "exemption"
	// KindDecision: the record of a decision, by namespace and ID. It is no entry but a
	// record of the log: see package storage.
	KindDecision EntryKind = "decision"
	// KindDecisionInput: what rules judged of an attempt that was admitted, in the log too,
	// under the key of its decision.
	KindDecisionInput EntryKind = "decision-input"
	// KindDrops: how many decisions were not recorded, in the log too.
	KindDrops EntryKind = "drops"
)

// EntryKey identifies an entry: a key is unique within its kind.
type EntryKey struct {
	Kind EntryKind
	Key  string
}

// String names the entry as people read it in messages.
func (k EntryKey) String() string { return fmt.Sprintf("%s %q", k.Kind, k.Key) }

// Entry is a small record that is kept beside the containers.
type Entry struct {
	EntryKey
	// Value is known to whoever wrote it.
	Value []byte
	// ExpiresAt, if set, is when the entry is as good as gone: nobody is told, and no
	// revision is spent on it.
	ExpiresAt time.Time
	// Revision is that of the commit which last wrote the entry. Stores set it.
	Revision Revision
}

// Expired reports whether e is as good as gone.
func (e *Entry) Expired(now time.Time) bool {
	return !e.ExpiresAt.IsZero() && !now.Before(e.ExpiresAt)
}

// Clone returns a copy that shares nothing with e.
func (e *Entry) Clone() *Entry {
	if e == nil {
		return nil
	}
	d := *e
	d.Value = append([]byte(nil), e.Value...)
	return &d
}
