package badgerstore

import (
	"context"
	"fmt"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Note implements [storage.Store]. Notes share transactions, and so syncs, with the
// commits that wait.
func (s *Store) Note(ctx context.Context, notes []plimsoll.Entry) error {
	if err := storage.ValidateNotes(notes); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	if err := s.usable(ctx); err != nil {
		return err
	}
	records, err := prepareNotes(notes)
	if err != nil {
		return fmt.Errorf("note: %w", err)
	}
	for len(records) > 0 {
		r := &request{ctx: ctx, footprint: new(storage.Footprint), done: make(chan answer, 1)}
		for len(records) > 0 && r.count < s.maxCount && r.bytes < s.maxBytes/2 { // each is far smaller than the other half
			r.notes, records = append(r.notes, records[0]), records[1:]
			r.add(r.notes[len(r.notes)-1])
		}
		if _, err := s.submit(r); err != nil {
			return fmt.Errorf("note: %w", err)
		}
	}
	return nil
}
