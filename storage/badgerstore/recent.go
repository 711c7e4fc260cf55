package badgerstore

import (
	"slices"
	"sort"
	"sync"

	"github.com/plimsoll-project/plimsoll"
)

// Bounds on what is kept in memory. Up to twice as much is, so that not every commit
// has to let go of something.
const (
	recentLimit = 4096
	recentBytes = 16 << 20 // of the events as stored
)

// recentEvents are the latest events. Watches that keep up read them here, and need not
// read the database, each for itself, and decode the same records.
type recentEvents struct {
	mu     sync.RWMutex
	events []placedEvent // without gaps, oldest first; never changed, only replaced
	bytes  int
}

// add takes what a commit leaves, before anybody is told of it.
func (r *recentEvents) add(events []placedEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, events...)
	for _, e := range events {
		r.bytes += e.bytes
	}
	if len(r.events) <= 2*recentLimit && r.bytes <= 2*recentBytes {
		return
	}
	first, bytes := len(r.events), 0
	for first > 0 && len(r.events)-first < recentLimit && bytes < recentBytes {
		first--
		bytes += r.events[first].bytes
	}
	r.events, r.bytes = slices.Clone(r.events[first:]), bytes
}

// after returns copies of some events after last, of revisions up to upTo. It reports
// false if the next one is not there.
func (r *recentEvents) after(last eventPlace, upTo plimsoll.Revision) ([]placedEvent, bool) {
	r.mu.RLock()
	events := r.events
	r.mu.RUnlock()
	i := sort.Search(len(events), func(i int) bool { return last.before(events[i].place) })
	if i == len(events) || !events[i].place.follows(last) {
		return nil, false
	}
	var page []placedEvent
	for _, e := range events[i:min(i+watchPage, len(events))] {
		if e.place.revision > upTo {
			break
		}
		page = append(page, placedEvent{place: e.place, event: copyEvent(e.event)})
	}
	return page, len(page) > 0
}

// copyEvent returns a copy that shares nothing that can be changed.
func copyEvent(e plimsoll.Event) plimsoll.Event {
	e.Container, e.Previous, e.Entry = e.Container.Clone(), e.Previous.Clone(), e.Entry.Clone()
	e.Changed, e.User.Groups = slices.Clone(e.Changed), slices.Clone(e.User.Groups)
	return e
}
