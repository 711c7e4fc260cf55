package server

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

const quotaRule = `deny contains {"msg": "team is full", "code": "QUOTA_EXCEEDED"} if {
	plimsoll.count({"labels": {"team": input.object.labels.team}}) >= 10
}
`

// However many try at once, as many get in as there is room for.
func TestQuotaIsNotRaced(t *testing.T) {
	const creators, rounds = 64, 100
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, open(t), quotaRule)
			for round := range rounds {
				team := "team-" + strconv.Itoa(round)
				var admitted, denied atomic.Int32
				inParallel(creators, func(i int) {
					switch _, said := g.create(labelled(fmt.Sprintf("c%d-%d", round, i), "team", team)); said {
					case "":
						admitted.Add(1)
					case "team is full":
						denied.Add(1)
					default:
						t.Errorf("round %d: %s", round, said)
					}
				})
				if admitted.Load() != 10 || denied.Load() != creators-10 {
					t.Fatalf("round %d: %d admitted and %d denied, want 10 and %d", round, admitted.Load(), denied.Load(), creators-10)
				}
			}
			stored := map[string]int{}
			for _, labels := range g.labels() {
				stored[labels["team"]]++
			}
			for team, n := range stored {
				if n != 10 {
					t.Errorf("%s has %d containers", team, n)
				}
			}
			if len(stored) != rounds {
				t.Errorf("%d teams", len(stored))
			}
		})
	}
}

// A host name is never that of two, whoever updates what at the same time.
func TestUniquenessIsNotRaced(t *testing.T) {
	const containers, rounds = 16, 20
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, open(t), `deny contains "host is taken" if {
	input.object.labels.host
	count(plimsoll.containers({"labels": {"host": input.object.labels.host}})) > 0
}
`)
			for i := range containers {
				if _, said := g.create(labelled(fmt.Sprint("c", i))); said != "" {
					t.Fatal(said)
				}
			}
			for round := range rounds {
				host := fmt.Sprint("host-", round)
				inParallel(containers, func(i int) { g.update(labelled(fmt.Sprint("c", i), "host", host), "labels.host") })
				holders := 0
				for _, labels := range g.labels() {
					if labels["host"] == host {
						holders++
					}
				}
				if holders != 1 {
					t.Fatalf("round %d: %d containers have the host name", round, holders)
				}
			}
		})
	}
}

// overtaken is a store in which another writer commits between the judging and the first
// commit of the container "judged".
type overtaken struct {
	storage.Store
	overtake func(ctx context.Context, store storage.Store) error
	done     atomic.Bool
	judged   atomic.Int32
}

func (o *overtaken) Commit(ctx context.Context, view storage.View, change storage.Change) (plimsoll.Revision, error) {
	if change.Writes[0].Key().ID == "judged" {
		o.judged.Add(1)
		if o.done.CompareAndSwap(false, true) {
			if err := o.overtake(ctx, o.Store); err != nil {
				return 0, err
			}
		}
	}
	return o.Store.Commit(ctx, view, change)
}

// write commits one write of a container of the namespace that tests use.
func write(ctx context.Context, store storage.Store, op plimsoll.Operation, id string, pairs ...string) error {
	view, err := store.View(ctx)
	if err != nil {
		return err
	}
	defer view.Close()
	c := &plimsoll.Container{ID: id, Labels: labelled(id, pairs...).GetLabels(), Image: "nginx", Runtime: plimsoll.Runtime{Name: "io.containerd.runc.v2"}}
	_, err = store.Commit(ctx, view, storage.Change{Writes: []storage.Write{{Operation: op, Namespace: "default", Container: c}}})
	return err
}

