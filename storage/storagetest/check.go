package storagetest

import (
	"context"
	"slices"
	"strings"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// verifier is a store that can check itself.
type verifier interface {
	Verify(ctx context.Context) error
}

// check replays all events and compares the outcome with what is stored, and every
// index with that. Nothing may be committed meanwhile.
func check(f *fixture) {
	f.Helper()
	if s, ok := f.Store.(verifier); ok {
		if err := s.Verify(f.ctx); err != nil {
			f.Errorf("Verify: %v", err)
		}
	}
	if _, err := f.verify(nil); err != nil {
		f.Errorf("VerifyLog: %v", err)
	}
	compacted := f.view().Compacted()
	if compacted > 0 {
		return // the events do not tell the whole story any more
	}
	state, terms := replay(f)
	v := f.view()
	defer v.Close()
	for namespace, terms := range terms {
		want := state.scan(storage.Query{Namespace: namespace})
		if d := diff(want, f.scan(v, storage.Query{Namespace: namespace})); d != "" {
			f.Errorf("namespace %q differs from its events: %s", namespace, d)
		}
		for term := range terms {
			want := state.scan(storage.Query{Namespace: namespace, Where: &term})
			if d := diff(ids(want), ids(f.scan(v, storage.Query{Namespace: namespace, Where: &term}))); d != "" {
				f.Errorf("index %.40q of namespace %q differs from its containers: %s", term, namespace, d)
			}
		}
		for _, c := range f.scan(v, storage.Query{Namespace: namespace, WithPayloads: true}) {
			got, err := v.Get(f.ctx, plimsoll.Key{Namespace: namespace, ID: c.ID})
			if err != nil || diff(c, got) != "" {
				f.Errorf("Get and Scan of %q differ: %v: %s", c.ID, err, diff(c, got))
			}
		}
	}
}

// replay returns the state that the events come to, and all terms that any
// container ever had, by namespace. It commits once more, to know the last event.
func replay(f *fixture) (model, map[string]map[storage.Term]struct{}) {
	f.Helper()
	end := f.commit(createIn("end of events", simple("end")))
	state := make(model)
	terms := make(map[string]map[storage.Term]struct{})
	last := plimsoll.Revision(0)
	for e, err := range f.Watch(f.ctx, 0) {
		if err != nil {
			f.Fatalf("Watch after revision %d of %d: %v", last, end, err)
		}
		if e.Revision != last && e.Revision != last+1 {
			f.Fatalf("event of revision %d after %d", e.Revision, last)
		}
		last = e.Revision
		if e.Entry != nil {
			continue
		}
		key := plimsoll.Key{Namespace: e.Namespace, ID: e.Container.ID}
		switch _, exists := state[key]; {
		case (e.Operation == plimsoll.OperationCreate) == exists:
			f.Errorf("event %s of %q at %d does not suit the events before", e.Operation, key, e.Revision)
		case e.Operation == plimsoll.OperationDelete:
			delete(state, key)
		default:
			state[key] = e.Container
		}
		if terms[e.Namespace] == nil {
			terms[e.Namespace] = make(map[storage.Term]struct{})
		}
		for _, term := range storage.Terms(e.Container) {
			terms[e.Namespace][term] = struct{}{}
		}
		if last == end {
			break
		}
	}
	return state, terms
}

// model is the simplest store: containers by key.
type model map[plimsoll.Key]*plimsoll.Container

func (m model) scan(q storage.Query) []*plimsoll.Container {
	var found []*plimsoll.Container
	for key, c := range m {
		if key.Namespace == q.Namespace && (q.Where == nil || q.Where.Of(c)) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b *plimsoll.Container) int { return strings.Compare(a.ID, b.ID) })
	return found
}
