package service

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// others shows rules the containers other than the one they judge: see
// [plimsoll.Others]. All that they read joins the footprint of the view that the mutation
// is committed against.
type others struct {
	view storage.View
	self plimsoll.Key
	// over is what there is in place of what the view shows; nil for nothing.
	over overlay
}

var _ plimsoll.Others = (*others)(nil)

// overlay is containers in place of those of a view.
type overlay interface {
	// get returns what there is in place of a container, which may be nil for none, and
	// whether there is anything in its place.
	get(key plimsoll.Key) (c *plimsoll.Container, changed bool)
	// in returns at least all of those in a namespace that are in the range of a query.
	in(query storage.Query) []*plimsoll.Container
	// namespaces are those that may have containers.
	namespaces() []string
}

// earlierInBatch is what earlier mutations of the batch make of containers; nil for those
// that they delete. All are of the namespace of the batch.
type earlierInBatch map[plimsoll.Key]*plimsoll.Container

func (e earlierInBatch) get(key plimsoll.Key) (*plimsoll.Container, bool) {
	c, changed := e[key]
	return c, changed
}

func (e earlierInBatch) in(query storage.Query) []*plimsoll.Container {
	var found []*plimsoll.Container
	for key, c := range e {
		if c != nil && key.Namespace == query.Namespace {
			found = append(found, c)
		}
	}
	return found
}

func (e earlierInBatch) namespaces() []string { return nil }

// get is what there is in place of a container.
func (o *others) get(key plimsoll.Key) (c *plimsoll.Container, changed bool) {
	if o.over == nil {
		return nil, false
	}
	return o.over.get(key)
}

// Container implements [plimsoll.Others].
func (o *others) Container(ctx context.Context, key plimsoll.Key, withPayloads bool) (*plimsoll.OtherContainer, error) {
	if key == o.self {
		return nil, nil //nolint:nilnil // nil is the answer
	}
	c, changed := o.get(key)
	if !changed {
		var err error
		c, err = o.view.Get(ctx, key)
		if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
			return nil, err
		}
	}
	if c == nil {
		return nil, nil //nolint:nilnil // nil is the answer
	}
	return shown(key.Namespace, c, withPayloads), nil
}

// shown is a container with its runtime options as rules see those of the object.
func shown(namespace string, c *plimsoll.Container, withPayloads bool) *plimsoll.OtherContainer {
	other := &plimsoll.OtherContainer{Namespace: namespace, Container: c}
	if withPayloads {
		// What cannot be read is shown as it is: it was admitted.
		other.RuntimeOptions, _ = readOptions(c.Runtime.Options)
	}
	return other
}

// Containers implements [plimsoll.Others].
func (o *others) Containers(ctx context.Context, selection plimsoll.Selection) iter.Seq2[*plimsoll.OtherContainer, error] {
	return func(yield func(*plimsoll.OtherContainer, error) bool) {
		query, err := selectionQuery(selection)
		if err != nil {
			yield(nil, err)
			return
		}
		namespaces, err := o.namespaces(ctx, selection.Namespace)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, namespace := range namespaces {
			query.Namespace = namespace
			for c, err := range o.scan(ctx, query) {
				if err != nil {
					yield(nil, err)
					return
				}
				if !yield(shown(namespace, c, selection.WithPayloads), nil) {
					return
				}
			}
		}
	}
}

// Count implements [plimsoll.Others].
func (o *others) Count(ctx context.Context, selection plimsoll.Selection) (int, error) {
	query, err := selectionQuery(selection)
	if err != nil {
		return 0, err
	}
	query.IDsOnly, query.WithPayloads = query.Match == nil, false
	namespaces, err := o.namespaces(ctx, selection.Namespace)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, query.Namespace = range namespaces {
		for _, err := range o.scan(ctx, query) {
			if err != nil {
				return 0, err
			}
			n++
		}
	}
	return n, nil
}

// namespaces are those that a selection is of, sorted.
func (o *others) namespaces(ctx context.Context, name string) ([]string, error) {
	if name != plimsoll.AllNamespaces {
		return []string{name}, nil
	}
	all := []string{o.self.Namespace} // which a batch may be about to create
	if o.over != nil {
		all = append(all, o.over.namespaces()...)
	}
	for entry, err := range o.view.Entries(ctx, plimsoll.KindNamespace, "", "") {
		if err != nil {
			return nil, err
		}
		all = append(all, entry.Key)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// scan yields what query selects but for o.self, in order of ID.
func (o *others) scan(ctx context.Context, query storage.Query) iter.Seq2[*plimsoll.Container, error] {
	return func(yield func(*plimsoll.Container, error) bool) {
		pending := o.pending(query)
		for c, err := range o.view.Scan(ctx, query) {
			if err != nil {
				yield(nil, err)
				return
			}
			key := plimsoll.Key{Namespace: query.Namespace, ID: c.ID}
			if _, changed := o.get(key); changed || key == o.self {
				continue
			}
			for len(pending) > 0 && pending[0].ID < c.ID {
				if !yield(pending[0], nil) {
					return
				}
				pending = pending[1:]
			}
			if !yield(c, nil) {
				return
			}
		}
		for _, c := range pending {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// pending are the containers of the overlay that query selects, in order of ID.
func (o *others) pending(query storage.Query) []*plimsoll.Container {
	if o.over == nil {
		return nil
	}
	found := slices.DeleteFunc(o.over.in(query), func(c *plimsoll.Container) bool {
		return c.ID == o.self.ID && query.Namespace == o.self.Namespace ||
			query.Where != nil && !query.Where.Of(c) || query.Match != nil && !query.Match(c)
	})
	slices.SortFunc(found, func(a, b *plimsoll.Container) int { return strings.Compare(a.ID, b.ID) })
	return found
}

// CheckFilter says what is wrong with a filter that rules select other containers by; nil
// if nothing is.
func CheckFilter(filter string) error {
	_, err := selectionQuery(plimsoll.Selection{Filter: filter})
	return err
}

// selectionQuery is the query for a selection, without its namespace.
func selectionQuery(selection plimsoll.Selection) (storage.Query, error) {
	query, err := parseFilter(selection.Filter, filterFieldsPlimsoll, filterFieldPlimsoll)
	if err != nil {
		return query, err
	}
	query.WithPayloads = selection.WithPayloads
	for field, value := range selection.Equal {
		if _, known := (&plimsoll.Container{}).Field(field); !known {
			return query, &plimsoll.RequestError{Field: "filter", Problem: "has an unknown field"}
		}
		term := storage.Term{Field: field, Value: value}
		switch {
		case !isIndexed(field):
			query.Match = both(query.Match, func(c *plimsoll.Container) bool {
				have, _ := c.Field(field)
				return have == value
			})
		case query.Where == nil:
			query.Where = &term
		default: // one index narrows, and the other term is matched
			scanned, matched := *query.Where, term
			if narrower(query.Where, &term) == &term {
				scanned, matched = matched, scanned
			}
			query.Where = &scanned
			query.Match = both(query.Match, matched.Of)
		}
	}
	return query, nil
}

func isIndexed(field string) bool {
	return field == storage.FieldImage || field == storage.FieldRuntime || strings.HasPrefix(field, storage.FieldLabel)
}

func both(a, b func(*plimsoll.Container) bool) func(*plimsoll.Container) bool {
	if a == nil {
		return b
	}
	return func(c *plimsoll.Container) bool { return a(c) && b(c) }
}
