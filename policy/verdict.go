package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/plimsoll-project/plimsoll"
)

// read makes a verdict of all results of a query, or an error if any of them is malformed.
func (p *Policies) read(q *query, results *ast.Array) (plimsoll.Verdict, error) {
	var verdict plimsoll.Verdict
	var faults []error
	for i, n := range q.asked {
		var err error
		if result := results.Elem(i).Value; p.rules[n].shape == clause {
			err = p.readSet(result, &verdict)
		} else {
			err = p.rules[n].readDocument(result, &verdict)
		}
		if err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) == 1 {
		return plimsoll.Verdict{}, faults[0]
	}
	if len(faults) > 1 {
		return plimsoll.Verdict{}, errors.Join(faults...)
	}
	return verdict, nil
}

// readSet reads what the clauses of a set say: see copyClauses.
func (p *Policies) readSet(result ast.Value, verdict *plimsoll.Verdict) error {
	set, ok := result.(ast.Set)
	if !ok {
		return fault(evaluationSource, fmt.Errorf("%s is no set", kind(result)))
	}
	return set.Iter(func(member *ast.Term) error {
		r, reason, err := p.clause(member.Value)
		if err != nil {
			return fault(evaluationSource, err)
		}
		said, err := r.reason(reason)
		if err != nil {
			return fault(r.source, err)
		}
		r.say(verdict, said)
		return nil
	})
}

// clause takes a member of a set apart, into the clause it is from and what that says.
func (p *Policies) clause(member ast.Value) (*rule, ast.Value, error) {
	if pair, ok := member.(*ast.Array); ok && pair.Len() == 2 {
		if number, ok := pair.Elem(0).Value.(ast.Number); ok {
			if n, ok := number.Int(); ok && n >= 0 && n < len(p.rules) {
				return &p.rules[n], pair.Elem(1).Value, nil
			}
		}
	}
	return nil, nil, errors.New("a member of a set is of no clause")
}

// readDocument reads the entry of a document: see prepare.
func (r *rule) readDocument(result ast.Value, verdict *plimsoll.Verdict) error {
	v, err := r.document(result)
	if v == nil || err != nil {
		return err
	}
	said, err := r.read(v)
	if err != nil {
		return fault(r.source, err)
	}
	r.say(verdict, said...)
	return nil
}

// document returns the value of a document; nil if it has none.
func (r *rule) document(result ast.Value) (ast.Value, error) {
	entry, ok := result.(*ast.Array)
	switch {
	case !ok || entry.Len() > 1:
		return nil, fault(r.source, errors.New("has more than one value"))
	case entry.Len() == 0 && r.total:
		return nil, fault(r.source, errors.New("is undefined, which it never should be"))
	case entry.Len() == 0:
		return nil, nil //nolint:nilnil // nil is the answer
	}
	return entry.Elem(0).Value, nil
}

func (r *rule) say(verdict *plimsoll.Verdict, said ...plimsoll.Violation) {
	if r.warns {
		verdict.Warnings = append(verdict.Warnings, said...)
	} else {
		verdict.Violations = append(verdict.Violations, said...)
	}
}

func compare(a, b plimsoll.Violation) int {
	return cmp.Or(
		strings.Compare(a.Source.Name, b.Source.Name), strings.Compare(a.Source.File, b.Source.File),
		a.Source.Line-b.Source.Line, strings.Compare(a.Field, b.Field), strings.Compare(a.Message, b.Message),
		strings.Compare(a.Code, b.Code), strings.Compare(a.Fix, b.Fix), strings.Compare(a.Severity, b.Severity), strings.Compare(a.Link, b.Link),
	)
}

// read tells what the document says by having value v.
func (r *rule) read(v ast.Value) (said []plimsoll.Violation, err error) {
	switch r.shape {
	case clause: // readSet reads these
	case document:
		object, ok := v.(ast.Object)
		if !ok {
			return nil, malformed(v)
		}
		return r.values(object)
	case complete:
		switch v := v.(type) {
		case ast.Boolean:
			return r.boolean(v), nil
		case ast.Object:
			if v.Len() == 0 {
				return nil, nil
			}
		}
	}
	return r.reasons(v)
}

