package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/plimsoll-project/plimsoll"
)

// Rules ask for other containers with these builtins: see [plimsoll.Others], and
// docs/context.md for what a caller can rely on.
//
//	plimsoll.containers(filter)   array of containers, by namespace and ID
//	plimsoll.count(filter)        how many there are
//	plimsoll.container(id)        one, or undefined
const contextPrefix = "plimsoll"

var (
	containersBuiltin = &rego.Function{
		Name: contextPrefix + ".containers", Description: "The other containers that a filter selects.",
		Decl:             types.NewFunction(types.Args(types.Named("filter", filterType)), types.Named("containers", types.NewArray(nil, containerType))),
		Nondeterministic: true,
	}
	countBuiltin = &rego.Function{
		Name: contextPrefix + ".count", Description: "How many other containers a filter selects.",
		Decl:             types.NewFunction(types.Args(types.Named("filter", filterType)), types.Named("count", types.N)),
		Nondeterministic: true,
	}
	containerBuiltin = &rego.Function{
		Name: contextPrefix + ".container", Description: "Another container, by its ID; undefined if there is none.",
		Decl:             types.NewFunction(types.Args(types.Named("id", filterType)), types.Named("container", containerType)),
		Nondeterministic: true,
	}
	contextBuiltins = []*rego.Function{containersBuiltin, countBuiltin, containerBuiltin}
)

// filterType is a filter's text, or an object of fields.
var filterType = types.Or(types.S, types.NewObject(nil, types.NewDynamicProperty(types.S, types.A)))

// containerType makes the checker refuse misspelt fields.
var containerType = func() types.Type {
	strings := types.NewObject(nil, types.NewDynamicProperty(types.S, types.S))
	documents := types.NewObject(nil, types.NewDynamicProperty(types.S, types.A))
	special := map[string]types.Type{
		"labels": strings, "extension_types": strings, "extensions": documents, "runtime_options": documents, "spec": documents,
	}
	properties := []*types.StaticProperty{types.NewStaticProperty("namespace", types.S)}
	for _, name := range containerFields {
		t := special[name]
		if t == nil {
			t = types.S
		}
		properties = append(properties, types.NewStaticProperty(name, t))
	}
	return types.NewObject(properties, nil)
}()

// payloadFields are the fields of a container that are only read if rules name them.
var payloadFields = []string{"spec", "extensions", "runtime_options"}

// withContext gives a query the builtins.
func withContext(r *rego.Rego) {
	for decl, f := range map[*rego.Function]func(*evaluation, rego.BuiltinContext, *ast.Term) (*ast.Term, error){
		containersBuiltin: (*evaluation).containers, countBuiltin: (*evaluation).count, containerBuiltin: (*evaluation).container,
	} {
		rego.Function1(decl, func(call rego.BuiltinContext, arg *ast.Term) (*ast.Term, error) {
			e, ok := call.Context.Value(evaluationKey{}).(*evaluation)
			if !ok { // OPA's own tools, which have no containers
				return nil, errors.New("there are no containers to ask for")
			}
			result, err := e.ask(f, call, arg)
			if err != nil {
				e.fail(call, decl.Name, err)
			}
			return result, err
		})(r)
	}
}

// evaluation is what the builtins need of the evaluation that calls them. It is that of
// one group, for one goroutine.
type evaluation struct {
	policies *Policies
	in       *plimsoll.Input
	payloads bool // whether rules name any
	// answers are what was asked before, by builtin and argument. (OPA would remember
	// them, too, but without a look at who may ask.)
	answers map[string]*ast.Term
	// found and bytes are how much of other containers the rules were given.
	found, bytes int
	err          error
}

// What the rules of one evaluation may be given of other containers. As values they take
// some ten times as much memory.
const (
	maxFound      = 10_000
	maxFoundBytes = 8 << 20
	// maxAsked bounds what joins the footprint, which is checked where all commits are.
	maxAsked = 1000
)

type evaluationKey struct{}

func (e *evaluation) ask(
	f func(*evaluation, rego.BuiltinContext, *ast.Term) (*ast.Term, error), call rego.BuiltinContext, arg *ast.Term,
) (*ast.Term, error) {
	if e.in.Others == nil {
		return nil, misuse("has no containers to select from")
	}
	return f(e, call, arg)
}

