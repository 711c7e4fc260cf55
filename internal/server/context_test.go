package server

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/badgerstore"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// gate is a server on a socket, over a store, that judges by rules alone.
type gate struct {
	testing.TB
	plimsollv1connect.ContainerServiceClient
	store storage.Store
	web   *httptest.Server
	// attempts is the most that any mutation took.
	attempts atomic.Int32
}

// stores are those that rules over many containers must hold on.
var stores = map[string]func(t testing.TB) storage.Store{
	"mem": func(testing.TB) storage.Store { return memstore.New() },
	"badger": func(t testing.TB) storage.Store {
		t.Helper()
		store, err := badgerstore.Open(badgerstore.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return store
	},
}

// newGate serves over store, which it closes. Rules are a Rego module without its package.
func newGate(t testing.TB, store storage.Store, rego string) *gate {
	t.Helper()
	g, err := openGate(t, store, "package rules\n\n"+rego, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// openGate is newGate of a whole module, which may be refused.
func openGate(t testing.TB, store storage.Store, rego string, timeout time.Duration) (*gate, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.rego")
	if err := os.WriteFile(path, []byte(rego), 0o600); err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig()
	config.Policies, config.Validators, config.PolicyTimeout = []string{path}, []string{None}, timeout
	log, err := newLogger(io.Discard, "text", "error")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := tryLoadRules(t, config, log)
	if err != nil {
		return nil, err
	}
	g := &gate{TB: t, store: store}
	svc := service.New(store, service.Options{MutationTimeout: time.Minute, QueueTimeout: time.Minute, Logger: log, OnDecision: g.count})
	svc.SetRuleset(&rules.Ruleset)
	g.web = httptest.NewUnstartedServer(svc.Handler())
	g.web.EnableHTTP2 = true
	g.web.StartTLS()
	t.Cleanup(func() {
		g.web.Close()
		_ = store.Close()
		_ = rules.close()
	})
	g.ContainerServiceClient = plimsollv1connect.NewContainerServiceClient(g.web.Client(), g.web.URL)
	return g, nil
}

func (g *gate) count(d plimsoll.Decision) {
	for {
		most := g.attempts.Load()
		if int32(d.Attempts) <= most || g.attempts.CompareAndSwap(most, int32(d.Attempts)) { //nolint:gosec // at most 128
			return
		}
	}
}

// labelled is a container with labels, given in turn with their values.
func labelled(id string, pairs ...string) *plimsollv1.Container {
	labels := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		labels[pairs[i]] = pairs[i+1]
	}
	return &plimsollv1.Container{
		Id: id, Labels: labels, Image: "nginx", Runtime: &plimsollv1.Runtime{Name: "io.containerd.runc.v2"},
		Spec: &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: []byte(`{"hostname":"` + id + `"}`)},
	}
}

func (g *gate) batchCreate(containers ...*plimsollv1.Container) (*plimsollv1.BatchCreateResponse, error) {
	req := &plimsollv1.BatchCreateRequest{}
	for _, c := range containers {
		req.Operations = append(req.Operations, &plimsollv1.CreateOperation{Container: c})
	}
	return g.BatchCreate(g.Context(), req)
}

// create reports the revision of the commit, or what the rules said.
func (g *gate) create(c *plimsollv1.Container) (plimsoll.Revision, string) {
	answer, err := g.batchCreate(c)
	return g.outcome(answer, err)
}

func (g *gate) update(c *plimsollv1.Container, mask ...string) (plimsoll.Revision, string) {
	answer, err := g.BatchUpdate(g.Context(), &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{
		{Container: c, UpdateMask: &fieldmaskpb.FieldMask{Paths: mask}},
	}})
	return g.outcome(answer, err)
}

func (g *gate) delete(id string) (plimsoll.Revision, string) {
	answer, err := g.BatchDelete(g.Context(), &plimsollv1.BatchDeleteRequest{Operations: []*plimsollv1.DeleteOperation{{Id: id}}})
	return g.outcome(answer, err)
}

func (g *gate) outcome(answer interface {
	GetResults() []*plimsollv1.BatchResult
}, err error,
) (plimsoll.Revision, string) {
	g.Helper()
	if err != nil {
		g.Error(err)
		return 0, err.Error()
	}
	r := answer.GetResults()[0]
	switch {
	case r.GetOutcome() == plimsollv1.BatchResult_OUTCOME_COMMITTED:
		return plimsoll.Revision(r.GetRevision()), ""
	case len(r.GetVerdict().GetViolations()) > 0:
		return 0, r.GetVerdict().GetViolations()[0].GetMessage()
	}
	return 0, r.GetCode()
}

// labels are those of everything that is stored, by ID.
func (g *gate) labels() map[string]map[string]string {
	g.Helper()
	view, err := g.store.View(g.Context())
	if err != nil {
		g.Fatal(err)
	}
	defer view.Close()
	all := map[string]map[string]string{}
	for c, err := range view.Scan(g.Context(), storage.Query{Namespace: "default"}) {
		if err != nil {
			g.Fatal(err)
		}
		all[c.ID] = c.Labels
	}
	return all
}

// inParallel calls f n times at once and waits for all.
func inParallel(n int, f func(i int)) {
	var wait sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wait.Wait()
}

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

