package storage

import (
	"errors"
	"fmt"
	"time"

	"github.com/plimsoll-project/plimsoll"
)

// Change is what one commit does: all of its writes, or none.
type Change struct {
	// Writes is never empty.
	Writes []Write
	// Time, Decision, Ruleset and User go into the events as they are.
	Time     time.Time
	Decision string
	Ruleset  string
	User     plimsoll.User
}

// Validate reports what is wrong with the form of c: stores refuse such a change
// before they look at anything else.
func (c Change) Validate() error {
	if len(c.Writes) == 0 {
		return errors.New("a change needs at least one write")
	}
	for i, w := range c.Writes {
		if w.Container == nil {
			return fmt.Errorf("write %d has no container", i)
		}
		switch w.Operation {
		case plimsoll.OperationCreate, plimsoll.OperationUpdate, plimsoll.OperationDelete:
		default:
			return fmt.Errorf("write %d has an unknown operation %q", i, w.Operation)
		}
	}
	return nil
}

// Event returns the event that w, being a write of c, leaves at revision. It
// shares nothing with c.
func (c Change) Event(w Write, revision plimsoll.Revision) plimsoll.Event {
	container := WithoutPayloads(w.Container)
	if w.Operation != plimsoll.OperationDelete {
		container.Revision = revision
	}
	user := c.User
	user.Groups = append([]string(nil), user.Groups...)
	return plimsoll.Event{
		Revision:  revision,
		Operation: w.Operation,
		Namespace: w.Namespace,
		Container: container,
		Time:      c.Time.UTC(),
		Decision:  c.Decision,
		Ruleset:   c.Ruleset,
		User:      user,
	}
}

// Write puts one container, or removes it if Operation is DELETE.
type Write struct {
	Operation plimsoll.Operation
	Namespace string
	// Container is the complete state to store; on delete the one to remove, of
	// which the ID counts and the rest, its revision too, goes into the event.
	Container *plimsoll.Container
}

// Key returns the key that w writes.
func (w Write) Key() plimsoll.Key {
	return plimsoll.Key{Namespace: w.Namespace, ID: w.Container.ID}
}

// Suits reports whether w can be applied to what is stored under its key: nil, or
// an error wrapping [plimsoll.ErrExists] or [plimsoll.ErrNotFound].
func (w Write) Suits(exists bool) error {
	switch creates := w.Operation == plimsoll.OperationCreate; {
	case creates && exists:
		return fmt.Errorf("%s: %w", w.Key(), plimsoll.ErrExists)
	case !creates && !exists:
		return NotFound(w.Key())
	}
	return nil
}

// NotFound is the error for a container that is not there.
func NotFound(key plimsoll.Key) error {
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
