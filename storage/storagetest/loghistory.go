package storagetest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// logModel is the simplest log: its records as told, of which the first were trimmed. It is
// never changed, only replaced.
type logModel struct {
	records []string
	trimmed int
}

func (l logModel) kept() []string { return l.records[l.trimmed:] }

// with returns l with records that are appended at a revision.
func (l logModel) with(revision plimsoll.Revision, records []storage.Record) logModel {
	l.records = slices.Clip(l.records)
	for _, r := range records {
		l.records = append(l.records, told(&storage.Logged{Record: r, Sequence: uint64(len(l.records)) + 1, Revision: revision}))
	}
	return l
}

// newRecords are some that go with a step, or none. Their keys meet.
func (h *history) newRecords() []storage.Record {
	var records []storage.Record
	for range pick(h.rand, 0, 1, 1, 2) {
		value := h.payload(pick(h.rand, 0, 10, 1000))
		records = append(records, record(pick(h.rand, "a", "ab", "b/1", "b/2"), fmt.Sprintf("%x", value)))
	}
	return records
}

func (h *history) append() {
	records := h.newRecords()
	h.f.append(records...)
	h.log = h.log.with(plimsoll.Revision(len(h.states)-1), records)
}

// trim lets go of some of the log: how many, only the store knows, but not more than it says.
func (h *history) trim() {
	size := h.f.view().LogState().Bytes
	n, err := h.f.TrimLog(h.f.ctx, storage.Retention{Bytes: max(1, size/uint64(pick(h.rand, 1, 2, 3)))})
	if err != nil || n > math.MaxInt || h.log.trimmed+int(n) > len(h.log.records) {
		h.f.Fatalf("TrimLog: %d, %v, of %d records", n, err, len(h.log.kept()))
	}
	h.log.trimmed += int(n)
}

// checkLog compares the log as a view sees it with what it was then.
func (h *history) checkLog(v *modelView) {
	var got []string
	if err := v.VerifyLog(h.f.ctx, func(e *storage.Logged) error {
		got = append(got, told(e))
		return nil
	}); err != nil {
		h.f.Fatalf("VerifyLog at %d: %v", v.Revision(), err)
	}
	if d := diff(v.log.kept(), got); d != "" || v.LogState().Trimmed.Sequence != uint64(v.log.trimmed) { //nolint:gosec // not negative
		h.f.Fatalf("the log at %d, trimmed up to %d: %s", v.Revision(), v.LogState().Trimmed.Sequence, d)
	}
	listed := h.f.records(v, "", "")
	if len(listed) != len(got) || !slices.IsSortedFunc(listed, compareKeys) {
		h.f.Fatalf("records at %d are %q, and the log is %q", v.Revision(), listed, got)
	}
}

// compareKeys compares the keys of records as they are listed: KEY=VALUE.
func compareKeys(a, b string) int {
	a, _, _ = strings.Cut(a, "=")
	b, _, _ = strings.Cut(b, "=")
	return strings.Compare(a, b)
}
