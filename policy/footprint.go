package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// footprint is what rules can see of the input, as a tree of keys: a value that is
// not in it need not be decoded.
//
// It errs on the side of more. Rego reaches into the input only by references that
// start with the word input, and their leading constant keys say where: the rule
// that says input.object.labels[key] can see all of object.labels and, by this
// reference, nothing else. Whatever is not such a chain of constants (input passed
// on or replaced as a whole, a key that is computed, an array index) makes all that
// is below visible. All rules of a module count, whether anything refers to them or
// not; which modules, says visibleTo.
type footprint struct {
	whole bool // the value and all below it
	keys  map[string]*footprint
}

// child is what is visible below key; nil if nothing is.
func (f *footprint) child(key []byte) *footprint {
	if f.whole {
		return f
	}
	return f.keys[string(key)]
}

func (f *footprint) add(path ast.Ref) {
	for _, term := range path {
		key, ok := term.Value.(ast.String)
		if !ok {
			break
		}
		if f.keys == nil {
			f.keys = map[string]*footprint{}
		}
		if f.keys[string(key)] == nil {
			f.keys[string(key)] = &footprint{}
		}
		f = f.keys[string(key)]
	}
	f.whole = true
}

// inputRefs calls found with every reference to input below x, without its head.
func inputRefs(x any, found func(ast.Ref)) {
	var visitor *ast.GenericVisitor
	visitor = ast.NewGenericVisitor(func(x any) bool {
		switch v := x.(type) {
		case ast.Var:
			if v.Equal(ast.InputRootDocument.Value) {
				found(nil)
			}
		case ast.Ref:
			if len(v) > 0 && v[0].Equal(ast.InputRootDocument) {
				found(v[1:])
				for _, term := range v[1:] { // there may be more of them inside
					visitor.Walk(term)
				}
				return true
			}
		}
		return false
	})
	visitor.Walk(x)
}

// checkOldObject reports references to fields that input.old_object does not have.
// OPA's checker does not: its reading of JSON Schema has no "object or null".
func checkOldObject(t text, modules map[string]*ast.Module) []Problem {
	fields := make([]ast.Value, len(containerFields))
	for i, name := range containerFields {
		fields[i] = ast.String(name)
	}
	var problems []Problem
	for _, m := range modules {
		inputRefs(m, func(path ast.Ref) {
			if len(path) < 2 || ast.String("old_object").Compare(path[0].Value) != 0 {
				return
			}
			name, ok := path[1].Value.(ast.String)
			if ok && !slices.Contains(containerFields, string(name)) {
				ref := append(ast.Ref{ast.InputRootDocument}, path...)
				problems = append(problems, t.at(path[1].Location, "undefined ref: "+ref.String(), wrongField(name, fields)))
			}
		})
	}
	return problems
}
