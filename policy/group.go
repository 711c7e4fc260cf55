package policy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"maps"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/plimsoll-project/plimsoll"
)

// group is packages of one class, which are evaluated together.
//
// Rules that do not ask for other containers are pure functions of what they can see of
// the input: they have no builtin that reads anything else. So a verdict holds for every
// input that looks the same to them, and is remembered. Containers are mostly made from a few templates, whose specs
// differ in names that rules do not look at; and most updates leave the spec alone.
// Rules about labels see what differs, but are quick.
type group struct {
	*queries
	// verdicts is nil if the rules can ask for other containers.
	verdicts *lru.Cache[fingerprint, plimsoll.Verdict]
}

// fingerprint identifies what a group sees of an input.
type fingerprint [sha256.Size]byte

// Bounds on what is remembered of each group.
const (
	maxVerdicts = 4096
	maxFindings = 8       // of one verdict
	maxSaid     = 1 << 10 // bytes of what they say
)

// newGroups makes a group of each class of the rules to ask.
func newGroups(ctx context.Context, e *engine, asked []int) ([]*group, error) {
	byClass := map[class][]int{}
	for _, n := range asked {
		c := e.sights[n].class()
		byClass[c] = append(byClass[c], n)
	}
	var groups []*group
	for _, c := range classes {
		if len(byClass[c]) == 0 {
			continue
		}
		g := &group{}
		var err error
		if g.queries, err = newQueries(ctx, e, byClass[c]); err != nil {
			return nil, err
		}
		if !c.asks {
			if g.verdicts, err = lru.New[fingerprint, plimsoll.Verdict](maxVerdicts); err != nil {
				return nil, err
			}
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// class tells packages apart whose verdicts are worth remembering apart.
type class struct{ asks, specs, labels bool }

// classes are all there are, in the order in which they are evaluated: what costs least
// first.
var classes = []class{{}, {labels: true}, {specs: true}, {specs: true, labels: true}, {asks: true}}

func (s *sight) class() class {
	if s.asks {
		return class{asks: true}
	}
	return class{specs: s.seesOfObjects("spec"), labels: s.seesOfObjects("labels")}
}

// sight is what rules of a module can see.
type sight struct {
	footprint      // of the input
	asks      bool // for other containers
	payloads  bool // of those, if at all
}

func (s *sight) merge(other *sight) {
	s.footprint.merge(&other.footprint)
	s.asks, s.payloads = s.asks || other.asks, s.payloads || other.payloads
}

func sightOf(m *ast.Module) *sight {
	s := &sight{payloads: namesPayloads(m)}
	inputRefs(m, s.add)
	ast.WalkRefs(m, func(r ast.Ref) bool {
		s.asks = s.asks || len(r) > 0 && r[0].Equal(ast.VarTerm(contextPrefix))
		return false
	})
	return s
}

// namesPayloads reports whether m has the name of a payload anywhere but in a reference
// to the input.
func namesPayloads(m *ast.Module) bool {
	found := false
	var visitor *ast.GenericVisitor
	visitor = ast.NewGenericVisitor(func(x any) bool {
		switch v := x.(type) {
		case ast.Ref:
			if len(v) > 0 && v[0].Equal(ast.InputRootDocument) {
				for _, term := range v[1:] {
					if _, constant := term.Value.(ast.String); !constant {
						visitor.Walk(term)
					}
				}
				return true
			}
		case ast.String:
			found = found || slices.Contains(payloadFields, string(v))
		}
		return false
	})
	visitor.Walk(m)
	return found
}

// holdsPayloadName reports whether data has the name of a payload, which rules may take
// from there.
func holdsPayloadName(data any) bool {
	switch v := data.(type) {
	case string:
		return slices.Contains(payloadFields, v)
	case []any:
		return slices.ContainsFunc(v, holdsPayloadName)
	case map[string]any:
		for key, value := range v {
			if slices.Contains(payloadFields, key) || holdsPayloadName(value) {
				return true
			}
		}
	}
	return false
}

// seesOfObjects reports whether a field of either object is in f.
func (f *footprint) seesOfObjects(field string) bool {
	for _, object := range []string{"object", "old_object"} {
		if at := f.child([]byte(object)); at != nil && at.child([]byte(field)) != nil {
			return true
		}
	}
	return false
}

// merge adds all of other to f.
func (f *footprint) merge(other *footprint) {
	f.whole = f.whole || other.whole
	for key, below := range other.keys {
		if f.keys == nil {
			f.keys = map[string]*footprint{}
		}
		if f.keys[key] == nil {
			f.keys[key] = &footprint{}
		}
		f.keys[key].merge(below)
	}
}

// visibleTo returns a function that tells what rules of a module can see of the input:
// what the module refers to, and the modules of all packages that it refers to, however
// remotely.
func visibleTo(modules map[string]*ast.Module) func(m *ast.Module) *sight {
	reachable := reachableFrom(modules)
	own := map[string]*sight{}
	for file, m := range modules {
		own[file] = sightOf(m)
	}
	return func(m *ast.Module) *sight {
		f := &sight{}
		for _, file := range reachable(m) {
			f.merge(own[file])
		}
		return f
	}
}

// reachableFrom returns a function that lists the files of a module's package and of all
// packages that these refer to, however remotely. Like a footprint it errs on the side of
// more: a reference whose keys are not constant is one to every package that it may mean.
// From nil all files are reachable.
func reachableFrom(modules map[string]*ast.Module) func(m *ast.Module) []string {
	var (
		files  = slices.Sorted(maps.Keys(modules))
		direct = map[string][]string{} // files by file
	)
	for _, file := range files {
		uses := map[string]bool{file: true}
		dataRefs(modules[file], func(path ast.Ref) {
			for _, other := range files {
				if mayMean(path, modules[other].Package.Path[1:]) {
					uses[other] = true
				}
			}
		})
		direct[file] = slices.Sorted(maps.Keys(uses))
	}
	return func(m *ast.Module) []string {
		seen := map[string]bool{}
		var found []string
		var visit func(file string)
		visit = func(file string) {
			if seen[file] {
				return
			}
			seen[file] = true
			found = append(found, file)
			for _, other := range direct[file] {
				visit(other)
			}
		}
		// All files of the package: rules of one name may be in several.
		for _, file := range files {
			if m == nil || modules[file].Package.Path.Equal(m.Package.Path) {
				visit(file)
			}
		}
		return found
	}
}

// dataRefs calls found with every reference to data below m, without its head.
func dataRefs(m *ast.Module, found func(ast.Ref)) {
	visitor := ast.NewGenericVisitor(func(x any) bool {
		switch v := x.(type) {
		case *ast.Package: // which names itself
			return true
		case ast.Var:
			if v.Equal(ast.DefaultRootDocument.Value) {
				found(nil)
			}
		case ast.Ref:
			if len(v) > 0 && v[0].Equal(ast.DefaultRootDocument) {
				found(v[1:])
				for _, term := range v[1:] {
					dataRefsIn(term, found)
				}
				return true
			}
		}
		return false
	})
	visitor.Walk(m)
}

func dataRefsIn(term *ast.Term, found func(ast.Ref)) {
	ast.WalkRefs(term, func(r ast.Ref) bool {
		if len(r) > 0 && r[0].Equal(ast.DefaultRootDocument) {
			found(r[1:])
		}
		return false
	})
}

// mayMean reports whether a reference to data may be to something of a package, or to a
// document that holds the package.
func mayMean(ref, pkg ast.Ref) bool {
	for i, term := range ref {
		if i == len(pkg) {
			return true
		}
		if _, constant := term.Value.(ast.String); constant && !term.Equal(pkg[i]) {
			return false
		}
	}
	return true
}

// judgeGroup evaluates the rules of g that match and, unless that is nil, are of a chosen
// package, or remembers what they said of an input that looked the same to them.
func (p *Policies) judgeGroup(ctx context.Context, g *group, in *plimsoll.Input, chosen func(name string) bool) (plimsoll.Verdict, error) {
	q, err := g.matching(in, chosen)
	if q == nil || err != nil {
		return plimsoll.Verdict{}, err
	}
	doc, err := q.document(in)
	if err != nil {
		return plimsoll.Verdict{}, err
	}
	var key fingerprint
	remembers := false
	if g.verdicts != nil {
		if key, remembers = q.fingerprint(doc); remembers {
			if verdict, known := g.verdicts.Get(key); known {
				return verdict, nil
			}
		}
	}
	results, err := p.ask(ctx, q, in, doc)
	if err != nil {
		return plimsoll.Verdict{}, err
	}
	verdict, err := p.read(q, results)
	if err == nil && remembers && isSmall(verdict) {
		g.verdicts.Add(key, verdict)
	}
	return verdict, err
}

// isSmall reports whether a verdict may be remembered: what rules say may be as long as
// what callers send.
func isSmall(verdict plimsoll.Verdict) bool {
	said := 0
	for _, findings := range [][]plimsoll.Violation{verdict.Violations, verdict.Warnings} {
		for _, v := range findings {
			said += len(v.Message) + len(v.Field) + len(v.Code) + len(v.Fix) + len(v.Link) + len(v.Severity)
		}
	}
	return len(verdict.Violations)+len(verdict.Warnings) <= maxFindings && said <= maxSaid
}

// document is the input as far as q can see it.
func (q *query) document(in *plimsoll.Input) ([]byte, error) {
	document := in.MetadataJSON
	if q.seesOfObjects("spec") {
		document = in.JSON
	}
	doc, err := document()
	if err != nil {
		return nil, fmt.Errorf("encoding policy input: %w", err)
	}
	return doc, nil
}

// ask evaluates q on a document of in.
func (p *Policies) ask(ctx context.Context, q *query, in *plimsoll.Input, doc []byte) (*ast.Array, error) {
	input, err := decode(doc, &q.footprint, in.Operation == plimsoll.OperationDelete)
	if err != nil {
		return nil, err
	}
	return p.evaluate(ctx, q, in, input)
}

// hasher takes the fingerprint of documents, one at a time.
type hasher struct {
	json jsontext.Decoder
	hash hash.Hash
}

var hashers = sync.Pool{New: func() any { return &hasher{hash: sha256.New()} }}

// fingerprint identifies q's rules and what is in their footprint of a document, as it is
// written. It reports false for a document that cannot be read strictly. One that can is read in the
// same way leniently.
func (q *query) fingerprint(doc []byte) (key fingerprint, ok bool) {
	h := hashers.Get().(*hasher) //nolint:forcetypeassert // holds nothing else
	defer hashers.Put(h)
	h.json.Reset(bytes.NewBuffer(doc))
	h.hash.Reset()
	_, _ = h.hash.Write(q.which)
	if h.value(&q.footprint) != nil || h.json.PeekKind() != 0 {
		return key, false
	}
	h.hash.Sum(key[:0])
	return key, true
}

// value hashes the next value without what is not in f. What is hashed is JSON again, so
// that no two of them are written in the same way.
func (h *hasher) value(f *footprint) error {
	if f.whole || h.json.PeekKind() != '{' { // decode takes arrays as a whole, too
		raw, err := h.json.ReadValue()
		_, _ = h.hash.Write(raw)
		return err
	}
	if _, err := h.json.ReadToken(); err != nil {
		return err
	}
	_, _ = h.hash.Write([]byte("{"))
	for h.json.PeekKind() != '}' {
		raw, err := h.json.ReadValue()
		if err != nil {
			return err
		}
		var below *footprint
		if bytes.IndexByte(raw, '\\') < 0 {
			below = f.child(raw[1 : len(raw)-1])
		} else { // a name that is written in an unusual way
			below = &footprint{whole: true}
		}
		if below == nil {
			if err := h.json.SkipValue(); err != nil {
				return err
			}
			continue
		}
		_, _ = h.hash.Write(raw)
		_, _ = h.hash.Write([]byte(":"))
		if err := h.value(below); err != nil {
			return err
		}
		_, _ = h.hash.Write([]byte(","))
	}
	_, _ = h.hash.Write([]byte("}"))
	_, err := h.json.ReadToken()
	return err
}
