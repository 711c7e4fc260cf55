package service

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// verifyProgress is how many records are checked between messages about progress.
const verifyProgress = 4096

// VerifyDecisions implements plimsoll.v1.DecisionService.
func (s decisionsV1) VerifyDecisions(ctx context.Context, req *plimsollv1.VerifyDecisionsRequest, stream *connect.ServerStream[plimsollv1.VerifyDecisionsResponse]) error {
	if err := s.verifyDecisions(ctx, req, sender(ctx, stream.Send)); err != nil {
		return s.connectError(ctx, err, nil)
	}
	return nil
}

func (s decisionsV1) verifyDecisions(ctx context.Context, req *plimsollv1.VerifyDecisionsRequest, send func(*plimsollv1.VerifyDecisionsResponse) error) error {
	if err := requireOperator(ctx); err != nil {
		return err
	}
	noted, err := notedHead(req.GetHead())
	if err != nil {
		return err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = view.Close() }()
	state := view.LogState()
	if noted.Sequence > 0 && noted.Sequence < state.Trimmed.Sequence {
		return fmt.Errorf("record %d cannot be compared with the log: %w", noted.Sequence, &plimsoll.TrimmedError{First: state.Trimmed.Sequence + 1})
	}
	v := &logVerification{
		noted: noted, admissions: newAdmissions(ctx, s.store, view), report: &plimsollv1.LogReport{
			Head: toLogPosition(state.Head), Trimmed: toLogPosition(state.Trimmed), TrimmedAt: toTimestamp(state.TrimmedAt), Bytes: state.Bytes,
		},
		progress: func(done int64) error {
			return send(&plimsollv1.VerifyDecisionsResponse{Event: &plimsollv1.VerifyDecisionsResponse_Progress{
				Progress: &plimsollv1.LogProgress{Done: done, Total: int64(state.Kept())}, //nolint:gosec // far below
			}})
		},
	}
	defer v.admissions.stop()
	err = v.run(ctx, view)
	v.report.Changes = v.admissions.checked
	var broken *storage.LogError
	switch {
	case errors.As(err, &broken):
		s.options.Logger.Error("the log of decisions is broken", "sequence", broken.Sequence, "how", string(broken.Breakage), "problem", broken.Problem)
		v.report.Broken = &plimsollv1.LogBreak{Sequence: broken.Sequence, Kind: breakages[broken.Breakage], Problem: broken.Problem}
	case err != nil:
		return err
	}
	return send(&plimsollv1.VerifyDecisionsResponse{Event: &plimsollv1.VerifyDecisionsResponse_Report{Report: v.report}})
}

// notedHead reads a head that somebody noted; the zero position if there is none.
func notedHead(p *plimsollv1.LogPosition) (storage.Position, error) {
	if p == nil {
		return storage.Position{}, nil
	}
	link, err := storage.ParseLink(p.GetLink())
	if err != nil {
		return storage.Position{}, &plimsoll.RequestError{Field: "head.link", Problem: err.Error()}
	}
	if (p.GetSequence() == 0) != (link == storage.Link{}) {
		return storage.Position{}, &plimsoll.RequestError{Field: "head", Problem: "is no head: before the first record, and only there, the link is all zeros"}
	}
	return storage.Position{Sequence: p.GetSequence(), Link: link}, nil
}

func toLogPosition(p storage.Position) *plimsollv1.LogPosition {
	return &plimsollv1.LogPosition{Sequence: p.Sequence, Link: p.Link.String()}
}

var breakages = map[storage.Breakage]plimsollv1.LogBreak_Kind{
	storage.Altered:   plimsollv1.LogBreak_KIND_ALTERED,
	storage.Removed:   plimsollv1.LogBreak_KIND_REMOVED,
	storage.Reordered: plimsollv1.LogBreak_KIND_REORDERED,
	storage.Inserted:  plimsollv1.LogBreak_KIND_INSERTED,
	storage.CutOff:    plimsollv1.LogBreak_KIND_CUT_OFF,
}

// logVerification is a verification under way.
type logVerification struct {
	noted      storage.Position
	admissions *admissions
	report     *plimsollv1.LogReport
	progress   func(done int64) error
}

// run checks the log as a view sees it, the noted head, and the changes that are kept.
func (v *logVerification) run(ctx context.Context, view storage.View) error {
	state := view.LogState()
	if v.noted.Sequence > state.Head.Sequence {
		return &storage.LogError{
			Sequence: state.Head.Sequence + 1, Breakage: storage.CutOff,
			Problem: fmt.Sprintf("the log ends there, and record %d was noted", v.noted.Sequence),
		}
	}
	if err := v.compare(state.Trimmed); err != nil {
		return err
	}
	if err := view.VerifyLog(ctx, v.visit); err != nil {
		return err
	}
	return v.admissions.finish()
}

