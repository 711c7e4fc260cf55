package storagetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// randomHistories runs random operations on the store and on a model of it that is
// too simple to be wrong, and expects the same of both: every result and every
// conflict. The seed is the name of the case.
func (s *suite) randomHistories(t *testing.T) {
	for seed := range uint64(16) {
		s.run(t, fmt.Sprintf("seed %d", seed), func(f *fixture) {
			h := &history{f: f, rand: rand.New(rand.NewPCG(seed, 0)), states: []model{{}}}
			defer h.closeViews()
			for range 300 {
				h.step()
			}
		})
	}
}

// history is a model of the store with all of its past.
type history struct {
	f      *fixture
	rand   *rand.Rand
	states []model // by revision
	writes [][]touched
	log    logModel
	views  []*modelView
}

// touched is what a write affected: a key, and the container before and after.
type touched struct {
	key           plimsoll.Key
	before, after *plimsoll.Container
}

// modelView is an open view and what was read through it.
type modelView struct {
	storage.View
	keys  []plimsoll.Key
	scans []storage.Query
	log   logModel // as it was
}

func (h *history) step() {
	if len(h.views) == 0 || h.rand.IntN(4) == 0 && len(h.views) < 6 {
		h.views = append(h.views, &modelView{View: h.f.view(), log: h.log})
		return
	}
	i := h.rand.IntN(len(h.views))
	v := h.views[i]
	switch h.rand.IntN(12) {
	case 0, 1:
		h.get(v)
	case 2, 3:
		h.scan(v)
	case 4:
		h.append()
	case 5:
		h.trim()
	case 6, 7:
		h.checkLog(v)
	default:
		h.commit(v)
		if h.rand.IntN(3) > 0 { // some views are used again
			v.Close()
			h.views = append(h.views[:i], h.views[i+1:]...)
		}
	}
}

func (h *history) closeViews() {
	for _, v := range h.views {
		v.Close()
	}
}

func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// Few names and values, so that operations meet.
func (h *history) key() plimsoll.Key {
	return plimsoll.Key{Namespace: pick(h.rand, "a", "a", "ab"), ID: pick(h.rand, "b", "bc", "c", "d", "e", "f")}
}

func (h *history) container(id string) *plimsoll.Container {
	c := &plimsoll.Container{ID: id, Image: pick(h.rand, "", "x", "y")}
	c.Runtime.Name = pick(h.rand, "runc", "runsc")
	for _, key := range []string{"k", "l"} {
		if value := pick(h.rand, "", "1", "2", "1\x00"); value != "" {
			if c.Labels == nil {
				c.Labels = make(map[string]string)
			}
			c.Labels[key] = value
		}
	}
	size := pick(h.rand, 0, 1, 1000, 1000, 1000, 1000, 1000, 600<<10)
	c.Spec = plimsoll.Any{TypeURL: "spec", Value: h.payload(size)}
	return c
}

// payload is bytes that a store cannot make fewer.
func (h *history) payload(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(h.rand.Uint32())}).Read(b)
	return b
}

func (h *history) query() storage.Query {
	q := storage.Query{Namespace: pick(h.rand, "a", "ab"), WithPayloads: h.rand.IntN(4) == 0}
	switch h.rand.IntN(4) {
	case 0:
		q.Where = label(pick(h.rand, "k", "l"), pick(h.rand, "1", "2", "1\x00", "none"))
	case 1:
		q.Where = &storage.Term{Field: storage.FieldImage, Value: pick(h.rand, "", "x", "y")}
	case 2:
		q.Where = &storage.Term{Field: storage.FieldRuntime, Value: pick(h.rand, "runc", "runsc")}
	}
	if h.rand.IntN(3) == 0 {
		q.Match = func(c *plimsoll.Container) bool { return c.ID >= "c" }
	}
	return q
}