// reasons reads one reason, or all in a set or array.
func (r *rule) reasons(v ast.Value) (said []plimsoll.Violation, err error) {
	each := func(member *ast.Term) error {
		one, err := r.reason(member.Value)
		said = append(said, one)
		return err
	}
	switch v := v.(type) {
	case ast.Set:
		err = v.Iter(each)
	case *ast.Array:
		err = v.Iter(each)
	default:
		one, err := r.reason(v)
		return []plimsoll.Violation{one}, err
	}
	return said, err
}

// values reads the values of a partial object: deny["reason"] is the key itself when
// its value is true, and objects that are no reasons are the inner part of a tree of
// rules, such as deny.image.tag.
func (r *rule) values(object ast.Object) (said []plimsoll.Violation, err error) {
	err = object.Iter(func(key, value *ast.Term) error {
		var some []plimsoll.Violation
		var err error
		switch v := value.Value.(type) {
		case ast.Boolean:
			if v {
				some, err = r.reasons(key.Value)
			}
		case ast.Object:
			if isReason(v) {
				some, err = r.reasons(v)
			} else {
				some, err = r.values(v)
			}
		default:
			some, err = r.reasons(v)
		}
		said = append(said, some...)
		return err
	})
	return said, err
}

// boolean reads a rule that only says that it holds: its title tells why.
func (r *rule) boolean(holds ast.Boolean) []plimsoll.Violation {
	if !holds {
		return nil
	}
	message := r.title
	if message == "" {
		message = fmt.Sprintf("rule %s.%s holds", r.source.Name, r.source.Rule)
	}
	return []plimsoll.Violation{r.violation(message)}
}

func (r *rule) violation(message string) plimsoll.Violation {
	v := plimsoll.Violation{Message: message, Link: r.link, Title: r.title, Severity: r.severity, Source: r.source}
	if r.enforcement.IsCanary() { // until reclassify
		v.Enforcement = r.enforcement
	}
	return v
}

// reason reads a string or an object.
func (r *rule) reason(v ast.Value) (plimsoll.Violation, error) {
	switch v := v.(type) {
	case ast.String:
		if v == "" {
			return plimsoll.Violation{}, errors.New(`gave "", but a reason must say something`)
		}
		return r.violation(string(v)), nil
	case ast.Object:
		return r.fromObject(v)
	}
	return plimsoll.Violation{}, malformed(v)
}

// reasonKeys are the keys of a reason that is an object. Only the first is required.
var reasonKeys = []string{"msg", "field", "code", "fix", "severity", "link"}

func isReason(object ast.Object) bool {
	return slices.ContainsFunc(reasonKeys, func(key string) bool { return object.Get(ast.InternedTerm(key)) != nil })
}

func (r *rule) fromObject(object ast.Object) (plimsoll.Violation, error) {
	violation := r.violation("")
	for i, target := range []*string{
		&violation.Message, &violation.Field, &violation.Code, &violation.Fix, &violation.Severity, &violation.Link,
	} {
		term := object.Get(ast.InternedTerm(reasonKeys[i]))
		if term == nil {
			continue
		}
		s, ok := term.Value.(ast.String)
		if !ok {
			return violation, fmt.Errorf("gave an object whose %s is %s, but it must be a string", reasonKeys[i], kind(term.Value))
		}
		if s != "" { // what the annotations say stands
			*target = string(s)
		}
	}
	if violation.Message == "" {
		return violation, errors.New("gave an object without a msg")
	}
	return violation, nil
}

func malformed(v ast.Value) error {
	return fmt.Errorf("gave %s, but a reason is a string or an object with a msg", kind(v))
}

// kind names the type of v, not v: values may come from labels and specs.
func kind(v ast.Value) string {
	switch name := ast.ValueName(v); name {
	case "null":
		return name
	case "array", "object":
		return "an " + name
	default:
		return "a " + name
	}
}
