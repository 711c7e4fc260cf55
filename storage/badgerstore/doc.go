// Package badgerstore keeps containers on disk, in a Badger database: the
// [storage.Store] of a server.
//
// # What it guarantees
//
// A commit that returned nil is on disk, synced, before Commit returns. A commit
// is stored whole or not at all, and revisions have no gaps, whenever the process
// or the machine dies. What is read was written: each record carries a checksum
// over its key and content, and a record that does not match, or is missing where
// another one says that it exists, is an error ([ErrCorrupted]), never an answer.
// Containers that are read again and again are kept in memory, as the database has
// them.
//
// All methods are safe for concurrent use. One process has the directory at a
// time.
//
// # How a commit goes
//
// A sync of the disk takes far longer than everything else, so commits share it:
//
//  1. The goroutine that calls Commit encodes everything that will be written,
//     except for the revision, and queues a request.
//  2. One goroutine, the committer, takes all requests that wait. For each it
//     checks the view's footprint against what was committed since, answers
//     ErrConflict if they meet, and else gives it the next revision.
//  3. All that were taken are written in one Badger transaction, which is synced.
//     Meanwhile the next requests queue up.
//  4. The committer keeps the events in memory for watches that keep up, and the
//     containers for readers, opens a snapshot of the new state, on which all later
//     views are, wakes the watches, and only then answers the requests, those that
//     conflicted too: a caller who then opens a view sees what it lost to.
//
// Because all commits go through one goroutine that knows their order, Badger's own
// conflict detection, which does not see keys that are new in a range, is off.
//
// If the transaction fails for any reason, nobody can tell what is on disk: Badger
// may show it to readers and lose it later. So the store fails for good: every
// call returns an error wrapping [plimsoll.ErrClosed] and the cause, and
// [Store.Failed] tells the server to exit. Opening the directory again finds out.
//
// # Keys
//
//	m LEN namespace id            metadata of a container    Container
//	p LEN namespace LEN id CHUNK  its payloads, in chunks    Payloads, cut
//	i LEN namespace TERM id       index: it has the term     one byte
//	e REVISION SEQ                event SEQ of a commit      Event
//	h LEN namespace LEN id REVISION SEQ
//	                              the container's history    one byte
//	n LEN kind key                an entry                   Entry
//	d LEN kind key SEQUENCE       a record of the log        sequence, link, LogRecord
//	l SEQUENCE                    its place in the log       link, LogPlace
//	r                             the database itself        Meta
//
//	LEN       length of what follows, a uvarint
//	CHUNK     uint32, big endian, as are all integers here
//	TERM      the first 16 bytes of SHA-256(LEN field value)
//	REVISION  uint64
//	SEQ       uint32
//	SEQUENCE  uint64
//
// Filters read metadata only; payloads, such as a spec of 4 KB, are apart from it.
// They are cut into chunks below Badger's limit for values in its tree: larger ones
// would go to its value log, whose write errors are not reported. They are compressed
// with a dictionary, dictionary/1.json, which is part of the format: a spec is mostly
// what all specs are, and a tenth or less of it is left. Index terms are
// hashed because label values may be long; a reader compares the values themselves.
//
// # Records
//
//	0       1        5          13
//	┌───────┬────────┬──────────┬──────────────────────────────────┐
//	│ format│ CRC-32C│ revision │ protobuf, plimsoll.storage.v1    │
//	└───────┴────────┴──────────┴──────────────────────────────────┘
//	            └ over the key and everything from byte 5 on
//
// The revision is that of the commit which wrote the record; in record r it is the
// revision of the database. Chunks have the revision of their metadata.
//
// Entries that expire are forgotten by Badger itself.
//
// # The log
//
// A record of the log is under its own key, so that it can be looked up and listed, and its
// place under its sequence. The place has the record's digest and its link, which chains it
// to the one before: see [storage.NextLink]. The goroutine that calls Commit or Append
// compresses a record and computes its digest, over the LogRecord as it is stored; the
// committer only numbers records and computes links, each a hash of some 200 bytes. Record r
// has the sequence and the link of the latest record, so that records missing at the end
// show too.
//
// The oldest records are removed by [Store.TrimLog], some hundreds in a transaction, which
// also moves the sequence and the link in record r from which on the log is kept.
//
// # Compaction
//
// Record r says up to which revision events are let go of, and from then on nobody is
// shown any of them. Only then are they deleted, together with their history keys. What
// a process that died left of them is deleted by the next compaction.
//
// # The data directory
//
//	FORMAT   "plimsoll 2": whose directory it is, and its format
//	LOCK     locked by the process that has the directory open, with its PID
//	badger/  the database
//
// # What it does not do
//
// It removes old events only when it is told to, and it takes no backups. It does not notice if
// Badger itself, opening a damaged write-ahead log, drops the latest commits as a
// whole: a database that is consistent but old is one that no checksum can tell.
// [Store.Verify] checks everything else.
package badgerstore
