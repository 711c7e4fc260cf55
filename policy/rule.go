package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/plimsoll-project/plimsoll"
)

// decisionNames are the rules that are collected, together with what prefixed allows. What
// warn says only ever warns; patch says what to change before the others judge.
var decisionNames = []string{"deny", "violation", warnName, patchName}

const (
	warnName  = "warn"
	patchName = "patch"
)

// shape is how a rule's value is to be read.
type shape int

const (
	clause   shape = iota // one clause of a set: its members
	document              // a partial object, or a tree of rules: its values
	complete              // one value: a reason or several
)

// rule is what is evaluated and read on its own: one clause of a set, or a whole
// document of any other shape.
type rule struct {
	metadata
	source plimsoll.Source
	shape  shape
	warns  bool
	// total says that the document always has a value, if only an empty one, so
	// that not having one is a fault.
	total bool
	// ref is what to evaluate: for a clause, the set of what all clauses say.
	ref      ast.Ref
	location *ast.Location
	// module and index are the clause's, to be able to copy it.
	module string
	index  int
}

// head is where a decision rule is defined.
type head struct {
	*ast.Rule
	module string
	index  int
	name   int // position of deny, violation or warn in the head's reference
}

// path is the path of the document that the clause is a part of.
func (h head) path() ast.Ref {
	return h.Module.Package.Path.Extend(h.Head.Ref()[:h.name+1])
}

// findRules finds all decision rules of modules, whose names are sorted.
func findRules(t text, names []string, modules map[string]*ast.Module, notes *ast.AnnotationSet) ([]rule, []Problem) {
	var problems []Problem
	var paths []string // in order of first appearance
	heads := map[string][]head{}
	refs := referencesOf(modules)
	for _, module := range names {
		for i, r := range modules[module].Rules {
			h, problem := decision(r, refs)
			hint := "rules that decide look like: deny contains \"reason\" if { ... }"
			if h.Rule == nil && problem == "" {
				problem, hint = nearMiss(r, refs)
			}
			if problem != "" {
				problems = append(problems, t.at(r.Location, problem, hint))
			}
			if h.Rule == nil {
				continue
			}
			h.module, h.index = module, i
			path := h.path().String()
			if heads[path] == nil {
				paths = append(paths, path)
			}
			heads[path] = append(heads[path], h)
		}
	}
	var rules []rule
	for _, path := range paths {
		found := rulesOf(heads[path], notes)
		rules = append(rules, found...)
		problems = append(problems, checkMatches(t, heads[path], found[0], notes)...)
	}
	return rules, problems
}

// decision tells whether r is (a part of) a decision rule, or why it cannot be.
// A rule called a.deny in package p is the deny of package p.a, as it is for OPA.
func decision(r *ast.Rule, refs *references) (head, string) {
	constant := true
	for i, term := range r.Head.Ref() {
		name, ok := "", false
		switch v := term.Value.(type) {
		case ast.Var:
			name, ok = string(v), i == 0 // later ones are variables, whatever they are called
		case ast.String:
			name, ok = string(v), true
		}
		switch {
		case !ok:
			constant = false
		case prefixed.MatchString(name):
			return prefixedDecision(r, i, refs)
		case !slices.Contains(decisionNames, name):
		case len(r.Head.Args) > 0:
			return head{}, fmt.Sprintf("%s is a function, so nothing would ever call it", name)
		case !constant:
			return head{}, fmt.Sprintf("the package of %s is not constant", name)
		default:
			return head{Rule: r, name: i}, ""
		}
	}
	return head{}, ""
}

// prefixedDecision is decision for a name such as deny_no_team, at a position of the head's
// reference.
func prefixedDecision(r *ast.Rule, at int, refs *references) (head, string) {
	ref := r.Head.Ref()
	h := head{Rule: r, name: at}
	switch {
	case len(r.Head.Args) > 0 || !ref[:at+1].IsGround() || refs.name(h.path()):
		return head{}, "" // a helper
	case r.Head.RuleKind() != ast.MultiValue || len(ref) != at+1:
		return head{}, fmt.Sprintf("no rule refers to %s, and it decides only as a set", ref[:at+1])
	}
	return h, ""
}

// rulesOf makes rules of all the clauses of one document.
func rulesOf(heads []head, notes *ast.AnnotationSet) []rule {
	isClause := func(h head) bool {
		return h.Head.RuleKind() == ast.MultiValue && len(h.Head.Ref()) == h.name+1
	}
	if !slices.ContainsFunc(heads, func(h head) bool { return !isClause(h) }) {
		rules := make([]rule, len(heads))
		for i, h := range heads {
			rules[i] = newRule(h, notes)
		}
		return rules
	}
	// The clauses make one value together. Its first one speaks for it, not its default.
	speaker := max(0, slices.IndexFunc(heads, func(h head) bool { return !h.Default }))
	r := newRule(heads[speaker], notes)
	r.shape = document
	for _, h := range heads {
		if len(h.Head.Ref()) == h.name+1 {
			r.shape = complete
		}
	}
	for _, h := range heads {
		// A rule with a variable in its reference is an object, if only an empty one.
		if h.Default || r.shape == document && len(h.Head.Ref().GroundPrefix()) == h.name+1 {
			r.total = true
		}
	}
	return []rule{r}
}

// checkMatches refuses matches of clauses that make one value together, unless they are
// those of the first: the value as a whole is asked for or not.
func checkMatches(t text, heads []head, r rule, notes *ast.AnnotationSet) []Problem {
	if r.shape == clause {
		return nil
	}
	var problems []Problem
	for _, h := range heads {
		if !h.Default && !newRule(h, notes).match.equal(r.match) {
			problems = append(problems, t.at(h.Location, "custom.match is another than that of the first "+r.source.Rule+", with which this makes one value",
				"put it into METADATA with scope: document, or write "+r.source.Rule+" contains …"))
		}
	}
	return problems
}

func newRule(h head, notes *ast.AnnotationSet) rule {
	path := h.path()
	name := string(path[len(path)-1].Value.(ast.String)) //nolint:forcetypeassert // Extend makes it one
	r := rule{
		ref:      path,
		location: h.Location,
		module:   h.module,
		index:    h.index,
		source: plimsoll.Source{
			Kind: plimsoll.SourcePolicy, Name: packageName(path[:len(path)-1]), Rule: name,
			File: h.Location.File, Line: h.Location.Row,
		},
	}
	var chain []*ast.Annotations
	for _, a := range notes.Chain(h.Rule) {
		if a.Annotations != nil {
			chain = append(chain, a.Annotations)
		}
	}
	r.metadata = metadataOf(chain)
	r.warns = kindOf(name) == warnName || r.enforcement == Warn
	return r
}

// strictness is what becomes of what r says.
func (r *rule) strictness() Enforcement {
	if r.warns {
		return Warn
	}
	return r.enforcement
}

func (r *rule) patches() bool { return r.source.Rule == patchName }

// packageName is how people write a package's path: without the leading data.
func packageName(path ast.Ref) string {
	return strings.TrimPrefix(path.String(), "data.")
}
