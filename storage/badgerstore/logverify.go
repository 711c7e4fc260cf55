package badgerstore

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll/storage"
)

// VerifyLog implements [storage.View].
func (v *view) VerifyLog(ctx context.Context, visit func(*storage.Logged) error) error {
	if err := v.usable(ctx); err != nil {
		return err
	}
	return v.store.verifyLog(ctx, v.snapshot, visit)
}

func (s *Store) verifyLog(ctx context.Context, snap *snapshot, visit func(*storage.Logged) error) error {
	v := &logVerification{verification: verification{store: s, snap: snap}, last: snap.log.Trimmed}
	if err := v.run(ctx, visit); err != nil {
		return v.explain(err)
	}
	return nil
}

// logVerification is a verification under way.
type logVerification struct {
	verification
	last    storage.Position // of the record that was checked last
	bytes   uint64
	records uint64 // that are stored, less those that are in the log
}

func (v *logVerification) run(ctx context.Context, visit func(*storage.Logged) error) error {
	log := v.snap.log
	if log.Trimmed.Sequence > log.Head.Sequence {
		return broken(log.Head.Sequence, storage.Altered, "the database says that the log has %d records, and that %d were trimmed", log.Head.Sequence, log.Trimmed.Sequence)
	}
	var page []*storage.Logged
	err := v.pages(ctx, []byte{kindPlace}, placeKey(0), func(key []byte, item *badger.Item) error {
		if v.last.Sequence == log.Head.Sequence {
			return broken(v.last.Sequence+1, storage.Inserted, "the database says that the log has %d records", log.Head.Sequence)
		}
		p, c, err := v.snap.follows(v.last, key, item)
		if err != nil {
			return err
		}
		page = append(page, &c.Logged)
		v.last = p.Position()
		v.bytes += p.bytes
		v.records--
		return nil
	}, func() error { // outside of the database
		for _, e := range page {
			if visit == nil {
				break
			}
			if err := visit(e); err != nil {
				return err
			}
		}
		page = page[:0]
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case v.last.Sequence < log.Head.Sequence:
		return broken(v.last.Sequence+1, storage.CutOff, "it and all records after it are missing, up to %d", log.Head.Sequence)
	case v.last != log.Head:
		return broken(v.last.Sequence, storage.Altered, "its link is not that of the latest record, which the database knows")
	case v.bytes != log.Bytes:
		return broken(v.last.Sequence, storage.Altered, "records take %d bytes, and the database says %d", v.bytes, log.Bytes)
	}
	return v.noOthers(ctx)
}

// noOthers checks that there are no records besides those in the log.
func (v *logVerification) noOthers(ctx context.Context) error {
	prefix := []byte{kindRecord}
	if err := v.pages(ctx, prefix, prefix, func([]byte, *badger.Item) error {
		v.records++
		return nil
	}, nil); err != nil || v.records == 0 {
		return err
	}
	return v.pages(ctx, prefix, prefix, func(key []byte, _ *badger.Item) error {
		_, sequence, ok := splitSequence(key)
		if !ok {
			return broken(0, storage.Inserted, "record %q has no sequence", key)
		}
		var p *place
		if v.last.Sequence >= sequence && sequence > v.snap.log.Trimmed.Sequence {
			var err error
			if p, err = v.snap.place(sequence); err != nil {
				return err
			}
		}
		if p == nil || string(recordKey(p.EntryKey, p.Sequence)) != string(key) {
			return broken(sequence, storage.Inserted, "record %q has no place in the log", key)
		}
		return nil
	}, nil)
}

// explain looks for what is missing elsewhere in the log: then it was reordered.
func (v *logVerification) explain(err error) error {
	var found *storage.LogError
	if !errors.As(err, &found) || found.Breakage != storage.Altered && found.Breakage != storage.Removed || found.Sequence != v.last.Sequence+1 {
		return err
	}
	_ = v.store.read(func() error {
		var foreign [sha256.Size]byte // digest of what is where the record should be, if it is not that
		if p, err := v.snap.place(found.Sequence); err == nil {
			if c, err := v.snap.content(p); err == nil && c != nil && c.Digest != p.Digest {
				foreign = c.Digest
			}
		}
		return v.snap.page([]byte{kindPlace}, placeKey(found.Sequence+1), func(key []byte, item *badger.Item) (bool, error) {
			var p *place
			if err := item.Value(func(value []byte) (err error) {
				p, err = parsePlaceRecord(key, value)
				return err
			}); err != nil {
				return true, nil //nolint:nilerr // what cannot be read is not it
			}
			moved := p.Logged
			moved.Sequence = found.Sequence
			if storage.NextLink(v.last.Link, &moved) == p.Link || p.Digest == foreign {
				err = broken(found.Sequence, storage.Reordered, "it is where record %d was, or the other way round", p.Sequence)
				return false, nil
			}
			return true, nil
		})
	})
	return err
}
