package badgerstore

import (
	"slices"
	"sort"
	"sync"

	"github.com/plimsoll-project/plimsoll"
)

// recentLimit bounds how many events are kept in memory: some megabytes.
const recentLimit = 4096

// recentEvents are the latest events. Watches that keep up read them here, and need not
// read the database, each for itself, and decode the same records.
type recentEvents struct {
	mu     sync.RWMutex
	events []placedEvent // without gaps, oldest first; never changed, only replaced
}

// add takes what a commit leaves, before anybody is told of it.
func (r *recentEvents) add(events []placedEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) >= 2*recentLimit {
		r.events = slices.Clone(r.events[len(r.events)-recentLimit:])
	}
	r.events = append(r.events, events...)
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
		page = append(page, placedEvent{e.place, copyEvent(e.event)})
	}
	return page, len(page) > 0
}

// copyEvent returns a copy that shares nothing that can be changed.
func copyEvent(e plimsoll.Event) plimsoll.Event {
	e.Container, e.Previous, e.Entry = e.Container.Clone(), e.Previous.Clone(), e.Entry.Clone()
	e.Changed, e.User.Groups = slices.Clone(e.Changed), slices.Clone(e.User.Groups)
	return e
}
