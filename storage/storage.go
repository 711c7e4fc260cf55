// Package storage defines the contract between Plimsoll and the database that
// keeps its containers, and what every implementation of it shares.
//
// # The contract
//
// A [Store] is a revisioned map from (namespace, id) to containers. A reader opens
// a [View]: it sees the store as of one revision, whatever is committed meanwhile,
// and remembers what was read through it, its [Footprint]. A writer commits a
// [Change] together with the View it was decided on: the store takes all of the
// change, or, if anything in the footprint has changed since, nothing of it
// ([plimsoll.ErrConflict]). So whatever was true of the state a decision was based
// on is still true at the moment the decision takes effect. A rule over many
// containers, such as a quota or uniqueness, cannot be raced, because a footprint
// covers ranges as well as keys: a container that newly appears in a range that was
// scanned is a conflict too.
//
// The keys that are written count as read, whether or not they were: a write can
// never land on a state that its view did not show. And each write must suit that
// state: what is created must not exist, what is updated or deleted must.
//
// Commits are totally ordered and numbered by [plimsoll.Revision] without gaps.
// When Commit returns nil the change is durable. Each change leaves its events in
// the same transaction; [Store.Watch] replays them in order from any revision and
// then follows live.
//
// Beside the containers a store keeps entries: small records such as namespaces, whose
// content it does not know. They are read, written and checked in the same way, and in
// the same commits.
//
// And it keeps a log of records, such as decisions, whose content it does not know either.
// They are only ever appended: together with a change ([Change.Records]) or on their own
// ([Store.Append]). That costs no revision, leaves no event and meets no conflict. Records
// are numbered without gaps, and each is chained to the one before by a hash, its [Link], so
// that altering, removing or reordering any of them shows (VerifyLog of a [View]). The oldest
// can be let go of ([Store.TrimLog]): what is left is still a chain, from a place that is
// known. [Store.Log] reads it from any record on, and then follows live.
//
// # Implementations
//
// badgerstore keeps everything in a Badger database on disk; memstore keeps it in
// memory. Both pass the suite in storagetest, which says in code what is said here
// in words.
//
// # What it does not do
//
// A store judges nothing: it stores what it is given, with the fields it is given,
// except for the container's revision, which it sets. Strings are any bytes; what
// is a proper identifier or label is for callers to check. An empty map or payload
// may come back as nil, and times come back in UTC. Events are kept until
// [Store.Compact] is told otherwise.
package storage

import (
	"context"
	"errors"
	"iter"

	"github.com/plimsoll-project/plimsoll"
)

// ErrViewClosed is the error of reading through a view after its Close.
var ErrViewClosed = errors.New("view is closed")

// Store keeps containers. All methods are safe for concurrent use. After Close, or
// after a failure that leaves it unsure of what is on disk, every call returns an
// error wrapping [plimsoll.ErrClosed].
type Store interface {
	// View opens a view of the latest revision: it sees every commit that was
	// acknowledged before. The caller closes it, and soon: an open view keeps the
	// store from reclaiming what was deleted since.
	View(ctx context.Context) (View, error)

	// Commit makes change durable and returns the revision it got, or returns an
	// error and stores nothing of it:
	//
	//   - [plimsoll.ErrConflict] if anything read through view, or to be written,
	//     has changed since view was opened;
	//   - [plimsoll.ErrExists] if it creates what exists, [plimsoll.ErrNotFound]
	//     if it updates or deletes what does not;
	//   - [plimsoll.ErrInvalidRequest] if it is larger than the store can take in
	//     one commit;
	//   - [plimsoll.ErrNoSpace] if the disk is too full;
	//   - ctx's error if ctx ended before the commit began. Once begun, a commit
	//     is waited for, whatever becomes of ctx.
	//
	// Commit never leaves the outcome open but for [plimsoll.ErrClosed] of a store
	// that failed, after which only reopening tells.
	//
	// view must come from this store and may have been closed. It must not be
	// nil: there are no blind writes. The writes of one Commit share its revision
	// and are applied in order. The store keeps no reference to change.
	Commit(ctx context.Context, view View, change Change) (plimsoll.Revision, error)

	// Append appends records to the log, durably. They are as of the latest revision:
	// views that are opened afterwards see them, and earlier ones do not. The errors are
	// those of Commit, conflicts apart. More records than fit into one transaction are
	// appended one transaction after the other, so that of those that come with an error
	// the first ones may have been appended.
	Append(ctx context.Context, records []Record) error

	// Log yields the records after a sequence, in order and without gaps, first those that
	// are there, then those to come, until ctx ends or the consumer stops. The last pair
	// carries the reason as its error: ctx's error, ErrClosed, a [plimsoll.TrimmedError] if
	// the record after that sequence is not kept any more, or a [LogError] if what is read
	// is not what was appended. A slow consumer delays nobody, and loses what is trimmed
	// before it comes to it. after may be a sequence that has not been reached yet. The
	// sequence may be ranged over again, from after anew.
	Log(ctx context.Context, after uint64) iter.Seq2[*Logged, error]

	// TrimLog lets go of the oldest records that are not to be kept, up to the first one
	// that is, and returns how many these were. It works in transactions of bounded size;
	// when it fails, those that were removed are counted all the same.
	TrimLog(ctx context.Context, keep Retention) (removed uint64, err error)

	// Watch yields the events of all revisions greater than after, in order and
	// without gaps, first those stored, then those to come, until ctx ends or the
	// consumer stops. The last pair carries the reason as its error: ctx's error,
	// ErrClosed, a [plimsoll.CompactedError] if events after that revision are not
	// kept any more, or another error if events cannot be read. A slow consumer
	// delays nobody. after may be a revision that has not been reached yet.
	// The sequence may be ranged over again, from after anew.
	Watch(ctx context.Context, after plimsoll.Revision) iter.Seq2[plimsoll.Event, error]

	// History yields the events of one container up to the revision at most, 0
	// meaning the latest, the newest first: as many as are kept. An error ends the
	// sequence.
	History(ctx context.Context, key plimsoll.Key, at plimsoll.Revision) iter.Seq2[plimsoll.Event, error]

	// Compact lets go of events up to the revision at most, but never of those of the
	// latest commit. It returns nil, too, if there are none. What views see stays
	// as it is.
	Compact(ctx context.Context, upTo plimsoll.Revision) error

	// Close waits for commits that have begun, refuses the rest and releases all
	// resources. Views still open become unusable. Closing twice is harmless.
	Close() error
}