// remember returns what answer says to an argument, or what it said before.
func (e *evaluation) remember(builtin *rego.Function, arg *ast.Term, answer func() (*ast.Term, error)) (*ast.Term, error) {
	key := builtin.Name + " " + arg.String()
	if known, ok := e.answers[key]; ok {
		return known, nil
	}
	if len(e.answers) == maxAsked {
		return nil, misused("is one of more than %d that were asked with for one mutation", maxAsked)
	}
	result, err := answer()
	if err != nil {
		return nil, err
	}
	if e.answers == nil {
		e.answers = map[string]*ast.Term{}
	}
	e.answers[key] = result
	return result, nil
}

// fail remembers why containers could not be had: rules must not go on without them.
func (e *evaluation) fail(call rego.BuiltinContext, builtin string, err error) {
	var wrong misuse
	switch {
	case e.err != nil: // the first tells why
	case errors.As(err, &wrong):
		e.err = fault(e.policies.sourceAt(call.Location), fmt.Errorf("%s: filter %w", builtin, wrong))
	case errors.Is(err, plimsoll.ErrInvalidRequest):
		e.err = fault(e.policies.sourceAt(call.Location), fmt.Errorf("%s: bad filter (its text may quote what was judged, and is left out)", builtin))
	default:
		e.err = err
	}
}

// misuse is what is wrong with the argument of a builtin. It never quotes values.
type misuse string

func (m misuse) Error() string { return string(m) }

// unknownFieldError is a misuse whose hint quotes the field: it is for rules' texts only.
type unknownFieldError struct {
	misuse
	hint string
}

func (u unknownFieldError) Unwrap() error { return u.misuse }

func misused(format string, args ...any) error { return misuse(fmt.Sprintf(format, args...)) }

func (e *evaluation) containers(call rego.BuiltinContext, filter *ast.Term) (*ast.Term, error) {
	selection, err := e.selection(call, filter)
	if err != nil {
		return nil, err
	}
	selection.WithPayloads = e.payloads
	return e.remember(containersBuiltin, filter, func() (*ast.Term, error) { return e.find(call, selection) })
}

func (e *evaluation) find(call rego.BuiltinContext, selection plimsoll.Selection) (*ast.Term, error) {
	var found []*ast.Term
	for other, err := range e.in.Others.Containers(call.Context, selection) {
		if err != nil {
			return nil, err
		}
		if call.Cancel != nil && call.Cancel.Cancelled() {
			return nil, context.Cause(call.Context)
		}
		term, err := e.term(other)
		if err != nil {
			return nil, err
		}
		found = append(found, term)
	}
	return ast.ArrayTerm(found...), nil
}

func (e *evaluation) count(call rego.BuiltinContext, filter *ast.Term) (*ast.Term, error) {
	selection, err := e.selection(call, filter)
	if err != nil {
		return nil, err
	}
	return e.remember(countBuiltin, filter, func() (*ast.Term, error) {
		n, err := e.in.Others.Count(call.Context, selection)
		return ast.InternedTerm(n), err
	})
}

func (e *evaluation) container(call rego.BuiltinContext, id *ast.Term) (*ast.Term, error) {
	key, err := readKey(id.Value, e.in.Namespace)
	if err != nil {
		return nil, err
	}
	if err := e.mayRead(call, key.Namespace); err != nil {
		return nil, err
	}
	return e.remember(containerBuiltin, id, func() (*ast.Term, error) {
		other, err := e.in.Others.Container(call.Context, key, e.payloads)
		if err != nil || other == nil {
			return nil, err // nothing is undefined
		}
		return e.term(other)
	})
}

// term is other as rules see it: as they see the object that is judged.
func (e *evaluation) term(other *plimsoll.OtherContainer) (*ast.Term, error) {
	doc, err := other.JSON(e.payloads)
	if err != nil {
		return nil, err
	}
	e.found++
	e.bytes += len(doc)
	if e.found > maxFound || e.bytes > maxFoundBytes {
		return nil, misused("selects more than %d containers or %d bytes of them: narrow it, or use %s", maxFound, maxFoundBytes, countBuiltin.Name)
	}
	// What is stored was strict enough for that when it came in.
	value, err := decode(doc, &footprint{whole: true}, true)
	if err != nil {
		return nil, misused("selects %s, which cannot be shown to rules", plimsoll.Key{Namespace: other.Namespace, ID: other.ID})
	}
	return ast.NewTerm(value), nil
}