func (v *logVerification) visit(e *storage.Logged) error {
	if err := v.compare(e.Position()); err != nil {
		return err
	}
	v.report.Records++
	if v.report.GetRecords()%verifyProgress == 0 {
		if err := v.progress(v.report.GetRecords()); err != nil {
			return err
		}
	}
	if e.Kind == plimsoll.KindDrops {
		return v.drops(e)
	}
	if e.Kind != plimsoll.KindDecision {
		return nil
	}
	record, err := readRecord(e)
	if err != nil {
		return fmt.Errorf("record %d: %w", e.Sequence, err)
	}
	v.report.Decisions++
	if record.GetDecision().GetOutcome() != plimsollv1.Outcome_OUTCOME_ADMITTED {
		return nil
	}
	v.report.Admitted++
	return v.admissions.record(e, record.GetDecision().GetId())
}

// drops counts what a record says was not recorded.
func (v *logVerification) drops(e *storage.Logged) error {
	var drops storagev1.DroppedDecisions
	if err := proto.Unmarshal(e.Value, &drops); err != nil {
		return errors.New("the record of what was not recorded cannot be read")
	}
	for _, n := range drops.GetCounts() {
		v.report.Dropped += n
	}
	return nil
}

// compare compares a place in the log with the one that was noted, if it is that.
func (v *logVerification) compare(p storage.Position) error {
	if p.Sequence != v.noted.Sequence || p.Link == v.noted.Link {
		return nil
	}
	return &storage.LogError{
		Sequence: p.Sequence, Breakage: storage.Altered,
		Problem: fmt.Sprintf("its link is %s, and %s was noted: this record or one before it is not what it was then", p.Link, v.noted.Link),
	}
}

// admissions compares the decisions of admitted changes with the changes that are kept.
// Both are in the order of revisions, so that neither has to be looked up.
type admissions struct {
	ctx   context.Context //nolint:containedctx // for one verification
	store storage.Store
	next  func() (plimsoll.Event, error, bool)
	stop  func()
	// after and upTo are the revisions that are checked: of those before, decisions or
	// changes may not be kept, and those later came after the view.
	after, upTo plimsoll.Revision
	read        plimsoll.Revision // up to which events were read
	event       *plimsoll.Event   // that comes next, if it was looked at
	// decisions are those in the log of one revision, by ID.
	revision  plimsoll.Revision
	decisions map[string]uint64
	last      uint64 // sequence of the decision that was taken last
	checked   int64  // changes
}

func newAdmissions(ctx context.Context, store storage.Store, view storage.View) *admissions {
	a := &admissions{ctx: ctx, store: store, upTo: view.Revision(), decisions: map[string]uint64{}, stop: func() {}}
	a.begin(max(view.Compacted(), view.LogState().TrimmedRevision))
	return a
}

// begin reads the changes after a revision.
func (a *admissions) begin(after plimsoll.Revision) {
	a.stop()
	a.after, a.read, a.event = after, after, nil
	a.next, a.stop = iter.Pull2(a.store.Watch(a.ctx, after))
}

// record takes a decision that says it admitted a change.
func (a *admissions) record(e *storage.Logged, id string) error {
	if e.Revision != a.revision {
		if err := a.settle(e.Revision - 1); err != nil {
			return err
		}
		a.revision = e.Revision
	}
	a.decisions[id], a.last = e.Sequence, e.Sequence
	return nil
}

// finish compares what is left.
func (a *admissions) finish() error { return a.settle(a.upTo) }

// settle compares the changes up to a revision with the decisions that were taken, which
// are of the revision before the next one.
func (a *admissions) settle(upTo plimsoll.Revision) error {
	found := make(map[string]bool, len(a.decisions))
	for {
		event, err := a.peek(upTo)
		if err != nil {
			return err
		}
		if event == nil {
			break
		}
		a.event = nil
		if !event.Logged {
			continue
		}
		a.checked++
		if _, ok := a.decisions[event.Decision]; !ok || event.Revision != a.revision {
			return &storage.LogError{Sequence: a.last + 1, Breakage: storage.Removed, Problem: fmt.Sprintf(
				"revision %d was let in by decision %s, which the log does not have", event.Revision, event.Decision)}
		}
		found[event.Decision] = true
	}
	if a.revision > a.after && a.revision <= a.upTo {
		for id, sequence := range a.decisions {
			if !found[id] {
				return &storage.LogError{Sequence: sequence, Breakage: storage.Inserted, Problem: fmt.Sprintf(
					"decision %s says that it let in revision %d, and that says otherwise", id, a.revision)}
			}
		}
	}
	clear(a.decisions)
	return nil
}

// peek returns the next event, if it is of a revision up to upTo that is checked; it waits
// for none.
func (a *admissions) peek(upTo plimsoll.Revision) (*plimsoll.Event, error) {
	upTo = min(upTo, a.upTo)
	for a.event == nil {
		if a.read >= upTo {
			return nil, nil //nolint:nilnil // there is none
		}
		event, err, _ := a.next()
		var compacted *plimsoll.CompactedError
		if errors.As(err, &compacted) { // meanwhile
			a.begin(compacted.Oldest)
			continue
		}
		if err != nil {
			return nil, err
		}
		a.event = &event
	}
	if a.event.Revision > upTo {
		return nil, nil //nolint:nilnil // likewise
	}
	event := a.event
	if event.Last { // with it, all of its revision is read
		a.read = event.Revision
	}
	return event, nil
}
