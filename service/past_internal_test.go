package service

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// seen is what rules see of other containers through all that they can ask.
func seen(t *testing.T, o plimsoll.Others, namespaces []string) []string {
	t.Helper()
	ctx := t.Context()
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, namespace := range append(namespaces, plimsoll.AllNamespaces) {
		for _, selection := range []plimsoll.Selection{
			{},
			{Equal: map[string]string{"labels.team": "1"}},
			{Equal: map[string]string{"image": "rare", "labels.team": "2"}},
			{Filter: "labels.team==0"},
			{Equal: map[string]string{"snapshotter": "s1"}},
		} {
			selection.Namespace = namespace
			n, err := o.Count(ctx, selection)
			if err != nil {
				t.Fatal(err)
			}
			say("%s %v: %d", namespace, selection, n)
			for c, err := range o.Containers(ctx, selection) {
				if err != nil {
					t.Fatal(err)
				}
				say("  %s/%s %v %s %s", c.Namespace, c.ID, c.Labels, c.Image, c.Snapshotter)
			}
		}
		for i := range 12 {
			c, err := o.Container(ctx, plimsoll.Key{Namespace: namespace, ID: fmt.Sprint("c", i)}, false)
			if err != nil {
				t.Fatal(err)
			}
			if c != nil {
				say("%s/%s is %v", namespace, c.ID, c.Labels)
			}
		}
	}
	return all
}

// The past is what it was: what rules see by way of the events since a revision is what
// they would have seen then.
func TestPastIsWhatWas(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // no secret
			w := newWorld(t, Options{})
			namespaces := []string{"a", "b", "c"}
			exists := map[plimsoll.Key]*plimsoll.Container{}
			known := map[string]bool{}
			var then []storage.View
			view := func() storage.View {
				v, err := w.store.View(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = v.Close() })
				return v
			}
			for range 80 {
				then = append(then, view())
				var writes []storage.Write
				taken := map[plimsoll.Key]bool{}
				for range 1 + random.IntN(3) {
					c := &plimsoll.Container{
						ID: fmt.Sprint("c", random.IntN(12)), Image: []string{"common", "rare"}[random.IntN(2)], Snapshotter: fmt.Sprint("s", random.IntN(2)),
						Labels: map[string]string{"team": fmt.Sprint(random.IntN(3))}, Runtime: plimsoll.Runtime{Name: "runc"},
						Spec: plimsoll.Any{TypeURL: "t", Value: []byte("{}")},
					}
					key := plimsoll.Key{Namespace: namespaces[random.IntN(3)], ID: c.ID}
					if taken[key] {
						continue
					}
					taken[key] = true
					if !known[key.Namespace] {
						known[key.Namespace] = true
						writes = append(writes, (&namespaceRecord{name: key.Namespace}).creation(""))
					}
					write := storage.Write{Operation: plimsoll.OperationCreate, Namespace: key.Namespace, Container: c}
					switch before := exists[key]; {
					case before != nil && random.IntN(2) == 0:
						write.Operation, write.Container = plimsoll.OperationDelete, before
						delete(exists, key)
					case before != nil:
						write.Operation = plimsoll.OperationUpdate
						exists[key] = c
					default:
						exists[key] = c
					}
					writes = append(writes, write)
				}
				w.commit(writes...)
			}
			now := view()
			whatWas, err := readPast(t.Context(), w.store, now, 0)
			if err != nil {
				t.Fatal(err)
			}
			if whatWas.floor != 0 {
				t.Errorf("known back to %d", whatWas.floor)
			}
			history := func(context.Context) (*past, error) { return whatWas, nil }
			self := plimsoll.Key{Namespace: "a", ID: "c3"}
			for _, v := range then {
				want := seen(t, &others{view: v, self: self}, namespaces)
				o := &othersThen{othersOnDemand: othersOnDemand{others{self: self}, now}, history: history, revision: v.Revision()}
				if d := cmp.Diff(want, seen(t, o, namespaces), cmpopts.EquateEmpty()); d != "" {
					t.Fatalf("at revision %d of %d (-then +replayed):\n%s", v.Revision(), now.Revision(), d)
				}
				o.close()
				if !o.asked || !o.then {
					t.Errorf("at revision %d: asked is %v, then is %v", v.Revision(), o.asked, o.then)
				}
			}
		})
	}
}

// What is not known of the past is said: what was compacted, and payloads that have changed.
func TestPastThatIsNotKnown(t *testing.T) {
	w := newWorld(t, Options{})
	w.namespaces("a")
	c := &plimsoll.Container{ID: "x", Runtime: plimsoll.Runtime{Name: "runc"}, Spec: plimsoll.Any{TypeURL: "t", Value: []byte(`{"v":1}`)}}
	w.write(storage.Write{Operation: plimsoll.OperationCreate, Namespace: "a", Container: c})
	w.write(storage.Write{Operation: plimsoll.OperationCreate, Namespace: "a", Container: &plimsoll.Container{ID: "same", Runtime: c.Runtime, Spec: c.Spec}})
	c.Spec.Value = []byte(`{"v":2}`)
	w.write(storage.Write{Operation: plimsoll.OperationUpdate, Namespace: "a", Container: c})
	if err := w.store.Compact(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	view, err := w.store.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	for name, test := range map[string]struct {
		revision     plimsoll.Revision
		id           string
		payloads     bool
		then, partly bool
	}{
		"before what is kept":   {1, "x", true, false, false},
		"kept":                  {3, "x", false, true, false},
		"a spec that changed":   {3, "x", true, true, true},
		"a spec that is it yet": {3, "same", true, true, false},
		"now":                   {4, "x", true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := &othersThen{
				othersOnDemand: othersOnDemand{others{self: plimsoll.Key{Namespace: "a", ID: "y"}}, view}, revision: test.revision,
				history: func(ctx context.Context) (*past, error) { return readPast(ctx, w.store, view, 1) },
			}
			defer o.close()
			if _, err := o.Container(t.Context(), plimsoll.Key{Namespace: "a", ID: test.id}, test.payloads); err != nil {
				t.Fatal(err)
			}
			if o.then != test.then || o.partly != test.partly {
				t.Errorf("then is %v, partly is %v", o.then, o.partly)
			}
		})
	}
}
