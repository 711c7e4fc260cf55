package service

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// maxPastBytes bounds the memory that a past takes, of which containers without payloads
// take some hundred bytes each.
const maxPastBytes = 64 << 20

// past is what containers were before, as far as events tell: all but their payloads. It
// never changes and is safe for concurrent use.
type past struct {
	// floor is the earliest revision that is known.
	floor   plimsoll.Revision
	changes map[plimsoll.Key][]pastChange // in the order of revisions
	// byTerm are the containers that ever were in a range, by namespace and term, and by
	// namespace alone.
	byTerm map[pastRange][]plimsoll.Key
}

// pastChange is what a container was before a revision; nil if there was none.
type pastChange struct {
	revision plimsoll.Revision
	before   *plimsoll.Container
}

type pastRange struct {
	namespace string
	term      storage.Term // none: all
}

// readPast reads what was before what a view shows, back to a revision if that is possible.
func readPast(ctx context.Context, store storage.Store, view storage.View, since plimsoll.Revision) (*past, error) {
	p := &past{floor: max(since, view.Compacted()), changes: map[plimsoll.Key][]pastChange{}, byTerm: map[pastRange][]plimsoll.Key{}}
	if p.floor >= view.Revision() {
		p.floor = view.Revision()
		return p, nil
	}
	type change struct {
		pastChange
		key   plimsoll.Key
		bytes int
	}
	var all []change // the oldest first
	bytes := 0
	for event, err := range store.Watch(ctx, p.floor) {
		if errors.Is(err, plimsoll.ErrCompacted) { // just now
			p.floor = view.Revision()
			return p, nil
		}
		if err != nil {
			return nil, err
		}
		if event.Container != nil {
			touch := touchOf(event)
			c := change{pastChange{event.Revision, touch.Before}, touch.Key, 100}
			if c.before != nil {
				c.bytes += 2 * sizeOf(c.before) // itself, and in the ranges
			}
			all, bytes = append(all, c), bytes+c.bytes
		}
		for ; bytes > maxPastBytes; all = all[1:] {
			p.floor, bytes = all[0].revision, bytes-all[0].bytes
		}
		if event.Last && event.Revision >= view.Revision() {
			break
		}
	}
	for _, c := range all {
		if c.revision <= p.floor { // of a commit of which the rest was left out
			continue
		}
		p.changes[c.key] = append(p.changes[c.key], c.pastChange)
		if c.before != nil {
			p.index(pastRange{namespace: c.key.Namespace}, c.key)
			for _, term := range storage.Terms(c.before) {
				p.index(pastRange{c.key.Namespace, term}, c.key)
			}
		}
	}
	return p, nil
}

func (p *past) index(r pastRange, key plimsoll.Key) {
	keys := p.byTerm[r]
	if len(keys) == 0 || keys[len(keys)-1] != key { // some may be there twice
		p.byTerm[r] = append(keys, key)
	}
}

// pastOverlay is what has to be put in place of what a view shows, to see what was there at
// a revision.
type pastOverlay struct {
	*past
	revision plimsoll.Revision
}

var _ overlay = pastOverlay{}

func (o pastOverlay) get(key plimsoll.Key) (c *plimsoll.Container, changed bool) {
	changes := o.changes[key]
	i, _ := slices.BinarySearchFunc(changes, o.revision+1, func(c pastChange, at plimsoll.Revision) int {
		return int(c.revision) - int(at) //nolint:gosec // counts of commits
	})
	if i == len(changes) {
		return nil, false
	}
	return changes[i].before, true
}

func (o pastOverlay) in(query storage.Query) []*plimsoll.Container {
	r := pastRange{namespace: query.Namespace}
	if query.Where != nil {
		r.term = *query.Where
	}
	var found []*plimsoll.Container
	seen := map[plimsoll.Key]bool{}
	for _, key := range o.byTerm[r] {
		if seen[key] {
			continue
		}
		seen[key] = true
		if c, changed := o.get(key); changed && c != nil {
			found = append(found, c)
		}
	}
	return found
}

func (o pastOverlay) namespaces() []string {
	var all []string
	for r := range o.byTerm {
		if r.term == (storage.Term{}) {
			all = append(all, r.namespace)
		}
	}
	return all
}

// othersThen are the others as they were at a revision, if that is known, and otherwise as
// they are now.
type othersThen struct {
	othersOnDemand
	// history gives the past when rules first ask.
	history  func(ctx context.Context) (*past, error)
	revision plimsoll.Revision

	asked, then bool
	partly      bool // rules looked at payloads that are not known
}

// open finds out what was then.
func (o *othersThen) open(ctx context.Context) error {
	if o.asked {
		return nil
	}
	past, err := o.history(ctx)
	if err != nil {
		return err
	}
	if o.asked = true; o.revision >= past.floor {
		o.then, o.over = true, pastOverlay{past, o.revision}
	}
	return nil
}

// look takes note of what rules look at.
func (o *othersThen) look(c *plimsoll.OtherContainer, withPayloads bool) {
	if c != nil && withPayloads {
		_, changed := o.get(plimsoll.Key{Namespace: c.Namespace, ID: c.ID})
		o.partly = o.partly || changed
	}
}

// Container implements [plimsoll.Others].
func (o *othersThen) Container(ctx context.Context, key plimsoll.Key, withPayloads bool) (*plimsoll.OtherContainer, error) {
	if err := o.open(ctx); err != nil {
		return nil, err
	}
	c, err := o.othersOnDemand.Container(ctx, key, withPayloads)
	o.look(c, withPayloads)
	return c, err
}

// Containers implements [plimsoll.Others].
func (o *othersThen) Containers(ctx context.Context, selection plimsoll.Selection) iter.Seq2[*plimsoll.OtherContainer, error] {
	return func(yield func(*plimsoll.OtherContainer, error) bool) {
		if err := o.open(ctx); err != nil {
			yield(nil, err)
			return
		}
		for c, err := range o.othersOnDemand.Containers(ctx, selection) {
			o.look(c, selection.WithPayloads)
			if !yield(c, err) {
				return
			}
		}
	}
}

// Count implements [plimsoll.Others].
func (o *othersThen) Count(ctx context.Context, selection plimsoll.Selection) (int, error) {
	if err := o.open(ctx); err != nil {
		return 0, err
	}
	return o.othersOnDemand.Count(ctx, selection)
}

// onceDone does something once, and again if it failed.
type onceDone[T any] struct {
	mu    sync.Mutex
	value *T
}

func (o *onceDone[T]) get(do func() (*T, error)) (*T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.value != nil {
		return o.value, nil
	}
	value, err := do()
	if err == nil {
		o.value = value
	}
	return value, err
}
