package badgerstore

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Options say where and how a store keeps its data. The zero value of each field
// but Dir is its default.
type Options struct {
	// Dir is the data directory. It is created, readable by its owner only, if it
	// does not exist. Required.
	Dir string

	// Logger gets what Badger has to say, and nothing of what is stored. Default:
	// nothing is logged.
	Logger *slog.Logger

	// MinFreeBytes is how much of the file system must stay free for the store to
	// take commits; half of it is enough to open. Default: 256 MiB.
	//
	// Badger writes through memory maps of sparse files. When the disk is full, a
	// write to one is not an error but a SIGBUS, which kills the process. The
	// default is more than what one second of full load writes (free space is
	// looked at once a second), with what is in memory flushed and compacted.
	MinFreeBytes int64

	// FreeBytes tells how many bytes the file system of dir has free for this
	// user. Default: the operating system is asked (Linux and macOS).
	FreeBytes func(dir string) (int64, error)

	// QueueLength is how many commits may wait for the committer. When as many
	// do, the next one waits for a place, or until its context ends. Default:
	// 1024.
	QueueLength int

	// CacheBytes is about how much memory may be used to keep containers that were
	// read more than once. Default: 64 MiB.
	CacheBytes int64

	// What tests replace: how a transaction becomes durable, and how long an answer
	// of FreeBytes holds.
	commit func(*badger.Txn) error
	every  time.Duration
}

const (
	defaultMinFreeBytes = 256 << 20
	defaultQueueLength  = 1024
	defaultCacheBytes   = 64 << 20
)

// withDefaults returns o with its defaults filled in, or every problem of it.
func (o Options) withDefaults() (Options, error) {
	var problems []error
	if o.Dir == "" {
		problems = append(problems, errors.New("the data directory is not set"))
	}
	if o.MinFreeBytes < 0 {
		problems = append(problems, fmt.Errorf("the free space to keep cannot be %d bytes", o.MinFreeBytes))
	}
	if o.QueueLength < 0 {
		problems = append(problems, fmt.Errorf("the commit queue cannot have %d places", o.QueueLength))
	}
	if o.CacheBytes < 0 {
		problems = append(problems, fmt.Errorf("the cache cannot have %d bytes", o.CacheBytes))
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = defaultMinFreeBytes
	}
	if o.FreeBytes == nil {
		o.FreeBytes = freeBytes
	}
	if o.every == 0 {
		o.every = time.Second
	}
	if o.commit == nil {
		o.commit = (*badger.Txn).Commit
	}
	if o.QueueLength == 0 {
		o.QueueLength = defaultQueueLength
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	return o, errors.Join(problems...)
}

// memTableBytes bounds a transaction too: Badger takes 15 % of it, 4.8 MiB.
const memTableBytes = 32 << 20

// valueThreshold is the largest that Badger allows. Every value is smaller, so its
// value log, which does not report failed writes, is never used.
const valueThreshold = 1 << 20

// externalMagic in Badger's manifest tells our databases from others: "PL".
const externalMagic = 0x504c

// badgerOptions are chosen for records of a few kilobytes, little memory, and no
// acknowledgement before the disk has the data.
func badgerOptions(dir string, logger *slog.Logger) badger.Options {
	o := badger.DefaultOptions(dir)
	o.Logger = badgerLogger{logger}
	o.ExternalMagicVersion = externalMagic
	// Durability. The commit protocol takes the place of DetectConflicts.
	o.SyncWrites = true
	o.DetectConflicts = false
	o.ValueThreshold = valueThreshold
	o.ValueLogFileSize = 64 << 20 // preallocated, though never used
	// A damaged table is an error when it is opened. In other modes it can be
	// served as a wrong value.
	o.ChecksumVerificationMode = options.OnTableRead
	// Memory. Without compression, tables are read through the page cache, and
	// another cache would only hold the same bytes twice.
	o.Compression = options.None
	o.BlockCacheSize = 0
	o.MemTableSize = memTableBytes
	o.NumMemtables = 3
	o.NumCompactors = 2
	o.MetricsEnabled = false
	return o
}

// badgerLogger passes Badger's messages on. What Badger calls information is of
// interest only to those who debug it.
type badgerLogger struct{ logger *slog.Logger }

func (l badgerLogger) Errorf(format string, args ...any) {
	l.logger.Error("badger reports an error", "message", message(format, args))
}

func (l badgerLogger) Warningf(format string, args ...any) {
	l.logger.Warn("badger warns", "message", message(format, args))
}

func (l badgerLogger) Infof(format string, args ...any) {
	l.logger.Debug("badger", "message", message(format, args))
}

func (l badgerLogger) Debugf(string, ...any) {}

func message(format string, args []any) string {
	return strings.TrimSpace(fmt.Sprintf(format, args...))
}