// What is decided on the absence or presence of others does not hold if that changes
// meanwhile, whatever way it was read.
func TestPhantoms(t *testing.T) {
	deny := func(condition string) string {
		return "deny contains \"no\" if {\n\tinput.object.id == \"judged\"\n\t" + condition + "\n}\n"
	}
	for name, test := range map[string]struct {
		rule     string
		overtake func(ctx context.Context, store storage.Store) error
		said     string // at last
		attempts int32  // to commit
	}{
		"create into an index range": {
			deny(`plimsoll.count({"labels": {"team": "core"}}) > 1`),
			func(ctx context.Context, s storage.Store) error {
				return write(ctx, s, "CREATE", "new", "team", "core")
			}, "no", 1,
		},
		"create beside it": {
			deny(`plimsoll.count({"labels": {"team": "core"}}) > 1`),
			func(ctx context.Context, s storage.Store) error { return write(ctx, s, "CREATE", "new", "team", "web") }, "", 1,
		},
		"relabel into it": {
			deny(`plimsoll.count({"labels": {"team": "core"}}) > 1`),
			func(ctx context.Context, s storage.Store) error { return write(ctx, s, "UPDATE", "b", "team", "core") }, "no", 1,
		},
		"relabel out of it": {
			deny(`plimsoll.count({"labels": {"team": "core"}}) < 1`),
			func(ctx context.Context, s storage.Store) error { return write(ctx, s, "UPDATE", "a", "team", "web") }, "no", 1,
		},
		"delete from it": {
			deny(`plimsoll.count({"labels": {"team": "core"}}) < 1`),
			func(ctx context.Context, s storage.Store) error { return write(ctx, s, "DELETE", "a") }, "no", 1,
		},
		"change of what was found": {
			deny(`plimsoll.containers({"labels": {"team": "core"}})[_].labels.tier == "1"`),
			func(ctx context.Context, s storage.Store) error {
				return write(ctx, s, "UPDATE", "a", "team", "core", "tier", "1")
			}, "no", 1,
		},
		"create into a namespace that was scanned": {
			deny(`plimsoll.count({}) > 2`),
			func(ctx context.Context, s storage.Store) error { return write(ctx, s, "CREATE", "new") }, "no", 1,
		},
		"create into what a regular expression matches": {
			deny(`plimsoll.count("labels.team~=^co") > 1`),
			func(ctx context.Context, s storage.Store) error {
				return write(ctx, s, "CREATE", "new", "team", "cora")
			}, "no", 1,
		},
		"create of what was not there": {
			deny(`plimsoll.container("new").image == "nginx"`),
			func(ctx context.Context, s storage.Store) error { return write(ctx, s, "CREATE", "new") }, "no", 1,
		},
		"delete of what was there": {
			deny(`not plimsoll.container("a")`),
			func(ctx context.Context, s storage.Store) error { return write(ctx, s, "DELETE", "a") }, "no", 1,
		},
		"create into a field without an index": {
			deny(`plimsoll.count({"snapshotter": ""}) > 2`),
			func(ctx context.Context, s storage.Store) error { return write(ctx, s, "CREATE", "new") }, "no", 1,
		},
		"change of what makes no difference": {
			deny(`plimsoll.count({"labels": {"team": "core"}}) > 1`),
			func(ctx context.Context, s storage.Store) error {
				return write(ctx, s, "UPDATE", "a", "team", "core", "tier", "1")
			}, "", 2,
		},
	} {
		for storeName, open := range stores {
			t.Run(name+"/"+storeName, func(t *testing.T) {
				store := &overtaken{Store: open(t), overtake: test.overtake}
				g := newGate(t, store, test.rule)
				for id, team := range map[string]string{"a": "core", "b": "web"} {
					if _, said := g.create(labelled(id, "team", team)); said != "" {
						t.Fatal(said)
					}
				}
				if _, said := g.create(labelled("judged")); said != test.said {
					t.Errorf("the rules said %q, want %q", said, test.said)
				}
				if n := store.judged.Load(); n != test.attempts {
					t.Errorf("%d attempts to commit, want %d", n, test.attempts)
				}
				if _, stored := g.labels()["judged"]; stored != (test.said == "") {
					t.Errorf("stored: %v", stored)
				}
			})
		}
	}
}

// A batch is judged as if its operations came one after another: it cannot pass what they
// could not.
func TestBatchIsJudgedInOrder(t *testing.T) {
	g := newGate(t, memstore.New(), strings.ReplaceAll(quotaRule, "10", "2"))
	answer, err := g.batchCreate(labelled("a", "team", "core"), labelled("b", "team", "web"), labelled("c", "team", "core"), labelled("d", "team", "core"))
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []string
	for _, r := range answer.GetResults() {
		outcomes = append(outcomes, strings.TrimPrefix(r.GetOutcome().String(), "OUTCOME_"))
	}
	if have := strings.Join(outcomes, " "); have != "ADMITTED ADMITTED ADMITTED DENIED" || answer.GetCommitted() {
		t.Errorf("outcomes %s, committed %v", have, answer.GetCommitted())
	}
	if len(g.labels()) != 0 {
		t.Error("something was stored")
	}
	if answer, err = g.batchCreate(labelled("a", "team", "core"), labelled("b", "team", "web"), labelled("c", "team", "core")); err != nil || !answer.GetCommitted() {
		t.Fatalf("committed %v, %v", answer.GetCommitted(), err)
	}
	// One makes room for another: deleted first, in one batch of updates that swap teams.
	updates, err := g.BatchUpdate(t.Context(), &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{
		{Container: labelled("a", "team", "web"), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels.team"}}},
		{Container: labelled("b", "team", "core"), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels.team"}}},
	}})
	if err != nil || !updates.GetCommitted() {
		t.Errorf("swap: %v, %v", updates, err)
	}
}

// Nobody starves: each of many that disturb one another gets its turn after a few
// attempts, however many there are.
func TestNobodyStarves(t *testing.T) {
	g := newGate(t, memstore.New(), `warn contains "many" if plimsoll.count({}) > 100000`)
	inParallel(64, func(i int) {
		for n := range 20 {
			if _, said := g.create(labelled(fmt.Sprintf("c%d-%d", i, n))); said != "" {
				t.Error(said)
			}
		}
	})
	if n := len(g.labels()); n != 64*20 {
		t.Errorf("%d containers", n)
	}
	if most := g.attempts.Load(); most < 2 || most > 12 {
		t.Errorf("a mutation took %d attempts", most)
	} else {
		t.Logf("at most %d attempts", most)
	}
}

// BenchmarkContext creates containers, 64 at a time, under a rule that counts: nothing,
// those of a team that only one caller creates for, or those of one that all do.
func BenchmarkContext(b *testing.B) {
	const rule = "deny contains \"team is full\" if {\n\tlimit := 1000000000\n\t%s >= limit\n}\n"
	for name, counted := range map[string]string{
		"none": "count(input.object.labels)", "disjoint": `plimsoll.count({"labels": {"caller": input.object.labels.caller}})`,
		"hot": `plimsoll.count({"labels": {"team": input.object.labels.team}})`,
	} {
		b.Run("counts="+name, func(b *testing.B) {
			g := newGate(b, stores["badger"](b), fmt.Sprintf(rule, counted))
			var next, caller atomic.Int64
			b.SetParallelism(64 / runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				me := strconv.FormatInt(caller.Add(1), 10)
				for pb.Next() {
					c := labelled(fmt.Sprint("c", next.Add(1)), "caller", me, "team", "core")
					if _, said := g.create(c); said != "" {
						b.Error(said)
					}
				}
			})
			b.ReportMetric(float64(g.attempts.Load()), "most-attempts")
		})
	}
}
