package policy

import (
	"context"
	"fmt"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"

	"github.com/plimsoll-project/plimsoll"
)

// engine is what queries are prepared from.
type engine struct {
	compiler *ast.Compiler
	store    storage.Store
	rules    []rule
	sights   []*sight // of each rule
}

func newEngine(compiler *ast.Compiler, data map[string]any, rules []rule, modules map[string]*ast.Module) *engine {
	e := &engine{
		compiler: compiler, rules: rules, sights: make([]*sight, len(rules)),
		store: newStore(data),
	}
	visible, byFile := visibleTo(compiler.Modules), map[string]*sight{}
	for n, r := range rules {
		file := r.source.File
		if byFile[file] == nil {
			byFile[file] = visible(modules[file])
			byFile[file].payloads = byFile[file].payloads || holdsPayloadName(data)
		}
		e.sights[n] = byFile[file]
	}
	return e
}

// questions are the numbers of the rules to evaluate: all documents and, for each set,
// the first of its clauses. Those that patch are evaluated before those that judge, and
// those about exemptions judge nothing else.
func questions(rules []rule) (judging, patching, exempting []int) {
	sets := map[string]bool{}
	for n, r := range rules {
		set := r.ref.String()
		switch {
		case r.shape == clause && sets[set]:
		case r.match.isAboutExemptions():
			exempting = append(exempting, n)
		case r.patches():
			patching = append(patching, n)
		default:
			judging = append(judging, n)
		}
		sets[set] = true
	}
	return judging, patching, exempting
}

// queries are a query for each choice of some rules that can match one mutation. There
// are few: one for each combination of matches, and not for each namespace. They are
// prepared when they are first needed.
type queries struct {
	*engine
	asked     []int
	whole     *query // asks all
	selective bool   // whether any rule has a match
	mu        sync.Mutex
	prepared  *lru.Cache[string, *query]
}

// query asks rules.
type query struct {
	sight
	asked    []int  // rules, in the order of the query's results; see prepare
	which    []byte // a bit for each of those of queries: whether it is among them
	prepared rego.PreparedEvalQuery
}

// maxQueries bounds those that are kept.
const maxQueries = 256

func newQueries(ctx context.Context, e *engine, asked []int) (*queries, error) {
	if len(asked) == 0 {
		return nil, nil //nolint:nilnil // nil is the answer
	}
	q := &queries{engine: e, asked: asked}
	var err error
	if q.whole, err = e.prepare(ctx, asked); err != nil { // all of them, to see now what is wrong
		return nil, err
	}
	q.whole.which = make([]byte, (len(asked)+7)/8)
	for i, n := range asked {
		q.whole.which[i/8] |= 1 << (i % 8)
		q.selective = q.selective || e.rules[n].match != nil
	}
	q.prepared, err = lru.New[string, *query](maxQueries)
	return q, err
}

// matching returns the query of the rules that match a mutation and, unless that is nil,
// are of a chosen package; nil if none are.
func (q *queries) matching(in *plimsoll.Input, chosen func(name string) bool) (*query, error) {
	if !q.selective && chosen == nil {
		return q.whole, nil
	}
	which := make([]byte, len(q.whole.which))
	matched := 0
	for i, n := range q.asked {
		if (chosen == nil || chosen(q.rules[n].source.Name)) && q.rules[n].match.covers(in) {
			which[i/8] |= 1 << (i % 8)
			matched++
		}
	}
	switch matched {
	case 0:
		return nil, nil //nolint:nilnil // nil is the answer
	case len(q.asked):
		return q.whole, nil
	}
	if found, ok := q.prepared.Get(string(which)); ok {
		return found, nil
	}
	return q.prepareSome(which)
}

func (q *queries) prepareSome(which []byte) (*query, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if found, ok := q.prepared.Get(string(which)); ok { // another was faster
		return found, nil
	}
	var asked []int
	for i, n := range q.asked {
		if which[i/8]&(1<<(i%8)) != 0 {
			asked = append(asked, n)
		}
	}
	// Not with a caller's context: others wait for the result, too.
	some, err := q.prepare(context.Background(), asked)
	if err != nil {
		return nil, fault(evaluationSource, fmt.Errorf("preparing the rules that match: %w", err))
	}
	some.which = which
	q.prepared.Add(string(which), some)
	return some, nil
}

// prepare makes one query of all that is asked: an array with an entry for each. The
// entry of a set is what its clauses say, with their numbers. The entry of a document
// is an array, which is empty if it has no value, and holds the value otherwise.
func (e *engine) prepare(ctx context.Context, asked []int) (*query, error) {
	q := &query{asked: asked}
	entries := make([]string, len(asked))
	for i, n := range asked {
		q.merge(e.sights[n])
		entries[i] = e.rules[n].ref.String()
		if e.rules[n].shape != clause {
			entries[i] = fmt.Sprintf("[x | x := %s]", entries[i])
		}
	}
	var err error
	q.prepared, err = rego.New(
		rego.Query("["+strings.Join(entries, ", ")+"]"),
		rego.SetRegoVersion(ast.RegoV1),
		rego.Compiler(e.compiler),
		rego.Capabilities(e.compiler.Capabilities()),
		rego.Store(e.store),
		rego.StrictBuiltinErrors(true),
		withContext,
		rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t, nil }),
	).PrepareForEval(ctx)
	return q, err
}