// View reads the store at one revision and remembers what was read. It is for one
// goroutine at a time. What it returns belongs to the caller.
type View interface {
	// Revision is that of the last commit the view sees; 0 for an empty store.
	Revision() plimsoll.Revision

	// Get returns a container, or an error wrapping [plimsoll.ErrNotFound]. Either
	// way the key joins the footprint.
	Get(ctx context.Context, key plimsoll.Key) (*plimsoll.Container, error)

	// Scan yields the containers that query selects, in bytewise order of
	// (namespace, id). The whole range joins the footprint, however early the
	// consumer stops. An error ends the sequence and comes with a nil container.
	Scan(ctx context.Context, query Query) iter.Seq2[*plimsoll.Container, error]

	// Entry returns an entry, or an error wrapping [plimsoll.ErrNotFound]. Either way
	// the key joins the footprint. An entry that expires is gone for all views.
	Entry(ctx context.Context, key plimsoll.EntryKey) (*plimsoll.Entry, error)

	// Entries yields the entries of a kind whose keys start with prefix and are greater
	// than after, in bytewise order of their keys. All of the kind joins the footprint.
	Entries(ctx context.Context, kind plimsoll.EntryKind, prefix, after string) iter.Seq2[*plimsoll.Entry, error]

	// Record returns a record of the log by its key, the first if several have the same, or
	// an error wrapping [plimsoll.ErrNotFound]. Records do not join the footprint: no
	// change depends on them.
	Record(ctx context.Context, key plimsoll.EntryKey) (*Logged, error)

	// Records yields the records of a kind whose keys start with prefix and are greater
	// than after, in bytewise order of their keys.
	Records(ctx context.Context, kind plimsoll.EntryKind, prefix, after string) iter.Seq2[*Logged, error]

	// LogState says how far the log goes.
	LogState() LogState

	// VerifyLog reads all of the log as the view sees it, and checks that it is what was
	// appended: each record, its place, its link, and that there are neither more nor less
	// of them. A [LogError] says that it is broken. visit, if not nil, is called with each
	// record that is sound, in order; an error ends the verification.
	VerifyLog(ctx context.Context, visit func(*Logged) error) error

	// Compacted is the revision up to which events are not kept any more; 0 if all are.
	Compacted() plimsoll.Revision

	// Reopen returns another view of the same revision, which has read nothing yet.
	// It is closed on its own. Any goroutine may call it while v is open.
	Reopen(ctx context.Context) (View, error)

	// Footprint is what has been read so far. It stays readable after Close.
	Footprint() *Footprint

	// Close releases the view. Closing twice is harmless.
	Close() error
}

// Query selects containers of one namespace.
type Query struct {
	Namespace string
	// Where, if set, narrows the scan to an index, and the footprint to its range.
	Where *Term
	// After, if set, skips the containers up to this ID. The footprint is that of the
	// whole range.
	After string
	// Match, if set, drops containers for which it returns false. It sees the
	// container without payloads: Spec, Runtime.Options and Extensions have their
	// type URLs but no values. It must not keep or modify its argument.
	Match func(*plimsoll.Container) bool
	// IDsOnly asks for the IDs and nothing else, which is faster still. It goes with
	// neither Match nor WithPayloads.
	IDsOnly bool
	// WithPayloads asks for complete containers. Without it only metadata is
	// read, which is many times faster.
	WithPayloads bool
}