// selection reads a filter: its text, or an object such as
// {"labels": {"team": "core"}, "runtime": "io.containerd.runc.v2"}.
func (e *evaluation) selection(call rego.BuiltinContext, filter *ast.Term) (plimsoll.Selection, error) {
	s, err := readSelection(filter.Value, e.in.Namespace)
	if err != nil {
		return s, err
	}
	return s, e.mayRead(call, s.Namespace)
}

func readSelection(filter ast.Value, namespace string) (plimsoll.Selection, error) {
	s := plimsoll.Selection{Namespace: namespace}
	switch v := filter.(type) {
	case ast.String:
		s.Filter = string(v)
		return s, nil
	case ast.Object:
		s.Equal = make(map[string]string, v.Len())
		return s, v.Iter(func(key, value *ast.Term) error { return readField(&s, key.Value, value.Value) })
	}
	return s, misused("is %s: want a filter's text or an object of fields", kind(filter))
}

// filterKeys are what an object that is a filter may have.
var filterKeys = append([]string{"filter", "labels", "namespace"}, plimsoll.SelectionFields...)

// readField reads a field of an object that is a filter.
func readField(s *plimsoll.Selection, key, value ast.Value) error {
	name, err := filterKey(key)
	if err != nil {
		return err
	}
	if name == "labels" {
		labels, ok := value.(ast.Object)
		if !ok {
			return misused("labels is %s: want an object of strings", kind(value))
		}
		return labels.Iter(func(key, value *ast.Term) error {
			label, isString := key.Value.(ast.String)
			equal, err := stringOf("the value of a label", value.Value)
			if !isString {
				err = misused("the key of a label is %s: want a string", kind(key.Value))
			}
			s.Equal["labels."+string(label)] = equal
			return err
		})
	}
	text, err := stringOf(name, value)
	switch name {
	case "namespace":
		s.Namespace = text
	case "filter":
		s.Filter = text
	default:
		s.Equal[name] = text
	}
	return err
}

func filterKey(key ast.Value) (string, error) {
	name, ok := key.(ast.String)
	if !ok || !slices.Contains(filterKeys, string(name)) {
		known := make([]ast.Value, len(filterKeys))
		for i, k := range filterKeys {
			known[i] = ast.String(k)
		}
		if !ok {
			return "", misused("has a key that is %s", kind(key))
		}
		return "", unknownFieldError{misuse("has an unknown field"), wrongField(key, known)}
	}
	return string(name), nil
}

func stringOf(what string, v ast.Value) (string, error) {
	s, ok := v.(ast.String)
	if !ok {
		return "", misused("%s is %s: want a string", what, kind(v))
	}
	return string(s), nil
}

// readKey reads the argument of plimsoll.container.
func readKey(id ast.Value, namespace string) (plimsoll.Key, error) {
	key := plimsoll.Key{Namespace: namespace}
	switch v := id.(type) {
	case ast.String:
		key.ID = string(v)
		return key, nil
	case ast.Object:
		return key, v.Iter(func(name, value *ast.Term) error {
			text, err := stringOf("a field", value.Value)
			switch {
			case ast.String("namespace").Compare(name.Value) == 0:
				key.Namespace = text
			case ast.String("id").Compare(name.Value) == 0:
				key.ID = text
			default:
				err = unknownFieldError{misuse("has an unknown field"), fmt.Sprintf(`have %s, want "id" and "namespace"`, name)}
			}
			return err
		})
	}
	return key, misused(`is %s: want an ID or {"namespace": …, "id": …}`, kind(id))
}

// mayRead tells whether the module that calls may read a namespace: that of the mutation,
// and what its package was granted.
func (e *evaluation) mayRead(call rego.BuiltinContext, namespace string) error {
	if namespace == e.in.Namespace {
		return nil
	}
	pkg := ""
	if call.Location != nil {
		if m := e.policies.modules[call.Location.File]; m != nil {
			pkg = packageName(m.Package.Path)
			if granted := e.policies.grants[pkg]; slices.Contains(granted, plimsoll.AllNamespaces) || slices.Contains(granted, namespace) {
				return nil
			}
		}
	}
	if namespace == plimsoll.AllNamespaces {
		return misused("asks for all namespaces, which package %s was not granted", pkg)
	}
	return misused("asks for another namespace, which package %s was not granted", pkg)
}