const historyRules = `deny contains "team is full" if {
	input.operation != "DELETE"
	plimsoll.count({"labels": {"team": input.object.labels.team}}) >= 3
}

deny contains "host is taken" if {
	input.operation != "DELETE"
	some other in plimsoll.containers({"filter": "labels.host~=/.+/"})
	other.labels.host == input.object.labels.host
}

deny contains "is needed" if {
	input.operation == "DELETE"
	plimsoll.count({"labels": {"needs": input.object.id}}) > 0
}

deny contains "needs what is not there" if {
	input.operation != "DELETE"
	needs := input.object.labels.needs
	not plimsoll.container(needs)
}
`

// modelDenies is historyRules in Go.
func modelDenies(state map[string]map[string]string, op plimsoll.Operation, id string, labels map[string]string) bool {
	teams, denied := 0, false
	for other, theirs := range state {
		if other == id {
			continue
		}
		if op == plimsoll.OperationDelete {
			denied = denied || theirs["needs"] == id
			continue
		}
		if labels["team"] != "" && theirs["team"] == labels["team"] {
			teams++
		}
		denied = denied || labels["host"] != "" && theirs["host"] == labels["host"]
	}
	if needs := labels["needs"]; op != plimsoll.OperationDelete && needs != "" {
		denied = denied || needs == id || state[needs] == nil
	}
	return denied || teams >= 3
}

// attempt is what became of one of many mutations at the same time.
type attempt struct {
	op     plimsoll.Operation
	id     string
	labels map[string]string
	said   string
	// at is the revision of the commit; else it was refused on one of from to to.
	at, from, to plimsoll.Revision
}

// Whatever happens at the same time, there is an order in which the mutations could have
// come one after another with the same outcomes: those that were committed in the order of
// their revisions, and those that were refused on some state while they were under way.
func TestOutcomesAreSerial(t *testing.T) {
	const workers, steps = 16, 40
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, open(t), historyRules)
			now := func() plimsoll.Revision {
				view, err := g.store.View(t.Context())
				if err != nil {
					t.Error(err)
					return 0
				}
				defer view.Close()
				return view.Revision()
			}
			seed := rand.Uint64() //nolint:gosec // a test
			t.Logf("seed %d", seed)
			histories := make([][]attempt, workers)
			inParallel(workers, func(w int) {
				random := rand.New(rand.NewPCG(seed, uint64(w))) //nolint:gosec // a test
				pick := func(of string, n int) string {
					if random.IntN(3) == 0 {
						return ""
					}
					return of + strconv.Itoa(random.IntN(n))
				}
				for range steps {
					a := attempt{id: "c" + strconv.Itoa(random.IntN(12)), labels: map[string]string{}, from: now()}
					for key, value := range map[string]string{"team": pick("t", 3), "host": pick("h", 6), "needs": pick("c", 12)} {
						if value != "" {
							a.labels[key] = value
						}
					}
					c := labelled(a.id)
					c.Labels = a.labels
					switch random.IntN(4) {
					case 0, 1:
						a.op = plimsoll.OperationCreate
						a.at, a.said = g.create(c)
					case 2:
						a.op = plimsoll.OperationUpdate
						a.at, a.said = g.update(c, "labels")
					case 3:
						a.op = plimsoll.OperationDelete
						a.at, a.said = g.delete(a.id)
					}
					a.to = now()
					histories[w] = append(histories[w], a)
				}
			})
			checkSerial(t, slices.Concat(histories...))
		})
	}
}

func checkSerial(t *testing.T, all []attempt) {
	t.Helper()
	var last plimsoll.Revision
	committed := map[plimsoll.Revision]attempt{}
	refused := 0
	for _, a := range all {
		last = max(last, a.to)
		if a.at == 0 {
			refused++
			continue
		}
		if _, twice := committed[a.at]; twice {
			t.Fatalf("revision %d is that of two commits", a.at)
		}
		committed[a.at] = a
	}
	t.Logf("%d committed, %d refused", len(committed), refused)
	if len(committed) < 20 || refused < 20 {
		t.Error("too few of either to show anything")
	}
	state := map[string]map[string]string{}
	possible := make([]bool, len(all)) // that a refused one was refused
	for revision := plimsoll.Revision(0); ; revision++ {
		if a, ok := committed[revision]; ok {
			if !fits(state, a) || modelDenies(state, a.op, a.id, a.labels) {
				t.Errorf("revision %d: %s %s %v was committed on %v", revision, a.op, a.id, a.labels, state)
			}
			if a.op == plimsoll.OperationDelete {
				delete(state, a.id)
			} else {
				state[a.id] = a.labels
			}
		}
		for i, a := range all {
			if a.at != 0 || revision < a.from || revision > a.to {
				continue
			}
			switch exists := state[a.id] != nil; a.said {
			case "ALREADY_EXISTS":
				possible[i] = possible[i] || exists
			case "NOT_FOUND":
				possible[i] = possible[i] || !exists
			default:
				possible[i] = possible[i] || fits(state, a) && modelDenies(state, a.op, a.id, a.labels)
			}
		}
		if revision == last {
			break
		}
	}
	for i, a := range all {
		if a.at == 0 && !possible[i] {
			t.Errorf("%s %s %v was refused with %q, for which there was no reason between revisions %d and %d", a.op, a.id, a.labels, a.said, a.from, a.to)
		}
	}
}

func fits(state map[string]map[string]string, a attempt) bool {
	return (state[a.id] == nil) == (a.op == plimsoll.OperationCreate)
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
