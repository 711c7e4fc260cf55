package storage

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plimsoll-project/plimsoll"
)

// Change is what one commit does: all of its writes, or none.
type Change struct {
	// Writes is never empty.
	Writes []Write
	// Time, Ruleset and User go into the events as they are.
	Time    time.Time
	Ruleset string
	User    plimsoll.User
	// Records are appended to the log in the same commit, in order: see [Store.Append].
	Records []Record
}

// Validate reports what is wrong with the form of c: stores refuse such a change
// before they look at anything else.
func (c Change) Validate() error {
	events := false
	for i, w := range c.Writes {
		if (w.Container == nil) == (w.Entry == nil) {
			return fmt.Errorf("write %d must have either a container or an entry", i)
		}
		events = events || w.LeavesEvent()
		switch w.Operation {
		case plimsoll.OperationCreate, plimsoll.OperationUpdate, plimsoll.OperationDelete:
		default:
			return fmt.Errorf("write %d has an unknown operation %q", i, w.Operation)
		}
	}
	if err := ValidateRecords(c.Records); err != nil {
		return err
	}
	if !events { // each revision has an event, so that a missing one is noticed
		return errors.New("a change needs at least one write that leaves an event")
	}
	return nil
}

// LogsDecisions reports whether decisions are among the records of c.
func (c Change) LogsDecisions() bool {
	return slices.ContainsFunc(c.Records, func(r Record) bool { return r.Kind == plimsoll.KindDecision })
}

// LastEvent is the index of the last write that leaves an event.
func (c Change) LastEvent() int {
	for i := len(c.Writes) - 1; i > 0; i-- {
		if c.Writes[i].LeavesEvent() {
			return i
		}
	}
	return 0
}

// Event returns the event that write i of c leaves at revision, given what it replaces.
// It shares nothing with c or before.
func (c Change) Event(i int, before *plimsoll.Container, revision plimsoll.Revision) plimsoll.Event {
	w := c.Writes[i]
	user := c.User
	user.Groups = slices.Clone(user.Groups)
	event := plimsoll.Event{
		Revision:  revision,
		Operation: w.Operation,
		Namespace: w.Namespace,
		Changed:   slices.Clone(w.Changed),
		Entry:     w.Entry.Clone(),
		Last:      i == c.LastEvent(),
		Time:      c.Time.UTC(),
		Decision:  w.Decision,
		Logged:    c.LogsDecisions(),
		Ruleset:   c.Ruleset,
		User:      user,
	}
	switch {
	case w.Entry != nil:
		event.Entry.Revision = revision
		event.Entry.ExpiresAt = event.Entry.ExpiresAt.UTC()
		return event
	case w.Operation == plimsoll.OperationUpdate && before != nil:
		event.Previous = WithoutPayloads(before)
	}
	event.Container = WithoutPayloads(w.Container)
	if w.Operation != plimsoll.OperationDelete {
		event.Container.Revision = revision
	}
	return event
}

// Write puts one container or entry, or removes it if Operation is DELETE.
type Write struct {
	Operation plimsoll.Operation
	Namespace string
	// Container is the complete state to store; on delete the one to remove, of
	// which the ID counts and the rest, its revision too, goes into the event.
	Container *plimsoll.Container
	// Entry is the entry to put or remove. Either it or Container is set.
	Entry *plimsoll.Entry
	// Changed and Decision go into the event as they are.
	Changed  []string
	Decision string
}

// Key returns the key that w writes.
func (w Write) Key() plimsoll.Key {
	if w.Entry != nil {
		return entryKey(w.Entry.EntryKey)
	}
	return plimsoll.Key{Namespace: w.Namespace, ID: w.Container.ID}
}

// LeavesEvent reports whether w leaves an event.
func (w Write) LeavesEvent() bool { return w.Entry == nil || w.Entry.Kind != plimsoll.KindRequest }

// entryKey is the key under which an entry is in footprints and histories. No
// container has such a namespace; if one had, the two would conflict without need.
func entryKey(k plimsoll.EntryKey) plimsoll.Key {
	return plimsoll.Key{Namespace: entryRange(k.Kind), ID: k.Key}
}

func entryRange(kind plimsoll.EntryKind) string { return "\x00" + string(kind) }

// Suits reports whether w can be applied to what is stored under its key: nil, or
// an error wrapping [plimsoll.ErrExists] or [plimsoll.ErrNotFound].
func (w Write) Suits(exists bool) error {
	var name fmt.Stringer = w.Key()
	if w.Entry != nil {
		name = w.Entry.EntryKey
	}
	switch creates := w.Operation == plimsoll.OperationCreate; {
	case creates && exists:
		return fmt.Errorf("%s: %w", name, plimsoll.ErrExists)
	case !creates && !exists:
		return NotFound(name)
	}
	return nil
}

// NotFound is the error for a container or entry that is not there.
func NotFound(key fmt.Stringer) error {
	return fmt.Errorf("%s: %w", key, plimsoll.ErrNotFound)
}

// WithoutPayloads returns a copy of c that shares nothing with it and whose Spec,
// Runtime.Options and Extensions have their type URLs but no values: the metadata,
// which is small, without what may be large.
func WithoutPayloads(c *plimsoll.Container) *plimsoll.Container {
	d := *c
	d.Spec.Value = nil
	d.Runtime.Options.Value = nil
	d.Extensions = nil
	if c.Extensions != nil {
		d.Extensions = make(map[string]plimsoll.Any, len(c.Extensions))
		for name, ext := range c.Extensions {
			d.Extensions[name] = plimsoll.Any{TypeURL: ext.TypeURL}
		}
	}
	return d.Clone()
}
