package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Bounds on watches.
const (
	defaultBookmarkInterval = 10 * time.Second
	minBookmarkInterval     = time.Second
	snapshotPart            = 256 // containers in one message
	maxWatches              = 4096
)

var errTooManyWatches = fmt.Errorf("there are %d watches already: %w", maxWatches, plimsoll.ErrOverloaded)

// Watch implements plimsoll.v1.ContainerService.
func (s plimsollV1) Watch(ctx context.Context, req *plimsollv1.WatchRequest, stream *connect.ServerStream[plimsollv1.WatchResponse]) error {
	w, err := s.newWatch(ctx, req)
	defer s.watches.Add(-1)
	if s.watches.Add(1) > maxWatches && err == nil {
		err = errTooManyWatches
	}
	if err == nil {
		w.send = sender(ctx, stream.Send)
		err = w.run(ctx)
	}
	if err != nil {
		return s.connectError(ctx, err, nil)
	}
	return nil
}

// watch is a Watch under way.
type watch struct {
	*Service
	query     storage.Query
	snapshot  bool
	bookmarks time.Duration
	send      func(*plimsollv1.WatchResponse) error
	// revision is how far the watch has come.
	revision plimsoll.Revision
}

func (s plimsollV1) newWatch(ctx context.Context, req *plimsollv1.WatchRequest) (*watch, error) {
	w := &watch{Service: s.Service, snapshot: req.GetSnapshot()}
	var err error
	if w.query, err = parseFilters(req.GetFilters(), filterFieldsPlimsoll, filterFieldPlimsoll); err != nil {
		return nil, err
	}
	if w.query.Namespace, err = s.namespace(requestHeader(ctx)); err != nil {
		return nil, err
	}
	if w.bookmarks, err = bookmarkInterval(req.GetBookmarkInterval()); err != nil {
		return nil, err
	}
	switch {
	case req.AfterRevision == nil:
		view, err := s.store.View(ctx)
		if err != nil {
			return nil, err
		}
		w.revision = view.Revision()
		return w, view.Close()
	case w.snapshot:
		return nil, &plimsoll.RequestError{Field: "after_revision", Problem: "must not be given with a snapshot, which says itself what comes after it"}
	}
	w.revision = plimsoll.Revision(req.GetAfterRevision())
	return w, nil
}

// bookmarkInterval is how often a caller wants to be told something.
func bookmarkInterval(asked *durationpb.Duration) (time.Duration, error) {
	switch d := asked.AsDuration(); {
	case asked == nil:
		return defaultBookmarkInterval, nil
	case asked.CheckValid() != nil || d < minBookmarkInterval:
		return 0, &plimsoll.RequestError{Field: "bookmark_interval", Problem: fmt.Sprintf("must be at least %s", minBookmarkInterval)}
	default:
		return d, nil
	}
}

// run streams until the caller leaves, the server stops, or something fails.
func (w *watch) run(ctx context.Context) error {
	if w.snapshot {
		if err := w.sendSnapshot(ctx); err != nil {
			return err
		}
	} else if err := w.sendBookmark(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	commits := make(chan commitEvents)
	ended := make(chan error, 1)
	go func() { ended <- w.read(ctx, commits) }()
	bookmark := time.NewTicker(w.bookmarks)
	defer bookmark.Stop()
	for {
		select {
		case c := <-commits:
			w.revision = c.revision
			if len(c.events) == 0 {
				continue // none of them selected: the next bookmark tells
			}
			if err := w.send(&plimsollv1.WatchResponse{
				Revision: uint64(c.revision), Step: &plimsollv1.WatchResponse_Commit_{Commit: &plimsollv1.WatchResponse_Commit{Events: c.events}},
			}); err != nil {
				return err
			}
			bookmark.Reset(w.bookmarks)
		case <-bookmark.C:
			if err := w.sendBookmark(); err != nil {
				return err
			}
		case <-w.draining:
			return fmt.Errorf("%w: go on after revision %d, here once it is back, or elsewhere", errDraining, w.revision)
		case err := <-ended:
			return err
		}
	}
}

// commitEvents are the selected events of one commit.
type commitEvents struct {
	revision plimsoll.Revision
	events   []*plimsollv1.Event
}

// read passes on what is committed, a commit at a time. It reads no faster than that is
// taken, so that a caller who is slow costs nobody anything.
func (w *watch) read(ctx context.Context, commits chan<- commitEvents) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a watch: %v", p)
		}
	}()
	var c commitEvents
	for e, err := range w.store.Watch(ctx, w.revision) {
		if err != nil {
			return err
		}
		c.revision = e.Revision
		if selection := w.selects(e); selection != plimsollv1.Event_SELECTION_UNSPECIFIED {
			event := toEvent(e)
			event.Selection = selection
			c.events = append(c.events, event)
		}
		if !e.Last {
			continue
		}
		select {
		case commits <- c:
			c.events = nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("the store's watch has ended without a reason")
}

// selects says what e means for the set of containers that is watched, unspecified if
// nothing.
func (w *watch) selects(e plimsoll.Event) plimsollv1.Event_Selection {
	if e.Container == nil || e.Namespace != w.query.Namespace {
		return plimsollv1.Event_SELECTION_UNSPECIFIED
	}
	matches := func(c *plimsoll.Container) bool { return c != nil && (w.query.Match == nil || w.query.Match(c)) }
	before, after := matches(e.Previous), matches(e.Container)
	if e.Operation == plimsoll.OperationDelete {
		before, after = after, false
	}
	switch {
	case before && after:
		return plimsollv1.Event_SELECTION_STAYED
	case before:
		return plimsollv1.Event_SELECTION_LEFT
	case after:
		return plimsollv1.Event_SELECTION_ENTERED
	}
	return plimsollv1.Event_SELECTION_UNSPECIFIED
}

func (w *watch) sendBookmark() error {
	return w.send(&plimsollv1.WatchResponse{
		Revision: uint64(w.revision), Step: &plimsollv1.WatchResponse_Bookmark_{Bookmark: &plimsollv1.WatchResponse_Bookmark{}},
	})
}

// sendSnapshot sends the selected containers as of the latest revision, from which the
// watch goes on.
func (w *watch) sendSnapshot(ctx context.Context) error {
	view, err := w.store.View(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = view.Close() }()
	var part []*plimsollv1.Container
	send := func(revision plimsoll.Revision) error {
		err := w.send(&plimsollv1.WatchResponse{
			Revision: uint64(revision),
			Step:     &plimsollv1.WatchResponse_Snapshot_{Snapshot: &plimsollv1.WatchResponse_Snapshot{Containers: part, Last: revision != 0 || view.Revision() == 0}},
		})
		part = nil
		return err
	}
	bytes := 0
	patience := newPatience()
	for c, err := range view.Scan(ctx, w.query) {
		if err != nil {
			return err
		}
		v := toMetadata(c)
		if bytes += messageBytes(v); len(part) == snapshotPart || bytes > maxPageBytes && len(part) > 0 {
			if err := send(0); err != nil {
				return err
			}
			if err := patience.check(); err != nil {
				return err
			}
			bytes = messageBytes(v)
		}
		part = append(part, v)
	}
	w.revision = view.Revision()
	return send(w.revision)
}