func (h *history) get(v *modelView) {
	key := h.key()
	v.keys = append(v.keys, key)
	want, exists := h.states[v.Revision()][key]
	got, err := v.Get(h.f.ctx, key)
	switch {
	case !exists && !errors.Is(err, plimsoll.ErrNotFound):
		h.f.Fatalf("Get %q at %d: %v, want ErrNotFound", key, v.Revision(), err)
	case exists && (err != nil || diff(want, got) != ""):
		h.f.Fatalf("Get %q at %d: %v: %s", key, v.Revision(), err, diff(want, got))
	}
}

func (h *history) scan(v *modelView) {
	q := h.query()
	v.scans = append(v.scans, q)
	var want []*plimsoll.Container
	for _, c := range h.states[v.Revision()].scan(q) {
		if q.Match != nil && !q.Match(c) {
			continue
		}
		if !q.WithPayloads {
			c = storage.WithoutPayloads(c)
		}
		want = append(want, c)
	}
	if d := diff(want, h.f.scan(v, q)); d != "" {
		h.f.Fatalf("Scan of %+v at %d: %s", q, v.Revision(), d)
	}
}

func (h *history) commit(v *modelView) {
	var writes []storage.Write
	for range pick(h.rand, 1, 1, 1, 2, 3) {
		key := h.key()
		op := pick(h.rand, plimsoll.OperationCreate, plimsoll.OperationUpdate, plimsoll.OperationDelete)
		if _, exists := h.latest()[key]; h.rand.IntN(5) > 0 { // mostly one that suits
			if !exists {
				op = plimsoll.OperationCreate
			} else if op == plimsoll.OperationCreate {
				op = plimsoll.OperationUpdate
			}
		}
		writes = append(writes, storage.Write{Operation: op, Namespace: key.Namespace, Container: h.container(key.ID)})
	}
	next := plimsoll.Revision(len(h.states))
	state, touches, want := h.apply(writes, next)
	if h.conflicts(v, writes) {
		want = plimsoll.ErrConflict
	}
	c := change(writes...)
	c.Records = h.newRecords()
	got, err := h.f.Commit(h.f.ctx, v.View, c)
	if !errors.Is(err, want) || err == nil && got != next {
		h.f.Fatalf("Commit of %v on a view at %d: %d, %v; want %d, %v", writes, v.Revision(), got, err, next, want)
	}
	if err == nil {
		h.states = append(h.states, state)
		h.writes = append(h.writes, touches)
		h.log = h.log.with(next, c.Records)
	}
}

func (h *history) latest() model { return h.states[len(h.states)-1] }

// apply returns the state after writes, or the error that they must get.
func (h *history) apply(writes []storage.Write, revision plimsoll.Revision) (model, []touched, error) {
	state := maps.Clone(h.latest())
	var touches []touched
	for _, w := range writes {
		before, exists := state[w.Key()]
		if exists == (w.Operation == plimsoll.OperationCreate) {
			if exists {
				return nil, nil, plimsoll.ErrExists
			}
			return nil, nil, plimsoll.ErrNotFound
		}
		t := touched{key: w.Key(), before: before}
		if w.Operation == plimsoll.OperationDelete {
			delete(state, w.Key())
		} else {
			t.after = at(w.Container, revision)
			state[w.Key()] = t.after
		}
		touches = append(touches, t)
	}
	return state, touches, nil
}

// conflicts looks at every write since the view, and everything that was read.
func (h *history) conflicts(v *modelView, writes []storage.Write) bool {
	for _, touches := range h.writes[v.Revision():] {
		for _, t := range touches {
			for _, w := range writes {
				if w.Key() == t.key {
					return true
				}
			}
			for _, key := range v.keys {
				if key == t.key {
					return true
				}
			}
			for _, q := range v.scans {
				affected := func(c *plimsoll.Container) bool { return c != nil && (q.Where == nil || q.Where.Of(c)) }
				if q.Namespace == t.key.Namespace && (affected(t.before) || affected(t.after)) {
					return true
				}
			}
		}
	}
	return false
}
