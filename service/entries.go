package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// entryChange is a change of entries that a caller asks for: of namespaces or leases,
// which rules have no say in.
type entryChange struct {
	user       plimsoll.User
	dryRun     bool
	ifRevision *plimsoll.Revision
	// decide says what to write, given what it reads through view, or why nothing may
	// be written. It is called again if what it read has changed before the commit, and
	// must have no other effects.
	decide func(ctx context.Context, view storage.View) ([]storage.Write, error)
}

// newEntryChange reads what headers and connection say of a change of entries.
func (s *Service) newEntryChange(ctx context.Context) (*entryChange, error) {
	m, err := s.newMutation(ctx, plimsoll.OperationUpdate, "")
	if err != nil {
		return nil, err
	}
	if requestHeader(ctx).Get(HeaderRequestID) != "" { // a promise that is not kept for entries
		return nil, &plimsoll.RequestError{Field: "header " + HeaderRequestID, Problem: "only changes of containers can have a request ID"}
	}
	if m.BreakGlass != "" {
		return nil, &plimsoll.RequestError{Field: "header " + HeaderBreakGlass, Problem: "only what rules say of containers can be overridden"}
	}
	return &entryChange{user: m.User, dryRun: m.DryRun, ifRevision: m.IfRevision}, nil
}

// commitEntry makes a change of entries durable, or says why not. It returns the
// revision; 0 for a dry run, or if there is nothing to write.
func (s *Service) commitEntry(ctx context.Context, change *entryChange) (plimsoll.Revision, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.MutationTimeout, plimsoll.ErrOutOfTime)
	defer cancel()
	leave, err := s.enter(ctx, 1)
	if err != nil {
		return 0, err
	}
	defer leave()
	var revision plimsoll.Revision
	err = s.untilCommitted(ctx, func(own *turn) (p plan, err error) {
		p, revision, err = s.tryCommitEntry(ctx, change, own)
		return p, err
	})
	return revision, err
}

func (s *Service) tryCommitEntry(ctx context.Context, change *entryChange, own *turn) (p plan, revision plimsoll.Revision, err error) {
	view, err := s.store.View(ctx)
	if err != nil {
		return p, 0, err
	}
	defer func() { _ = view.Close() }()
	p.reads = view.Footprint()
	writes, err := change.decide(ctx, view)
	if err != nil || change.dryRun || len(writes) == 0 {
		return p, 0, err
	}
	for _, w := range writes {
		p.touches = append(p.touches, storage.Touch{Key: w.Key()})
	}
	revision, err = s.commit(ctx, view, storage.Change{Writes: writes, Time: s.options.Now().UTC(), User: change.user}, p, own)
	return p, revision, err
}

// checkRevision checks the caller's condition on the revision of an entry, nil if there
// is none.
func (c *entryChange) checkRevision(key plimsoll.EntryKey, entry *plimsoll.Entry) error {
	var have plimsoll.Revision
	if entry != nil {
		have = entry.Revision
	}
	if c.ifRevision != nil && have != *c.ifRevision {
		return fmt.Errorf("%s is at revision %d, not %d: %w", key, have, *c.ifRevision, plimsoll.ErrStaleRevision)
	}
	return nil
}

// answerEntry tells the caller the revision of a commit, if there was one.
func answerEntry(ctx context.Context, revision plimsoll.Revision) {
	if revision != 0 {
		answerRevision(ctx, revision)
	}
}

// findEntry returns an entry, or nil if there is none.
func findEntry(ctx context.Context, view storage.View, key plimsoll.EntryKey) (*plimsoll.Entry, error) {
	entry, err := view.Entry(ctx, key)
	if errors.Is(err, plimsoll.ErrNotFound) {
		return nil, nil
	}
	return entry, err
}
