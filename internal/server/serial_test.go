package server

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/plimsoll-project/plimsoll"
)

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
