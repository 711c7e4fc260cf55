package badgerstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"

	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Open opens the data directory, creating it if need be. It fails, changing
// nothing, if another process has the directory open, if it was written in a newer
// format, if it holds anything but a Plimsoll database, if the database is damaged,
// or, with [plimsoll.ErrNoSpace], if the disk is about full.
func Open(o Options) (*Store, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	s, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	return s, nil
}

func open(o Options) (_ *Store, err error) {
	dir, err := openDirectory(o.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, dir.unlock())
		}
	}()
	// Opening replays the write-ahead log and flushes what was in memory. That
	// takes less than commits do, and a server that stopped taking commits for
	// lack of space must be able to restart and serve reads.
	space := newDiskSpace(o)
	if err := space.require(o.MinFreeBytes / 2); err != nil {
		return nil, err
	}
	db, err := openDatabase(dir, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()

	s := newStore(o, dir, db)
	if s.cache, err = newCache(o.CacheBytes); err != nil {
		return nil, err
	}
	if err := s.publish(); err != nil {
		return nil, err
	}
	if err := s.checkLatestEvent(); err != nil {
		return nil, err
	}
	if err := s.checkHead(); err != nil {
		return nil, err
	}
	c := &committer{
		store:    s,
		space:    space,
		history:  storage.NewHistory(s.current.revision),
		maxBytes: db.MaxBatchSize() - reservedBytes,
		maxCount: db.MaxBatchCount() - reservedCount,
	}
	s.maxBytes, s.maxCount = c.maxBytes, c.maxCount
	go c.run()
	return s, nil
}

// openDatabase opens Badger. A directory that is not fresh must have a database,
// with its manifest: Badger would make a new one, and delete every table that is
// not in it.
func openDatabase(dir *directory, o Options) (*badger.DB, error) {
	manifest := filepath.Join(dir.database(), badger.ManifestFilename)
	if _, err := os.Stat(manifest); err != nil && !dir.fresh {
		return nil, fmt.Errorf("%w: %w: restore the data directory from a backup", ErrCorrupted, err)
	}
	db, err := badger.Open(badgerOptions(dir.database(), o.Logger))
	if err != nil {
		return nil, fmt.Errorf("opening the database in %s: %w", dir.database(), err)
	}
	if !dir.fresh {
		return db, nil
	}
	// The format is written last: as long as it is missing, nobody has been told
	// that anything is stored.
	if err := initialize(db); err != nil {
		return nil, errors.Join(fmt.Errorf("creating the database in %s: %w", dir.database(), err), db.Close())
	}
	if err := dir.writeFormat(); err != nil {
		return nil, errors.Join(fmt.Errorf("creating the data directory: %w", err), db.Close())
	}
	return db, nil
}

// initialize stores the meta record of an empty database, revision 0.
func initialize(db *badger.DB) error {
	record, err := newRecord(&storagev1.Meta{})
	if err != nil {
		return err
	}
	seal(record, metaKey, 0)
	return db.Update(func(txn *badger.Txn) error { return txn.Set(metaKey, record) })
}
